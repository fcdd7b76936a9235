//! Who is behind an access token, right now.
//!
//! Two caches stand between a request and the work of finding out. *Verified tokens* saves the signature: a token that
//! was verified once is known by its hash until it expires or a key is withdrawn. *Identities* saves the query: the
//! account, its rights and its session, as one row of the database said a moment ago.
//!
//! Neither is emptied by searching it. An entry remembers the stamp that its user (or the key ring) had **before** the
//! database was read; whoever commits a change counts the stamp up, and every entry with the old stamp is dead, also
//! one that a slow reader is only about to put in. Users share stamps by hash, so a change may cost a stranger one
//! query more, never an answer that is out of date.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gatepost_db::{Db, DbError, ReadTx, WriteTx};
use gatepost_kernel::{Purpose, Timestamp, TokenHash};
use gatepost_problem::Problem;
use gatepost_token::{Claims, TokenError};
use quick_cache::sync::Cache;

use super::sql;
use super::wanted::Wanted;
use crate::access::{AccessRules, HeldRole};
use crate::accounts::User;
use crate::http::{Rights, storage_problem};
use crate::ids::{SessionId, UserId};
use crate::keys::{KeyRing, KeysError, Ring};

/// The longest that this node may not know of another node's commit.
pub const MAX_AGE: Duration = Duration::from_secs(3);

/// How many signed-in sessions are remembered: about 1 KiB each.
const IDENTITIES: usize = 10_000;
/// How many verified tokens are remembered: about 200 bytes each.
const TOKENS: usize = 20_000;
/// A power of two, so that a stamp is found by masking.
const STAMPS: usize = 4_096;

const ACCESS_TOKEN: Purpose = Purpose::new("access-token-cache");

/// A session, as far as a signed-in request cares.
#[derive(Clone)]
pub struct SessionState {
    /// Its id.
    pub id: SessionId,
    /// The account's epoch when it began.
    pub epoch: i64,
    /// Which application mediates it.
    pub client_id: String,
    /// When its user last proved who they are.
    pub proven_at: Timestamp,
    /// When they last showed a second factor in it.
    pub second_factor_at: Option<Timestamp>,
    /// What its client holds: tokens or a cookie.
    pub kind: Wanted,
    /// When it ends, however much it is used.
    pub absolute_until: Timestamp,
}

/// When a session was last used, as far as this node knows. Requests of one session share it.
pub struct LastSeen(AtomicI64);

impl LastSeen {
    pub(super) fn at(when: Timestamp) -> Self {
        Self(AtomicI64::new(when.as_micros()))
    }

    pub(super) fn get(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::Relaxed))
    }

    /// Whether the caller is the one of racing requests that has to write this down.
    pub(super) fn advance(&self, from: Timestamp, to: Timestamp) -> bool {
        let (from, to) = (from.as_micros(), to.as_micros());
        self.0.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

/// An account, what it may do, and the session that speaks for it.
pub struct Identity {
    /// The account.
    pub user: User,
    /// Its roles and permissions.
    pub rights: Rights,
    /// The session.
    pub session: SessionState,
    /// When it was last used.
    pub last_seen: LastSeen,
}

impl Identity {
    /// What a row says, with the rights that count in this session; `None` when session or account has ended.
    fn of(row: IdentityRow, rules: &AccessRules) -> Option<Self> {
        let IdentityRow { user, held, session, last_seen } = row;
        if !user.is_usable() || user.auth_epoch != session.epoch {
            return None;
        }
        // A factor that was removed since is none.
        let shown = user.two_factor_enabled && session.second_factor_at.is_some();
        Some(Self { user, rights: rules.rights(held, shown), session, last_seen })
    }
}

/// What the database says of a session that has not been ended.
pub(super) struct IdentityRow {
    pub(super) user: User,
    pub(super) held: Vec<HeldRole>,
    pub(super) session: SessionState,
    pub(super) last_seen: LastSeen,
}

/// What a session may do now, past every cache; `None` when it has ended.
///
/// # Errors
/// What the database says.
pub fn rights_now(
    tx: &mut ReadTx<'_>,
    session: SessionId,
    rules: &AccessRules,
) -> Result<Option<Rights>, DbError> {
    let row = sql::identity_in(tx, session)?;
    Ok(row.and_then(|row| Identity::of(row, rules)).map(|identity| identity.rights))
}

/// Whether a session has not ended, and neither has its account's epoch: the database's word, past every cache.
///
/// # Errors
/// What the database says.
pub fn still_lives(tx: &mut ReadTx<'_>, session: &SessionState) -> Result<bool, DbError> {
    sql::still_lives(tx, session.id)
}

/// What is left of a token once its signature and claims were checked.
#[derive(Clone, Copy)]
struct Verified {
    user: UserId,
    session: SessionId,
    epoch: i64,
    expires: Timestamp,
    key_stamp: u64,
}

#[derive(Clone)]
struct Entry {
    identity: Arc<Identity>,
    stamp: u64,
    loaded: Instant,
}

/// Why nobody is signed in.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticationError {
    /// The session or the account behind the token has ended.
    #[error("the access token is refused: {0}")]
    Refused(&'static str),
    /// The token itself is not one of ours, or has expired.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The keys could not be read again.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<AuthenticationError> for Problem {
    fn from(error: AuthenticationError) -> Self {
        match error {
            AuthenticationError::Db(error) | AuthenticationError::Keys(KeysError::Db(error)) => {
                storage_problem(error)
            }
            AuthenticationError::Keys(error) => Self::internal(error),
            // Whoever holds a token of ours may know that it is only too old; about any other we say nothing.
            AuthenticationError::Token(TokenError::Expired) => Self::invalid_bearer()
                .detail("The access token has expired: get a new one with the refresh token.")
                .cause(error),
            AuthenticationError::Token(_) | AuthenticationError::Refused(_) => {
                Self::invalid_bearer().cause(error)
            }
        }
    }
}

/// The door for access tokens. Cloning shares the caches.
#[derive(Clone)]
pub struct Identities(Arc<Inner>);

struct Inner {
    db: Db,
    keys: KeyRing,
    tokens: Cache<[u8; 32], Verified>,
    sessions: Option<Cache<SessionId, Entry>>,
    stamps: Box<[AtomicU64]>,
    rules: AccessRules,
}

impl Identities {
    /// A door with empty caches. Without `cached`, every request reads the database. The rules turn roles into rights.
    pub fn new(db: Db, keys: KeyRing, cached: bool, rules: AccessRules) -> Self {
        Self(Arc::new(Inner {
            db,
            keys,
            tokens: Cache::new(TOKENS),
            sessions: cached.then(|| Cache::new(IDENTITIES)),
            stamps: (0..STAMPS).map(|_| AtomicU64::new(0)).collect(),
            rules,
        }))
    }

    /// Who presents this access token.
    ///
    /// # Errors
    /// [`AuthenticationError::Refused`] with a reason for the log; the client learns only that it is invalid.
    pub async fn authenticate(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<Arc<Identity>, AuthenticationError> {
        let verified = self.verify(token, now).await?;
        let identity = self.of_session(verified.user, verified.session).await?;
        let identity = identity.ok_or(AuthenticationError::Refused("its session or account has ended"))?;
        if identity.user.id != verified.user || identity.session.epoch != verified.epoch {
            return Err(AuthenticationError::Refused("it belongs to an earlier epoch of the account"));
        }
        // The mint lets no token outlive its session; a session may have been cut short since.
        if now >= identity.session.absolute_until {
            return Err(AuthenticationError::Refused("its session has reached its end"));
        }
        Ok(identity)
    }

    /// The living identity of the session that has this cookie, from the database.
    ///
    /// # Errors
    /// What the database says.
    pub(super) async fn of_cookie(&self, cookie: &TokenHash) -> Result<Option<Identity>, DbError> {
        let found = sql::identity_by_cookie(&self.0.db, cookie).await?;
        Ok(found.and_then(|row| Identity::of(row, &self.0.rules)))
    }

    /// The living identity of a session, from the cache or the database.
    ///
    /// # Errors
    /// What the database says.
    pub async fn of_session(
        &self,
        user: UserId,
        session: SessionId,
    ) -> Result<Option<Arc<Identity>>, DbError> {
        let stamp = self.stamp_of(user);
        if let Some(cache) = &self.0.sessions
            && let Some(entry) = cache.get(&session)
            && entry.stamp == stamp
            && entry.loaded.elapsed() < MAX_AGE
        {
            return Ok(Some(entry.identity));
        }
        let loaded = Instant::now();
        let found = sql::identity(&self.0.db, session).await?;
        let found = found.and_then(|row| Identity::of(row, &self.0.rules)).map(Arc::new);
        if let (Some(cache), Some(identity)) = (&self.0.sessions, &found)
            && identity.user.id == user
        {
            cache.insert(session, Entry { identity: Arc::clone(identity), stamp, loaded });
        }
        Ok(found)
    }

    /// Makes this node forget what it knows of a user once the transaction is durable. To be called by whoever changes
    /// an account, its roles or one of its sessions.
    pub fn forget_after_commit(&self, tx: &mut WriteTx<'_>, user: UserId) {
        let this = self.clone();
        tx.after_commit(move || {
            this.stamp(user).fetch_add(1, Ordering::AcqRel);
        });
    }

    /// Makes this node forget everybody once the transaction is durable. To be called by whoever changes what a role allows.
    pub fn forget_all_after_commit(&self, tx: &mut WriteTx<'_>) {
        let this = self.clone();
        tx.after_commit(move || {
            for stamp in &this.0.stamps {
                stamp.fetch_add(1, Ordering::AcqRel);
            }
        });
    }

    /// Whose session a token names, whether or not that session still lives: enough to end it.
    ///
    /// # Errors
    /// [`AuthenticationError::Refused`] for what is not a token of ours that has yet to expire.
    pub async fn named_by(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<(UserId, SessionId), AuthenticationError> {
        self.verify(token, now).await.map(|verified| (verified.user, verified.session))
    }

    /// How often this node was made to forget a user, or one who shares the stamp: what was read from the database before
    /// this changed is out of date.
    pub(crate) fn stamp_of(&self, user: UserId) -> u64 {
        self.stamp(user).load(Ordering::Acquire)
    }

    fn stamp(&self, user: UserId) -> &AtomicU64 {
        // The last bytes of a UUIDv7 are random.
        let bytes = user.as_uuid().into_bytes();
        &self.0.stamps[usize::from(u16::from_le_bytes([bytes[14], bytes[15]])) & (STAMPS - 1)]
    }

    async fn verify(&self, token: &str, now: Timestamp) -> Result<Verified, AuthenticationError> {
        let ring = self.0.keys.current();
        match self.verify_with(&ring, token, now) {
            // Another node may have made this key a moment ago.
            Err(AuthenticationError::Token(TokenError::UnknownKey))
                if self.0.keys.look_again(ring.stamp).await? =>
            {
                self.verify_with(&self.0.keys.current(), token, now)
            }
            verified => verified,
        }
    }

    fn verify_with(&self, ring: &Ring, token: &str, now: Timestamp) -> Result<Verified, AuthenticationError> {
        let hash = *TokenHash::of(ACCESS_TOKEN, token).as_bytes();
        if let Some(verified) = self.0.tokens.get(&hash)
            && verified.key_stamp == ring.stamp
        {
            return if now < verified.expires {
                Ok(verified)
            } else {
                self.0.tokens.remove(&hash);
                Err(TokenError::Expired.into())
            };
        }
        let claims = ring.verify(token, now)?;
        let verified =
            read(&claims, ring.stamp).ok_or(AuthenticationError::Refused("its claims name no session"))?;
        self.0.tokens.insert(hash, verified);
        Ok(verified)
    }
}

fn read(claims: &Claims, key_stamp: u64) -> Option<Verified> {
    Some(Verified {
        user: claims.sub.parse().ok()?,
        session: claims.sid.parse().ok()?,
        epoch: claims.epoch,
        expires: Timestamp::from_secs(claims.exp),
        key_stamp,
    })
}
