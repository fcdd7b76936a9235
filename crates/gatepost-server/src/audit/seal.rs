//! The sealer: it numbers what joined the log and chains it, a segment at a time.
//!
//! No request waits for it and none is run again because of it. It reads the tail in a snapshot that is not serializable,
//! so it is no party to PostgreSQL's detection of conflicts; its serializable transaction looks at chain and segments
//! only, which no request touches; and what is sealed leaves the tail afterwards, in a single statement at READ COMMITTED.
//! When the process ends between the two, entries stand in chain and tail for a while; the chain counts.

use gatepost_db::{Db, DbError, WriteTx};
use gatepost_kernel::Timestamp;

use super::model::{ChainKey, Head, SEALED_LENGTH, Segment};
use super::sql;

/// How many entries a segment has at most.
const BATCH: i64 = 1_000;

/// Seals everything that has joined the log, and returns how many entries that were. Of two nodes that seal at once one
/// wins; the other leaves it at that.
///
/// # Errors
/// What the database says. What is not sealed yet stays in the tail for the next turn.
pub async fn seal(db: &Db, key: &ChainKey, now: Timestamp) -> Result<usize, DbError> {
    let mut sealed = 0;
    loop {
        let entries = seal_once(db, key, now).await?;
        sealed += entries;
        if i64::try_from(entries) != Ok(BATCH) {
            return Ok(sealed);
        }
    }
}

async fn seal_once(db: &Db, key: &ChainKey, now: Timestamp) -> Result<usize, DbError> {
    let (last, number, rows) = db
        .read(|tx| Ok::<_, DbError>((sql::last_link(tx)?, sql::last_segment(tx)?, sql::unsealed(tx, BATCH)?)))
        .await?;
    if rows.is_empty() {
        return Ok(0);
    }
    let entries = rows.len();
    let mut packed = Vec::with_capacity(entries * SEALED_LENGTH);
    let mut end = last.clone();
    for row in &rows {
        let seq = end.seq + 1;
        end = Head { seq, mac: key.entry(&end.mac, seq, row) };
        packed.extend_from_slice(&row.id);
        packed.extend_from_slice(&end.mac);
    }
    let mut segment =
        Segment { number: number + 1, first: last.seq + 1, last: end.seq, sealed_at: now, mac: Vec::new() };
    segment.mac = key.segment(&segment, &end.mac);
    let won = db.write(move |tx| append(tx, &last, &segment, &packed)).await?;
    if !won {
        return Ok(0);
    }
    sql::leave_tail(db).await?;
    Ok(entries)
}

/// Adds the segment, if the chain still ends where it was computed from.
fn append(tx: &mut WriteTx<'_>, after: &Head, segment: &Segment, packed: &[u8]) -> Result<bool, DbError> {
    if sql::last_link(tx)? != *after || sql::last_segment(tx)? + 1 != segment.number {
        return Ok(false);
    }
    sql::add_segment(tx, segment, packed)
}
