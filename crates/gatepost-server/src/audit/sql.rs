//! Every statement on `audit_log`.

use gatepost_db::{DbError, WriteTx, params, statements};
use gatepost_kernel::Id;

use super::Act;
use crate::ids::UserId;

statements! {
    INSERT = "INSERT INTO audit_log (id, at, action, actor_id, user_id, address, user_agent, request_id, details) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
}

enum EntryKind {}

pub(super) struct Entry {
    pub(super) action: &'static str,
    pub(super) user: Option<UserId>,
    pub(super) details: String,
}

pub(super) fn insert(tx: &mut WriteTx<'_>, act: &Act, entry: &Entry) -> Result<(), DbError> {
    let id = Id::<EntryKind>::generate(act.at, &act.random);
    let address = act.address.map(|address| address.to_string());
    tx.execute(
        &INSERT,
        &params![
            id,
            act.at,
            entry.action,
            act.actor,
            entry.user,
            address,
            act.user_agent,
            act.request_id,
            entry.details
        ],
    )?;
    Ok(())
}
