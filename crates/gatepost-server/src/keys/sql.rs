//! Every statement on `signing_keys`.

use gatepost_db::{DbError, ReadTx, Row, WriteTx, params, statements};
use gatepost_kernel::Timestamp;

use super::model::{KeyInfo, State};

statements! {
    ALL = "SELECT kid, algorithm, state, created_at, activated_at, retiring_at, ended_at, sealed \
        FROM signing_keys ORDER BY created_at DESC, kid";
    INSERT = "INSERT INTO signing_keys (kid, algorithm, state, sealed, created_at, activated_at, version) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1) ON CONFLICT DO NOTHING";
    TO_RETIRING = "UPDATE signing_keys SET state = 'retiring', retiring_at = ?1, version = version + 1 \
        WHERE state = 'active'";
    TO_ACTIVE = "UPDATE signing_keys SET state = 'active', activated_at = ?2, version = version + 1 \
        WHERE kid = ?1 AND state = 'next'";
    TO_END = "UPDATE signing_keys SET state = ?2, ended_at = ?3, sealed = NULL, version = version + 1 \
        WHERE kid = ?1 AND state NOT IN ('retired', 'revoked')";
}

/// A row with its sealed private half, which is erased when the key ends.
pub(super) struct KeyRow {
    pub(super) info: KeyInfo,
    pub(super) sealed: Option<Vec<u8>>,
}

pub(super) fn keys(tx: &mut ReadTx<'_>) -> Result<Vec<KeyRow>, DbError> {
    tx.query_all(&ALL, &params![], row)
}

fn row(row: &Row<'_>) -> Result<KeyRow, DbError> {
    let unknown = |column, problem| DbError::Decode { statement: "ALL", column, problem };
    let info = KeyInfo {
        kid: row.get(0)?,
        algorithm: row.get::<String>(1)?.parse().map_err(|_| unknown(1, "no algorithm of ours"))?,
        state: State::parse(&row.get::<String>(2)?).ok_or(unknown(2, "no state of a key"))?,
        created_at: row.get(3)?,
        activated_at: row.get(4)?,
        retiring_at: row.get(5)?,
        ended_at: row.get(6)?,
    };
    Ok(KeyRow { info, sealed: row.get(7)? })
}

/// Whether the row was written: another node may have made its key first.
pub(super) fn insert(tx: &mut WriteTx<'_>, info: &KeyInfo, sealed: &[u8]) -> Result<bool, DbError> {
    let changed = tx.execute(
        &INSERT,
        &params![
            info.kid,
            info.algorithm.name(),
            info.state.as_str(),
            sealed,
            info.created_at,
            info.activated_at
        ],
    )?;
    Ok(changed == 1)
}

pub(super) fn retire_active(tx: &mut WriteTx<'_>, now: Timestamp) -> Result<(), DbError> {
    tx.execute(&TO_RETIRING, &params![now]).map(|_| ())
}

pub(super) fn activate(tx: &mut WriteTx<'_>, kid: &str, now: Timestamp) -> Result<bool, DbError> {
    Ok(tx.execute(&TO_ACTIVE, &params![kid, now])? == 1)
}

pub(super) fn end(tx: &mut WriteTx<'_>, kid: &str, state: State, now: Timestamp) -> Result<bool, DbError> {
    Ok(tx.execute(&TO_END, &params![kid, state.as_str(), now])? == 1)
}
