//! Every statement on `setup_link`.

use gatepost_db::{DbError, ReadTx, WriteTx, params, statements};
use gatepost_kernel::{Timestamp, TokenHash};

statements! {
    PUT_LINK = "INSERT INTO setup_link (slot, token_hash, expires_at, created_at) VALUES (1, ?1, ?2, ?3) \
        ON CONFLICT (slot) DO UPDATE SET token_hash = excluded.token_hash, expires_at = excluded.expires_at, \
        created_at = excluded.created_at";
    LINK_IS_LIVE = "SELECT EXISTS (SELECT 1 FROM setup_link WHERE token_hash = ?1 AND expires_at > ?2)";
    CONSUME_LINK = "DELETE FROM setup_link WHERE token_hash = ?1 AND expires_at > ?2";
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
