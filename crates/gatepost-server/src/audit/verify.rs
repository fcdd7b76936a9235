//! Verification: what in the log is not as it was sealed.
//!
//! It walks chain, segments and log page by page, each page on a snapshot of its own, so that it runs beside a server and
//! in bounded memory. A row that was bent is named once: the next row shows whether the row or its code was changed.

use std::fmt;
use std::time::Duration;

use gatepost_db::{Db, DbError, ReadTx};
use gatepost_kernel::Timestamp;

use super::EntryId;
use super::model::{ChainKey, Floor, Head, Raw, Segment, same};
use super::sql::{self, Linked};

/// How many rows are read at a time.
const PAGE: i64 = 1_000;

/// What is wrong at a place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The row is not the one that was sealed here: it was changed, or it belongs somewhere else.
    Changed,
    /// The row that was sealed here is gone.
    Deleted,
    /// The code of the row was changed; the row itself is as it was.
    SealChanged,
    /// The chain has no such number: its links up to this one are gone.
    Gap {
        /// The last number that is missing.
        through: i64,
    },
    /// The row never joined the log through its door, or its place in the chain is gone.
    NotSealed,
    /// The row was deleted before it was sealed.
    DeletedUnsealed,
    /// The segment of this number is gone, was changed, or does not continue the one before.
    Segment {
        /// Its number.
        number: i64,
    },
    /// The end was cut off: an anchor knows entries up to this one.
    CutOff {
        /// The last number that is missing.
        through: i64,
    },
    /// An anchor knows another entry at this place: the chain from some point on is not the one that it knew.
    Forked,
    /// The mark up to which retention deleted was not set by Gatepost.
    Floor,
}

/// One place where the log is not as it was sealed, with what is known of the row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// What is wrong.
    pub fault: Fault,
    /// The number in the chain.
    pub seq: Option<i64>,
    /// The row's id.
    pub id: Option<String>,
    /// What the row says happened.
    pub action: Option<String>,
    /// When; for a row that is gone, as its id tells.
    pub at: Option<Timestamp>,
}

impl Finding {
    const fn at_seq(fault: Fault, seq: i64) -> Self {
        Self { fault, seq: Some(seq), id: None, action: None, at: None }
    }

    fn of_row(fault: Fault, seq: Option<i64>, row: &Raw) -> Self {
        let action = String::from_utf8_lossy(&row.action).into_owned();
        let at = Timestamp::from_micros(row.at);
        Self { fault, seq, id: Some(id_text(&row.id)), action: Some(action), at: Some(at) }
    }

    fn of_id(fault: Fault, seq: Option<i64>, id: &[u8]) -> Self {
        Self { fault, seq, id: Some(id_text(id)), action: None, at: time_of(id) }
    }
}

impl fmt::Display for Finding {
    /// One line of visible characters, whatever somebody wrote into the row.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fault {
            Fault::Changed => write!(f, "changed or moved")?,
            Fault::Deleted => write!(f, "deleted")?,
            Fault::SealChanged => write!(f, "its seal was changed, the row was not")?,
            Fault::Gap { through } => write!(f, "links of the chain are gone, through seq={through}")?,
            Fault::NotSealed => write!(f, "not in the chain: inserted behind, or its link was removed")?,
            Fault::DeletedUnsealed => write!(f, "deleted before it was sealed")?,
            Fault::Segment { number } => write!(f, "segment {number} is gone, changed or out of place")?,
            Fault::CutOff { through } => write!(f, "the end was cut off, through seq={through}")?,
            Fault::Forked => write!(f, "not the entry that the head names")?,
            Fault::Floor => write!(f, "the floor of retention was changed")?,
        }
        write!(f, ":")?;
        if let Some(seq) = self.seq {
            write!(f, " seq={seq}")?;
        }
        if let Some(id) = &self.id {
            write!(f, " id={id}")?;
        }
        if let Some(action) = &self.action {
            write!(f, " action={action:?}")?;
        }
        if let Some(at) = self.at {
            write!(f, " at={at}")?;
        }
        Ok(())
    }
}

fn id_text(id: &[u8]) -> String {
    match <[u8; 16]>::try_from(id) {
        Ok(id) => EntryId::from_bytes(id).to_string(),
        Err(_) => id.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

/// The first 48 bits of a UUIDv7 are milliseconds (RFC 9562 section 5.7).
fn time_of(id: &[u8]) -> Option<Timestamp> {
    let millis = id.get(..6)?.iter().fold(0_u64, |millis, byte| millis << 8 | u64::from(*byte));
    Some(Timestamp::from_micros(0).plus(Duration::from_millis(millis)))
}

/// What a verification saw.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// How many sealed entries were looked at.
    pub entries: u64,
    /// The end of the chain.
    pub head: Option<Head>,
    /// The last entry that retention took; 0 if none.
    pub floor: i64,
    /// How many entries no seal covers yet: nobody could tell if one of them was changed.
    pub unsealed: i64,
    /// When the oldest of them was written.
    pub oldest_unsealed: Option<Timestamp>,
    /// How many faults were found.
    pub faults: u64,
    /// How many of the given heads lie below the floor and say nothing any more.
    pub heads_too_old: usize,
}

/// How many entries no seal covers yet, and when the oldest of them was written.
///
/// # Errors
/// What the database says.
pub fn unsealed(tx: &mut ReadTx<'_>) -> Result<(i64, Option<Timestamp>), DbError> {
    sql::tail(tx)
}

/// Looks at everything that was sealed, and at the heads that were kept elsewhere. `found` hears of each fault, `progress` of
/// the number of the entry that was reached and of the last.
///
/// # Errors
/// What the database says.
pub async fn verify(
    db: &Db,
    key: &ChainKey,
    heads: &[Head],
    found: &mut (dyn FnMut(&Finding) + Send),
    progress: &mut (dyn FnMut(i64, i64) + Send),
) -> Result<Report, DbError> {
    let (floor, end, tail) =
        db.read(|tx| Ok::<_, DbError>((sql::floor(tx)?, sql::last_link(tx)?, sql::tail(tx)?))).await?;
    let mut report = Report {
        entries: 0,
        head: Some(end.clone()).filter(|end| end.seq > 0),
        floor: floor.as_ref().map_or(0, |floor| floor.head.seq),
        unsealed: tail.0,
        oldest_unsealed: tail.1,
        faults: 0,
        heads_too_old: 0,
    };
    let mut faults = 0;
    let mut tell = |finding: Finding| {
        faults += 1;
        found(&finding);
    };
    if let Some(floor) = floor
        && !same(&key.floor(floor.segment, &floor.head), &floor.mac)
    {
        tell(Finding::at_seq(Fault::Floor, floor.head.seq));
    }
    let mut chain = Chain::new(key);
    loop {
        let (from, through) = (chain.seq, end.seq);
        let (floor, page) = db
            .read(move |tx| {
                let floor = sql::floor(tx)?;
                let from = floor.as_ref().map_or(0, |floor| floor.head.seq).max(from);
                Ok::<_, DbError>((floor, sql::chain_page(tx, from, through, PAGE)?))
            })
            .await?;
        chain.skip_to(floor);
        if page.is_empty() {
            break;
        }
        for linked in page {
            chain.next(&linked, &mut tell);
        }
        progress(chain.seq, end.seq);
    }
    chain.finish(&mut tell);
    report.entries = chain.entries;
    segments(db, key, end.seq, &mut tell).await?;
    strays(db, &mut tell).await?;
    for head in heads {
        report.heads_too_old += usize::from(!compare(db, head, &end, &mut tell).await?);
    }
    report.faults = faults;
    Ok(report)
}

/// The walk along the chain.
struct Chain<'a> {
    key: &'a ChainKey,
    /// The last number seen.
    seq: i64,
    /// What the code before the next entry may be: as stored, and as computed where the two differ. Empty when it is gone.
    before: Vec<Vec<u8>>,
    /// An entry that does not fit its code. The next one says which of the two is wrong.
    doubtful: Option<Finding>,
    entries: u64,
}

impl<'a> Chain<'a> {
    fn new(key: &'a ChainKey) -> Self {
        Self { key, seq: 0, before: vec![Head::beginning().mac], doubtful: None, entries: 0 }
    }

    /// Goes on behind what retention took, maybe while we walk.
    fn skip_to(&mut self, floor: Option<Floor>) {
        if let Some(floor) = floor.filter(|floor| floor.head.seq > self.seq) {
            self.seq = floor.head.seq;
            self.before = vec![floor.head.mac];
        }
    }

    fn next(&mut self, linked: &Linked, tell: &mut impl FnMut(Finding)) {
        let Linked { link, id, row } = linked;
        let expected = self.seq + 1;
        if link.seq != expected {
            self.settle(None, tell);
            tell(Finding::at_seq(Fault::Gap { through: link.seq - 1 }, expected));
            self.before.clear();
        }
        self.seq = link.seq;
        self.entries += 1;
        let Some(row) = row else {
            self.settle(None, tell);
            tell(Finding::of_id(Fault::Deleted, Some(link.seq), id));
            self.before = vec![link.mac.clone()];
            return;
        };
        let computed: Vec<_> =
            self.before.iter().map(|before| self.key.entry(before, link.seq, row)).collect();
        let fits = computed.iter().position(|mac| same(mac, &link.mac));
        self.settle(fits, tell);
        let is_known = !self.before.is_empty();
        self.before = vec![link.mac.clone()];
        if fits.is_none() && is_known {
            self.doubtful = Some(Finding::of_row(Fault::Changed, Some(link.seq), row));
            self.before.extend(computed.into_iter().next());
        }
    }

    /// Tells of the doubtful entry, now that it is known which of its codes the next entry follows.
    fn settle(&mut self, follows: Option<usize>, tell: &mut impl FnMut(Finding)) {
        if let Some(mut finding) = self.doubtful.take() {
            if follows == Some(1) {
                finding.fault = Fault::SealChanged;
            }
            tell(finding);
        }
    }

    fn finish(&mut self, tell: &mut impl FnMut(Finding)) {
        self.settle(None, tell);
    }
}

/// Each segment is as it was sealed and continues the one before, up to the end of the chain.
async fn segments(db: &Db, key: &ChainKey, end: i64, tell: &mut impl FnMut(Finding)) -> Result<(), DbError> {
    let (mut number, mut seq) = (0, 0);
    loop {
        let after = number;
        let (floor, page) = db
            .read(move |tx| {
                let floor = sql::floor(tx)?.map(|floor| (floor.segment, floor.head.seq));
                let after = floor.map_or(0, |(segment, _)| segment).max(after);
                Ok::<_, DbError>((floor, sql::segments(tx, after, PAGE)?))
            })
            .await?;
        if let Some(floor) = floor.filter(|(segment, _)| *segment > number) {
            (number, seq) = floor;
        }
        let read = page.len();
        // What was sealed meanwhile is for another time. It has its links, though: both come in one transaction.
        let meanwhile = |segment: &Segment, mac: &Option<Vec<u8>>| segment.first > end && mac.is_some();
        for (segment, mac) in page.into_iter().filter(|(segment, mac)| !meanwhile(segment, mac)) {
            if segment.first > end {
                tell(Finding::at_seq(Fault::Segment { number: segment.number }, segment.first));
                continue;
            }
            let follows = segment.number == number + 1 && segment.first == seq + 1;
            // Where the link itself is gone, that was said already.
            let sealed = mac.is_none_or(|mac| same(&key.segment(&segment, &mac), &segment.mac));
            if !follows || !sealed {
                tell(Finding::at_seq(Fault::Segment { number: segment.number }, segment.first));
            }
            (number, seq) = (segment.number, segment.last);
        }
        if i64::try_from(read) != Ok(PAGE) {
            break;
        }
    }
    if seq < end {
        tell(Finding::at_seq(Fault::Segment { number: number + 1 }, seq + 1));
    }
    Ok(())
}

/// Rows of the log that neither chain nor tail know, and the reverse.
async fn strays(db: &Db, tell: &mut impl FnMut(Finding)) -> Result<(), DbError> {
    let mut after = vec![0; 16];
    loop {
        let from = after.clone();
        let page = db.read(move |tx| sql::log_page(tx, &from, PAGE)).await?;
        let Some(last) = page.last() else { break };
        after.clone_from(&last.row.id);
        for logged in page.iter().filter(|logged| !logged.known) {
            tell(Finding::of_row(Fault::NotSealed, None, &logged.row));
        }
    }
    for id in db.read(|tx| sql::lost_in_tail(tx, PAGE)).await? {
        tell(Finding::of_id(Fault::DeletedUnsealed, None, &id));
    }
    Ok(())
}

/// Whether a head that was kept elsewhere can still be compared; `false` when retention took its entry.
async fn compare(db: &Db, head: &Head, end: &Head, tell: &mut impl FnMut(Finding)) -> Result<bool, DbError> {
    let seq = head.seq;
    let (floor, link) = db.read(move |tx| Ok::<_, DbError>((sql::floor(tx)?, sql::link(tx, seq)?))).await?;
    let floor = floor.map_or_else(Head::beginning, |floor| floor.head);
    if seq > end.seq {
        tell(Finding::at_seq(Fault::CutOff { through: seq }, end.seq + 1));
    } else if seq < floor.seq {
        return Ok(false);
    } else {
        let link = if seq == floor.seq { Some(floor) } else { link };
        if !link.is_some_and(|link| same(&link.mac, &head.mac)) {
            tell(Finding::at_seq(Fault::Forked, seq));
        }
    }
    Ok(true)
}
