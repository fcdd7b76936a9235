//! Doing what is due.

use gatepost_db::{Db, DbError, WriteTx};
use gatepost_token::SigningKey;

use super::model::{KeyInfo, Schedule, State, Step, due};
use super::ring::{KeyRing, KeysError};
use super::sql;
use crate::audit::{self, Act, Event};

/// Whether the database holds keys, sealed under some master key.
///
/// # Errors
/// What the database says.
pub async fn exist(db: &Db) -> Result<bool, DbError> {
    Ok(!infos(db).await?.is_empty())
}

/// Does everything that is due and reloads the ring. Any node may do it at any time; what another node has done
/// already is not due any more.
///
/// # Errors
/// [`KeysError`]; what was done before the error stays done.
pub async fn rotate(db: &Db, ring: &KeyRing, schedule: &Schedule, act: &Act) -> Result<(), KeysError> {
    loop {
        let keys = infos(db).await?;
        let Some(step) = due(&keys, act.at, schedule) else { break };
        do_step(Work { db, ring, schedule, act }, keys, step).await?;
    }
    ring.reload().await.map(|_| ())
}

/// Begins a rotation before its time: makes the next key now or, with `at_once`, lets it sign now, too, although
/// verifiers with a cached key set may not know it yet.
///
/// # Errors
/// [`KeysError`].
pub async fn force(
    db: &Db,
    ring: &KeyRing,
    schedule: &Schedule,
    act: &Act,
    at_once: bool,
) -> Result<Vec<KeyInfo>, KeysError> {
    let next = |keys: &[KeyInfo]| keys.iter().find(|key| key.state == State::Next).map(|key| key.kid.clone());
    let keys = infos(db).await?;
    if next(&keys).is_none() {
        do_step(Work { db, ring, schedule, act }, keys, Step::MakeNext).await?;
    }
    let keys = infos(db).await?;
    if at_once && let Some(kid) = next(&keys) {
        do_step(Work { db, ring, schedule, act }, keys, Step::Activate(kid)).await?;
    }
    ring.reload().await?;
    Ok(infos(db).await?)
}

/// Takes a key out of use at once, because its private half may be known to others. Tokens that it signed are refused
/// within five seconds on every node; refresh tokens are not touched. Whether there was such a key.
///
/// # Errors
/// [`KeysError`].
pub async fn revoke(
    db: &Db,
    ring: &KeyRing,
    schedule: &Schedule,
    act: &Act,
    kid: &str,
) -> Result<bool, KeysError> {
    // Its replacement is made beforehand: between the two there must be no moment without a key that signs.
    let (spare, sealed) = draw(Work { db, ring, schedule, act }, State::Active).await?;
    let (kid, by) = (kid.to_owned(), act.clone());
    let revoked = db
        .write(move |tx| {
            if !sql::end(tx, &kid, State::Revoked, by.at)? {
                return Ok::<_, DbError>(false);
            }
            changed(tx, &by, &kid, State::Revoked)?;
            let keys = sql::keys(tx)?;
            let in_state = |state| keys.iter().find(|key| key.info.state == state);
            if in_state(State::Active).is_none() {
                match in_state(State::Next) {
                    Some(next) => activate(tx, &by, &next.info.kid)?,
                    None => insert(tx, &by, &spare, &sealed)?,
                }
            }
            Ok(true)
        })
        .await?;
    rotate(db, ring, schedule, act).await?;
    Ok(revoked)
}

/// What every step is done with.
#[derive(Clone, Copy)]
struct Work<'a> {
    db: &'a Db,
    ring: &'a KeyRing,
    schedule: &'a Schedule,
    act: &'a Act,
}

async fn infos(db: &Db) -> Result<Vec<KeyInfo>, DbError> {
    db.read(|tx| Ok(sql::keys(tx)?.into_iter().map(|row| row.info).collect())).await
}

/// Does one thing that was found to be due when the keys were as in `seen`.
async fn do_step(work: Work<'_>, seen: Vec<KeyInfo>, step: Step) -> Result<(), KeysError> {
    let (db, act) = (work.db, work.act.clone());
    match step {
        Step::MakeActive => make(work, seen, State::Active).await,
        Step::MakeNext => make(work, seen, State::Next).await,
        Step::Activate(kid) => Ok(db.write(move |tx| activate(tx, &act, &kid)).await?),
        Step::Retire(kid) => Ok(db.write(move |tx| retire(tx, &act, &kid)).await?),
    }
}

async fn make(work: Work<'_>, seen: Vec<KeyInfo>, state: State) -> Result<(), KeysError> {
    let (info, sealed) = draw(work, state).await?;
    let act = work.act.clone();
    let made = work.db.write(move |tx| {
        // Another node may have made its key first, and even put it to use; then that is the key, and ours never was.
        let overtaken = !sql::keys(tx)?.iter().map(|row| &row.info).eq(&seen);
        if overtaken { Ok(()) } else { insert(tx, &act, &info, &sealed) }
    });
    Ok(made.await?)
}

/// A new key and its sealed private half, to be written.
async fn draw(work: Work<'_>, state: State) -> Result<(KeyInfo, Vec<u8>), KeysError> {
    let (algorithm, random) = (work.schedule.algorithm, work.act.random.clone());
    // An RSA key takes a while to find.
    let key = tokio::task::spawn_blocking(move || SigningKey::generate(algorithm, &random)).await;
    let key = key.unwrap_or(Err(gatepost_token::KeyError::Generation))?;
    let info = KeyInfo {
        kid: key.kid().to_owned(),
        algorithm,
        state,
        created_at: work.act.at,
        activated_at: (state == State::Active).then_some(work.act.at),
        retiring_at: None,
        ended_at: None,
    };
    Ok((info, work.ring.seal(&key)))
}

fn insert(tx: &mut WriteTx<'_>, act: &Act, info: &KeyInfo, sealed: &[u8]) -> Result<(), DbError> {
    if sql::insert(tx, info, sealed)? {
        changed(tx, act, &info.kid, info.state)?;
    }
    Ok(())
}

fn activate(tx: &mut WriteTx<'_>, act: &Act, kid: &str) -> Result<(), DbError> {
    let keys = sql::keys(tx)?;
    // Another node may have activated it already.
    if !keys.iter().any(|key| key.info.kid == kid && key.info.state == State::Next) {
        return Ok(());
    }
    if let Some(active) = keys.iter().find(|key| key.info.state == State::Active) {
        sql::retire_active(tx, act.at)?;
        changed(tx, act, &active.info.kid, State::Retiring)?;
    }
    sql::activate(tx, kid, act.at)?;
    changed(tx, act, kid, State::Active)
}

fn retire(tx: &mut WriteTx<'_>, act: &Act, kid: &str) -> Result<(), DbError> {
    if sql::end(tx, kid, State::Retired, act.at)? {
        changed(tx, act, kid, State::Retired)?;
    }
    Ok(())
}

fn changed(tx: &mut WriteTx<'_>, act: &Act, kid: &str, state: State) -> Result<(), DbError> {
    audit::record(tx, act, &Event::KeyChanged { kid: kid.to_owned(), state: state.as_str() })
}
