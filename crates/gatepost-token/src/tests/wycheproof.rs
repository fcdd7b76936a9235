//! The JOSE vectors of Wycheproof, through the reader and the signature check that [`Verifier`](crate::Verifier)
//! uses. Its other checks (`typ`, claims) are left out: the vectors are signed texts, not access tokens.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gatepost_kernel::Secret;
use serde_json::{Value, json};

use crate::compact::Compact;
use crate::{Algorithm, KeySet, SigningKey, VerificationKey};

const SIGNATURE: &str = include_str!("../../testdata/wycheproof/json_web_signature_test.json");
const KEY: &str = include_str!("../../testdata/wycheproof/json_web_key_test.json");
const CRYPTO: &str = include_str!("../../testdata/wycheproof/json_web_crypto_test.json");

/// Vectors whose verdict is not ours, each with the reason. In every one of them we are the stricter side.
const STRICTER: &[(&str, u64, &str)] = &[
    ("crypto", 18, "the higher of the two values of `s` (see `ecdsa`); signature 378 is its lower twin"),
    ("signature", 18, "the same"),
    ("signature", 259, "an empty payload cannot hold claims, so it is no token"),
    ("signature", 372, "a `?` within the header's base64url: RFC 7515 section 2 has no such letter"),
    ("signature", 373, "a `?` within the payload's base64url: the same"),
];

/// Why vectors were not run, and how many ran.
#[derive(Default, Debug, PartialEq, Eq)]
struct Tally {
    valid: usize,
    invalid: usize,
    stricter: usize,
    /// Encryption (JWE), which we do not offer.
    encryption: usize,
    /// The JSON serialization as an object: our input is text.
    not_text: usize,
    /// Valid signatures of algorithms that we do not offer. Their invalid ones are run.
    other_algorithm: usize,
    /// Sets of several symmetric keys: we neither write nor read such a thing.
    symmetric_set: usize,
    /// RSA keys with the ROCA fingerprint (CVE-2017-15361). Only keys of a Gatepost server are read, and those
    /// come out of AWS-LC; the check would guard against nobody.
    roca: usize,
    /// Marked invalid for their padding, which the file has lost: they equal the valid vector 357.
    defective: usize,
}

/// The group's key as it is written there.
fn jwk(group: &Value) -> &Value {
    let key = group.get("public").unwrap_or(&group["private"]);
    key.get("keys").map_or(key, |keys| &keys[0])
}

/// The group's keys as a verifier would hold them; `None` when it refuses them.
fn keys(group: &Value) -> Option<KeySet> {
    if let Some(public) = group.get("public") {
        let document =
            if public.get("keys").is_some() { public.clone() } else { json!({ "keys": [public] }) };
        return KeySet::from_jwks(&document.to_string()).ok();
    }
    let jwk = jwk(group);
    if jwk["alg"] != "HS256" {
        return None;
    }
    let secret = URL_SAFE_NO_PAD.decode(jwk["k"].as_str()?).ok()?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
    SigningKey::from_stored(Algorithm::Hs256, Secret::new(secret)).ok()?;
    Some(KeySet::from_iter([VerificationKey::shared(jwk["kid"].as_str()?.to_owned(), key)]))
}

fn run(file: &str, text: &str) -> Tally {
    let mut tally = Tally::default();
    let document: Value = serde_json::from_str(text).unwrap();
    for group in document["testGroups"].as_array().unwrap() {
        let keys = keys(group);
        for test in group["tests"].as_array().unwrap() {
            let id = test["tcId"].as_u64().unwrap();
            let name = format!("{file} {id} {}", test["comment"]);
            let valid = match test["result"].as_str() {
                Some("valid") => true,
                Some("invalid") => false,
                other => panic!("{name}: {other:?}"),
            };
            if test.get("jwe").is_some() {
                tally.encryption += 1;
                continue;
            }
            let Some(token) = test["jws"].as_str() else {
                tally.not_text += 1;
                continue;
            };
            if test["comment"] == "rejectsKeyWithRocaVulnerability" {
                tally.roca += 1;
                continue;
            }
            if group["private"]["keys"].as_array().is_some_and(|keys| keys.len() > 1) {
                tally.symmetric_set += 1;
                continue;
            }
            if file == "signature" && (id == 367 || id == 370) {
                let twin =
                    group["tests"].as_array().unwrap().iter().find(|other| other["tcId"] == 357).unwrap();
                assert_eq!((&twin["jws"], &twin["result"]), (&test["jws"], &json!("valid")), "{name}");
                tally.defective += 1;
                continue;
            }
            let holds = keys.as_ref().is_some_and(|keys| {
                Compact::read(token).is_ok_and(|compact| compact.authenticate(keys).is_ok())
            });
            if valid && !offered(group) {
                assert!(!holds, "{name}");
                tally.other_algorithm += 1;
            } else if STRICTER.iter().any(|(where_, which, _)| *where_ == file && *which == id) {
                assert!(valid && !holds, "{name}");
                tally.stricter += 1;
            } else {
                assert_eq!(holds, valid, "{name}");
                *(if valid { &mut tally.valid } else { &mut tally.invalid }) += 1;
            }
        }
    }
    tally
}

/// Whether the group's key is for one of our algorithms.
fn offered(group: &Value) -> bool {
    jwk(group)["alg"].as_str().is_some_and(|name| name.parse::<Algorithm>().is_ok())
}

#[test]
fn wycheproof_signatures() {
    let expected =
        Tally { valid: 16, invalid: 353, stricter: 4, other_algorithm: 26, defective: 2, ..Tally::default() };
    assert_eq!(run("signature", SIGNATURE), expected);
}

#[test]
fn wycheproof_keys() {
    let expected =
        Tally { valid: 2, invalid: 17, other_algorithm: 2, symmetric_set: 4, roca: 1, ..Tally::default() };
    assert_eq!(run("key", KEY), expected);
}

#[test]
fn wycheproof_crypto() {
    let expected = Tally {
        valid: 2,
        invalid: 41,
        stricter: 1,
        encryption: 34,
        not_text: 1,
        symmetric_set: 3,
        roca: 1,
        ..Tally::default()
    };
    assert_eq!(run("crypto", CRYPTO), expected);
}
