//! The device cookie: a browser's proof that somebody signed in to an account with it before.
//!
//! It opens nothing. It only says that failures of strangers do not count for this browser, so that nobody can lock a
//! user out of their own devices (OWASP, "Slow Down Online Guessing Attacks with Device Cookies").

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gatepost_kernel::{Purpose, Secret, Timestamp, TokenHash};
use zeroize::Zeroize as _;

use super::target::Attempts;
use crate::ids::UserId;

/// How long a device stays known without a sign-in.
pub const LIFETIME: Duration = Duration::from_secs(180 * 24 * 60 * 60);

const DEVICE: Purpose = Purpose::new("device");
const NONCE: usize = 16;
const EXPIRY: usize = 8;
const TAG: usize = 32;
const LENGTH: usize = NONCE + EXPIRY + TAG;
/// Its base64url form without padding.
const TEXT_LENGTH: usize = (LENGTH * 4).div_ceil(3);

/// A device cookie as it came, unbelieved: `base64url(nonce || expiry || HMAC-SHA-256(key, account || nonce || expiry))`,
/// the expiry in seconds as 64 bits, big-endian.
pub struct DeviceCookie(Secret<[u8; LENGTH]>);

/// What tells the devices of one account apart.
#[derive(Clone)]
pub struct DeviceNonce(Secret<[u8; NONCE]>);

impl DeviceNonce {
    pub(super) fn hash(&self) -> TokenHash {
        TokenHash::of(DEVICE, self.0.expose())
    }
}

impl DeviceCookie {
    /// Reads the value of a cookie. What has another length than ours is not decoded.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != TEXT_LENGTH {
            return None;
        }
        let mut decoded = URL_SAFE_NO_PAD.decode(text).ok()?;
        let bytes = decoded.as_slice().try_into().ok();
        decoded.zeroize();
        bytes.map(|bytes| Self(Secret::new(bytes)))
    }

    /// The device, if this is a cookie of this account whose time is not over. One of another account counts as none.
    pub(super) fn verify(&self, attempts: &Attempts, user: UserId, now: Timestamp) -> Option<DeviceNonce> {
        let (nonce, rest) = self.0.expose().split_first_chunk::<NONCE>()?;
        let (expiry, tag) = rest.split_first_chunk::<EXPIRY>()?;
        hmac::verify(&attempts.cookies, &message(user, nonce, expiry), tag).ok()?;
        let expires = Timestamp::from_secs(i64::from_be_bytes(*expiry));
        (now < expires).then(|| DeviceNonce(Secret::new(*nonce)))
    }
}

impl Attempts {
    /// The value of a new cookie for a device on which this account has just signed in.
    pub fn device_cookie(&self, user: UserId, now: Timestamp) -> Secret<String> {
        let nonce = self.random.bytes::<NONCE>();
        let expiry = now.plus(LIFETIME).as_secs().to_be_bytes();
        let tag = hmac::sign(&self.cookies, &message(user, &nonce, &expiry));
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(&expiry);
        bytes.extend_from_slice(tag.as_ref());
        let text = Secret::new(URL_SAFE_NO_PAD.encode(&bytes));
        bytes.zeroize();
        text
    }
}

/// All parts have a fixed length, so that none can be shifted into another.
fn message(user: UserId, nonce: &[u8; NONCE], expiry: &[u8; EXPIRY]) -> [u8; 16 + NONCE + EXPIRY] {
    let mut message = [0; 16 + NONCE + EXPIRY];
    message[..16].copy_from_slice(user.as_uuid().as_bytes());
    message[16..16 + NONCE].copy_from_slice(nonce);
    message[16 + NONCE..].copy_from_slice(expiry);
    message
}

#[cfg(test)]
mod tests {
    use gatepost_kernel::{Id, Random};
    use proptest::prelude::*;

    use super::*;
    use crate::keys::MasterKey;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn attempts(key: u8) -> Attempts {
        let master = MasterKey::from_bytes(Secret::new([key; 32]));
        Attempts::new(master.derive("names"), master.derive("cookies"), Random::system())
    }

    fn user(number: u8) -> UserId {
        Id::from_bytes([number; 16])
    }

    fn verified(attempts: &Attempts, text: &str, user: UserId, now: Timestamp) -> bool {
        DeviceCookie::parse(text).and_then(|cookie| cookie.verify(attempts, user, now)).is_some()
    }

    #[test]
    fn bru_02_a_device_cookie_is_good_for_its_account_under_its_key_and_for_180_days() {
        let ours = attempts(1);
        let cookie = ours.device_cookie(user(1), NOW);
        let text = cookie.expose();
        assert!(verified(&ours, text, user(1), NOW));
        assert!(!verified(&ours, text, user(2), NOW), "a cookie of another account counted");
        assert!(!verified(&attempts(2), text, user(1), NOW), "a cookie under another key counted");
        let last = NOW.plus(LIFETIME - Duration::from_secs(1));
        assert!(verified(&ours, text, user(1), last));
        assert!(!verified(&ours, text, user(1), NOW.plus(LIFETIME)), "a cookie outlived its time");
    }

    #[test]
    fn two_sign_ins_are_two_devices() {
        let ours = attempts(1);
        let nonce = |text: &Secret<String>| {
            let cookie = DeviceCookie::parse(text.expose()).unwrap();
            cookie.verify(&ours, user(1), NOW).unwrap().hash()
        };
        assert!(nonce(&ours.device_cookie(user(1), NOW)) != nonce(&ours.device_cookie(user(1), NOW)));
    }

    proptest! {
        #[test]
        fn no_bit_of_a_device_cookie_can_be_changed(bit in 0..LENGTH * 8) {
            let ours = attempts(1);
            let mut bytes = URL_SAFE_NO_PAD.decode(ours.device_cookie(user(1), NOW).expose()).unwrap();
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!verified(&ours, &URL_SAFE_NO_PAD.encode(bytes), user(1), NOW));
        }

        #[test]
        fn reading_a_device_cookie_never_panics(text in any::<String>()) {
            let _ = DeviceCookie::parse(&text);
        }
    }
}
