//! What the database keeps instead of a token.

use aws_lc_rs::{constant_time, digest};

/// What a token is for. It is hashed together with the token, so that a verification link can never be
/// redeemed as a reset link, whatever a statement forgets to check.
#[derive(Clone, Copy)]
pub struct Purpose(&'static str);

impl Purpose {
    /// Names a purpose. Names are never reused: the hashes in the database depend on them.
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }
}

/// SHA-256 over `purpose || 0x00 || token`.
///
/// Fast on purpose: the tokens are at least 128 random bits, which nobody guesses, so a slow hash would only
/// slow us down (OWASP ASVS 5.0, 6.5.2). Two hashes are compared in constant time.
#[derive(Clone, Copy)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// Hashes a token for a purpose.
    pub fn of(purpose: Purpose, token: impl AsRef<[u8]>) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(purpose.0.as_bytes());
        context.update(&[0]);
        context.update(token.as_ref());
        let mut hash = [0; 32];
        hash.copy_from_slice(context.finish().as_ref());
        Self(hash)
    }

    /// The hash with these bytes, as read from storage.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, to write to storage.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for TokenHash {
    fn eq(&self, other: &Self) -> bool {
        constant_time::verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}
impl Eq for TokenHash {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_depends_on_the_purpose_and_on_the_token() {
        let reset = TokenHash::of(Purpose::new("reset"), "token");
        assert!(reset == TokenHash::of(Purpose::new("reset"), "token"));
        assert!(reset != TokenHash::of(Purpose::new("verify"), "token"));
        assert!(reset != TokenHash::of(Purpose::new("reset"), "tokem"));
    }

    #[test]
    fn purpose_and_token_cannot_be_shifted_into_each_other() {
        assert!(TokenHash::of(Purpose::new("ab"), "c") != TokenHash::of(Purpose::new("a"), "bc"));
    }

    #[test]
    fn the_construction_is_the_documented_one() {
        let expected = digest::digest(&digest::SHA256, b"p\0t");
        assert_eq!(TokenHash::of(Purpose::new("p"), "t").as_bytes(), expected.as_ref());
    }
}
