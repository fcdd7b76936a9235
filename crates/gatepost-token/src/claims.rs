//! What an access token says (RFC 9068 section 2.2).

use serde::{Deserialize, Deserializer, Serialize};

use crate::error::TokenError;
use crate::object::Object;

/// The claims of an access token.
///
/// They are written by [`SigningKey::sign`](crate::SigningKey::sign) and come back only from
/// [`Verifier::verify`](crate::Verifier::verify); nothing else turns bytes into claims.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Claims {
    /// Who minted it: the server's public URL.
    pub iss: String,
    /// The user's id, never an address.
    pub sub: String,
    /// Who it is for. One string: RFC 7519 allows a list, which only invites tokens that open many doors.
    pub aud: String,
    /// When it stops being valid, in whole seconds since the Unix epoch.
    pub exp: i64,
    /// When it was minted, in whole seconds since the Unix epoch.
    pub iat: i64,
    /// The token's own id.
    pub jti: String,
    /// The OAuth client that it was minted for.
    pub client_id: String,
    /// The session that it belongs to.
    pub sid: String,
    /// Granted scopes, parted by spaces; empty for first-party tokens.
    pub scope: String,
    /// The user's roles at minting time. Information for other services: a role may have been taken since.
    pub roles: Vec<String>,
    /// The user's authentication epoch at minting time. When the server's has moved on, the token is revoked.
    pub epoch: i64,
}

/// Claims as they arrive: every one typed, none optional that RFC 9068 requires.
#[derive(Deserialize)]
struct Received {
    iss: String,
    sub: String,
    aud: String,
    exp: NumericDate,
    iat: NumericDate,
    #[serde(default, deserialize_with = "present")]
    nbf: Option<NumericDate>,
    jti: String,
    client_id: String,
    sid: String,
    scope: String,
    roles: Vec<String>,
    epoch: i64,
}

/// Whole seconds since the Unix epoch.
///
/// RFC 7519 section 2 allows fractions; we never write them, and a reader that rounds differently from its
/// neighbour is one too many. Text, fractions, exponents and negative numbers are refused.
#[derive(Deserialize)]
#[serde(try_from = "i64")]
struct NumericDate(i64);

impl TryFrom<i64> for NumericDate {
    type Error = &'static str;

    fn try_from(seconds: i64) -> Result<Self, Self::Error> {
        if seconds >= 0 { Ok(Self(seconds)) } else { Err("a date before 1970") }
    }
}

/// An optional claim that is there must have its type: `null` is not absence.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NumericDate>, D::Error> {
    NumericDate::deserialize(deserializer).map(Some)
}

/// Claims and the optional `nbf`, in seconds since the Unix epoch. Claims that we do not know are ignored
/// (RFC 7519 section 4).
pub(crate) fn read(json: &[u8]) -> Result<(Claims, Option<i64>), TokenError> {
    let Received { iss, sub, aud, exp, iat, nbf, jti, client_id, sid, scope, roles, epoch } =
        Object::read(json).ok_or(TokenError::Claims)?;
    let claims = Claims { iss, sub, aud, exp: exp.0, iat: iat.0, jti, client_id, sid, scope, roles, epoch };
    Ok((claims, nbf.map(|date| date.0)))
}
