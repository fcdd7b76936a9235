//! The keys that this node works with, as the database said a moment ago.

use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gatepost_db::{Db, DbError};
use gatepost_kernel::{Secret, Timestamp};
use gatepost_token::{Claims, KeySet, SigningError, SigningKey, TokenError, Verifier};
use tokio::sync::Mutex;

use super::master::ServerKey;
use super::model::{KeyInfo, State};
use super::sql::{self, KeyRow};

/// An unknown key id makes this node look again, but not more often than this.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The keys of this node. Cloning shares them.
#[derive(Clone)]
pub struct KeyRing(Arc<Inner>);

struct Inner {
    db: Db,
    seal: ServerKey,
    verifier: Verifier,
    ring: RwLock<Arc<Ring>>,
    /// Held while the keys are read again, so that an older picture never replaces a newer one and a stamp stands for
    /// one picture. It keeps when an unknown key was last the reason.
    looked: Mutex<Option<Instant>>,
}

/// One picture of the keys.
pub struct Ring {
    /// Counts up whenever the keys change: what was verified under another stamp must be verified again.
    pub stamp: u64,
    /// The body of `/.well-known/jwks.json`.
    pub jwks: Bytes,
    infos: Vec<KeyInfo>,
    active: Option<SigningKey>,
    keys: KeySet,
    verifier: Verifier,
}

/// Why the keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The private keys were sealed under another master key.
    #[error("the signing keys in the database were sealed under another master key than {0}")]
    WrongMasterKey(&'static str),
    /// A key could not be made.
    #[error(transparent)]
    Key(#[from] gatepost_token::KeyError),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl KeyRing {
    /// A ring without keys; [`KeyRing::reload`] fills it.
    pub fn new(db: Db, seal: ServerKey, issuer: &str, audience: &str) -> Self {
        let verifier = Verifier::new(issuer, audience);
        let empty = Ring {
            stamp: 0,
            jwks: Bytes::new(),
            infos: Vec::new(),
            active: None,
            keys: KeySet::default(),
            verifier: verifier.clone(),
        };
        let ring = RwLock::new(Arc::new(empty));
        Self(Arc::new(Inner { db, seal, verifier, ring, looked: Mutex::new(None) }))
    }

    /// The picture of this moment.
    pub fn current(&self) -> Arc<Ring> {
        // A poisoned lock still holds a whole picture: it is replaced in one assignment.
        Arc::clone(&self.0.ring.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Reads the keys again, and says whether they have changed.
    ///
    /// # Errors
    /// [`KeysError::WrongMasterKey`], or what the database says; the picture stays as it was.
    pub async fn reload(&self) -> Result<bool, KeysError> {
        let _turn = self.0.looked.lock().await;
        self.read_again().await
    }

    /// For whoever holds the turn.
    async fn read_again(&self) -> Result<bool, KeysError> {
        let rows = self.0.db.read(sql::keys).await?;
        let before = self.current();
        if rows.iter().map(|row| &row.info).eq(&before.infos) {
            return Ok(false);
        }
        let ring = self.assemble(rows, before.stamp + 1)?;
        *self.0.ring.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Arc::new(ring);
        Ok(true)
    }

    /// Reads the keys again because a token names one that is unknown in the picture with the stamp `seen`, at most once a
    /// second (another node may have replaced a revoked key a moment ago). Says whether there is another picture now,
    /// whoever read it.
    ///
    /// # Errors
    /// As [`KeyRing::reload`].
    pub async fn look_again(&self, seen: u64) -> Result<bool, KeysError> {
        // Whoever comes while another one looks waits for what that one finds.
        let mut looked = self.0.looked.lock().await;
        if self.current().stamp != seen {
            return Ok(true);
        }
        if looked.is_some_and(|at| at.elapsed() < LOOK_AGAIN) {
            return Ok(false);
        }
        *looked = Some(Instant::now());
        self.read_again().await
    }

    /// Seals a private key for its row.
    pub(super) fn seal(&self, key: &SigningKey) -> Vec<u8> {
        self.0.seal.seal(key.kid().as_bytes(), key.stored().expose())
    }

    fn assemble(&self, rows: Vec<KeyRow>, stamp: u64) -> Result<Ring, KeysError> {
        let mut active = None;
        let mut keys = KeySet::default();
        let mut infos = Vec::with_capacity(rows.len());
        for KeyRow { info, sealed } in rows {
            if let Some(sealed) = sealed {
                let stored = self.0.seal.open(info.kid.as_bytes(), &sealed);
                let stored = stored.ok_or(KeysError::WrongMasterKey("the one that this server was given"))?;
                let key = SigningKey::from_stored(info.algorithm, stored)?;
                keys.insert(key.verification_key());
                if info.state == State::Active {
                    active = Some(key);
                }
            }
            infos.push(info);
        }
        let jwks = serde_json::to_vec(&keys.jwks()).unwrap_or_default().into();
        Ok(Ring { stamp, jwks, infos, active, keys, verifier: self.0.verifier.clone() })
    }
}

impl Ring {
    /// What is known of every key, newest first.
    pub fn infos(&self) -> &[KeyInfo] {
        &self.infos
    }

    /// Signs an access token with the active key.
    ///
    /// # Errors
    /// When there is no active key, or the signature cannot be made.
    pub fn sign(&self, claims: &Claims) -> Result<Secret<String>, SigningError> {
        self.active.as_ref().ok_or(SigningError::Library)?.sign(claims)
    }

    /// Verifies an access token.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, TokenError> {
        self.verifier.verify(&self.keys, token, now)
    }
}
