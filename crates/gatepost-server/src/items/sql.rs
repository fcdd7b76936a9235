//! Every statement on `items`.

use gatepost_db::{DbError, ReadTx, Row, WriteTx, params, statements};
use gatepost_kernel::{Id, Timestamp};

use super::model::{Item, ItemId, folded};
use crate::http::WINDOW;
use crate::ids::UserId;

/// The columns that `item_from_row` reads, in its order.
macro_rules! columns {
    () => {
        "i.id, i.owner_id, i.title, i.description, i.version, i.created_at, i.updated_at"
    };
}

/// What an account has between two ids. The argument is the engine's function for the place of a text in another.
macro_rules! list {
    ($place:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            " FROM items i WHERE i.owner_id = ?1 AND i.id < ?2 AND i.id >= ?3 \
             AND (",
            $place,
            "(i.title_folded, ?4) > 0 OR ?4 IS NULL) ORDER BY i.id DESC LIMIT ?5"
        )
    };
}

statements! {
    INSERT = "INSERT INTO items (id, owner_id, title, title_folded, description, version, created_at, updated_at) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    /// What belongs to a tombstone is not there.
    BY_ID = concat!("SELECT ", columns!(), " FROM items i JOIN users u ON u.id = i.owner_id \
        WHERE i.id = ?1 AND u.deleted_at IS NULL");
    LIST = sqlite list!("instr"), postgres list!("strpos");
    WINDOW_END = "SELECT id FROM items WHERE owner_id = ?1 AND id < ?2 ORDER BY id DESC LIMIT 1 OFFSET ?3";
    SAVE = "UPDATE items SET title = ?2, title_folded = ?3, description = ?4, version = ?5, updated_at = ?6 WHERE id = ?1";
    DELETE = "DELETE FROM items WHERE id = ?1";
    TRANSFER = "UPDATE items SET owner_id = ?2, version = version + 1, updated_at = ?3 WHERE owner_id = ?1";
}

/// Above every id.
const NEWEST: ItemId = Id::from_bytes([0xff; 16]);
/// Below every id.
const OLDEST: ItemId = Id::from_bytes([0; 16]);

fn item_from_row(row: &Row<'_>) -> Result<Item, DbError> {
    Ok(Item {
        id: row.get(0)?,
        owner_id: row.get(1)?,
        title: row.get(2)?,
        description: row.get(3)?,
        version: row.get(4)?,
        created_at: row.get(5)?,
        updated_at: row.get(6)?,
    })
}

pub(super) fn insert(tx: &mut WriteTx<'_>, item: &Item) -> Result<(), DbError> {
    tx.execute(
        &INSERT,
        &params![
            item.id,
            item.owner_id,
            item.title,
            folded(&item.title),
            item.description,
            item.version,
            item.created_at,
            item.updated_at
        ],
    )?;
    Ok(())
}

pub(super) fn item_by_id(tx: &mut ReadTx<'_>, id: ItemId) -> Result<Option<Item>, DbError> {
    tx.query_opt(&BY_ID, &params![id], item_from_row)
}

/// The account's items whose titles hold a folded text, newest first, of one window below `before`; and where the window ended,
/// if it was full.
pub(super) fn items_before(
    tx: &mut ReadTx<'_>,
    owner: UserId,
    before: Option<ItemId>,
    text: Option<&str>,
    limit: i64,
) -> Result<(Vec<Item>, Option<ItemId>), DbError> {
    let before = before.unwrap_or(NEWEST);
    // Without a filter every row that is looked at is on the page.
    let end = match text {
        None => None,
        Some(_) => tx.query_opt(&WINDOW_END, &params![owner, before, WINDOW - 1], |row| row.get(0))?,
    };
    let oldest = end.unwrap_or(OLDEST);
    let params = params![owner, before, oldest, text, limit];
    Ok((tx.query_all(&LIST, &params, item_from_row)?, end))
}

pub(super) fn save(tx: &mut WriteTx<'_>, item: &Item) -> Result<(), DbError> {
    tx.execute(
        &SAVE,
        &params![item.id, item.title, folded(&item.title), item.description, item.version, item.updated_at],
    )?;
    Ok(())
}

pub(super) fn delete(tx: &mut WriteTx<'_>, id: ItemId) -> Result<(), DbError> {
    tx.execute(&DELETE, &params![id]).map(|_| ())
}

/// How many there were.
pub(super) fn transfer(
    tx: &mut WriteTx<'_>,
    from: UserId,
    to: UserId,
    now: Timestamp,
) -> Result<u64, DbError> {
    tx.execute(&TRANSFER, &params![from, to, now])
}
