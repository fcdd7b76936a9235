//! Who is behind an API key, right now.
//!
//! What the database said is remembered for a moment, like the identities of sessions, and by the same stamps: a commit on
//! this node that concerns the owner ends it at once. A key of 256 random bits cannot be guessed, so nothing counts the
//! attempts: an unknown key costs one query, and what never was a key costs none.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use gatepost_db::{Db, DbError, ReadTx};
use gatepost_kernel::{Timestamp, TokenHash};
use gatepost_problem::Problem;
use quick_cache::sync::Cache;

use super::{model, sql};
use crate::access::{AccessRules, HeldRole};
use crate::accounts::User;
use crate::http::{Rights, storage_problem};
use crate::ids::ApiKeyId;
use crate::sessions::Identities;
use crate::sessions::identities::MAX_AGE;

/// How many keys are remembered: about 1 KiB each.
const KEYS: usize = 10_000;

/// How exact `last_used_at` is.
const NOTED: Duration = Duration::from_secs(60);

/// An account, and the key that speaks for it.
pub struct KeyIdentity {
    /// The key.
    pub id: ApiKeyId,
    /// Its owner.
    pub user: User,
    /// What its owner wants it to reach.
    pub scopes: Vec<String>,
    /// What it may do: the owner's permissions of this moment, as far as the scopes name them. It has no roles.
    pub rights: Rights,
    expires_at: Timestamp,
    is_kept: bool,
    /// When its last use was noted, in microseconds.
    noted: AtomicI64,
}

/// What the database says of a key.
pub(super) struct KeyRow {
    pub(super) user: User,
    pub(super) id: ApiKeyId,
    pub(super) scopes: Vec<String>,
    pub(super) expires_at: Timestamp,
    pub(super) last_used_at: Option<Timestamp>,
    /// Neither revoked, nor lost when the account was switched off.
    pub(super) is_kept: bool,
    /// Made where its owner had shown the second factor that the account has now.
    pub(super) second_factor: bool,
    pub(super) held: Vec<HeldRole>,
}

impl KeyIdentity {
    /// A key carries on what was shown in the session that made it: a role that counts only with a second factor counts
    /// for no key that was made without one, and for none once that very factor is gone.
    fn of(row: KeyRow, rules: &AccessRules) -> Self {
        let KeyRow { user, id, scopes, expires_at, last_used_at, is_kept, second_factor, held } = row;
        let shown = user.two_factor_enabled && second_factor;
        let rights = model::rights_within(rules.rights(held, shown), &scopes);
        let noted = AtomicI64::new(last_used_at.map_or(i64::MIN, Timestamp::as_micros));
        Self { id, user, scopes, rights, expires_at, is_kept, noted }
    }

    fn is_alive(&self, now: Timestamp) -> bool {
        self.is_kept && self.user.is_usable() && now < self.expires_at
    }

    /// Whether this use is the one to be noted, and if so, until when an earlier note is out of date. Of many requests
    /// at once, one is told so.
    fn to_be_noted(&self, now: Timestamp) -> Option<Timestamp> {
        let (noted, before) = (self.noted.load(Ordering::Relaxed), now.minus(NOTED));
        let is_due = noted <= before.as_micros();
        let mine = || {
            self.noted.compare_exchange(noted, now.as_micros(), Ordering::Relaxed, Ordering::Relaxed).is_ok()
        };
        (is_due && mine()).then_some(before)
    }
}

/// Whether a key may still be used: the database's word, past every cache.
///
/// # Errors
/// What the database says.
pub fn still_lives(tx: &mut ReadTx<'_>, id: ApiKeyId, now: Timestamp) -> Result<bool, DbError> {
    sql::still_lives(tx, id, now)
}

/// What a key may do now, past every cache; `None` when it has ended.
///
/// # Errors
/// What the database says.
pub fn rights_now(
    tx: &mut ReadTx<'_>,
    id: ApiKeyId,
    rules: &AccessRules,
    now: Timestamp,
) -> Result<Option<Rights>, DbError> {
    let key = sql::key_by_id(tx, id)?.map(|row| KeyIdentity::of(row, rules));
    Ok(key.filter(|key| key.is_alive(now)).map(|key| key.rights))
}

/// Why a key opens nothing. The client hears the same of all.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticationError {
    /// It is not one of ours, or it has ended.
    #[error("the API key is refused: {0}")]
    Refused(&'static str),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<AuthenticationError> for Problem {
    fn from(error: AuthenticationError) -> Self {
        match error {
            AuthenticationError::Db(error) => storage_problem(error),
            AuthenticationError::Refused(_) => Self::invalid_bearer().cause(error),
        }
    }
}

/// The door for API keys. Cloning shares the cache.
#[derive(Clone)]
pub struct ApiKeys(Arc<Inner>);

struct Inner {
    db: Db,
    identities: Identities,
    known: Option<Cache<[u8; 32], Entry>>,
    rules: AccessRules,
}

#[derive(Clone)]
struct Entry {
    identity: Arc<KeyIdentity>,
    /// What the owner's stamp was before the database was read. Whose key it is comes out only with the first reading, so
    /// that one has none, and only the second is worth remembering.
    stamp: Option<u64>,
    loaded: Instant,
}

impl ApiKeys {
    /// A door with an empty cache. Without `cached`, every request reads the database. The rules turn
    /// roles into rights.
    pub fn new(db: Db, identities: Identities, cached: bool, rules: AccessRules) -> Self {
        let known = cached.then(|| Cache::new(KEYS));
        Self(Arc::new(Inner { db, identities, known, rules }))
    }

    /// Who presents this key. Notes the use, at most once a minute.
    ///
    /// # Errors
    /// [`AuthenticationError::Refused`] with a reason for the log; the client learns only that it is invalid.
    pub async fn authenticate(
        &self,
        key: &str,
        now: Timestamp,
    ) -> Result<Arc<KeyIdentity>, AuthenticationError> {
        let hash = model::hash_of(key).ok_or(AuthenticationError::Refused("it does not look like one"))?;
        let found = self.look_up(&hash).await?;
        let identity = found.ok_or(AuthenticationError::Refused("nobody knows it"))?;
        if !identity.is_alive(now) {
            return Err(AuthenticationError::Refused("the key or its account has ended"));
        }
        if let Some(before) = identity.to_be_noted(now)
            && let Err(error) = sql::note_use(&self.0.db, identity.id, now, before).await
        {
            // Who is let in does not depend on a note.
            tracing::warn!(error = &error as &dyn std::error::Error, "could not note the use of an API key");
        }
        Ok(identity)
    }

    async fn look_up(&self, hash: &TokenHash) -> Result<Option<Arc<KeyIdentity>>, DbError> {
        let Inner { db, identities, known, rules } = &*self.0;
        let entry = known.as_ref().and_then(|cache| cache.get(hash.as_bytes()));
        let stamp = entry.as_ref().map(|entry| identities.stamp_of(entry.identity.user.id));
        if let Some(entry) = entry
            && entry.stamp == stamp
            && entry.loaded.elapsed() < MAX_AGE
        {
            return Ok(Some(entry.identity));
        }
        let loaded = Instant::now();
        let found = sql::key_by_hash(db, hash).await?;
        let found = found.map(|row| Arc::new(KeyIdentity::of(row, rules)));
        if let (Some(cache), Some(identity)) = (known, &found) {
            cache.insert(*hash.as_bytes(), Entry { identity: Arc::clone(identity), stamp, loaded });
        }
        Ok(found)
    }
}
