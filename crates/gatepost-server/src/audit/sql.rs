//! Every statement on the tables of the audit log.

use gatepost_db::{Db, DbError, List, Param, ReadTx, Row, Statement, WriteTx, params, statements};
use gatepost_kernel::Timestamp;

use super::model::{Floor, Head, Raw, SEALED_LENGTH, Segment};
use super::{Act, Entry, EntryId, Filter};
use crate::ids::UserId;

/// A row as bytes, each column as it is stored: what somebody bent must be named, not fail to decode.
macro_rules! raw {
    (sqlite $and:literal) => {
        concat!(
            "l.id, l.at, CAST(l.action AS BLOB), l.actor_id, l.user_id, CAST(l.address AS BLOB), ",
            "CAST(l.user_agent AS BLOB), CAST(l.request_id AS BLOB), CAST(l.details AS BLOB)", $and)
    };
    (postgres $and:literal) => {
        concat!(
            "uuid_send(l.id), l.at, convert_to(l.action, 'UTF8'), uuid_send(l.actor_id), uuid_send(l.user_id), ",
            "convert_to(l.address, 'UTF8'), convert_to(l.user_agent, 'UTF8'), convert_to(l.request_id, 'UTF8'), ",
            "convert_to(l.details, 'UTF8')", $and)
    };
}

/// A list for administrators. What stands first has an index that ends with the id; the rest is looked at row by row.
macro_rules! list {
    ($first:literal) => {
        concat!(
            "SELECT id, at, action, actor_id, user_id, address, user_agent, request_id, details FROM audit_log WHERE ",
            $first, "id < ?7 AND id >= ?8 AND (user_id = ?1 OR ?1 IS NULL) AND (actor_id = ?2 OR ?2 IS NULL) ",
            "AND (action = ?3 OR ?3 IS NULL) AND (address = ?4 OR ?4 IS NULL) AND at >= ?5 AND at < ?6 ",
            "ORDER BY id DESC LIMIT ?9")
    };
}

statements! {
    INSERT = "INSERT INTO audit_log (id, at, action, actor_id, user_id, address, user_agent, request_id, details) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    /// One statement on SQLite, too: the log has triggers, and for a statement with triggers SQLite keeps a copy of each page
    /// that it touches.
    INSERT_MANY =
        sqlite "INSERT INTO audit_log (id, action, user_id, details, at, actor_id, address, user_agent, request_id) \
            SELECT unhex(value ->> 0, '-'), value ->> 1, unhex(value ->> 2, '-'), value ->> 3, ?2, ?3, ?4, ?5, ?6 \
            FROM json_each(?1)",
        postgres "INSERT INTO audit_log (id, action, user_id, details, at, actor_id, address, user_agent, request_id) \
            SELECT (value ->> 0)::uuid, value ->> 1, (value ->> 2)::uuid, value ->> 3, ?2::bigint, ?3::uuid, ?4::text, \
            ?5::text, ?6::text FROM jsonb_array_elements(?1::text::jsonb)";
    LIST = list!("");
    LIST_OF_USER = list!("user_id = ?1 AND ");
    LIST_OF_ACTOR = list!("actor_id = ?2 AND ");
    LIST_OF_ACTION = list!("action = ?3 AND ");
    LIST_OF_ADDRESS = list!("address = ?4 AND ");
    ABOUT_OR_BY = "SELECT id, at, action, actor_id, user_id, address, user_agent, request_id, details FROM \
        (SELECT * FROM audit_log WHERE user_id = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3) about UNION \
        SELECT id, at, action, actor_id, user_id, address, user_agent, request_id, details FROM \
        (SELECT * FROM audit_log WHERE actor_id = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3) by_them \
        ORDER BY id DESC LIMIT ?3";
    UNSEALED =
        sqlite concat!("SELECT ", raw!(sqlite ""), " FROM audit_tail t JOIN audit_log l ON l.id = t.entry_id \
            LEFT JOIN audit_chain c ON c.entry_id = t.entry_id WHERE c.seq IS NULL ORDER BY t.entry_id LIMIT ?1"),
        postgres concat!("SELECT ", raw!(postgres ""), " FROM audit_tail t JOIN audit_log l ON l.id = t.entry_id \
            LEFT JOIN audit_chain c ON c.entry_id = t.entry_id WHERE c.seq IS NULL ORDER BY t.entry_id LIMIT ?1");
    LAST_LINK = "SELECT seq, mac FROM audit_chain ORDER BY seq DESC LIMIT 1";
    LINK = "SELECT seq, mac FROM audit_chain WHERE seq = ?1";
    FIRST_SEQ = "SELECT seq FROM audit_chain ORDER BY seq LIMIT 1";
    LAST_SEGMENT = "SELECT number FROM audit_segments ORDER BY number DESC LIMIT 1";
    FLOOR = "SELECT segment, seq, chain_mac, mac FROM audit_floor WHERE slot = 1";
    ADD_SEGMENT = "INSERT INTO audit_segments (number, first_seq, last_seq, mac, sealed_at) VALUES (?1, ?2, ?3, ?4, ?5) \
        ON CONFLICT DO NOTHING";
    /// One round trip for a whole segment: ids and codes come packed, 48 bytes an entry.
    ADD_LINKS =
        sqlite "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?3) \
            INSERT INTO audit_chain (seq, entry_id, mac) \
            SELECT ?1 + i, substr(?2, i * 48 + 1, 16), substr(?2, i * 48 + 17, 32) FROM n",
        postgres "INSERT INTO audit_chain (seq, entry_id, mac) \
            SELECT ?1::bigint + i, encode(substr(?2::bytea, (i * 48 + 1)::int, 16), 'hex')::uuid, substr(?2::bytea, (i * 48 + 17)::int, 32) \
            FROM generate_series(0::bigint, ?3::bigint - 1) i";
    LEAVE_TAIL = "DELETE FROM audit_tail WHERE entry_id IN \
        (SELECT t.entry_id FROM audit_tail t JOIN audit_chain c ON c.entry_id = t.entry_id LIMIT 10000)";
    CHAIN_PAGE =
        sqlite concat!("SELECT c.seq, c.mac, c.entry_id, ", raw!(sqlite ""), " FROM audit_chain c \
            LEFT JOIN audit_log l ON l.id = c.entry_id WHERE c.seq > ?1 AND c.seq <= ?2 ORDER BY c.seq LIMIT ?3"),
        postgres concat!("SELECT c.seq, c.mac, uuid_send(c.entry_id), ", raw!(postgres ""), " FROM audit_chain c \
            LEFT JOIN audit_log l ON l.id = c.entry_id WHERE c.seq > ?1 AND c.seq <= ?2 ORDER BY c.seq LIMIT ?3");
    SEGMENTS = "SELECT s.number, s.first_seq, s.last_seq, s.sealed_at, s.mac, c.mac FROM audit_segments s \
        LEFT JOIN audit_chain c ON c.seq = s.last_seq WHERE s.number > ?1 ORDER BY s.number LIMIT ?2";
    LOG_PAGE =
        sqlite concat!("SELECT c.seq, t.entry_id, ", raw!(sqlite ""), " FROM audit_log l \
            LEFT JOIN audit_chain c ON c.entry_id = l.id LEFT JOIN audit_tail t ON t.entry_id = l.id \
            WHERE l.id > ?1 ORDER BY l.id LIMIT ?2"),
        postgres concat!("SELECT c.seq, uuid_send(t.entry_id), ", raw!(postgres ""), " FROM audit_log l \
            LEFT JOIN audit_chain c ON c.entry_id = l.id LEFT JOIN audit_tail t ON t.entry_id = l.id \
            WHERE l.id > encode(?1::bytea, 'hex')::uuid ORDER BY l.id LIMIT ?2");
    LOST_IN_TAIL =
        sqlite "SELECT t.entry_id FROM audit_tail t LEFT JOIN audit_log l ON l.id = t.entry_id \
            LEFT JOIN audit_chain c ON c.entry_id = t.entry_id WHERE l.id IS NULL AND c.seq IS NULL LIMIT ?1",
        postgres "SELECT uuid_send(t.entry_id) FROM audit_tail t LEFT JOIN audit_log l ON l.id = t.entry_id \
            LEFT JOIN audit_chain c ON c.entry_id = t.entry_id WHERE l.id IS NULL AND c.seq IS NULL LIMIT ?1";
    TAIL = "SELECT count(*), min(l.at) FROM audit_tail t JOIN audit_log l ON l.id = t.entry_id \
        LEFT JOIN audit_chain c ON c.entry_id = t.entry_id WHERE c.seq IS NULL";
    FIRST_FLOOR = "INSERT INTO audit_floor (slot, segment, seq, chain_mac, mac) VALUES (1, ?1, ?2, ?3, ?4)";
    RAISE_FLOOR = "UPDATE audit_floor SET segment = ?1, seq = ?2, chain_mac = ?3, mac = ?4 WHERE slot = 1";
    PURGE_LOG = "DELETE FROM audit_log WHERE id IN (SELECT entry_id FROM audit_chain WHERE seq <= ?1)";
    PURGE_CHAIN = "DELETE FROM audit_chain WHERE seq <= ?1";
    PURGE_SEGMENTS = "DELETE FROM audit_segments WHERE number <= ?1";
}

/// What is written of an event.
pub(super) struct NewEntry {
    pub(super) action: &'static str,
    pub(super) user: Option<UserId>,
    pub(super) details: String,
}

pub(super) fn insert(tx: &mut WriteTx<'_>, act: &Act, entry: &NewEntry) -> Result<(), DbError> {
    let id = EntryId::generate(act.at, &act.random);
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

pub(super) fn insert_many(tx: &mut WriteTx<'_>, act: &Act, entries: &[NewEntry]) -> Result<(), DbError> {
    let id = || EntryId::generate(act.at, &act.random);
    let rows: Vec<_> =
        entries.iter().map(|entry| (id(), entry.action, entry.user, entry.details.as_str())).collect();
    let (rows, address) = (List::of(&rows)?, act.address.map(|address| address.to_string()));
    let params = params![rows, act.at, act.actor, address, act.user_agent, act.request_id];
    tx.execute(&INSERT_MANY, &params).map(|_| ())
}

/// Entries that the filter lets through, newest first, below `before`.
pub(super) fn list(
    tx: &mut ReadTx<'_>,
    filter: &Filter,
    before: EntryId,
    limit: i64,
) -> Result<Vec<Entry>, DbError> {
    let statement = if filter.user.is_some() {
        &LIST_OF_USER
    } else if filter.actor.is_some() {
        &LIST_OF_ACTOR
    } else if filter.address.is_some() {
        &LIST_OF_ADDRESS
    } else if filter.action.is_some() {
        &LIST_OF_ACTION
    } else {
        &LIST
    };
    let (from, to) = filter.times();
    let (lowest, above) = filter.ids();
    let address = filter.address.map(|address| address.to_string());
    tx.query_all(
        statement,
        &params![
            filter.user,
            filter.actor,
            filter.action,
            address,
            from,
            to,
            before.min(above),
            lowest,
            limit
        ],
        entry,
    )
}

/// Entries about or by one user, newest first, below `before`.
pub(super) fn about_or_by(
    tx: &mut ReadTx<'_>,
    user: UserId,
    before: EntryId,
    limit: i64,
) -> Result<Vec<Entry>, DbError> {
    tx.query_all(&ABOUT_OR_BY, &params![user, before, limit], entry)
}

fn entry(row: &Row<'_>) -> Result<Entry, DbError> {
    Ok(Entry {
        id: row.get(0)?,
        at: row.get(1)?,
        action: row.get(2)?,
        actor: row.get(3)?,
        user: row.get(4)?,
        address: row.get(5)?,
        user_agent: row.get(6)?,
        request_id: row.get(7)?,
        details: row.get(8)?,
    })
}

fn raw(row: &Row<'_>, from: usize) -> Result<Raw, DbError> {
    Ok(Raw {
        id: row.get(from)?,
        at: row.get(from + 1)?,
        action: row.get(from + 2)?,
        actor: row.get(from + 3)?,
        user: row.get(from + 4)?,
        address: row.get(from + 5)?,
        user_agent: row.get(from + 6)?,
        request_id: row.get(from + 7)?,
        details: row.get(from + 8)?,
    })
}

/// Entries that no seal covers yet, oldest first.
pub(super) fn unsealed(tx: &mut ReadTx<'_>, limit: i64) -> Result<Vec<Raw>, DbError> {
    tx.query_all(&UNSEALED, &params![limit], |row| raw(row, 0))
}

fn head(row: &Row<'_>) -> Result<Head, DbError> {
    Ok(Head { seq: row.get(0)?, mac: row.get(1)? })
}

/// The last link of the chain; the floor where nothing is above it; the beginning where there is no floor.
pub(super) fn last_link(tx: &mut ReadTx<'_>) -> Result<Head, DbError> {
    if let Some(head) = tx.query_opt(&LAST_LINK, &params![], head)? {
        return Ok(head);
    }
    Ok(floor(tx)?.map_or_else(Head::beginning, |floor| floor.head))
}

pub(super) fn link(tx: &mut ReadTx<'_>, seq: i64) -> Result<Option<Head>, DbError> {
    tx.query_opt(&LINK, &params![seq], head)
}

pub(super) fn first_seq(tx: &mut ReadTx<'_>) -> Result<Option<i64>, DbError> {
    tx.query_opt(&FIRST_SEQ, &params![], |row| row.get(0))
}

/// The number of the last segment, also when retention took it.
pub(super) fn last_segment(tx: &mut ReadTx<'_>) -> Result<i64, DbError> {
    if let Some(number) = tx.query_opt(&LAST_SEGMENT, &params![], |row| row.get(0))? {
        return Ok(number);
    }
    Ok(floor(tx)?.map_or(0, |floor| floor.segment))
}

pub(super) fn floor(tx: &mut ReadTx<'_>) -> Result<Option<Floor>, DbError> {
    tx.query_opt(&FLOOR, &params![], |row| {
        Ok(Floor {
            segment: row.get(0)?,
            head: Head { seq: row.get(1)?, mac: row.get(2)? },
            mac: row.get(3)?,
        })
    })
}

/// Adds a segment and its links; `packed` holds id and code of each entry. `false` when somebody else has added a
/// segment of this number.
pub(super) fn add_segment(tx: &mut WriteTx<'_>, segment: &Segment, packed: &[u8]) -> Result<bool, DbError> {
    let Segment { number, first, last, sealed_at, mac } = segment;
    if tx.execute(&ADD_SEGMENT, &params![number, first, last, mac, sealed_at])? == 0 {
        return Ok(false);
    }
    let entries = i64::try_from(packed.len() / SEALED_LENGTH).unwrap_or(0);
    tx.execute(&ADD_LINKS, &params![first, packed, entries])?;
    Ok(true)
}

/// Takes off the tail what stands in the chain. One statement at READ COMMITTED: nobody is run again because of it.
pub(super) async fn leave_tail(db: &Db) -> Result<(), DbError> {
    alone(db, &LEAVE_TAIL, &params![]).await
}

/// Deletes the rows and links of the chain up to this number, each in one statement at READ COMMITTED.
pub(super) async fn purge_entries(db: &Db, through: i64) -> Result<(), DbError> {
    alone(db, &PURGE_LOG, &params![through]).await?;
    alone(db, &PURGE_CHAIN, &params![through]).await
}

/// Deletes segments up to this number.
pub(super) async fn purge_segments(db: &Db, through: i64) -> Result<(), DbError> {
    alone(db, &PURGE_SEGMENTS, &params![through]).await
}

async fn alone(db: &Db, statement: &'static Statement, params: &[Param<'_>]) -> Result<(), DbError> {
    db.write_cas(statement, params, |_| Ok(())).await.map(|_| ())
}

/// A link of the chain and the row that it seals, if that is there.
pub(super) struct Linked {
    pub(super) link: Head,
    pub(super) id: Vec<u8>,
    pub(super) row: Option<Raw>,
}

pub(super) fn chain_page(
    tx: &mut ReadTx<'_>,
    after: i64,
    through: i64,
    limit: i64,
) -> Result<Vec<Linked>, DbError> {
    tx.query_all(&CHAIN_PAGE, &params![after, through, limit], |row| {
        let found: Option<Vec<u8>> = row.get(3)?;
        let row_or_none = found.is_some().then(|| raw(row, 3)).transpose()?;
        Ok(Linked { link: head(row)?, id: row.get(2)?, row: row_or_none })
    })
}

/// A segment, and the code of its last link if that is there.
pub(super) type Ended = (Segment, Option<Vec<u8>>);

/// Segments after this number, each with the code of its last link, if that is there.
pub(super) fn segments(tx: &mut ReadTx<'_>, after: i64, limit: i64) -> Result<Vec<Ended>, DbError> {
    tx.query_all(&SEGMENTS, &params![after, limit], |row| {
        let segment = Segment {
            number: row.get(0)?,
            first: row.get(1)?,
            last: row.get(2)?,
            sealed_at: row.get(3)?,
            mac: row.get(4)?,
        };
        Ok((segment, row.get(5)?))
    })
}

/// A row of the log, and whether chain or tail know it.
pub(super) struct Logged {
    pub(super) known: bool,
    pub(super) row: Raw,
}

pub(super) fn log_page(tx: &mut ReadTx<'_>, after: &[u8], limit: i64) -> Result<Vec<Logged>, DbError> {
    tx.query_all(&LOG_PAGE, &params![after, limit], |row| {
        let (seq, tail) = (row.get::<Option<i64>>(0)?, row.get::<Option<Vec<u8>>>(1)?);
        Ok(Logged { known: seq.is_some() || tail.is_some(), row: raw(row, 2)? })
    })
}

/// Ids in the tail whose rows are gone.
pub(super) fn lost_in_tail(tx: &mut ReadTx<'_>, limit: i64) -> Result<Vec<Vec<u8>>, DbError> {
    tx.query_all(&LOST_IN_TAIL, &params![limit], |row| row.get(0))
}

/// How many entries no seal covers yet, and since when.
pub(super) fn tail(tx: &mut ReadTx<'_>) -> Result<(i64, Option<Timestamp>), DbError> {
    tx.query_one(&TAIL, &params![], |row| Ok((row.get(0)?, row.get(1)?)))
}

pub(super) fn raise_floor(tx: &mut WriteTx<'_>, floor: &Floor) -> Result<(), DbError> {
    let Floor { segment, head, mac } = floor;
    let values = params![segment, head.seq, head.mac, mac];
    if tx.execute(&RAISE_FLOOR, &values)? == 0 {
        tx.execute(&FIRST_FLOOR, &values)?;
    }
    Ok(())
}
