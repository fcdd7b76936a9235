//! Verification of access tokens (RFC 9068 section 4).

use std::time::Duration;

use gatepost_kernel::Timestamp;

use crate::claims::{self, Claims};
use crate::compact::Compact;
use crate::error::TokenError;
use crate::keys::KeySet;

/// How far the clocks of two machines may differ.
const LEEWAY: Duration = Duration::from_secs(30);

/// What a token must say to be accepted here.
#[derive(Clone, Debug)]
pub struct Verifier {
    issuer: String,
    audience: String,
    leeway: Duration,
}

impl Verifier {
    /// Accepts tokens of one issuer for one audience, with 30 s of leeway for clocks that run apart.
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self { issuer: issuer.into(), audience: audience.into(), leeway: LEEWAY }
    }

    /// Sets how far in the future `iat` and `nbf` may lie. `exp` has no leeway: a token is dead when it says so.
    #[must_use]
    pub const fn with_leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// Checks a token and hands out its claims.
    ///
    /// The order is: length, syntax, header, type, key, algorithm, signature, claims, issuer, audience, times.
    /// Of the two spellings that RFC 9068 section 4 knows for the type, `at+jwt` and `application/at+jwt`, only the
    /// first is accepted: it is the one that we write, and RFC 7515 section 4.1.9 recommends it.
    ///
    /// # Errors
    ///
    /// A [`TokenError`] for the operator's log. Tell the client `invalid_token` whatever it is.
    pub fn verify(&self, keys: &KeySet, token: &str, now: Timestamp) -> Result<Claims, TokenError> {
        let compact = Compact::read(token)?;
        if compact.header.typ.as_deref() != Some("at+jwt") {
            return Err(TokenError::Type);
        }
        let payload = compact.authenticate(keys)?;
        let (claims, not_before) = claims::read(&payload)?;
        if claims.iss != self.issuer {
            return Err(TokenError::Issuer);
        }
        if claims.aud != self.audience {
            return Err(TokenError::Audience);
        }
        if now >= Timestamp::from_secs(claims.exp) {
            return Err(TokenError::Expired);
        }
        let horizon = now.plus(self.leeway);
        if Timestamp::from_secs(claims.iat) > horizon
            || not_before.is_some_and(|start| Timestamp::from_secs(start) > horizon)
        {
            return Err(TokenError::NotYetValid);
        }
        Ok(claims)
    }
}
