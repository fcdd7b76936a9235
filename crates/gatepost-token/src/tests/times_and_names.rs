//! JWT-03: claims of the wrong type, from the wrong place or the wrong time.

use std::time::Duration;

use gatepost_kernel::Timestamp;

use super::{AUDIENCE, ISSUER, NOW, claims, header, key, payload, token, verify};
use crate::{Algorithm, Claims, KeySet, SigningKey, TokenError, Verifier};

fn with(key: &SigningKey, changes: &[(&str, &str)]) -> Result<Claims, TokenError> {
    verify(key, &token(key, header(key, ""), payload(changes)))
}

#[test]
fn jwt_03_a_date_is_a_whole_number_of_seconds_and_nothing_else() {
    let key = key(Algorithm::EdDsa);
    for date in ["exp", "iat", "nbf"] {
        for value in [
            "\"1700000300\"",
            "1700000300.5",
            "1700000300.0",
            "17000003e2",
            "-1",
            "-0",
            "-1700000300",
            "18446744073709551616",
            "18446744073709551615",
            "9223372036854775808",
            "null",
            "true",
            "[1700000300]",
            "{}",
        ] {
            assert_eq!(with(&key, &[(date, value)]), Err(TokenError::Claims), "{date} {value}");
        }
    }
    assert_eq!(with(&key, &[("exp", "")]), Err(TokenError::Claims));
    assert_eq!(with(&key, &[("iat", "")]), Err(TokenError::Claims));
    assert_eq!(with(&key, &[("nbf", "")]), Ok(claims()));
    assert_eq!(with(&key, &[("nbf", "1700000000")]), Ok(claims()));
}

#[test]
fn jwt_03_the_largest_dates_do_not_wrap() {
    let key = key(Algorithm::EdDsa);
    let forever = with(&key, &[("exp", "9223372036854775807")]).unwrap();
    assert_eq!(forever.exp, i64::MAX);
    assert_eq!(with(&key, &[("iat", "9223372036854775807")]), Err(TokenError::NotYetValid));
    assert_eq!(with(&key, &[("nbf", "9223372036854775807")]), Err(TokenError::NotYetValid));
    assert_eq!(with(&key, &[("exp", "0")]), Err(TokenError::Expired));
}

#[test]
fn jwt_03_every_claim_is_required_and_typed() {
    let key = key(Algorithm::EdDsa);
    for claim in ["iss", "sub", "aud", "jti", "client_id", "sid", "scope"] {
        for value in ["", "null", "1", "true", "[\"x\"]", "{\"x\":1}"] {
            assert_eq!(with(&key, &[(claim, value)]), Err(TokenError::Claims), "{claim} {value}");
        }
    }
    for value in ["", "null", "\"admin\"", "[1]", "[null]", "[[\"admin\"]]", "{}"] {
        assert_eq!(with(&key, &[("roles", value)]), Err(TokenError::Claims), "roles {value}");
    }
    for value in ["", "null", "\"3\"", "3.0", "9223372036854775808"] {
        assert_eq!(with(&key, &[("epoch", value)]), Err(TokenError::Claims), "epoch {value}");
    }
}

#[test]
fn jwt_03_issuer_and_audience_are_compared_byte_by_byte() {
    let key = key(Algorithm::EdDsa);
    for iss in
        ["https://id.example/", "https://ID.example", "http://id.example", "https://id.example.evil", ""]
    {
        assert_eq!(with(&key, &[("iss", &format!("{iss:?}"))]), Err(TokenError::Issuer), "{iss}");
    }
    for aud in ["https://api.example/", "https://id.example", "gatepost", ""] {
        assert_eq!(with(&key, &[("aud", &format!("{aud:?}"))]), Err(TokenError::Audience), "{aud}");
    }
    // Also a list that holds the right one: we mint one string.
    let list = format!("[{AUDIENCE:?}]");
    assert_eq!(with(&key, &[("aud", &list)]), Err(TokenError::Claims));
}

#[test]
fn jwt_03_exp_has_no_leeway() {
    let key = key(Algorithm::EdDsa);
    let token = key.sign(&claims()).unwrap();
    let keys = KeySet::from_iter([key.verification_key()]);
    let verifier = Verifier::new(ISSUER, AUDIENCE);
    let end = Timestamp::from_secs(claims().exp);
    let last = end.minus(Duration::from_micros(1));
    assert_eq!(verifier.verify(&keys, token.expose(), last), Ok(claims()));
    assert_eq!(verifier.verify(&keys, token.expose(), end), Err(TokenError::Expired));
}

#[test]
fn jwt_03_iat_and_nbf_have_thirty_seconds() {
    let key = key(Algorithm::EdDsa);
    for date in ["iat", "nbf"] {
        let in_time = (NOW.as_secs() + 30).to_string();
        let too_early = (NOW.as_secs() + 31).to_string();
        assert!(with(&key, &[(date, &in_time)]).is_ok(), "{date}");
        assert_eq!(with(&key, &[(date, &too_early)]), Err(TokenError::NotYetValid), "{date}");
    }
    let strict = Verifier::new(ISSUER, AUDIENCE).with_leeway(Duration::ZERO);
    let next = token(&key, header(&key, ""), payload(&[("iat", &(NOW.as_secs() + 1).to_string())]));
    let keys = KeySet::from_iter([key.verification_key()]);
    assert_eq!(strict.verify(&keys, &next, NOW), Err(TokenError::NotYetValid));
}

#[test]
fn jwt_03_claims_are_not_read_before_the_signature_holds() {
    let (key, other) = (key(Algorithm::EdDsa), key(Algorithm::EdDsa));
    let forged = token(&other, header(&key, ""), payload(&[("exp", "0"), ("iss", "1")]));
    assert_eq!(verify(&key, &forged), Err(TokenError::Signature));
}
