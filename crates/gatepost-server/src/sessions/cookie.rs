//! What a browser session is known by.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gatepost_kernel::{Purpose, Random, Secret, TokenHash};
use zeroize::Zeroize as _;

const COOKIE: Purpose = Purpose::new("browser-session");
/// 32 bytes in base64url.
const LENGTH: usize = 43;

/// The value of a session cookie: 256 random bits, of which the database keeps a hash.
#[derive(Clone)]
pub struct CookieKey(Secret<String>);

impl CookieKey {
    /// Draws a new one.
    pub fn draw(random: &Random) -> Self {
        let mut bytes = random.bytes::<32>();
        let text = URL_SAFE_NO_PAD.encode(bytes);
        bytes.zeroize();
        Self(Secret::new(text))
    }

    /// The text for the cookie.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// What the database keeps.
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(COOKIE, self.expose())
    }

    /// The hash of a value that a browser sent, or `None` for what never was one of ours: garbage costs no query.
    pub fn hash_of(sent: &str) -> Option<TokenHash> {
        let ours = sent.len() == LENGTH && URL_SAFE_NO_PAD.decode(sent).is_ok();
        ours.then(|| TokenHash::of(COOKIE, sent))
    }
}

/// A browser session that was opened or renewed: what its cookie is to hold, and for how long.
pub struct SessionCookie {
    /// The value.
    pub key: CookieKey,
    /// How long the browser keeps it; `None` until it closes.
    pub max_age: Option<std::time::Duration>,
    /// How long it works if it is not used, in whole seconds.
    pub expires_in: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ses_02_a_cookie_is_43_characters_of_base64url_and_its_hash_is_another_thing() {
        let key = CookieKey::draw(&Random::system());
        assert_eq!(key.expose().len(), 43);
        assert!(key.expose().bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
        assert!(CookieKey::hash_of(key.expose()).unwrap() == key.hash());
        for wrong in ["", "a", &"a".repeat(42), &"a".repeat(44), &"!".repeat(43), &"é".repeat(21)] {
            assert!(CookieKey::hash_of(wrong).is_none(), "{wrong}");
        }
    }
}
