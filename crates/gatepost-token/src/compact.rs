//! The compact serialization of a signed token (RFC 7515 section 7.1), read strictly.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::error::TokenError;
use crate::keys::KeySet;
use crate::object::Object;

/// The longest token that is read, in bytes: what fits into a request header on every proxy.
pub const MAX_TOKEN_LENGTH: usize = 8 * 1024;

/// The header of a token.
///
/// A list of what is allowed, not of what is forbidden: `jwk`, `jku`, `x5c`, `crit`, `b64`, `zip` and whatever
/// is invented next are refused because they are not here. RFC 7515 section 4 would ignore the unknown ones,
/// but no token of ours has any.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    pub(crate) typ: Option<String>,
    pub(crate) alg: String,
    pub(crate) kid: String,
}

/// A token taken apart. Its syntax holds; nothing is known about its signature.
pub(crate) struct Compact<'t> {
    pub(crate) header: Header,
    payload: &'t str,
    signature: Vec<u8>,
    signing_input: &'t [u8],
}

impl<'t> Compact<'t> {
    /// Takes a token apart.
    pub(crate) fn read(token: &'t str) -> Result<Self, TokenError> {
        if token.len() > MAX_TOKEN_LENGTH {
            return Err(TokenError::TooLong);
        }
        let (signing_input, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, payload) = signing_input.split_once('.').ok_or(TokenError::Malformed)?;
        // A fourth part would leave a dot in the payload, which is no letter of base64url.
        if header.is_empty() || payload.is_empty() || signature.is_empty() || payload.contains('.') {
            return Err(TokenError::Malformed);
        }
        let header = Object::read(&decode(header)?).ok_or(TokenError::Header)?;
        let signature = decode(signature)?;
        Ok(Self { header, payload, signature, signing_input: signing_input.as_bytes() })
    }

    /// Checks the signature with the key that the header's `kid` names, by that key's algorithm, and hands
    /// out the payload. There is no other way to the payload.
    pub(crate) fn authenticate(&self, keys: &KeySet) -> Result<Vec<u8>, TokenError> {
        let key = keys.get(&self.header.kid).ok_or(TokenError::UnknownKey)?;
        if self.header.alg != key.algorithm().name() {
            return Err(TokenError::Algorithm);
        }
        let payload = decode(self.payload)?;
        if !key.holds(self.signing_input, &self.signature) {
            return Err(TokenError::Signature);
        }
        Ok(payload)
    }
}

/// Unpadded base64url whose unused bits are zero: one text for each byte string (RFC 4648 section 3.5).
fn decode(part: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed)
}
