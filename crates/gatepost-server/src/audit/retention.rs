//! Retention: whole sealed segments go once they are old enough.
//!
//! The floor moves first, in one transaction with its event: from then on the rows below it are no part of the log. They
//! are deleted after that in portions, each a single statement, so that no request is run again because of it; a process
//! that ends in between goes on at its next turn.

use gatepost_db::{Db, DbError, WriteTx};
use gatepost_kernel::Timestamp;

use super::model::{ChainKey, Floor, Head, same};
use super::{Act, Event, record, sql};

/// How many segments go in one turn of the floor, and how many entries in one statement.
const SEGMENTS: i64 = 1_000;
const PORTION: i64 = 1_000;

/// Why nothing was deleted.
#[derive(Debug, thiserror::Error)]
pub enum PurgeError {
    /// A segment is not as it was sealed. What may be evidence stays.
    #[error(
        "segment {0} of the audit log is not as it was sealed; nothing is deleted: run `gatepost audit verify`"
    )]
    Changed(i64),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Deletes the segments that were sealed before `before`, and returns the number of the last entry that went.
///
/// # Errors
/// [`PurgeError`].
pub async fn purge(db: &Db, key: &ChainKey, act: &Act, before: Timestamp) -> Result<Option<i64>, PurgeError> {
    let (floor_key, key, act) = (key.clone(), key.clone(), act.clone());
    let through = db.write(move |tx| move_floor(tx, &key, &act, before)).await?;
    // Also what a turn before this one left.
    let (floor, mut first) = db.read(|tx| Ok::<_, DbError>((sql::floor(tx)?, sql::first_seq(tx)?))).await?;
    let Some(floor) = floor else { return Ok(None) };
    if !same(&floor_key.floor(floor.segment, &floor.head), &floor.mac) {
        return Err(PurgeError::Changed(floor.segment));
    }
    while let Some(seq) = first.filter(|seq| *seq <= floor.head.seq) {
        let portion = (seq + PORTION - 1).min(floor.head.seq);
        sql::purge_entries(db, portion).await?;
        first = db.read(sql::first_seq).await?;
    }
    sql::purge_segments(db, floor.segment).await?;
    Ok(through)
}

fn move_floor(
    tx: &mut WriteTx<'_>,
    key: &ChainKey,
    act: &Act,
    before: Timestamp,
) -> Result<Option<i64>, PurgeError> {
    let segment = sql::floor(tx)?.map_or(0, |floor| floor.segment);
    let old = sql::segments(tx, segment, SEGMENTS)?;
    let Some((last, link)) = old.into_iter().take_while(|(segment, _)| segment.sealed_at < before).last()
    else {
        return Ok(None);
    };
    // By the time in the segment it is decided what goes, so that time must be the sealer's.
    let changed = PurgeError::Changed(last.number);
    let Some(mac) = link else { return Err(changed) };
    if !same(&key.segment(&last, &mac), &last.mac) {
        return Err(changed);
    }
    let head = Head { seq: last.last, mac };
    let mac = key.floor(last.number, &head);
    sql::raise_floor(tx, &Floor { segment: last.number, head, mac })?;
    record(tx, act, &Event::AuditPurged { through: last.last })?;
    Ok(Some(last.last))
}
