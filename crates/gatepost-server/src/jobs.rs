//! What a server does by itself: keeps its keys fresh and forgets what is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gatepost_db::DbError;

use crate::app::App;
use crate::audit::{Anchor, AnchorError, PurgeError};
use crate::outbox::Courier;
use crate::{accounts, api_keys, attempts, audit, keys, outbox, recovery, second_factor, sessions, sign_up};

/// How soon this node knows what another one, or a command beside it, did to the keys.
const WATCH_KEYS: Duration = Duration::from_secs(1);
/// How often it looks whether a key is due.
const ROTATE_KEYS: Duration = Duration::from_secs(60);
/// How soon a store of the limits that failed is used again, once it answers.
const WATCH_LIMITS: Duration = Duration::from_secs(1);
/// How often buckets of requests that are full again are forgotten.
const TIDY_LIMITS: Duration = Duration::from_secs(60);
/// How often it looks for mails that are due: again, or because another process owes them. Its own wake it at once.
const DELIVER: Duration = Duration::from_secs(10);
/// How often it looks for requests for links that another node has noted; its own wake it.
const ANSWER_REQUESTS: Duration = Duration::from_secs(1);
/// For rounds that wait by themselves.
const AT_ONCE: Duration = Duration::from_millis(1);
/// How often what joined the audit log is sealed.
const SEAL: Duration = Duration::from_secs(1);
/// How often it forgets.
const FORGET: Duration = Duration::from_secs(60 * 60);
/// How often it forgets attempts: strangers add rows to those as fast as they like.
const FORGET_ATTEMPTS: Duration = Duration::from_secs(60);

/// How soon the owner of an account hears of many failures.
const ALERT: Duration = Duration::from_secs(10);

/// Runs until it is dropped. A round that fails or panics is logged, and its job goes on at its next turn.
pub async fn run(app: App, courier: Courier) {
    let (watched, rotated, tidied) = (app.clone(), app.clone(), app.clone());
    let (limited, emptied, sealed) = (app.clone(), app.clone(), app.clone());
    let (attempted, alerted, asked) = (app.clone(), app.clone(), app.clone());
    let anchor = Anchor::in_directory(&sealed.config.server.data_dir);
    let diverged = Arc::new(AtomicBool::new(false));
    tokio::join!(
        every(WATCH_KEYS, "watch the signing keys", move || {
            let app = watched.clone();
            async move { app.keys.reload().await.map(|_| ()) }
        }),
        every(ROTATE_KEYS, "rotate the signing keys", move || {
            let app = rotated.clone();
            async move { keys::rotate(&app.db, &app.keys, &app.schedule, &app.operator_act()).await }
        }),
        whenever(
            || app.outbox.owed(),
            DELIVER,
            "deliver mails",
            move || {
                let courier = courier.clone();
                async move { courier.deliver().await.map(|_| ()) }
            }
        ),
        every(SEAL, "seal the audit log", move || {
            let (app, anchor, diverged) = (sealed.clone(), anchor.clone(), Arc::clone(&diverged));
            async move {
                audit::seal(&app.db, &app.chain, app.clock.now()).await?;
                follow(&app, &anchor, &diverged).await
            }
        }),
        every(FORGET, "forget what is over", move || {
            let app = tidied.clone();
            async move { forget(&app).await }
        }),
        every(WATCH_LIMITS, "watch the store of the limits", move || {
            let app = limited.clone();
            async move {
                app.limits.look_again().await;
                Ok::<_, DbError>(())
            }
        }),
        every(TIDY_LIMITS, "forget full buckets", move || {
            let app = emptied.clone();
            async move { app.limits.forget(app.clock.now()).await }
        }),
        every(FORGET_ATTEMPTS, "forget attempts", move || {
            let app = attempted.clone();
            async move { attempts::forget(&app.db, app.clock.now()).await }
        }),
        every(AT_ONCE, "answer requests for links", move || {
            let app = asked.clone();
            async move {
                // Noted on this node, or time to look for what another one noted.
                drop(tokio::time::timeout(ANSWER_REQUESTS, app.mail_requests.noted()).await);
                recovery::answer_requests(&app).await
            }
        }),
        every(ALERT, "look for accounts under attack", move || {
            let app = alerted.clone();
            async move { attempts::alert(&app.db, app.operator_act()).await }
        }),
    );
}

/// Forgets tombstones, sessions, API keys, mails, links and entries of the audit log whose time is over.
///
/// # Errors
/// What the database says.
pub async fn forget(app: &App) -> Result<(), DbError> {
    let now = app.clock.now();
    app.db.write(move |tx| accounts::purge(tx, now)).await?;
    app.db.write(move |tx| second_factor::purge(tx, now)).await?;
    // In portions, so that no sign-in waits for a large one.
    while app.db.write(move |tx| sessions::purge(tx, now)).await? > 0 {}
    while app.db.write(move |tx| api_keys::purge(tx, now)).await? > 0 {}
    while app.db.write(move |tx| outbox::purge(tx, now)).await? > 0 {}
    while app.db.write(move |tx| recovery::purge(tx, now)).await? > 0 {}
    while app.db.write(move |tx| sign_up::purge(tx, now)).await? > 0 {}
    let kept = now.minus(app.config.audit.retention);
    match audit::purge(&app.db, &app.chain, &app.operator_act(), kept).await {
        Ok(_) => Ok(()),
        Err(PurgeError::Db(error)) => Err(error),
        Err(error @ PurgeError::Changed(_)) => {
            tracing::error!("{error}");
            Ok(())
        }
    }
}

/// Moves the anchor of the audit log on. Where log and anchor do not fit together it says so once, not every second.
async fn follow(app: &App, anchor: &Anchor, diverged: &AtomicBool) -> Result<(), DbError> {
    match anchor.follow(&app.db, &app.chain).await {
        Ok(()) => diverged.store(false, Ordering::Relaxed),
        Err(AnchorError::Db(error)) => return Err(error),
        Err(error) => {
            if !diverged.swap(true, Ordering::Relaxed) {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the anchor of the audit log stays"
                );
            }
        }
    }
    Ok(())
}

async fn every<F, E>(period: Duration, what: &str, round: impl FnMut() -> F)
where
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: std::error::Error + Send + 'static,
{
    whenever(std::future::pending::<()>, period, what, round).await;
}

/// The same, and also whenever somebody calls.
async fn whenever<C, F, E>(
    mut called: impl FnMut() -> C,
    period: Duration,
    what: &str,
    mut round: impl FnMut() -> F,
) where
    C: Future<Output = ()>,
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: std::error::Error + Send + 'static,
{
    let mut turns = tokio::time::interval(period);
    turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = turns.tick() => {}
            () = called() => {}
        }
        // A task of its own, so that a panic ends this round and nothing else.
        match tokio::spawn(round()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "could not {what}");
            }
            Err(error) => tracing::error!(panicked = error.is_panic(), "could not {what}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::AtomicU32;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_round_that_panics_does_not_end_its_job() {
        let rounds = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&rounds);
        let job = every(Duration::from_secs(1), "count", move || {
            let number = counted.fetch_add(1, Ordering::SeqCst);
            async move {
                assert!(number != 0, "the first round fails");
                Ok::<_, Infallible>(())
            }
        });
        assert!(tokio::time::timeout(Duration::from_millis(2_500), job).await.is_err());
        assert_eq!(rounds.load(Ordering::SeqCst), 3);
    }
}
