//! Every statement on `tasks`.

use gatepost_db::{DbError, ReadTx, Row, WriteTx, params, statements};
use gatepost_kernel::{Id, Timestamp};

use super::model::{Filter, Status, Task, TaskId, folded};
use crate::http::WINDOW;
use crate::ids::UserId;

/// The columns that `task_from_row` reads, in its order.
macro_rules! columns {
    () => {
        "t.id, t.owner_id, t.title, t.description, t.status, t.due_at, t.version, t.created_at, t.updated_at"
    };
}

/// What an account has between two ids. The argument is the engine's function for the place of a text in another.
macro_rules! list {
    ($place:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            " FROM tasks t WHERE t.owner_id = ?1 AND t.id < ?2 AND t.id >= ?3 \
             AND (t.status = ?4 OR ?4 IS NULL) AND (t.due_at < ?5 OR ?5 IS NULL) AND (t.due_at >= ?6 OR ?6 IS NULL) \
             AND (",
            $place,
            "(t.title_folded, ?7) > 0 OR ?7 IS NULL) ORDER BY t.id DESC LIMIT ?8"
        )
    };
}

statements! {
    INSERT = "INSERT INTO tasks \
        (id, owner_id, title, title_folded, description, status, due_at, version, created_at, updated_at) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    /// What belongs to a tombstone is not there.
    BY_ID = concat!("SELECT ", columns!(), " FROM tasks t JOIN users u ON u.id = t.owner_id \
        WHERE t.id = ?1 AND u.deleted_at IS NULL");
    LIST = sqlite list!("instr"), postgres list!("strpos");
    WINDOW_END = "SELECT id FROM tasks WHERE owner_id = ?1 AND id < ?2 ORDER BY id DESC LIMIT 1 OFFSET ?3";
    SAVE = "UPDATE tasks SET title = ?2, title_folded = ?3, description = ?4, status = ?5, due_at = ?6, version = ?7, \
        updated_at = ?8 WHERE id = ?1";
    DELETE = "DELETE FROM tasks WHERE id = ?1";
    TRANSFER = "UPDATE tasks SET owner_id = ?2, version = version + 1, updated_at = ?3 WHERE owner_id = ?1";
}

/// Above every id.
const NEWEST: TaskId = Id::from_bytes([0xff; 16]);
/// Below every id.
const OLDEST: TaskId = Id::from_bytes([0; 16]);

fn task_from_row(row: &Row<'_>) -> Result<Task, DbError> {
    let status: String = row.get(4)?;
    Ok(Task {
        id: row.get(0)?,
        owner_id: row.get(1)?,
        title: row.get(2)?,
        description: row.get(3)?,
        status: Status::from_name(&status).ok_or(DbError::Decode {
            statement: "tasks.status",
            column: 4,
            problem: "no status of a task",
        })?,
        due_at: row.get(5)?,
        version: row.get(6)?,
        created_at: row.get(7)?,
        updated_at: row.get(8)?,
    })
}

pub(super) fn insert(tx: &mut WriteTx<'_>, task: &Task) -> Result<(), DbError> {
    tx.execute(
        &INSERT,
        &params![
            task.id,
            task.owner_id,
            task.title,
            folded(&task.title),
            task.description,
            task.status.name(),
            task.due_at,
            task.version,
            task.created_at,
            task.updated_at
        ],
    )?;
    Ok(())
}

pub(super) fn task_by_id(tx: &mut ReadTx<'_>, id: TaskId) -> Result<Option<Task>, DbError> {
    tx.query_opt(&BY_ID, &params![id], task_from_row)
}

/// The account's tasks that the filter lets through, newest first, of one window below `before`; and where the window ended,
/// if it was full.
pub(super) fn tasks_before(
    tx: &mut ReadTx<'_>,
    owner: UserId,
    before: Option<TaskId>,
    filter: &Filter,
    limit: i64,
) -> Result<(Vec<Task>, Option<TaskId>), DbError> {
    let before = before.unwrap_or(NEWEST);
    // Without a filter every row that is looked at is on the page.
    let end = match *filter == Filter::default() {
        true => None,
        false => tx.query_opt(&WINDOW_END, &params![owner, before, WINDOW - 1], |row| row.get(0))?,
    };
    let Filter { status, due_before, due_after, text } = filter;
    let (oldest, status) = (end.unwrap_or(OLDEST), status.map(Status::name));
    let params = params![owner, before, oldest, status, due_before, due_after, text, limit];
    Ok((tx.query_all(&LIST, &params, task_from_row)?, end))
}

pub(super) fn save(tx: &mut WriteTx<'_>, task: &Task) -> Result<(), DbError> {
    tx.execute(
        &SAVE,
        &params![
            task.id,
            task.title,
            folded(&task.title),
            task.description,
            task.status.name(),
            task.due_at,
            task.version,
            task.updated_at
        ],
    )?;
    Ok(())
}

pub(super) fn delete(tx: &mut WriteTx<'_>, id: TaskId) -> Result<(), DbError> {
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
