//! Every statement on `sessions` and `refresh_families`.

use std::time::Duration;

use gatepost_db::{Db, DbError, ReadTx, Row, WriteTx, params, statements};
use gatepost_kernel::{Timestamp, TokenHash};

use super::identities::{IdentityRow, LastSeen, SessionState};
use super::mint::{Drawn, Key, Lifetimes};
use super::model::{Assurance, Family, RefreshToken};
use super::wanted::Wanted;
use crate::access::{HeldRole, held_roles};
use crate::accounts::{USER_COLUMNS, user_columns, user_from_row};
use crate::audit::Act;
use crate::ids::{SessionId, UserId};

macro_rules! family_columns {
    () => {
        "session_id, user_id, client_id, auth_epoch, current_hash, previous_hash, sealed_successor, fingerprint, \
         rotated_at, idle_until, absolute_until, status = 'active'"
    };
}

macro_rules! identity {
    ($concatenated:literal, $which:literal) => {
        concat!(
            "SELECT ",
            user_columns!("u."),
            ", s.id, s.auth_epoch, s.client_id, s.proven_at, s.second_factor_at, s.kind, s.absolute_until, \
             s.last_seen_at, ",
            held_roles!($concatenated, "u.id"),
            " FROM sessions s JOIN users u ON u.id = s.user_id WHERE ",
            $which,
            " AND s.ended_at IS NULL"
        )
    };
}

macro_rules! device_columns {
    () => {
        "s.id, s.device_name, s.user_agent, s.address, s.location, s.created_at, \
         CASE WHEN f.rotated_at > s.last_seen_at THEN f.rotated_at ELSE s.last_seen_at END, f.idle_until, \
         s.absolute_until, s.kind, s.method, s.second_factor_at IS NOT NULL"
    };
}

macro_rules! lives {
    () => {
        "s.auth_epoch = ?2 AND s.ended_at IS NULL AND s.absolute_until > ?3 AND CASE s.kind \
         WHEN 'token' THEN f.status = 'active' AND f.idle_until > ?3 \
         WHEN 'browser' THEN s.last_seen_at > ?4 ELSE s.last_seen_at > ?5 END"
    };
}

statements! {
    INSERT_SESSION = "INSERT INTO sessions (id, user_id, client_id, auth_epoch, method, device_name, user_agent, \
        address, created_at, proven_at, second_factor_at, version, kind, cookie_hash, last_seen_at, absolute_until, \
        location) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9, ?10, 1, ?11, ?12, ?9, ?13, ?14)";
    INSERT_FAMILY = "INSERT INTO refresh_families (selector_hash, session_id, user_id, client_id, auth_epoch, \
        current_hash, generation, created_at, rotated_at, idle_until, absolute_until, status) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?7, ?7, ?8, ?9, 'active')";
    /// The compare-and-swap of a refresh: at most one of any number of racing exchanges finds `current_hash` as it was.
    ROTATE = "UPDATE refresh_families SET previous_hash = current_hash, current_hash = ?3, sealed_successor = ?4, \
        fingerprint = ?5, generation = generation + 1, rotated_at = ?6, \
        idle_until = CASE WHEN ?7 < absolute_until THEN ?7 ELSE absolute_until END \
        WHERE selector_hash = ?1 AND current_hash = ?2 AND client_id = ?8 AND status = 'active' \
        AND idle_until > ?6 AND absolute_until > ?6 \
        AND auth_epoch = (SELECT u.auth_epoch FROM users u WHERE u.id = user_id AND u.is_active AND NOT u.awaiting_approval AND u.deleted_at IS NULL) \
        RETURNING session_id, user_id, client_id, auth_epoch, idle_until";
    FAMILY_BY_SELECTOR = concat!("SELECT ", family_columns!(), " FROM refresh_families WHERE selector_hash = ?1");
    END_SESSION = "UPDATE sessions SET ended_at = ?2, end_reason = ?3, version = version + 1 \
        WHERE id = ?1 AND ended_at IS NULL";
    END_FAMILY = "UPDATE refresh_families SET status = ?2, reason = ?3 WHERE session_id = ?1 AND status = 'active'";
    /// Everything that a signed-in request depends on, in one look.
    IDENTITY =
        sqlite identity!("group_concat", "s.id = ?1"),
        postgres identity!("string_agg", "s.id = ?1");
    /// The same for whoever comes with a cookie.
    IDENTITY_BY_COOKIE =
        sqlite identity!("group_concat", "s.cookie_hash = ?1"),
        postgres identity!("string_agg", "s.cookie_hash = ?1");
    /// Whose session a cookie names, whether or not it still lives.
    NAMED_BY_COOKIE = "SELECT user_id, id FROM sessions WHERE cookie_hash = ?1";
    /// At most one of any number of racing requests, on any node, writes within a minute.
    TOUCH = "UPDATE sessions SET last_seen_at = ?2 WHERE id = ?1 AND last_seen_at <= ?3 AND ended_at IS NULL \
        RETURNING id";
    RENEW_COOKIE = "UPDATE sessions SET cookie_hash = ?2, version = version + 1 \
        WHERE id = ?1 AND cookie_hash IS NOT NULL AND ended_at IS NULL";
    /// The sessions of a user that live, newest first. `?3` is now, `?4` and `?5` are when a session with a cookie was used
    /// last, at the latest, if its idle limit has passed.
    LIVING = concat!("SELECT ", device_columns!(), " FROM sessions s LEFT JOIN refresh_families f ON f.session_id = s.id ",
        "WHERE s.user_id = ?1 AND ", lives!(), " ORDER BY s.id DESC LIMIT ?6");
    LIVING_AFTER = concat!("SELECT ", device_columns!(), " FROM sessions s LEFT JOIN refresh_families f ON f.session_id = s.id ",
        "WHERE s.user_id = ?1 AND s.id < ?7 AND ", lives!(), " ORDER BY s.id DESC LIMIT ?6");
    BELONGS_TO = "SELECT EXISTS (SELECT 1 FROM sessions s JOIN users u ON u.id = s.user_id \
        WHERE s.id = ?1 AND s.user_id = ?2 AND s.auth_epoch = u.auth_epoch)";
    /// All but one; nobody has the id that is all zeros.
    END_FAMILIES = "UPDATE refresh_families SET status = 'revoked', reason = ?3 \
        WHERE user_id = ?1 AND session_id <> ?2 AND status = 'active'";
    /// Only what still lived by its epoch and its end: the rest has ended long ago, in another way.
    END_SESSIONS = "UPDATE sessions SET ended_at = ?4, end_reason = ?3, version = version + 1 \
        WHERE user_id = ?1 AND id <> ?2 AND ended_at IS NULL AND absolute_until > ?4 \
        AND auth_epoch = (SELECT u.auth_epoch FROM users u WHERE u.id = user_id)";
    PROVE = "UPDATE sessions SET proven_at = ?2, second_factor_at = CASE WHEN ?3 THEN ?2 ELSE second_factor_at END, \
        version = version + 1 WHERE id = ?1";
    STILL_LIVES = "SELECT EXISTS (SELECT 1 FROM sessions s JOIN users u ON u.id = s.user_id \
        WHERE s.id = ?1 AND s.ended_at IS NULL AND u.auth_epoch = s.auth_epoch AND u.is_active AND NOT u.awaiting_approval AND u.deleted_at IS NULL)";
    PURGE = "DELETE FROM sessions WHERE id IN \
        (SELECT s.id FROM sessions s LEFT JOIN refresh_families f ON f.session_id = s.id \
        WHERE COALESCE(f.idle_until, s.absolute_until) < ?1 OR s.ended_at < ?1 LIMIT 1000)";
}

/// What the rows of a new session are made of.
pub(super) struct NewSession<'a> {
    pub(super) act: &'a Act,
    pub(super) assurance: &'a Assurance,
    pub(super) client_id: &'a str,
    pub(super) drawn: &'a Drawn,
    pub(super) lifetimes: &'a Lifetimes,
    pub(super) location: Option<String>,
}

pub(super) fn insert_session(tx: &mut WriteTx<'_>, new: &NewSession<'_>) -> Result<(), DbError> {
    let NewSession { act, assurance, client_id, drawn, lifetimes, location } = new;
    let address = act.address.map(|address| address.to_string());
    let cookie = match &drawn.key {
        Key::Cookie(key) => Some(key.hash()),
        Key::Refresh(_) => None,
    };
    tx.execute(
        &INSERT_SESSION,
        &params![
            drawn.session,
            assurance.user,
            client_id,
            assurance.epoch,
            assurance.method,
            drawn.device.name,
            act.user_agent,
            address,
            act.at,
            assurance.second.map(|shown| shown.at(act.at)),
            drawn.device.wanted.name(),
            cookie,
            lifetimes.absolute_until,
            location
        ],
    )?;
    Ok(())
}

pub(super) fn insert_family(
    tx: &mut WriteTx<'_>,
    new: &NewSession<'_>,
    refresh: &RefreshToken,
) -> Result<(), DbError> {
    let NewSession { assurance, client_id, drawn, lifetimes, .. } = new;
    tx.execute(
        &INSERT_FAMILY,
        &params![
            refresh.selector_hash(),
            drawn.session,
            assurance.user,
            client_id,
            assurance.epoch,
            refresh.validator_hash(),
            lifetimes.begin,
            lifetimes.idle_until,
            lifetimes.absolute_until
        ],
    )?;
    Ok(())
}

/// What a rotation is made of.
pub(super) struct Rotation<'a> {
    pub(super) client_id: &'a str,
    pub(super) presented: &'a RefreshToken,
    pub(super) successor: &'a RefreshToken,
    pub(super) sealed_successor: &'a [u8],
    pub(super) fingerprint: &'a TokenHash,
    pub(super) now: Timestamp,
    pub(super) idle_until: Timestamp,
}

/// The session that goes on after a swap.
pub(super) struct Continued {
    pub(super) session: SessionId,
    pub(super) user: UserId,
    pub(super) client_id: String,
    pub(super) epoch: i64,
    pub(super) idle_until: Timestamp,
}

pub(super) async fn rotate(db: &Db, rotation: &Rotation<'_>) -> Result<Option<Continued>, DbError> {
    db.write_cas(
        &ROTATE,
        &params![
            rotation.presented.selector_hash(),
            rotation.presented.validator_hash(),
            rotation.successor.validator_hash(),
            rotation.sealed_successor,
            rotation.fingerprint,
            rotation.now,
            rotation.idle_until,
            rotation.client_id
        ],
        |row| {
            Ok(Continued {
                session: row.get(0)?,
                user: row.get(1)?,
                client_id: row.get(2)?,
                epoch: row.get(3)?,
                idle_until: row.get(4)?,
            })
        },
    )
    .await
}

pub(super) fn family_by_selector(
    tx: &mut ReadTx<'_>,
    selector: &TokenHash,
) -> Result<Option<Family>, DbError> {
    tx.query_opt(&FAMILY_BY_SELECTOR, &params![selector], |row| {
        Ok(Family {
            session: row.get(0)?,
            user: row.get(1)?,
            client_id: row.get(2)?,
            epoch: row.get(3)?,
            current: row.get(4)?,
            previous: row.get(5)?,
            sealed_successor: row.get(6)?,
            fingerprint: row.get(7)?,
            rotated_at: row.get(8)?,
            idle_until: row.get(9)?,
            absolute_until: row.get(10)?,
            is_active: row.get(11)?,
        })
    })
}

/// Ends a session and its family. Whether it was alive.
pub(super) fn end_session(
    tx: &mut WriteTx<'_>,
    session: SessionId,
    family_status: &str,
    reason: &str,
    now: Timestamp,
) -> Result<bool, DbError> {
    tx.execute(&END_FAMILY, &params![session, family_status, reason])?;
    Ok(tx.execute(&END_SESSION, &params![session, now, reason])? == 1)
}

/// Whose living sessions, by which limits.
pub(super) struct Living {
    pub(super) user: UserId,
    pub(super) epoch: i64,
    pub(super) now: Timestamp,
    pub(super) browser_idle: Duration,
    pub(super) remembered_idle: Duration,
}

/// A session, as its owner's list of devices needs it.
pub(super) struct DeviceRow {
    pub(super) id: SessionId,
    pub(super) name: Option<String>,
    pub(super) user_agent: Option<String>,
    pub(super) address: Option<String>,
    pub(super) location: Option<String>,
    pub(super) created_at: Timestamp,
    pub(super) last_seen_at: Timestamp,
    pub(super) expires_at: Timestamp,
    pub(super) method: String,
    pub(super) second_factor: bool,
}

pub(super) fn living(
    tx: &mut ReadTx<'_>,
    of: &Living,
    after: Option<SessionId>,
    limit: i64,
) -> Result<Vec<DeviceRow>, DbError> {
    let (browser, remembered) = (of.now.minus(of.browser_idle), of.now.minus(of.remembered_idle));
    let read = |row: &Row<'_>| {
        let last_seen_at: Timestamp = row.get(6)?;
        let idle_until: Option<Timestamp> = row.get(7)?;
        let absolute_until: Timestamp = row.get(8)?;
        let idle_until = match kind_from_row(row, 9)? {
            Wanted::Tokens => idle_until.unwrap_or(absolute_until),
            Wanted::Browser => last_seen_at.plus(of.browser_idle),
            Wanted::RememberedBrowser => last_seen_at.plus(of.remembered_idle),
        };
        Ok(DeviceRow {
            id: row.get(0)?,
            name: row.get(1)?,
            user_agent: row.get(2)?,
            address: row.get(3)?,
            location: row.get(4)?,
            created_at: row.get(5)?,
            last_seen_at,
            expires_at: idle_until.min(absolute_until),
            method: row.get(10)?,
            second_factor: row.get(11)?,
        })
    };
    match after {
        None => tx.query_all(&LIVING, &params![of.user, of.epoch, of.now, browser, remembered, limit], read),
        Some(after) => {
            let params = params![of.user, of.epoch, of.now, browser, remembered, limit, after];
            tx.query_all(&LIVING_AFTER, &params, read)
        }
    }
}

pub(super) fn belongs_to(tx: &mut ReadTx<'_>, session: SessionId, user: UserId) -> Result<bool, DbError> {
    tx.query_one(&BELONGS_TO, &params![session, user], |row| row.get(0))
}

/// Ends a user's sessions and their families, but for one to keep. How many lived.
pub(super) fn end_sessions(
    tx: &mut WriteTx<'_>,
    user: UserId,
    keep: Option<SessionId>,
    now: Timestamp,
) -> Result<u64, DbError> {
    let (keep, reason) = (keep.unwrap_or_else(|| SessionId::from_bytes([0; 16])), "revoked_all");
    tx.execute(&END_FAMILIES, &params![user, keep, reason])?;
    tx.execute(&END_SESSIONS, &params![user, keep, reason, now])
}

pub(super) async fn identity(db: &Db, session: SessionId) -> Result<Option<IdentityRow>, DbError> {
    db.read_one(&IDENTITY, &params![session], identity_from_row).await
}

pub(super) fn identity_in(tx: &mut ReadTx<'_>, session: SessionId) -> Result<Option<IdentityRow>, DbError> {
    tx.query_opt(&IDENTITY, &params![session], identity_from_row)
}

pub(super) async fn identity_by_cookie(db: &Db, cookie: &TokenHash) -> Result<Option<IdentityRow>, DbError> {
    db.read_one(&IDENTITY_BY_COOKIE, &params![cookie], identity_from_row).await
}

pub(super) async fn named_by_cookie(
    db: &Db,
    cookie: &TokenHash,
) -> Result<Option<(UserId, SessionId)>, DbError> {
    db.read_one(&NAMED_BY_COOKIE, &params![cookie], |row| Ok((row.get(0)?, row.get(1)?))).await
}

/// Notes that a session was used, unless that was noted after `before`.
pub(super) async fn touch(
    db: &Db,
    session: SessionId,
    now: Timestamp,
    before: Timestamp,
) -> Result<(), DbError> {
    let touched = db.write_cas(&TOUCH, &params![session, now, before], |row| row.get::<SessionId>(0)).await;
    touched.map(|_| ())
}

pub(super) fn renew_cookie(
    tx: &mut WriteTx<'_>,
    session: SessionId,
    cookie: &TokenHash,
) -> Result<bool, DbError> {
    Ok(tx.execute(&RENEW_COOKIE, &params![session, cookie])? == 1)
}

/// Notes a proof that was given in a session.
pub(super) fn prove(
    tx: &mut WriteTx<'_>,
    session: SessionId,
    second: bool,
    now: Timestamp,
) -> Result<(), DbError> {
    tx.execute(&PROVE, &params![session, now, second]).map(|_| ())
}

pub(super) fn still_lives(tx: &mut ReadTx<'_>, session: SessionId) -> Result<bool, DbError> {
    tx.query_one(&STILL_LIVES, &params![session], |row| row.get(0))
}

fn identity_from_row(row: &Row<'_>) -> Result<IdentityRow, DbError> {
    let user = user_from_row(row)?;
    let session = SessionState {
        id: row.get(USER_COLUMNS)?,
        epoch: row.get(USER_COLUMNS + 1)?,
        client_id: row.get(USER_COLUMNS + 2)?,
        proven_at: row.get(USER_COLUMNS + 3)?,
        second_factor_at: row.get(USER_COLUMNS + 4)?,
        kind: kind_from_row(row, USER_COLUMNS + 5)?,
        absolute_until: row.get(USER_COLUMNS + 6)?,
    };
    let last_seen = LastSeen::at(row.get(USER_COLUMNS + 7)?);
    let held: Option<String> = row.get(USER_COLUMNS + 8)?;
    Ok(IdentityRow { user, held: HeldRole::all_from_text(held.as_deref()), session, last_seen })
}

/// The kind of a session. Rows of a newer program may hold one that this one does not know.
pub(super) fn kind_from_row(row: &Row<'_>, column: usize) -> Result<Wanted, DbError> {
    Wanted::from_name(&row.get::<String>(column)?).ok_or(DbError::Decode {
        statement: "sessions.kind",
        column,
        problem: "no kind of session",
    })
}

pub(super) fn purge(tx: &mut WriteTx<'_>, expired_before: Timestamp) -> Result<u64, DbError> {
    tx.execute(&PURGE, &params![expired_before])
}
