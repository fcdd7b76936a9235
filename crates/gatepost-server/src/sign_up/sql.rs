//! Every statement on `setup_link` and `invitations`.

use gatepost_db::{DbError, ReadTx, Row, WriteTx, params, statements};
use gatepost_kernel::{Timestamp, TokenHash};

use super::invitation::Invitation;

statements! {
    PUT_LINK = "INSERT INTO setup_link (slot, token_hash, expires_at, created_at) VALUES (1, ?1, ?2, ?3) \
        ON CONFLICT (slot) DO UPDATE SET token_hash = excluded.token_hash, expires_at = excluded.expires_at, \
        created_at = excluded.created_at";
    LINK_IS_LIVE = "SELECT EXISTS (SELECT 1 FROM setup_link WHERE token_hash = ?1 AND expires_at > ?2)";
    CONSUME_LINK = "DELETE FROM setup_link WHERE token_hash = ?1 AND expires_at > ?2";

    /// The newest invitation of an address is the only one.
    PUT_INVITATION = "INSERT INTO invitations (address, id, typed, token_hash, role, created_at, expires_at, invited_by) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (address) DO UPDATE SET id = excluded.id, \
        typed = excluded.typed, token_hash = excluded.token_hash, role = excluded.role, \
        created_at = excluded.created_at, expires_at = excluded.expires_at, invited_by = excluded.invited_by";
    INVITATION = "SELECT id, typed, role, invited_by FROM invitations WHERE token_hash = ?1 AND expires_at > ?2";
    INVITATION_OF = "SELECT id, typed, role, invited_by FROM invitations WHERE address = ?1 AND expires_at > ?2";
    FORGET_INVITATION = "DELETE FROM invitations WHERE address = ?1";
    /// At most one of any number of racing requests gets the row.
    ACCEPT_INVITATION = "DELETE FROM invitations WHERE token_hash = ?1 AND expires_at > ?2 RETURNING id, typed, role, invited_by";
    PURGE_INVITATIONS = "DELETE FROM invitations WHERE address IN \
        (SELECT i.address FROM invitations i WHERE i.expires_at < ?1 LIMIT 1000)";
}

pub(super) fn put_link(
    tx: &mut WriteTx<'_>,
    hash: &TokenHash,
    expires_at: Timestamp,
    now: Timestamp,
) -> Result<(), DbError> {
    tx.execute(&PUT_LINK, &params![hash, expires_at, now]).map(|_| ())
}

pub(super) fn link_is_live(tx: &mut ReadTx<'_>, hash: &TokenHash, now: Timestamp) -> Result<bool, DbError> {
    tx.query_one(&LINK_IS_LIVE, &params![hash, now], |row| row.get(0))
}

pub(super) fn consume_link(tx: &mut WriteTx<'_>, hash: &TokenHash, now: Timestamp) -> Result<bool, DbError> {
    Ok(tx.execute(&CONSUME_LINK, &params![hash, now])? == 1)
}

pub(super) fn put_invitation(
    tx: &mut WriteTx<'_>,
    (address, invitation): (&str, &Invitation),
    hash: &TokenHash,
    (now, expires_at): (Timestamp, Timestamp),
) -> Result<(), DbError> {
    let Invitation { id, email, roles, invited_by } = invitation;
    let roles = roles.join(" ");
    let values = params![address, id, email, hash, roles, now, expires_at, invited_by];
    tx.execute(&PUT_INVITATION, &values).map(|_| ())
}

pub(super) fn invitation(
    tx: &mut ReadTx<'_>,
    hash: &TokenHash,
    now: Timestamp,
) -> Result<Option<Invitation>, DbError> {
    tx.query_opt(&INVITATION, &params![hash, now], invitation_from_row)
}

/// The living invitation of a canonical address.
pub(super) fn invitation_of(
    tx: &mut ReadTx<'_>,
    address: &str,
    now: Timestamp,
) -> Result<Option<Invitation>, DbError> {
    tx.query_opt(&INVITATION_OF, &params![address, now], invitation_from_row)
}

pub(super) fn forget_invitation(tx: &mut WriteTx<'_>, address: &str) -> Result<(), DbError> {
    tx.execute(&FORGET_INVITATION, &params![address]).map(|_| ())
}

pub(super) fn accept_invitation(
    tx: &mut WriteTx<'_>,
    hash: &TokenHash,
    now: Timestamp,
) -> Result<Option<Invitation>, DbError> {
    tx.query_opt(&ACCEPT_INVITATION, &params![hash, now], invitation_from_row)
}

fn invitation_from_row(row: &Row<'_>) -> Result<Invitation, DbError> {
    // The name of a role holds no space.
    let roles: String = row.get(2)?;
    let roles = roles.split_whitespace().map(str::to_owned).collect();
    Ok(Invitation { id: row.get(0)?, email: row.get(1)?, roles, invited_by: row.get(3)? })
}

pub(super) fn purge_invitations(tx: &mut WriteTx<'_>, expired_before: Timestamp) -> Result<u64, DbError> {
    tx.execute(&PURGE_INVITATIONS, &params![expired_before])
}
