//! Signing keys in storage and public keys in documents.

use std::sync::atomic::{AtomicU8, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gatepost_kernel::{Random, Secret};
use serde_json::{Value, json};

use super::{claims, key, verify};
use crate::{Algorithm, KeyError, KeySet, MAX_JWKS_KEYS, MAX_JWKS_LENGTH, SigningKey, VerificationKey};

fn jwk(key: &SigningKey) -> Value {
    serde_json::to_value(key.public_jwk().unwrap()).unwrap()
}

fn read(keys: &[Value]) -> Result<KeySet, KeyError> {
    KeySet::from_jwks(&json!({ "keys": keys }).to_string())
}

/// The members of a key with one of them changed, or with `null` left out.
fn changed(mut jwk: Value, member: &str, value: Value) -> Value {
    if value.is_null() {
        jwk.as_object_mut().unwrap().remove(member);
    } else {
        jwk[member] = value;
    }
    jwk
}

#[test]
fn a_stored_key_comes_back_as_the_same_key() {
    for algorithm in Algorithm::ALL {
        let key = key(algorithm);
        let again = SigningKey::from_stored(algorithm, key.stored().clone()).unwrap();
        assert_eq!(again.kid(), key.kid(), "{algorithm}");
        assert_eq!(again.algorithm(), algorithm);
        assert_eq!(again.public_jwk(), key.public_jwk());
        assert_eq!(verify(&key, again.sign(&claims()).unwrap().expose()), Ok(claims()));
    }
}

#[test]
fn a_key_is_not_read_as_one_of_another_algorithm() {
    for algorithm in [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256] {
        let stored = key(algorithm).stored().clone();
        for other in [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256] {
            let read = SigningKey::from_stored(other, stored.clone()).err();
            assert_eq!(read, (other != algorithm).then_some(KeyError::Malformed), "{algorithm} as {other}");
        }
        let cut = Secret::new(stored.expose()[..stored.expose().len() - 1].to_vec());
        assert_eq!(SigningKey::from_stored(algorithm, cut).err(), Some(KeyError::Malformed));
    }
}

#[test]
fn a_secret_has_at_least_32_bytes() {
    let read = |length| SigningKey::from_stored(Algorithm::Hs256, Secret::new(vec![7; length])).err();
    assert_eq!(
        [read(0), read(31), read(32), read(200)],
        [Some(KeyError::Weak), Some(KeyError::Weak), None, None]
    );
}

#[test]
fn keys_differ_and_a_seed_decides_where_it_can() {
    for algorithm in Algorithm::ALL {
        assert_ne!(key(algorithm).kid(), key(algorithm).kid());
    }
    for algorithm in [Algorithm::EdDsa, Algorithm::Hs256] {
        let seeded = || {
            let next = AtomicU8::new(0);
            let random = Random::from_fn(move |buffer| {
                buffer.iter_mut().for_each(|byte| *byte = next.fetch_add(1, Ordering::Relaxed));
            });
            SigningKey::generate(algorithm, &random).unwrap()
        };
        assert_eq!(seeded().kid(), seeded().kid());
    }
}

#[test]
fn an_hmac_key_is_neither_published_nor_named_after_its_secret() {
    let (secret, public) = (key(Algorithm::Hs256), key(Algorithm::EdDsa));
    assert!(secret.public_jwk().is_none());
    let keys = KeySet::from_iter([secret.verification_key(), public.verification_key()]);
    assert_eq!(serde_json::to_value(keys.jwks()).unwrap(), json!({ "keys": [jwk(&public)] }));

    let k = URL_SAFE_NO_PAD.encode(secret.stored().expose());
    let thumbprint = format!(r#"{{"k":"{k}","kty":"oct"}}"#);
    let thumbprint = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, thumbprint.as_bytes());
    assert_ne!(secret.kid(), URL_SAFE_NO_PAD.encode(thumbprint));
    assert_ne!(secret.kid(), k);
    assert_eq!(secret.kid().len(), public.kid().len());
}

#[test]
fn the_document_has_the_members_that_readers_need_and_reads_back() {
    let keys = [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256].map(key);
    let set = KeySet::from_iter(keys.iter().map(SigningKey::verification_key));
    let document = serde_json::to_string(&set.jwks()).unwrap();
    let again = KeySet::from_jwks(&document).unwrap();
    assert_eq!(again.jwks(), set.jwks());
    assert_eq!((again.len(), again.is_empty()), (3, false));

    for (key, (kty, members)) in keys.iter().zip([
        ("OKP", &["alg", "crv", "kid", "kty", "use", "x"][..]),
        ("EC", &["alg", "crv", "kid", "kty", "use", "x", "y"]),
        ("RSA", &["alg", "e", "kid", "kty", "n", "use"]),
    ]) {
        let jwk = jwk(key);
        assert_eq!(jwk["kty"], kty);
        assert_eq!(jwk["alg"], key.algorithm().name());
        assert_eq!(jwk["use"], "sig");
        assert_eq!(jwk["kid"], key.kid());
        let mut names: Vec<&str> = jwk.as_object().unwrap().keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, members);
    }
}

#[test]
fn keys_that_we_do_not_understand_are_ignored() {
    let (ed, ec, rsa) =
        (jwk(&key(Algorithm::EdDsa)), jwk(&key(Algorithm::Es256)), jwk(&key(Algorithm::Rs256)));
    for ignored in [
        changed(ed.clone(), "kty", json!("AKP")),
        changed(ed.clone(), "kty", Value::Null),
        changed(ed.clone(), "crv", json!("Ed448")),
        changed(ed.clone(), "crv", json!("X25519")),
        changed(ed.clone(), "alg", json!("ES256")),
        changed(ed.clone(), "use", json!("enc")),
        changed(ed.clone(), "kid", Value::Null),
        changed(ed.clone(), "x", Value::Null),
        changed(ed.clone(), "key_ops", json!(["sign"])),
        changed(ec.clone(), "crv", json!("P-384")),
        changed(ec.clone(), "y", Value::Null),
        changed(rsa.clone(), "alg", json!("PS256")),
        changed(rsa.clone(), "alg", json!("none")),
        changed(rsa.clone(), "alg", json!("HS256")),
        changed(rsa.clone(), "alg", Value::Null),
        json!({ "kty": "new", "kid": "n", "lattice": [1, 2] }),
        json!({}),
    ] {
        let set = read(&[ignored.clone(), ed.clone()]).unwrap();
        assert_eq!(set.len(), 1, "{ignored}");
    }
    for kept in [changed(ed.clone(), "alg", Value::Null), changed(ec, "key_ops", json!(["verify"])), rsa] {
        assert_eq!(read(&[changed(kept, "x5c", json!(["MIIB"]))]).unwrap().len(), 1);
    }
    assert!(KeySet::from_jwks(r#"{"keys":[],"next":1}"#).unwrap().is_empty());
}

#[test]
fn unsound_keys_refuse_the_whole_document() {
    let (ed, ec, rsa) =
        (jwk(&key(Algorithm::EdDsa)), jwk(&key(Algorithm::Es256)), jwk(&key(Algorithm::Rs256)));
    let bytes = |length: usize| json!(URL_SAFE_NO_PAD.encode(vec![0xff; length]));
    let padded_x = format!("{}=", ec["x"].as_str().unwrap());
    // The same point, with a byte moved from one coordinate to the other.
    let point = ["x", "y"].map(|name| URL_SAFE_NO_PAD.decode(ec[name].as_str().unwrap()).unwrap()).concat();
    let [short, long] = [&point[..31], &point[31..]].map(|part| json!(URL_SAFE_NO_PAD.encode(part)));
    for (unsound, error) in [
        (changed(ed.clone(), "x", bytes(31)), KeyError::Malformed),
        (changed(ed.clone(), "x", bytes(33)), KeyError::Malformed),
        (changed(ed.clone(), "x", json!("")), KeyError::Malformed),
        (changed(ec.clone(), "x", json!(padded_x)), KeyError::Malformed),
        (changed(ec.clone(), "x", bytes(31)), KeyError::Malformed),
        (changed(changed(ec.clone(), "x", short), "y", long), KeyError::Malformed),
        (changed(ec.clone(), "y", ec["x"].clone()), KeyError::Malformed), // not on the curve
        (changed(rsa.clone(), "n", bytes(255)), KeyError::Weak),
        (changed(rsa.clone(), "n", bytes(513)), KeyError::Weak),
        (changed(rsa.clone(), "n", json!("")), KeyError::Malformed),
        (changed(rsa.clone(), "n", json!(URL_SAFE_NO_PAD.encode([0; 256]))), KeyError::Malformed),
        (changed(rsa.clone(), "e", json!("AQ")), KeyError::Weak),
        (changed(rsa.clone(), "e", json!("Aw")), KeyError::Weak),
        (changed(ed.clone(), "d", json!("AAAA")), KeyError::Private),
        (changed(rsa.clone(), "p", json!("AAAA")), KeyError::Private),
        (changed(rsa.clone(), "oth", json!([])), KeyError::Private),
        (json!({ "kty": "oct", "kid": "k", "k": "AAAA" }), KeyError::Private),
        (ed.clone(), KeyError::DuplicateId),
        (changed(ec, "kid", ed["kid"].clone()), KeyError::DuplicateId),
        (changed(ed.clone(), "kid", json!(7)), KeyError::NotJwks),
    ] {
        assert_eq!(read(&[ed.clone(), unsound.clone()]).err(), Some(error), "{unsound}");
    }
}

#[test]
fn a_document_is_bounded_and_is_an_object() {
    let ignored = json!({ "kty": "new" });
    assert!(read(&vec![ignored.clone(); MAX_JWKS_KEYS]).is_ok());
    assert_eq!(read(&vec![ignored; MAX_JWKS_KEYS + 1]).err(), Some(KeyError::TooLarge));
    let long = format!(r#"{{"keys":[]}}{}"#, " ".repeat(MAX_JWKS_LENGTH));
    assert_eq!(KeySet::from_jwks(&long).err(), Some(KeyError::TooLarge));
    for other in
        ["", "null", "[]", "[[]]", "{}", r#"{"keys":{}}"#, r#"{"keys":[1]}"#, r#"{"keys":[],"keys":[]}"#]
    {
        assert_eq!(KeySet::from_jwks(other).err(), Some(KeyError::NotJwks), "{other}");
    }
    let twice = r#"{"keys":[{"kty":"OKP","kty":"EC"}]}"#;
    assert_eq!(KeySet::from_jwks(twice).err(), Some(KeyError::NotJwks));
}

#[test]
fn a_set_finds_replaces_and_orders_by_id() {
    let keys = [key(Algorithm::EdDsa), key(Algorithm::EdDsa)];
    let mut set = KeySet::default();
    for key in &keys {
        assert!(set.insert(key.verification_key()).is_none());
    }
    assert!(set.insert(keys[0].verification_key()).is_some());
    assert_eq!(set.get(keys[1].kid()).unwrap().kid(), keys[1].kid());
    let ids: Vec<&str> = set.iter().map(VerificationKey::kid).collect();
    assert!(ids.is_sorted() && ids.len() == 2);
}

#[test]
fn keys_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<SigningKey>();
    shared::<KeySet>();
}
