//! Every input that the fuzz targets keep is tried here too, so that nobody needs a fuzzer to see it fail again.

use std::collections::BTreeSet;

use crate::source;

#[expect(
    clippy::expect_used,
    unreachable_pub,
    reason = "a target fails by panicking, and elsewhere it is public"
)]
#[path = "../../../../fuzz/src/lib.rs"]
mod targets;

/// The names in a folder, without what stands behind a dot.
fn names(folder: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(source::root().join(folder)).unwrap();
    entries.map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

#[test]
fn corpus_replays() {
    for (name, target) in targets::TARGETS {
        let mut inputs = 0;
        for entry in std::fs::read_dir(source::root().join("fuzz/corpus").join(name)).unwrap() {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            if let Err(panic) = std::panic::catch_unwind(|| target(&bytes)) {
                eprintln!("the input is {}", path.display());
                std::panic::resume_unwind(panic);
            }
            inputs += 1;
        }
        assert!(inputs >= 4, "{name} has {inputs} inputs");
    }
}

#[test]
fn every_target_has_a_program_and_a_corpus() {
    let known: BTreeSet<_> = targets::TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names("fuzz/fuzz_targets"), known);
    assert_eq!(names("fuzz/corpus"), known);
    let manifest = std::fs::read_to_string(source::root().join("fuzz/Cargo.toml")).unwrap();
    let programs: BTreeSet<_> =
        source::between(&manifest, "[[bin]]\nname = \"", "\"").map(str::to_owned).collect();
    assert_eq!(programs, known);
}

/// The valid inputs are still valid: a corpus that no parser takes any more proves nothing.
#[test]
fn the_valid_inputs_are_taken() {
    use gatepost_problem::BearerToken;
    use gatepost_server::accounts::Email;
    use gatepost_server::attempts::DeviceCookie;
    use gatepost_server::config::{Config, Raw};
    use gatepost_server::fuzzing;
    use gatepost_server::imports::Format;
    use gatepost_server::passwords::PasswordHash;
    use gatepost_server::sessions::RefreshToken;
    use gatepost_token::{KeySet, Verifier};
    use http::header::AUTHORIZATION;

    let text = |target: &str, name: &str| {
        std::fs::read_to_string(source::root().join("fuzz/corpus").join(target).join(name)).unwrap()
    };
    let keys = KeySet::from_iter([targets::signing_key().verification_key()]);
    let verifier = Verifier::new(targets::ISSUER, targets::ISSUER);
    verifier.verify(&keys, &text("access_token", "valid"), targets::NOW).unwrap();
    assert_eq!(KeySet::from_jwks(&text("jwks", "valid")).unwrap().len(), 1);
    assert!(RefreshToken::parse(&text("refresh_token", "valid")).is_some());
    assert!(DeviceCookie::parse(&text("device_cookie", "valid")).is_some());
    assert!(fuzzing::register_request(text("json_body", "valid").as_bytes()).is_ok());
    assert!(fuzzing::token_request(text("form", "valid").as_bytes()).is_ok());
    for (name, format) in [("valid_csv", Format::Csv), ("valid_jsonl", Format::Jsonl)] {
        let rows = fuzzing::import_rows(text("import_rows", name).as_bytes(), format).unwrap().unwrap();
        assert!(rows.len() == 2 && rows.iter().all(|(_, believed)| *believed), "{name}: {rows:?}");
    }
    assert!(fuzzing::basic_credentials(&text("basic_credentials", "valid")).is_some());
    assert!(Email::parse(&text("identifiers", "valid_email")).is_ok());
    for scheme in ["valid_argon2id", "valid_bcrypt", "valid_pbkdf2", "valid_scrypt"] {
        assert!(PasswordHash::parse(&text("password_hash", scheme)).is_ok(), "{scheme}");
    }
    assert!(Config::load(&Raw::new().file("gatepost.toml", &text("config", "valid"))).is_ok());
    let header = text("bearer_header", "valid").parse().unwrap();
    let headers = http::HeaderMap::from_iter([(AUTHORIZATION, header)]);
    assert!(BearerToken::from_headers(&headers).unwrap().is_some());
}
