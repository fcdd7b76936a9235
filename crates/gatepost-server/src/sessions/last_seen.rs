//! When a session was last used.

use std::time::Duration;

use gatepost_kernel::Timestamp;

use super::identities::Identity;
use super::sql;
use crate::app::App;

/// How exactly it is known. More often than this, a session's use is not written down.
const PRECISION: Duration = Duration::from_secs(60);

/// Notes that a session is being used: at most once a minute, and for all nodes together. It moves the idle limit of a
/// browser session, never the absolute one.
///
/// A failure is logged and forgotten: a reader must not be refused because the disk is full.
pub async fn note_use(app: &App, identity: &Identity, now: Timestamp) {
    let before = identity.last_seen.get();
    if now.since(before) < PRECISION || !identity.last_seen.advance(before, now) {
        return;
    }
    if let Err(error) = sql::touch(&app.db, identity.session.id, now, now.minus(PRECISION)).await {
        tracing::warn!(error = &error as &dyn std::error::Error, "could not note that a session was used");
    }
}
