//! Tokens that say nothing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroize as _;

use crate::{Random, Secret};

/// A random token of 256 bits, shown once as `prefix_` and 43 characters of base64url.
///
/// The prefix lets secret scanners recognise a token that was committed or logged by mistake.
#[derive(Clone)]
pub struct OpaqueToken(Secret<String>);

impl OpaqueToken {
    /// Draws a new token. `prefix` is two to four lower-case letters or digits, without the underscore.
    pub fn generate(prefix: &'static str, random: &Random) -> Self {
        let mut bytes = random.bytes::<32>();
        let text = format!("{prefix}_{}", URL_SAFE_NO_PAD.encode(bytes));
        bytes.zeroize();
        Self(Secret::new(text))
    }

    /// The text to hand to its owner, once.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// Whether a text has the shape of a token with this prefix. Cheap, so that garbage never costs a query.
    pub fn has_shape(prefix: &str, text: &str) -> bool {
        text.strip_prefix(prefix)
            .and_then(|rest| rest.strip_prefix('_'))
            .is_some_and(|body| body.len() == 43 && URL_SAFE_NO_PAD.decode(body).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_its_own_shape_and_no_other() {
        let token = OpaqueToken::generate("gps", &Random::system());
        assert!(OpaqueToken::has_shape("gps", token.expose()));
        assert!(!OpaqueToken::has_shape("rt1", token.expose()));
        assert!(!OpaqueToken::has_shape("gps", &token.expose()[..46]));
        assert!(!OpaqueToken::has_shape("gps", &format!("{}=", token.expose())));
        assert!(!OpaqueToken::has_shape("gps", ""));
    }
}
