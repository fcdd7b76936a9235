//! The statements that list accounts together with their roles. Each walks along one index and ends after so many rows.

use gatepost_db::{DbError, Param, ReadTx, Row, Statement, params, statements};
use gatepost_kernel::Id;

use super::model::{Entry, Place, Walk};
use crate::access::{HeldRole, held_roles};
use crate::accounts::{USER_COLUMNS, user_columns, user_from_row};
use crate::ids::UserId;

/// Accounts with their canonical names and roles; the arguments are the engine's aggregate of texts, and which accounts.
macro_rules! accounts {
    ($concatenated:literal, $($which:literal),+) => {
        concat!(
            "SELECT ", user_columns!("u."), ", u.email_canonical, u.username_canonical, ",
            held_roles!($concatenated, "u.id"), " FROM ", $($which),+)
    };
}

/// Those of which something holds, newest first, older than ?1.
macro_rules! newest {
    ($concatenated:literal, $condition:literal) => {
        accounts!($concatenated, "users u WHERE ", $condition, " AND u.id < ?1 ORDER BY u.id DESC LIMIT ?2")
    };
}

/// Those that live and are, or are not, something. Compared as pairs and in the order of pairs, so that no engine comes to
/// walk along all accounts because it believes that there are many of these.
macro_rules! flagged {
    ($concatenated:literal, $flag:literal) => {
        accounts!(
            $concatenated,
            "users u WHERE u.deleted_at IS NULL AND (u.",
            $flag,
            ", u.id) < (?3, ?1) AND (u.",
            $flag,
            ", u.id) >= (?3, ?4) ",
            "ORDER BY u.",
            $flag,
            " DESC, u.id DESC LIMIT ?2"
        )
    };
}

/// Those with a role. The holders are read first, so that no engine comes to read all accounts for them.
macro_rules! holders {
    ($concatenated:literal) => {
        accounts!(
            $concatenated,
            "(SELECT h.user_id FROM user_roles h WHERE h.role = ?3 AND h.user_id < ?1 ORDER BY h.user_id DESC LIMIT ?2) m ",
            "CROSS JOIN users u WHERE u.id = m.user_id ORDER BY m.user_id DESC")
    };
}

/// Those with a name from ?1 to ?2, by name. Only who lives has a canonical one.
macro_rules! named {
    ($concatenated:literal, $name:literal) => {
        accounts!(
            $concatenated,
            "users u WHERE u.",
            $name,
            " >= ?1 AND u.",
            $name,
            " < ?2 ORDER BY u.",
            $name,
            " LIMIT ?3"
        )
    };
}

statements! {
    LIVING =
        sqlite newest!("group_concat", "u.deleted_at IS NULL"),
        postgres newest!("string_agg", "u.deleted_at IS NULL");
    DELETED =
        sqlite newest!("group_concat", "u.deleted_at IS NOT NULL"),
        postgres newest!("string_agg", "u.deleted_at IS NOT NULL");
    BY_ACTIVITY =
        sqlite flagged!("group_concat", "is_active"),
        postgres flagged!("string_agg", "is_active");
    BY_VERIFICATION =
        sqlite flagged!("group_concat", "email_verified"),
        postgres flagged!("string_agg", "email_verified");
    BY_ID =
        sqlite accounts!("group_concat", "users u WHERE u.id = ?1"),
        postgres accounts!("string_agg", "users u WHERE u.id = ?1");
    BY_PHONE =
        sqlite accounts!("group_concat", "users u WHERE u.phone_canonical = ?1"),
        postgres accounts!("string_agg", "users u WHERE u.phone_canonical = ?1");
    HOLDERS =
        sqlite holders!("group_concat"),
        postgres holders!("string_agg");
    BY_ADDRESS =
        sqlite named!("group_concat", "email_canonical"),
        postgres named!("string_agg", "email_canonical");
    BY_USERNAME =
        sqlite named!("group_concat", "username_canonical"),
        postgres named!("string_agg", "username_canonical");
}

/// Before every id, newest first.
const NEWEST: UserId = Id::from_bytes([0xff; 16]);
/// Behind every id.
const OLDEST: UserId = Id::from_bytes([0; 16]);

/// The next accounts of a walk, at most so many.
pub(super) fn next(
    tx: &mut ReadTx<'_>,
    walk: &Walk<'_>,
    after: Option<&Place>,
    limit: i64,
) -> Result<Vec<Entry>, DbError> {
    let (below, name) = match after {
        None => (NEWEST, None),
        Some(Place::Id(id)) => (*id, None),
        Some(Place::Name(name)) => (NEWEST, Some(name.as_str())),
    };
    let mut newest = |statement: &'static Statement, params: &[Param<'_>]| {
        tx.query_all(statement, params, |row| entry(row, Place::Id(row.get(0)?), USER_COLUMNS))
    };
    match walk {
        Walk::Living => newest(&LIVING, &params![below, limit]),
        Walk::Deleted => newest(&DELETED, &params![below, limit]),
        Walk::Active(active) => newest(&BY_ACTIVITY, &params![below, limit, active, OLDEST]),
        Walk::Verified(verified) => newest(&BY_VERIFICATION, &params![below, limit, verified, OLDEST]),
        // There is at most one, and nothing behind it.
        Walk::Id(_) | Walk::Phone(_) if after.is_some() => Ok(Vec::new()),
        Walk::Id(id) => newest(&BY_ID, &params![id]),
        Walk::Phone(number) => newest(&BY_PHONE, &params![number]),
        Walk::Holders(role) => newest(&HOLDERS, &params![below, limit, role]),
        Walk::Names(beginning) => {
            let (from, to) = beginning.range(name);
            let mut named = Vec::new();
            for (statement, met_by) in [(&BY_ADDRESS, USER_COLUMNS), (&BY_USERNAME, USER_COLUMNS + 1)] {
                named.extend(tx.query_all(statement, &params![from, to, limit], |row| {
                    let other = if met_by == USER_COLUMNS { USER_COLUMNS + 1 } else { USER_COLUMNS };
                    entry(row, Place::Name(row.get(met_by)?), other)
                })?);
            }
            named.sort_by(|one, other| one.place.cmp(&other.place));
            named.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            Ok(named)
        }
    }
}

fn entry(row: &Row<'_>, place: Place, other_name: usize) -> Result<Entry, DbError> {
    let held: Option<String> = row.get(USER_COLUMNS + 2)?;
    Ok(Entry {
        user: user_from_row(row)?,
        held: HeldRole::all_from_text(held.as_deref()),
        place,
        other_name: row.get(other_name)?,
    })
}
