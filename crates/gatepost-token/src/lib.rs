//! Access tokens: their claims, the keys that sign them, the key set that others read, and verification.
//!
//! A token is a JWT in the profile of RFC 9068: `{"typ":"at+jwt","alg":…,"kid":…}`, then [`Claims`], then a
//! signature. This crate does no I/O, knows no feature and has no clock. The server mints and verifies with
//! it; another service verifies with it from the published key set.
//!
//! ```
//! use gatepost_kernel::{Random, Timestamp};
//! use gatepost_token::{Algorithm, Claims, KeySet, SigningKey, Verifier};
//!
//! let now = Timestamp::from_secs(1_700_000_000);
//! let key = SigningKey::generate(Algorithm::EdDsa, &Random::system())?;
//! let claims = Claims {
//!     iss: "https://id.example".into(),
//!     sub: "0190a9f2-7c1e-7000-8000-000000000001".into(),
//!     aud: "https://api.example".into(),
//!     exp: now.as_secs() + 600,
//!     iat: now.as_secs(),
//!     jti: "0190a9f2-7c1e-7000-8000-000000000002".into(),
//!     client_id: "gatepost".into(),
//!     sid: "0190a9f2-7c1e-7000-8000-000000000003".into(),
//!     scope: String::new(),
//!     roles: vec!["editor".into()],
//!     epoch: 0,
//! };
//! let token = key.sign(&claims)?;
//!
//! // What the server publishes, and what another service makes of it.
//! let published = serde_json::to_string(&KeySet::from_iter([key.verification_key()]).jwks())?;
//! let keys = KeySet::from_jwks(&published)?;
//! let verifier = Verifier::new("https://id.example", "https://api.example");
//! assert_eq!(verifier.verify(&keys, token.expose(), now)?, claims);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Why this does not go through a JWT library
//!
//! Signatures are made and checked by `aws-lc-rs`; the compact serialization around them (RFC 7515) is read and
//! written here. `jsonwebtoken`, the well-kept choice, was weighed and serves the tests as a second opinion,
//! because its `decode`
//!
//! * builds the public key again at each call, and `encode` the private one. Here both are parsed once;
//! * takes headers that carry `jwk`, `x5c` and members that it does not know, and keeps the last of two claims
//!   with the same name. To refuse them, everything has to be read a second time, before or after it;
//! * reads the machine's clock. Here time is an argument.
//!
//! What is left after that is one call of `verify_sig`, which is what [`Verifier`] makes.
//!
//! # What a reader of tokens can rely on
//!
//! * The algorithm comes from the stored key, one for each key, never from the header (RFC 8725 section 3.1).
//! * A key is found by its `kid` in memory and nowhere else; a token cannot bring or point to a key.
//! * Nothing is decoded beyond 8 KiB, and no claim is read before the signature holds (RFC 7519 section 7.2).
//! * Claims come out of [`Verifier::verify`] only: [`Claims`] cannot be deserialized.

mod algorithm;
mod claims;
mod compact;
mod ecdsa;
mod error;
mod jwks;
mod keys;
mod object;
mod signing;
#[cfg(test)]
mod tests;
mod verify;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use claims::Claims;
pub use compact::MAX_TOKEN_LENGTH;
pub use error::{KeyError, SigningError, TokenError};
pub use jwks::{Jwk, Jwks, MAX_JWKS_KEYS, MAX_JWKS_LENGTH};
pub use keys::{KeySet, VerificationKey};
pub use signing::SigningKey;
pub use verify::Verifier;
