//! What a server does by itself: keeps its keys fresh and forgets what is over.

use std::time::Duration;

use gatepost_db::DbError;

use crate::app::App;
use crate::{accounts, keys, sessions};

/// How soon this node knows what another one, or a command beside it, did to the keys.
const WATCH_KEYS: Duration = Duration::from_secs(1);
/// How often it looks whether a key is due.
const ROTATE_KEYS: Duration = Duration::from_secs(60);
/// How often it forgets.
const FORGET: Duration = Duration::from_secs(60 * 60);

/// Runs until it is dropped. A round that fails is logged and tried again at its next turn.
pub async fn run(app: App) {
    tokio::join!(
        every(WATCH_KEYS, "watch the signing keys", || async { app.keys.reload().await.map(|_| ()) }),
        every(ROTATE_KEYS, "rotate the signing keys", || async {
            keys::rotate(&app.db, &app.keys, &app.schedule, &app.operator_act()).await
        }),
        every(FORGET, "forget what is over", || forget(&app)),
    );
}

/// Forgets tombstones and sessions whose time is over.
///
/// # Errors
/// What the database says.
pub async fn forget(app: &App) -> Result<(), DbError> {
    let now = app.clock.now();
    app.db.write(move |tx| accounts::purge(tx, now)).await?;
    // In portions, so that no sign-in waits for a large one.
    while app.db.write(move |tx| sessions::purge(tx, now)).await? > 0 {}
    Ok(())
}

async fn every<F, E>(period: Duration, what: &str, mut round: impl FnMut() -> F)
where
    F: Future<Output = Result<(), E>>,
    E: std::error::Error + 'static,
{
    let mut turns = tokio::time::interval(period);
    turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        turns.tick().await;
        if let Err(error) = round().await {
            tracing::warn!(error = &error as &dyn std::error::Error, "could not {what}");
        }
    }
}
