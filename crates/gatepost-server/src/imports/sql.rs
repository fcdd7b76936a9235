//! Every statement on `imports`.

use gatepost_db::{DbError, ReadTx, WriteTx, params, statements};
use gatepost_kernel::Timestamp;

use super::checkpoint::{Checkpoint, Tally};
use super::feed::Place;
use super::source::FileHash;

statements! {
    FIND = "SELECT options, position, line, created, updated, unchanged, skipped, bad, last_errors, started_at, finished_at \
        FROM imports WHERE file_hash = ?1";
    /// A new run of a file, or the same from its beginning. `rows_done` tells two runs at once from each other.
    BEGIN = "INSERT INTO imports (file_hash, options, position, line, rows_done, created, updated, unchanged, skipped, bad, \
        last_errors, started_at, updated_at) VALUES (?1, ?2, 0, 1, 0, 0, 0, 0, 0, 0, '', ?3, ?3) \
        ON CONFLICT (file_hash) DO UPDATE SET options = excluded.options, position = 0, line = 1, rows_done = 0, \
        created = 0, updated = 0, unchanged = 0, skipped = 0, bad = 0, last_errors = '', \
        started_at = excluded.started_at, updated_at = excluded.updated_at, finished_at = NULL";
    ADVANCE = "UPDATE imports SET position = ?4, line = ?5, rows_done = ?6, created = ?7, updated = ?8, unchanged = ?9, \
        skipped = ?10, bad = ?11, last_errors = ?12, updated_at = ?13 \
        WHERE file_hash = ?1 AND rows_done = ?2 AND started_at = ?3 AND finished_at IS NULL";
    FINISH = "UPDATE imports SET finished_at = ?2, updated_at = ?2 WHERE file_hash = ?1 AND finished_at IS NULL";
}

pub(super) fn checkpoint(tx: &mut ReadTx<'_>, file: &FileHash) -> Result<Option<Checkpoint>, DbError> {
    let natural = |number: i64| u64::try_from(number).unwrap_or(0);
    tx.query_opt(&FIND, &params![file.as_slice()], |row| {
        Ok(Checkpoint {
            options: row.get(0)?,
            place: Place { offset: natural(row.get(1)?), line: natural(row.get(2)?) },
            tally: Tally {
                created: natural(row.get(3)?),
                updated: natural(row.get(4)?),
                unchanged: natural(row.get(5)?),
                skipped: natural(row.get(6)?),
                bad: natural(row.get(7)?),
            },
            last_errors: row.get(8)?,
            started_at: row.get(9)?,
            finished_at: row.get(10)?,
        })
    })
}

pub(super) fn begin(tx: &mut WriteTx<'_>, file: &FileHash, begun: &Checkpoint) -> Result<(), DbError> {
    tx.execute(&BEGIN, &params![file.as_slice(), begun.options, begun.started_at]).map(|_| ())
}

/// Moves a run from one place to the next. Whether it was still there: another run may have moved it.
pub(super) fn advance(
    tx: &mut WriteTx<'_>,
    file: &FileHash,
    (from, to): (&Checkpoint, &Checkpoint),
    now: Timestamp,
) -> Result<bool, DbError> {
    let integer = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let Tally { created, updated, unchanged, skipped, bad } = to.tally;
    let moved = tx.execute(
        &ADVANCE,
        &params![
            file.as_slice(),
            integer(from.tally.rows()),
            from.started_at,
            integer(to.place.offset),
            integer(to.place.line),
            integer(to.tally.rows()),
            integer(created),
            integer(updated),
            integer(unchanged),
            integer(skipped),
            integer(bad),
            to.last_errors,
            now
        ],
    )?;
    Ok(moved == 1)
}

pub(super) fn finish(tx: &mut WriteTx<'_>, file: &FileHash, now: Timestamp) -> Result<(), DbError> {
    tx.execute(&FINISH, &params![file.as_slice(), now]).map(|_| ())
}
