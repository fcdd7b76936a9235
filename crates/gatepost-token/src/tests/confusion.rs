//! JWT-01, JWT-02 and JWT-04: tokens that try to choose their own rules.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ED25519, ParsedPublicKey, RSA_PSS_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gatepost_kernel::Secret;

use super::{claims, encode, header, key, payload, token, verify};
use crate::{Algorithm, KeyError, KeySet, SigningKey, TokenError, Verifier, ecdsa};

fn with_alg(key: &SigningKey, alg: &str) -> String {
    format!(r#"{{"typ":"at+jwt","alg":"{alg}","kid":"{}"}}"#, key.kid())
}

#[test]
fn jwt_01_no_spelling_of_none_is_an_algorithm() {
    let key = key(Algorithm::EdDsa);
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let input = format!("{}.{}", encode(with_alg(&key, alg)), encode(payload(&[])));
        assert_eq!(verify(&key, &format!("{input}.")), Err(TokenError::Malformed), "{alg}");
        assert_eq!(verify(&key, &format!("{input}.AA")), Err(TokenError::Algorithm), "{alg}");
        assert_eq!(verify(&key, &token(&key, with_alg(&key, alg), payload(&[]))), Err(TokenError::Algorithm));
    }
    let unnamed = format!(r#"{{"typ":"at+jwt","kid":"{}"}}"#, key.kid());
    assert_eq!(verify(&key, &token(&key, unnamed, payload(&[]))), Err(TokenError::Header));
}

#[test]
fn jwt_01_a_public_key_is_no_hmac_secret() {
    for algorithm in [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256] {
        let key = key(algorithm);
        let jwk = serde_json::to_value(key.public_jwk().unwrap()).unwrap();
        let number = jwk.get("x").or(jwk.get("n")).unwrap().as_str().unwrap();
        let secrets = [
            jwk.to_string().into_bytes(),
            number.as_bytes().to_vec(),
            URL_SAFE_NO_PAD.decode(number).unwrap(),
            format!("-----BEGIN PUBLIC KEY-----\n{number}\n-----END PUBLIC KEY-----\n").into_bytes(),
        ];
        for secret in secrets {
            let forger = SigningKey::from_stored(Algorithm::Hs256, Secret::new(secret)).unwrap();
            let confused = token(&forger, with_alg(&key, "HS256"), payload(&[]));
            assert_eq!(verify(&key, &confused), Err(TokenError::Algorithm));
            let blunt = token(&forger, header(&key, ""), payload(&[]));
            assert_eq!(verify(&key, &blunt), Err(TokenError::Signature));
        }
    }
}

#[test]
fn jwt_01_rs256_and_ps256_are_not_the_same_key() {
    let key = key(Algorithm::Rs256);
    let pair = RsaKeyPair::from_pkcs8(key.stored().expose()).unwrap();
    for (alg, refusal) in [("PS256", TokenError::Algorithm), ("RS256", TokenError::Signature)] {
        let input = format!("{}.{}", encode(with_alg(&key, alg)), encode(payload(&[])));
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(&RSA_PSS_SHA256, &SystemRandom::new(), input.as_bytes(), &mut signature).unwrap();
        assert_eq!(verify(&key, &format!("{input}.{}", encode(signature))), Err(refusal), "{alg}");
    }
    assert_eq!(verify(&key, &token(&key, with_alg(&key, "RS512"), payload(&[]))), Err(TokenError::Algorithm));
}

#[test]
fn jwt_01_a_key_has_one_algorithm_whatever_its_tokens_say() {
    for algorithm in Algorithm::ALL {
        let key = key(algorithm);
        for other in Algorithm::ALL.into_iter().filter(|other| *other != algorithm) {
            let confused = token(&key, with_alg(&key, other.name()), payload(&[]));
            assert_eq!(verify(&key, &confused), Err(TokenError::Algorithm), "{algorithm} as {other}");
        }
    }
}

#[test]
fn jwt_01_ecdsa_signatures_of_zeros_or_of_another_form_fail() {
    let key = key(Algorithm::Es256);
    let input = format!("{}.{}", encode(header(&key, "")), encode(payload(&[])));
    let honest = key.signature(input.as_bytes()).unwrap();
    let forge = |signature: &[u8]| verify(&key, &format!("{input}.{}", encode(signature)));
    assert_eq!(forge(&honest), Ok(claims()));

    assert_eq!(forge(&[0; 64]), Err(TokenError::Signature));
    assert_eq!(forge(&[&honest[..], &[0]].concat()), Err(TokenError::Signature));
    assert_eq!(forge(&honest[..63]), Err(TokenError::Signature));
    // The ASN.1 form, which X.509 and TLS use.
    let der = [&[0x30, 68, 2, 32], &honest[..32], &[2, 32], &honest[32..]].concat();
    assert_eq!(forge(&der), Err(TokenError::Signature));
}

#[test]
fn jwt_01_the_other_s_of_an_ecdsa_signature_is_refused() {
    let key = key(Algorithm::Es256);
    for number in 0..8 {
        let input =
            format!("{}.{}", encode(header(&key, "")), encode(payload(&[("epoch", &number.to_string())])));
        let mut signature = key.signature(input.as_bytes()).unwrap();
        ecdsa::negate_s(&mut signature);
        assert_eq!(verify(&key, &format!("{input}.{}", encode(&signature))), Err(TokenError::Signature));
        // The library by itself would take it.
        let point = {
            let jwk = serde_json::to_value(key.public_jwk().unwrap()).unwrap();
            let coordinate = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
            [vec![4], coordinate("x"), coordinate("y")].concat()
        };
        let library = ParsedPublicKey::new(&aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED, point).unwrap();
        assert!(library.verify_sig(input.as_bytes(), &signature).is_ok());
    }
}

#[test]
fn jwt_01_ed25519_points_of_small_order_are_no_keys_and_no_signatures() {
    let identity: [u8; 32] = std::array::from_fn(|index| u8::from(index == 0));
    let signature = [identity, [0; 32]].concat();
    // Under the neutral point this signature holds for every message: the library leaves the check to us.
    assert!(ParsedPublicKey::new(&ED25519, identity).unwrap().verify_sig(b"anything", &signature).is_ok());

    let order_8 = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05";
    let minus_one = format!("ec{}7f", "ff".repeat(30));
    let unreduced = format!("ee{}ff", "ff".repeat(30));
    let one = format!("01{}80", "00".repeat(30));
    for point in [order_8, &minus_one, &unreduced, &one, &"00".repeat(32)] {
        let bytes: Vec<u8> =
            (0..32).map(|index| u8::from_str_radix(&point[2 * index..][..2], 16).unwrap()).collect();
        let jwks =
            format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"k","x":"{}"}}]}}"#, encode(bytes));
        assert_eq!(KeySet::from_jwks(&jwks).err(), Some(KeyError::Weak), "{point}");
    }

    let key = key(Algorithm::EdDsa);
    let input = format!("{}.{}", encode(header(&key, "")), encode(payload(&[])));
    assert_eq!(verify(&key, &format!("{input}.{}", encode(signature))), Err(TokenError::Signature));
}

#[test]
fn jwt_02_a_token_cannot_bring_or_point_to_its_key() {
    let (key, attacker) = (key(Algorithm::EdDsa), key(Algorithm::EdDsa));
    let jwk = serde_json::to_string(attacker.public_jwk().unwrap()).unwrap();
    for member in [
        &format!(r#","jwk":{jwk}"#),
        r#","jku":"https://attacker.example/jwks.json""#,
        r#","x5u":"https://attacker.example/cert.pem""#,
        r#","x5c":["MIIB"]"#,
        r#","x5t":"AAAA""#,
        r#","x5t#S256":"AAAA""#,
        r#","crit":["exp"],"exp":1"#,
        r#","crit":[]"#,
        r#","b64":false,"crit":["b64"]"#,
        r#","b64":true"#,
        r#","zip":"DEF""#,
        r#","cty":"JWT""#,
        r#","enc":"A256GCM""#,
        r#","unheard-of":null"#,
        r#","":1"#,
    ] {
        for signer in [&key, &attacker] {
            let forged = token(signer, header(&key, member), payload(&[]));
            assert_eq!(verify(&key, &forged), Err(TokenError::Header), "{member}");
        }
    }
}

#[test]
fn jwt_02_a_key_id_is_looked_up_and_nothing_else() {
    let key = key(Algorithm::EdDsa);
    let own = key.kid();
    for kid in [
        "../../../../dev/null",
        "' OR 1=1 --",
        "",
        "\\u0000",
        &format!("{own}\\u0000"),
        &format!(" {own}"),
        &own.to_uppercase(),
        &own[1..],
        &"k".repeat(5_000),
        "another-tenant",
    ] {
        let header = format!(r#"{{"typ":"at+jwt","alg":"EdDSA","kid":"{kid}"}}"#);
        assert_eq!(verify(&key, &token(&key, header, payload(&[]))), Err(TokenError::UnknownKey), "{kid}");
    }
    let long = format!(r#"{{"typ":"at+jwt","alg":"EdDSA","kid":"{}"}}"#, "k".repeat(1 << 20));
    assert_eq!(verify(&key, &token(&key, long, payload(&[]))), Err(TokenError::TooLong));
    for kid in ["1", "null", "[\"a\"]", "{}"] {
        let header = format!(r#"{{"typ":"at+jwt","alg":"EdDSA","kid":{kid}}}"#);
        assert_eq!(verify(&key, &token(&key, header, payload(&[]))), Err(TokenError::Header), "{kid}");
    }
    let header = r#"{"typ":"at+jwt","alg":"EdDSA"}"#;
    assert_eq!(verify(&key, &token(&key, header, payload(&[]))), Err(TokenError::Header));
}

#[test]
fn jwt_02_neither_encrypted_nor_nested_tokens_are_read() {
    let key = key(Algorithm::EdDsa);
    let inner = key.sign(&claims()).unwrap();
    let jwe = r#"{"alg":"dir","enc":"A256GCM","typ":"at+jwt"}"#;
    assert_eq!(verify(&key, &format!("{}..AAAA.AAAA.AAAA", encode(jwe))), Err(TokenError::Malformed));
    assert_eq!(verify(&key, &token(&key, header(&key, ""), inner.expose())), Err(TokenError::Claims));
}

#[test]
fn jwt_04_only_an_access_token_is_an_access_token() {
    let key = key(Algorithm::EdDsa);
    for typ in [
        "JWT",
        "jwt",
        "AT+JWT",
        "at+JWT",
        "at+jwt ",
        "application/at+jwt",
        "logout+jwt",
        "dpop+jwt",
        "client-authentication+jwt",
        "oauth-authz-req+jwt",
        "token-introspection+jwt",
        "secevent+jwt",
        "",
    ] {
        let header = format!(r#"{{"typ":"{typ}","alg":"EdDSA","kid":"{}"}}"#, key.kid());
        assert_eq!(verify(&key, &token(&key, header, payload(&[]))), Err(TokenError::Type), "{typ:?}");
    }
    for typ in ["", r#","typ":null"#] {
        let header = format!(r#"{{"alg":"EdDSA","kid":"{}"{typ}}}"#, key.kid());
        assert_eq!(verify(&key, &token(&key, header, payload(&[]))), Err(TokenError::Type));
    }
}

#[test]
fn jwt_04_an_id_token_fails_even_under_the_right_type() {
    let key = key(Algorithm::EdDsa);
    // What OpenID Connect puts into an ID token: the client is the audience, there is no client_id or jti.
    let id_token = payload(&[("aud", "\"gatepost\""), ("client_id", ""), ("jti", ""), ("nonce", "\"n\"")]);
    assert_eq!(verify(&key, &token(&key, header(&key, ""), id_token)), Err(TokenError::Claims));
    let other_audience = payload(&[("aud", "\"gatepost\"")]);
    assert_eq!(verify(&key, &token(&key, header(&key, ""), other_audience)), Err(TokenError::Audience));
}

#[test]
fn jwt_04_opaque_tokens_are_not_read_at_all() {
    let key = key(Algorithm::EdDsa);
    for opaque in ["gpr_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG", "gpk_live", "123456"] {
        assert_eq!(verify(&key, opaque), Err(TokenError::Malformed));
    }
    assert!(Verifier::new("", "").verify(&KeySet::default(), "", super::NOW).is_err());
}
