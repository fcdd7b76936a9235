//! What the fuzz targets do with bytes from outside. A target fails by panicking: when a parser does, or when what it
//! accepted breaks a law below.
//!
//! `fuzz_targets/<name>.rs` hands libFuzzer's bytes to the function of its name. A test of the server
//! (`tests/coverage/corpus.rs`) includes this file and replays `corpus/<name>/*` under plain `cargo test`, so that every
//! input that was ever interesting is tried with every change.

use gatepost_kernel::{Random, Timestamp};
use gatepost_problem::{BearerToken, parse_query};
use gatepost_server::accounts::{
    AvatarUrl, Bio, Country, DeviceName, Email, LoginIdentifier, PersonName, PhoneNumber, Username,
};
use gatepost_server::attempts::DeviceCookie;
use gatepost_server::config::{Config, Raw};
use gatepost_server::fuzzing;
use gatepost_server::http::Credential;
use gatepost_server::imports::Format;
use gatepost_server::passwords::PasswordHash;
use gatepost_server::sessions::RefreshToken;
use gatepost_token::{Algorithm, KeySet, MAX_JWKS_KEYS, MAX_TOKEN_LENGTH, SigningKey, Verifier};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

/// A name and what is done under it.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: &[Target] = &[
    ("access_token", access_token),
    ("api_key_header", api_key_header),
    ("basic_credentials", basic_credentials),
    ("bearer_header", bearer_header),
    ("config", config),
    ("device_cookie", device_cookie),
    ("form", form),
    ("identifiers", identifiers),
    ("import_rows", import_rows),
    ("json_body", json_body),
    ("jwks", jwks),
    ("password_hash", password_hash),
    ("query", query),
    ("refresh_token", refresh_token),
    ("second_factor_code", second_factor_code),
];

/// Issuer and audience of the tokens in the corpus.
pub const ISSUER: &str = "https://id.example";
/// The time at which they are read.
pub const NOW: Timestamp = Timestamp::from_secs(1_767_225_600);

/// The key that signed the tokens in the corpus. It signs nothing else anywhere.
pub fn signing_key() -> SigningKey {
    let seven = Random::from_fn(|bytes| bytes.fill(7));
    SigningKey::generate(Algorithm::EdDsa, &seven).expect("any 32 bytes are the seed of an Ed25519 key")
}

/// An access token from a request.
pub fn access_token(bytes: &[u8]) {
    let Ok(token) = std::str::from_utf8(bytes) else { return };
    let keys = KeySet::from_iter([signing_key().verification_key()]);
    if let Ok(claims) = Verifier::new(ISSUER, ISSUER).verify(&keys, token, NOW) {
        assert!(token.len() <= MAX_TOKEN_LENGTH);
        assert_eq!((claims.iss.as_str(), claims.aud.as_str()), (ISSUER, ISSUER));
        assert!(claims.exp > NOW.as_secs() - 120, "an expired token was accepted");
    }
}

/// A key set from another server.
pub fn jwks(bytes: &[u8]) {
    let Ok(document) = std::str::from_utf8(bytes) else { return };
    if let Ok(keys) = KeySet::from_jwks(document) {
        assert!(keys.len() <= MAX_JWKS_KEYS);
        let published = serde_json::to_string(&keys.jwks()).expect("a key set has a text");
        let again = KeySet::from_jwks(&published).expect("what we publish can be read");
        let kids = |keys: &KeySet| keys.iter().map(|key| key.kid().to_owned()).collect::<Vec<_>>();
        assert_eq!(kids(&again), kids(&keys));
    }
}

/// A refresh token from a request.
pub fn refresh_token(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Some(token) = RefreshToken::parse(text) {
        assert_eq!(token.to_text().expose(), text, "one token has two texts");
    }
}

/// A device cookie from a request.
pub fn device_cookie(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if DeviceCookie::parse(text).is_some() {
        assert_eq!(text.len(), 75, "a cookie of another length was read");
    }
}

/// A JSON body, in the shape of a registration.
pub fn json_body(bytes: &[u8]) {
    let read = fuzzing::register_request(bytes);
    if read.is_ok() {
        let value: Value = serde_json::from_slice(bytes).expect("what is accepted is JSON");
        for required in ["email", "password"] {
            assert!(value[required].is_string(), "{required} is missing");
        }
    }
}

/// A form body, in the shape of a token request.
pub fn form(bytes: &[u8]) {
    drop(fuzzing::token_request(bytes));
}

/// A query, in the shape of a list's.
pub fn query(bytes: &[u8]) {
    #[derive(serde::Deserialize)]
    struct Page {
        limit: Option<u8>,
        cursor: Option<String>,
        is_active: Option<bool>,
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(page) = parse_query::<Page>(text) {
        let given = [page.limit.is_some(), page.cursor.is_some(), page.is_active.is_some()];
        assert!(
            given.iter().any(|given| *given) || text.bytes().all(|byte| byte == b'&'),
            "{text:?} says something"
        );
    }
}

/// An `Authorization` header.
pub fn bearer_header(bytes: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
    if let Ok(Some(token)) = BearerToken::from_headers(&headers) {
        let text = std::str::from_utf8(bytes).expect("a token is ASCII");
        assert!(text.to_ascii_lowercase().starts_with("bearer ") && text.ends_with(token.expose()));
    }
}

/// An `X-API-Key` header, with an `Authorization` header before it when there are two lines.
pub fn api_key_header(bytes: &[u8]) {
    let (first, key) = match bytes.iter().position(|byte| *byte == b'\n') {
        Some(at) => (HeaderValue::from_bytes(&bytes[..at]).ok(), &bytes[at + 1..]),
        None => (None, bytes),
    };
    let Ok(value) = HeaderValue::from_bytes(key) else { return };
    let mut headers = HeaderMap::from_iter([(HeaderName::from_static("x-api-key"), value)]);
    headers.extend(first.map(|first| (AUTHORIZATION, first)));
    match Credential::from_headers(&headers) {
        Ok(Some(Credential::ApiKey(secret))) => assert_eq!(secret.expose().as_bytes(), key),
        Ok(Some(Credential::AccessToken(_)) | None) => panic!("the key was overlooked"),
        Err(_) => {}
    }
}

/// An `Authorization` header with the credentials of a client.
pub fn basic_credentials(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Some((id, secret)) = fuzzing::basic_credentials(text) {
        assert!(!id.contains(':'));
        assert!(id.len() + secret.len() < text.len());
    }
}

/// A code of an authenticator or a recovery code, as people type them.
pub fn second_factor_code(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if fuzzing::is_totp_code(text) {
        assert!(text.len() <= 64);
        assert_eq!(text.bytes().filter(u8::is_ascii_digit).count(), 6, "{text:?}");
    }
    if let Some(shown) = fuzzing::recovery_code(text) {
        assert!(text.len() <= 64);
        assert_eq!(shown.len(), 19);
        assert_eq!(fuzzing::recovery_code(&shown).as_deref(), Some(shown.as_str()), "one code has two texts");
        assert!(!fuzzing::is_totp_code(text), "{text:?} is a code of both kinds");
    }
}

/// What people type about themselves.
pub fn identifiers(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(email) = Email::parse(text) {
        let canonical = email.canonical().to_owned();
        let again = Email::parse(&canonical).expect("a canonical address is an address");
        assert_eq!(again.canonical(), canonical, "canonical once is canonical for good");
        assert!(matches!(LoginIdentifier::parse(text), Ok(LoginIdentifier::Email(_))));
    }
    if let Ok(name) = Username::parse(text) {
        let canonical = name.canonical().to_owned();
        let again = Username::parse(&canonical).expect("a canonical name is a name");
        assert_eq!(again.canonical(), canonical, "canonical once is canonical for good");
        assert!(matches!(LoginIdentifier::parse(text), Ok(LoginIdentifier::Username(_))));
    }
    if let Ok(url) = AvatarUrl::parse(text) {
        assert!(url.as_str().starts_with("https://"), "{}", url.as_str());
    }
    if let Ok(number) = PhoneNumber::parse(text) {
        let digits = number.as_str().strip_prefix('+').expect("E.164 begins with a plus sign");
        assert!(digits.len() <= 15 && digits.bytes().all(|byte| byte.is_ascii_digit()));
    }
    drop((Bio::parse(text), Country::parse(text), DeviceName::parse(text), PersonName::parse(text)));
}

/// A password hash that somebody brings along.
pub fn password_hash(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(hash) = PasswordHash::parse(text) {
        assert!(text.len() <= PasswordHash::MAX_BYTES);
        assert_eq!(hash.expose(), text);
    }
}

/// A configuration file.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Err(problems) = Config::load(&Raw::new().file("gatepost.toml", text)) {
        assert!(!problems.to_string().is_empty());
    }
}

/// A file of accounts, as CSV and as lines of JSON.
pub fn import_rows(bytes: &[u8]) {
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
    for format in [Format::Csv, Format::Jsonl] {
        let rows =
            fuzzing::import_rows(bytes, format).expect("bytes in memory can be read").unwrap_or_default();
        assert!(rows.windows(2).all(|pair| pair[0].0 <= pair[1].0), "rows run back");
        assert!(rows.iter().all(|(line, _)| (1..=lines).contains(line)), "a row begins where no line is");
    }
}
