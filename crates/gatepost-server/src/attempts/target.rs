//! Whose password is tried, and from which device.

use std::sync::Arc;

use aws_lc_rs::hmac;
use gatepost_kernel::{Random, Secret, Timestamp, TokenHash};

use super::device_cookie::{DeviceCookie, DeviceNonce};
use super::lockout::Kind;
use super::rate::FailureRate;
use crate::accounts::{Email, LoginIdentifier, User};
use crate::ids::UserId;
use crate::keys::ServerKey;

/// The keys of this feature. Cloning shares them.
#[derive(Clone)]
pub struct Attempts {
    pub(super) names: hmac::Key,
    pub(super) cookies: hmac::Key,
    pub(super) random: Random,
    pub(super) rate: Arc<FailureRate>,
}

/// An account, or a name that nobody has, as the lock-out knows it.
///
/// It is HMAC-SHA-256 of the canonical address of the account, so that every way to write it, in any letter case, and the
/// username are one. A name that nobody has stands for itself. It is keyed because people type passwords into the wrong
/// field: nobody shall find them from a stolen table.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct AccountKey(TokenHash);

/// A row of `lockouts`.
#[derive(Clone, Copy)]
pub(super) struct BucketId {
    pub(super) account: TokenHash,
    pub(super) device: TokenHash,
    pub(super) user: Option<UserId>,
}

/// The `device` of the bucket for everybody without a valid cookie.
pub(super) const EVERYBODY: TokenHash = TokenHash::from_bytes([0; 32]);

impl BucketId {
    pub(super) fn kind(&self) -> Kind {
        if self.device == EVERYBODY { Kind::Everybody } else { Kind::Device }
    }
}

/// What an attempt is aimed at: the account, and the device if it has a valid cookie of this account.
#[derive(Clone)]
pub struct Target {
    pub(super) account: AccountKey,
    pub(super) user: Option<UserId>,
    pub(super) device: Option<DeviceNonce>,
}

impl Target {
    /// Whose account it is, if the name belongs to one.
    pub const fn user(&self) -> Option<UserId> {
        self.user
    }

    /// Whether the browser has shown that it signed in to this account before.
    pub const fn is_known_device(&self) -> bool {
        self.device.is_some()
    }

    pub(super) fn everybody(&self) -> BucketId {
        BucketId { account: self.account.0, device: EVERYBODY, user: self.user }
    }

    pub(super) fn device(&self) -> Option<BucketId> {
        let device = self.device.as_ref()?.hash();
        Some(BucketId { account: self.account.0, device, user: self.user })
    }
}

impl Attempts {
    /// Keys for the names of accounts and for device cookies, derived apart.
    pub fn new(names: ServerKey, cookies: ServerKey, random: Random) -> Self {
        let key = |key: ServerKey| hmac::Key::new(hmac::HMAC_SHA256, key.into_bytes().expose());
        Self { names: key(names), cookies: key(cookies), random, rate: Arc::default() }
    }

    /// The target of an attempt on an account, by a browser that sent this device cookie.
    pub fn of_user(&self, user: &User, cookie: Option<&Secret<String>>, now: Timestamp) -> Target {
        let account = match Email::parse(&user.email) {
            Ok(email) => self.account(email.canonical()),
            Err(_) => self.account(&user.email.to_lowercase()),
        };
        let cookie = cookie.and_then(|text| DeviceCookie::parse(text.expose()));
        let device = cookie.and_then(|cookie| cookie.verify(self, user.id, now));
        Target { account, user: Some(user.id), device }
    }

    /// The target of an attempt on a name that nobody has.
    pub fn of_nobody(&self, typed: &str) -> Target {
        let account = match LoginIdentifier::parse(typed) {
            Ok(identifier) => self.account(identifier.canonical()),
            Err(_) => self.account(&typed.trim().to_lowercase()),
        };
        Target { account, user: None, device: None }
    }

    fn account(&self, canonical: &str) -> AccountKey {
        let tag = hmac::sign(&self.names, canonical.as_bytes());
        let mut bytes = [0; 32];
        bytes.copy_from_slice(tag.as_ref());
        AccountKey(TokenHash::from_bytes(bytes))
    }
}
