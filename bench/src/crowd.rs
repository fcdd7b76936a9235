//! Other people's sessions in a SQLite file, between those that are measured.
//!
//! Sessions that were opened one after the other share pages, and a commit that changes 64 of them would write a
//! handful. In real life those that refresh at the same moment lie far apart, and each costs a page of its own.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, params};

use crate::Result;

/// How many sessions of others lie between two of ours: with 64 of ours, 9,600.
const BETWEEN: usize = 150;

/// A file to put sessions in, beside whoever else works on it.
pub(crate) struct Crowd {
    connection: Connection,
    arrived: usize,
}

impl Crowd {
    pub(crate) fn beside(path: &Path) -> Result<Self> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        Ok(Self { connection, arrived: 0 })
    }

    /// The next sessions, all of one user.
    pub(crate) fn arrive(&mut self) -> Result {
        let user: Vec<u8> =
            self.connection.query_row("SELECT id FROM users LIMIT 1", [], |row| row.get(0))?;
        let transaction = self.connection.transaction()?;
        for _ in 0..BETWEEN {
            self.arrived += 1;
            // Numbers that no client of a limit has.
            insert_session(&transaction, &user, 1_000_000 + self.arrived)?;
        }
        Ok(transaction.commit()?)
    }
}

/// A session that lives for ever, with the tokens of generation 0.
pub(crate) fn insert_session(connection: &Connection, user: &[u8], number: usize) -> Result {
    let id = &key(number)[16..];
    connection.execute(
        "INSERT INTO sessions (id, user_id, client_id, auth_epoch, method, created_at, proven_at, version) \
         VALUES (?1, ?2, 'gatepost', 0, 'password', 0, 0, 1)",
        params![id, user],
    )?;
    connection.execute(
        "INSERT INTO refresh_families (selector_hash, session_id, user_id, client_id, auth_epoch, current_hash, \
         previous_hash, sealed_successor, fingerprint, generation, created_at, rotated_at, idle_until, absolute_until, \
         status) VALUES (?1, ?2, ?3, 'gatepost', 0, ?4, ?1, ?5, ?1, 0, 0, 0, ?6, ?6, 'active')",
        params![key(number), id, user, hash(0), SEALED, LATER],
    )?;
    Ok(())
}

/// As long as a token of the server that was sealed for a replay.
pub(crate) const SEALED: [u8; 60] = [7; 60];

/// A time that no row has reached.
pub(crate) const LATER: i64 = i64::MAX / 2;

/// A hash-like value that tells a generation.
pub(crate) fn hash(number: u64) -> [u8; 32] {
    let mut hash = [0; 32];
    hash[24..].copy_from_slice(&number.to_be_bytes());
    hash
}

/// A hash-like value that tells a session. As in real life the keys of neighbours are far apart.
pub(crate) fn key(number: usize) -> [u8; 32] {
    let spread = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
    let mut key = [0; 32];
    key[..8].copy_from_slice(&spread);
    key[24..].copy_from_slice(&spread);
    key
}
