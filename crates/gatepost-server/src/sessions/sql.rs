//! Every statement on `sessions` and `refresh_families`.

use gatepost_db::{Db, DbError, ReadTx, Row, WriteTx, params, statements};
use gatepost_kernel::{Timestamp, TokenHash};

use super::identities::{Identity, SessionState};
use super::mint::{Drawn, Lifetimes};
use super::model::{Assurance, Family, RefreshToken};
use crate::access;
use crate::accounts::{USER_COLUMNS, user_columns, user_from_row};
use crate::audit::Act;
use crate::ids::{SessionId, UserId};

macro_rules! family_columns {
    () => {
        "session_id, user_id, client_id, auth_epoch, current_hash, previous_hash, sealed_successor, fingerprint, \
         rotated_at, idle_until, absolute_until, status = 'active'"
    };
}

statements! {
    INSERT_SESSION = "INSERT INTO sessions (id, user_id, client_id, auth_epoch, method, device_name, user_agent, \
        address, created_at, proven_at, second_factor_at, version) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9, ?10, 1)";
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
        sqlite concat!("SELECT ", user_columns!("u."), ", s.id, s.auth_epoch, s.client_id, s.proven_at, s.second_factor_at, ",
            "(SELECT group_concat(r.role, ' ') FROM user_roles r WHERE r.user_id = u.id) ",
            "FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = ?1 AND s.ended_at IS NULL"),
        postgres concat!("SELECT ", user_columns!("u."), ", s.id, s.auth_epoch, s.client_id, s.proven_at, s.second_factor_at, ",
            "(SELECT string_agg(r.role, ' ') FROM user_roles r WHERE r.user_id = u.id) ",
            "FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = ?1 AND s.ended_at IS NULL");
    STILL_LIVES = "SELECT EXISTS (SELECT 1 FROM sessions s JOIN users u ON u.id = s.user_id \
        WHERE s.id = ?1 AND s.ended_at IS NULL AND u.auth_epoch = s.auth_epoch AND u.is_active AND NOT u.awaiting_approval AND u.deleted_at IS NULL)";
    PURGE = "DELETE FROM sessions WHERE id IN \
        (SELECT f.session_id FROM refresh_families f JOIN sessions s ON s.id = f.session_id \
        WHERE f.idle_until < ?1 OR s.ended_at < ?1 LIMIT 1000)";
}

pub(super) fn insert_session(
    tx: &mut WriteTx<'_>,
    act: &Act,
    assurance: &Assurance,
    client_id: &str,
    drawn: &Drawn,
) -> Result<(), DbError> {
    let address = act.address.map(|address| address.to_string());
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
            assurance.second.map(|_| act.at)
        ],
    )?;
    Ok(())
}

pub(super) fn insert_family(
    tx: &mut WriteTx<'_>,
    assurance: &Assurance,
    client_id: &str,
    drawn: &Drawn,
    lifetimes: &Lifetimes,
) -> Result<(), DbError> {
    tx.execute(
        &INSERT_FAMILY,
        &params![
            drawn.refresh.selector_hash(),
            drawn.session,
            assurance.user,
            client_id,
            assurance.epoch,
            drawn.refresh.validator_hash(),
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

pub(super) async fn identity(db: &Db, session: SessionId) -> Result<Option<Identity>, DbError> {
    db.read_one(&IDENTITY, &params![session], identity_from_row).await
}

pub(super) fn still_lives(tx: &mut ReadTx<'_>, session: SessionId) -> Result<bool, DbError> {
    tx.query_one(&STILL_LIVES, &params![session], |row| row.get(0))
}

fn identity_from_row(row: &Row<'_>) -> Result<Identity, DbError> {
    let user = user_from_row(row)?;
    let session = SessionState {
        id: row.get(USER_COLUMNS)?,
        epoch: row.get(USER_COLUMNS + 1)?,
        client_id: row.get(USER_COLUMNS + 2)?,
        proven_at: row.get(USER_COLUMNS + 3)?,
        second_factor_at: row.get(USER_COLUMNS + 4)?,
    };
    let roles: Option<String> = row.get(USER_COLUMNS + 5)?;
    let roles = roles.unwrap_or_default().split_whitespace().map(str::to_owned).collect();
    Ok(Identity { user, rights: access::rights(roles), session })
}

pub(super) fn purge(tx: &mut WriteTx<'_>, expired_before: Timestamp) -> Result<u64, DbError> {
    tx.execute(&PURGE, &params![expired_before])
}
