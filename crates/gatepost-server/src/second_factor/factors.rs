//! What the database must not tell a thief: secrets are sealed, recovery codes are hashed under a key.

use aws_lc_rs::hmac;
use gatepost_db::{DbError, WriteTx};
use gatepost_kernel::{Secret, Timestamp, TokenHash};

use super::model::CredentialId;
use super::recovery_code::RecoveryCode;
use super::totp::TotpSecret;
use crate::accounts::{Email, User};
use crate::ids::UserId;
use crate::keys::{MasterKey, ServerKey};
use crate::outbox::{Letter, Mail, Outbox};

/// What the transactions of this feature need: the keys, derived from the one that is not in the database, how exact
/// clocks must be, and where owners are told. Cloning copies the keys.
#[derive(Clone)]
pub struct Factors {
    secrets: ServerKey,
    codes: Secret<[u8; 32]>,
    pub(super) window: u8,
    outbox: Outbox,
}

impl Factors {
    /// The keys under this master key. `window` is how many steps of thirty seconds a code may be early or late.
    pub fn new(master: &MasterKey, window: u8, outbox: Outbox) -> Self {
        Self {
            secrets: master.derive("gatepost totp secrets"),
            codes: master.derive("gatepost recovery codes").into_bytes(),
            window,
            outbox,
        }
    }

    /// Seals a secret to its account and its row: it opens nowhere else.
    pub(super) fn seal(&self, user: UserId, credential: CredentialId, secret: &TotpSecret) -> Vec<u8> {
        self.secrets.seal(&place(user, credential), secret.bytes())
    }

    /// Opens what was sealed there.
    pub(super) fn open(&self, user: UserId, credential: CredentialId, sealed: &[u8]) -> Option<TotpSecret> {
        let bytes = self.secrets.open(&place(user, credential), sealed)?;
        TotpSecret::from_bytes(bytes.expose())
    }

    /// What is kept of a recovery code: HMAC-SHA-256 over its account and itself. A fast hash will do, because nobody
    /// guesses 80 bits; the key keeps a stolen database from being searched at all.
    pub(super) fn hash(&self, user: UserId, code: &RecoveryCode) -> TokenHash {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, self.codes.expose()));
        context.update(user.as_uuid().as_bytes());
        context.update(code.bytes());
        let mut hash = [0; 32];
        hash.copy_from_slice(context.sign().as_ref());
        TokenHash::from_bytes(hash)
    }

    /// Tells an account's owner by mail.
    ///
    /// # Errors
    /// What the database says.
    pub(super) fn tell(
        &self,
        tx: &mut WriteTx<'_>,
        now: Timestamp,
        user: &User,
        letter: Letter,
    ) -> Result<(), DbError> {
        // An address that was believed once is believed again.
        let to = Email::parse(&user.email).map_or_else(|_| user.email.clone(), |email| email.mailbox());
        self.outbox.owe(tx, now, &Mail { user: Some(user.id), to, letter, not_after: None })
    }
}

fn place(user: UserId, credential: CredentialId) -> [u8; 32] {
    let mut place = [0; 32];
    place[..16].copy_from_slice(user.as_uuid().as_bytes());
    place[16..].copy_from_slice(credential.as_uuid().as_bytes());
    place
}

#[cfg(test)]
mod tests {
    use gatepost_kernel::{Id, Random, Timestamp};

    use super::*;

    fn factors(byte: u8) -> Factors {
        let master = MasterKey::from_bytes(Secret::new([byte; 32]));
        let outbox = Outbox::new(master.derive("gatepost outbox"), Random::system());
        Factors::new(&master, 1, outbox)
    }

    #[test]
    fn mfa_09_a_secret_opens_only_for_its_account_in_its_row() {
        let random = Random::system();
        let factors = factors(7);
        let now = Timestamp::from_secs(1);
        let (ada, eve) = (Id::generate(now, &random), Id::generate(now, &random));
        let (one, two) = (Id::generate(now, &random), Id::generate(now, &random));
        let secret = TotpSecret::draw(&random);
        let sealed = factors.seal(ada, one, &secret);
        assert_eq!(factors.open(ada, one, &sealed).unwrap().bytes(), secret.bytes());
        assert!(factors.open(eve, one, &sealed).is_none());
        assert!(factors.open(ada, two, &sealed).is_none());
        assert!(self::factors(8).open(ada, one, &sealed).is_none());
        assert!(!sealed.windows(4).any(|part| secret.bytes().windows(4).any(|clear| clear == part)));
    }

    #[test]
    fn mfa_07_the_hash_of_a_code_takes_a_key_that_is_not_in_the_database() {
        let random = Random::system();
        let (now, code) = (Timestamp::from_secs(1), RecoveryCode::draw(&random));
        let (ada, eve) = (Id::generate(now, &random), Id::generate(now, &random));
        assert!(factors(7).hash(ada, &code) == factors(7).hash(ada, &code));
        assert!(factors(7).hash(ada, &code) != factors(8).hash(ada, &code));
        assert!(factors(7).hash(ada, &code) != factors(7).hash(eve, &code));
    }
}
