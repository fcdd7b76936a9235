//! A sign-in that succeeded: it is written down, and its owner hears of a device that is new.

use std::time::Duration;

use gatepost_db::{DbError, WriteTx};
use gatepost_kernel::{Purpose, TokenHash};

use super::record::{Reason, note_in};
use super::reserve::reopen;
use super::target::{Attempts, Target};
use super::{network, sql};
use crate::accounts::{Email, User};
use crate::audit::Act;
use crate::outbox::{Kind, Letter, Mail, Outbox};
use crate::sessions::{Agent, Mint};

const MARK: Purpose = Purpose::new("known-device");
/// A device that was not seen for so long is new again: as long as its cookie lives.
const KNOWN: Duration = super::DEVICE_LIFETIME;
/// How exact the time of the last sign-in is: not every one needs a row to be written.
const EXACT: Duration = Duration::from_secs(24 * 60 * 60);
/// How many devices an account has; the longest unseen is forgotten first.
const MOST_DEVICES: i64 = 50;
/// How many mails about new devices an address gets in a day: a mailbox must not become the victim.
const MOST_MAILS: u32 = 10;

/// Writes down that somebody has signed in, and owes their owner a mail if the device is new: it has no valid cookie of
/// this account, and the account has not been used with this user agent from this network in the last 180 days. The very
/// first sign-in owes none. Every door that opens a session calls it, in the transaction that does.
///
/// # Errors
/// What the database says.
pub fn arrived(
    tx: &mut WriteTx<'_>,
    (mint, outbox): (&Mint, &Outbox),
    act: &Act,
    user: &User,
    target: &Target,
) -> Result<(), DbError> {
    note_in(tx, act, Some(user.id), Reason::Success)?;
    let site = act.address.map(network::of_site).unwrap_or_default();
    let agent = act.user_agent.as_deref().unwrap_or_default();
    let mark = TokenHash::of(MARK, [&site, agent].join("\0"));
    let seen = sql::device_seen(tx, user.id, &mark)?;
    if seen.is_some_and(|seen| act.at < seen.plus(EXACT)) {
        return Ok(());
    }
    let is_known = target.is_known_device() || seen.is_some_and(|seen| act.at < seen.plus(KNOWN));
    if !is_known && sql::has_devices(tx, user.id)? {
        tell(tx, (mint, outbox), act, user)?;
    }
    sql::see_device(tx, user.id, &mark, act.at)?;
    sql::crop_devices(tx, user.id, MOST_DEVICES)
}

/// The same for an account that was made in this transaction. What was counted against its name while nobody had it is
/// forgotten.
///
/// # Errors
/// What the database says.
pub fn welcome(
    tx: &mut WriteTx<'_>,
    (attempts, mint, outbox): (&Attempts, &Mint, &Outbox),
    act: &Act,
    user: &User,
) -> Result<(), DbError> {
    let target = attempts.of_user(user, None, act.at);
    reopen(tx, &target)?;
    arrived(tx, (mint, outbox), act, user, &target)
}

fn tell(
    tx: &mut WriteTx<'_>,
    (mint, outbox): (&Mint, &Outbox),
    act: &Act,
    user: &User,
) -> Result<(), DbError> {
    let to = Email::parse(&user.email).map_or_else(|_| user.email.clone(), |email| email.mailbox());
    if outbox.recent(tx, &to, Kind::NewDevice, act.at)?.within_day >= MOST_MAILS {
        return Ok(());
    }
    let letter = Letter::NewDevice {
        device: act.user_agent.as_deref().and_then(|text| Agent::of(text).name()).unwrap_or_default(),
        address: act.address.map(|address| address.to_string()).unwrap_or_default(),
        location: mint.place_of(act),
        at: act.at,
    };
    outbox.owe(tx, act.at, &Mail { user: Some(user.id), to, letter, not_after: None })
}
