//! Whole tokens: what is accepted, and above all what is not.

mod confusion;
mod interop;
mod keys;
mod properties;
mod rfc;
mod syntax;
mod times_and_names;
mod wycheproof;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gatepost_kernel::{Random, Timestamp};

use crate::{Algorithm, Claims, KeySet, SigningKey, TokenError, Verifier};

const ISSUER: &str = "https://id.example";
const AUDIENCE: &str = "https://api.example";
const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

fn key(algorithm: Algorithm) -> SigningKey {
    SigningKey::generate(algorithm, &Random::system()).unwrap()
}

fn claims() -> Claims {
    Claims {
        iss: ISSUER.into(),
        sub: "u-1".into(),
        aud: AUDIENCE.into(),
        exp: NOW.as_secs() + 600,
        iat: NOW.as_secs(),
        jti: "t-1".into(),
        client_id: "gatepost".into(),
        sid: "s-1".into(),
        scope: "items:read items:write".into(),
        roles: vec!["editor".into(), "admin".into()],
        epoch: 3,
    }
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The claims as JSON, with some members set to other JSON texts, added, or (with an empty text) left out.
fn payload(changes: &[(&str, &str)]) -> String {
    let mut members: Vec<(String, String)> = serde_json::to_value(claims())
        .unwrap()
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.clone(), value.to_string()))
        .collect();
    for (name, text) in changes {
        members.retain(|(other, _)| other != name);
        if !text.is_empty() {
            members.push(((*name).to_owned(), (*text).to_owned()));
        }
    }
    let members: Vec<String> = members.iter().map(|(name, text)| format!("\"{name}\":{text}")).collect();
    format!("{{{}}}", members.join(","))
}

/// A header of ours with other members appended.
fn header(key: &SigningKey, appended: &str) -> String {
    format!(r#"{{"typ":"at+jwt","alg":"{}","kid":"{}"{appended}}}"#, key.algorithm(), key.kid())
}

/// A properly signed token with any header and any payload.
fn token(key: &SigningKey, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
    let input = format!("{}.{}", encode(header), encode(payload));
    let signature = key.signature(input.as_bytes()).unwrap();
    format!("{input}.{}", encode(signature))
}

fn verify(key: &SigningKey, token: &str) -> Result<Claims, TokenError> {
    Verifier::new(ISSUER, AUDIENCE).verify(&KeySet::from_iter([key.verification_key()]), token, NOW)
}

#[test]
fn a_token_of_each_algorithm_gives_its_claims_back() {
    for algorithm in Algorithm::ALL {
        let key = key(algorithm);
        assert_eq!(verify(&key, key.sign(&claims()).unwrap().expose()), Ok(claims()), "{algorithm}");
    }
}

#[test]
fn the_forged_tokens_of_these_tests_fail_only_for_what_is_wrong_with_them() {
    let key = key(Algorithm::EdDsa);
    assert_eq!(verify(&key, &token(&key, header(&key, ""), payload(&[]))), Ok(claims()));
    assert_eq!(verify(&key, &token(&key, header(&key, ""), payload(&[("new", "1")]))), Ok(claims()));
}

#[test]
fn the_header_is_the_one_of_rfc_9068() {
    let key = key(Algorithm::EdDsa);
    let token = key.sign(&claims()).unwrap();
    let written = URL_SAFE_NO_PAD.decode(token.expose().split('.').next().unwrap()).unwrap();
    assert_eq!(String::from_utf8(written).unwrap(), header(&key, ""));
}

#[test]
fn a_key_of_one_set_does_not_speak_for_another() {
    let (ours, theirs) = (key(Algorithm::EdDsa), key(Algorithm::EdDsa));
    assert_eq!(verify(&ours, theirs.sign(&claims()).unwrap().expose()), Err(TokenError::UnknownKey));
    assert_eq!(verify(&ours, &token(&theirs, header(&ours, ""), payload(&[]))), Err(TokenError::Signature));
}

#[test]
fn claims_that_no_verifier_would_read_are_not_signed() {
    let mut claims = claims();
    claims.roles = (0..700).map(|number| format!("role-{number}")).collect();
    assert_eq!(key(Algorithm::EdDsa).sign(&claims).err(), Some(crate::SigningError::TooLong));
}
