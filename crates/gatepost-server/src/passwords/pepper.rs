//! A secret outside the database that every hash depends on.
//!
//! Argon2 makes a stolen table slow to search; a pepper makes it useless without the key
//! (NIST SP 800-63B-4 §3.1.1.2). It is applied to the Argon2 tag, `HMAC-SHA-256(key, tag)`, and the hash
//! names the key. So a key can be replaced without anybody's help: old hashes verify with the old key and
//! move to the new one at the next login.

use aws_lc_rs::hmac;
use gatepost_kernel::Secret;

/// The name of a pepper key: 1 to 16 ASCII letters, digits or dashes. It is not secret; it is written in the hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PepperId(String);

/// The text is not a [`PepperId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a pepper id has 1 to 16 letters, digits or dashes")]
pub struct PepperIdError;

impl std::str::FromStr for PepperId {
    type Err = PepperIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if (1..=16).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(PepperIdError)
        }
    }
}

impl std::fmt::Display for PepperId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// One pepper key with its name.
#[derive(Clone)]
pub struct Pepper {
    key_id: PepperId,
    key: Secret<[u8; 32]>,
}

impl Pepper {
    /// A key of 256 bits and the name that hashes will call it by.
    pub const fn new(key_id: PepperId, key: Secret<[u8; 32]>) -> Self {
        Self { key_id, key }
    }

    /// The name of the key.
    pub const fn key_id(&self) -> &PepperId {
        &self.key_id
    }

    /// Replaces an Argon2 tag by its keyed image.
    pub(super) fn apply(&self, tag: &mut [u8; 32]) {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.key.expose());
        let keyed = hmac::sign(&key, tag);
        tag.copy_from_slice(keyed.as_ref());
    }
}

/// The pepper that new hashes use, and those that old hashes may still name.
#[derive(Clone, Default)]
pub struct Peppers {
    current: Option<Pepper>,
    old: Vec<Pepper>,
}

impl Peppers {
    /// No `current` means that new hashes have no pepper.
    pub const fn new(current: Option<Pepper>, old: Vec<Pepper>) -> Self {
        Self { current, old }
    }

    /// The pepper of new hashes.
    pub const fn current(&self) -> Option<&Pepper> {
        self.current.as_ref()
    }

    /// The pepper that a hash names.
    pub fn by_id(&self, key_id: &PepperId) -> Option<&Pepper> {
        self.current.iter().chain(&self.old).find(|pepper| pepper.key_id == *key_id)
    }
}
