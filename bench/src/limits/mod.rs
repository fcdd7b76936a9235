//! What the machine can do when nothing but the one thing that counts is done. Each is measured in turns with the
//! server, so that a noisy minute hits both.

mod constant;
mod hash;
mod pgbench;
mod writer;

pub(crate) use self::constant::{Copied, constant_server, start_constant};
pub(crate) use self::hash::{cores, hashes};
pub(crate) use self::pgbench::PgBench;
pub(crate) use self::writer::BareWriter;

/// The rotation, word for word as the server runs it.
fn rotation() -> crate::Result<&'static gatepost_db::Statement> {
    let mut statements = gatepost_server::sessions::STATEMENTS.iter().copied();
    statements.find(|statement| statement.name() == "ROTATE").ok_or_else(|| "there is no rotation".into())
}
