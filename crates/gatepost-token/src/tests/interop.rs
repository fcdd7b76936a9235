//! A second opinion: what `jsonwebtoken` writes we read, and what we write it reads.

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation};

use super::{AUDIENCE, ISSUER, claims, key, verify};
use crate::{Algorithm, KeySet, SigningKey, TokenError};

const fn theirs(algorithm: Algorithm) -> jsonwebtoken::Algorithm {
    match algorithm {
        Algorithm::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        Algorithm::Es256 => jsonwebtoken::Algorithm::ES256,
        Algorithm::Rs256 => jsonwebtoken::Algorithm::RS256,
        Algorithm::Hs256 => jsonwebtoken::Algorithm::HS256,
    }
}

/// Their key for verification, from the document that we publish.
fn decoding_key(key: &SigningKey) -> DecodingKey {
    let published = serde_json::to_string(&KeySet::from_iter([key.verification_key()]).jwks()).unwrap();
    let set: JwkSet = serde_json::from_str(&published).unwrap();
    match set.find(key.kid()) {
        Some(jwk) => DecodingKey::from_jwk(jwk).unwrap(),
        None => DecodingKey::from_secret(key.stored().expose()),
    }
}

#[test]
fn another_library_reads_our_tokens_with_our_published_keys() {
    for algorithm in Algorithm::ALL {
        let key = key(algorithm);
        let mut validation = Validation::new(theirs(algorithm));
        validation.set_audience(&[AUDIENCE]);
        validation.set_issuer(&[ISSUER]);
        validation.validate_exp = false;
        let token = key.sign(&claims()).unwrap();
        let data =
            jsonwebtoken::decode::<serde_json::Value>(token.expose(), &decoding_key(&key), &validation)
                .unwrap();
        assert_eq!(data.claims, serde_json::to_value(claims()).unwrap(), "{algorithm}");
        assert_eq!(data.header.kid.as_deref(), Some(key.kid()));
        assert_eq!(data.header.typ.as_deref(), Some("at+jwt"));
    }
}

/// A token that the other library signs with our key.
fn signed_by_them(key: &SigningKey) -> String {
    let stored = key.stored().expose();
    let encoding = match key.algorithm() {
        Algorithm::EdDsa => EncodingKey::from_ed_der(stored),
        Algorithm::Es256 => EncodingKey::from_ec_der(stored),
        // It wants the PKCS#1 key that lies inside PKCS#8, behind 26 bytes for a modulus of this size.
        Algorithm::Rs256 => EncodingKey::from_rsa_der(&stored[26..]),
        Algorithm::Hs256 => EncodingKey::from_secret(stored),
    };
    let mut header = Header::new(theirs(key.algorithm()));
    header.typ = Some("at+jwt".into());
    header.kid = Some(key.kid().into());
    jsonwebtoken::encode(&header, &claims(), &encoding).unwrap()
}

#[test]
fn we_read_the_tokens_that_another_library_signs_with_our_keys() {
    for algorithm in [Algorithm::EdDsa, Algorithm::Rs256, Algorithm::Hs256] {
        let key = key(algorithm);
        assert_eq!(verify(&key, &signed_by_them(&key)), Ok(claims()), "{algorithm}");
    }
}

#[test]
fn of_the_ecdsa_signatures_of_another_library_we_take_the_lower_half() {
    let key = key(Algorithm::Es256);
    let mut taken = 0;
    for _ in 0..64 {
        match verify(&key, &signed_by_them(&key)) {
            Ok(read) => {
                assert_eq!(read, claims());
                taken += 1;
            }
            Err(refusal) => assert_eq!(refusal, TokenError::Signature),
        }
    }
    // All or none of 64 happens once in 2^63 runs.
    assert!((1..64).contains(&taken));
}
