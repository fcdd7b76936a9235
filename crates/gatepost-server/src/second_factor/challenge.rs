//! The second step of a sign-in: what stands between a right password and a session.

use std::fmt;

use gatepost_db::{DbError, ReadTx, WriteTx};
use gatepost_kernel::{OpaqueToken, Purpose, Random, Secret, Timestamp, TokenHash};
use http::HeaderValue;

use super::browser::{Sender, Tie};
use super::factors::Factors;
use super::judge::{Judgement, judge};
use super::model::{CHALLENGE_LIFE, CHALLENGE_TRIES, Presented};
use super::{Error, sql};
use crate::accounts::{self, User};
use crate::audit::Act;
use crate::http::{CookieJar, CookieName};
use crate::ids::UserId;
use crate::sessions::{Device, Evidence, Proof, SecondFactor, Shown};

const PREFIX: &str = "gpc";
const CHALLENGE: Purpose = Purpose::new("second-factor-challenge");

/// The random parts of a challenge, drawn before the transaction so that running it again is harmless.
pub struct DrawnChallenge {
    token: OpaqueToken,
    tie: Tie,
    cookie: Option<OpaqueToken>,
}

impl DrawnChallenge {
    /// A challenge that whoever sent this request can answer.
    pub fn draw(sender: &Sender, random: &Random) -> Self {
        let (tie, cookie) = sender.tie(random);
        Self { token: OpaqueToken::generate(PREFIX, random), tie, cookie }
    }
}

/// The first step, as far as the second needs to know it.
pub struct FirstStep<'a> {
    /// Whose password was right.
    pub user: &'a User,
    /// Which application mediates.
    pub client_id: &'a str,
    /// The device, as far as it says, and the kind of session that it asks for.
    pub device: &'a Device,
}

/// A sign-in that waits for its second factor. Its token is nowhere else: the database has only the hash.
#[derive(Clone)]
pub struct Challenge {
    token: OpaqueToken,
    cookie: Option<OpaqueToken>,
    /// The factors that the account can show now.
    pub methods: Vec<SecondFactor>,
}

impl Challenge {
    /// The text to hand to the client, once.
    pub fn token(&self) -> &str {
        self.token.expose()
    }

    /// The `Set-Cookie` value without which this browser could not go on.
    pub fn set_cookie(&self, jar: &CookieJar) -> Option<HeaderValue> {
        let cookie = self.cookie.as_ref()?;
        Some(jar.set(CookieName::PreAuth, cookie.expose(), Some(CHALLENGE_LIFE)))
    }
}

impl fmt::Debug for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Challenge").field("methods", &self.methods).finish_non_exhaustive()
    }
}

/// Begins the second step, in the transaction that saw that the first one holds.
///
/// # Errors
/// What the database says.
pub fn begin(
    tx: &mut WriteTx<'_>,
    drawn: &DrawnChallenge,
    first: &FirstStep<'_>,
    now: Timestamp,
) -> Result<Challenge, DbError> {
    let challenge = sql::ChallengeRow {
        user: first.user.id,
        epoch: first.user.auth_epoch,
        client_id: first.client_id.to_owned(),
        device: first.device.name.clone(),
        wanted: first.device.wanted,
        tie: drawn.tie.clone(),
    };
    sql::insert_challenge(tx, &hash(&drawn.token), &challenge, now.plus(CHALLENGE_LIFE))?;
    let methods = methods(tx, first.user.id, now)?;
    Ok(Challenge { token: drawn.token.clone(), cookie: drawn.cookie.clone(), methods })
}

/// The factors that an account can show now.
fn methods(tx: &mut ReadTx<'_>, user: UserId, now: Timestamp) -> Result<Vec<SecondFactor>, DbError> {
    let mut methods = Vec::new();
    let credential = sql::credential(tx, user)?;
    if credential.is_some_and(|credential| credential.closed_until.is_none_or(|until| until <= now)) {
        methods.push(SecondFactor::Totp);
    }
    if !sql::unused_codes(tx, user)?.is_empty() {
        methods.push(SecondFactor::RecoveryCode);
    }
    Ok(methods)
}

/// Somebody who answers a challenge.
pub struct Answer {
    /// As presented.
    pub challenge: Secret<String>,
    /// Who sent it.
    pub sender: Sender,
    /// The code.
    pub presented: Presented,
}

/// The device that began a sign-in, if that can still go on: what the session is drawn for. Garbage costs no turn of the
/// writer, and a look changes nothing.
///
/// # Errors
/// What the database says.
pub fn begun_on(
    tx: &mut ReadTx<'_>,
    challenge: &Secret<String>,
    now: Timestamp,
) -> Result<Option<Device>, DbError> {
    let Some(token) = presented_hash(challenge) else { return Ok(None) };
    let challenge = sql::challenge(tx, &token, now, CHALLENGE_TRIES)?;
    Ok(challenge.map(|challenge| Device { name: challenge.device, wanted: challenge.wanted }))
}

/// What came of an answer. Each is remembered, so each is an `Ok`.
pub enum Answered {
    /// Right: the challenge and the code are used up.
    Passed(Box<Passed>),
    /// The code is wrong, or was used before.
    WrongCode {
        /// Whose it would have been.
        user: UserId,
    },
    /// The challenge is unknown, over, used up, tried too often, or another browser's; the client learns no more.
    Expired,
    /// Too many wrong codes of this authenticator.
    Closed {
        /// Whose it would have been.
        user: UserId,
        /// Until when they are refused.
        until: Timestamp,
    },
}

/// Both steps of a sign-in.
pub struct Passed {
    /// The account as it is now.
    pub user: User,
    /// What was shown.
    pub evidence: Evidence,
    /// Which application mediates.
    pub client_id: String,
}

/// Judges the answer to a challenge.
///
/// # Errors
/// [`Error::Unreadable`] under another master key, or what the database says.
pub fn answer(
    tx: &mut WriteTx<'_>,
    factors: &Factors,
    act: &Act,
    answer: &Answer,
) -> Result<Answered, Error> {
    let Some(token) = presented_hash(&answer.challenge) else { return Ok(Answered::Expired) };
    let Some(challenge) = sql::challenge(tx, &token, act.at, CHALLENGE_TRIES)? else {
        return Ok(Answered::Expired);
    };
    let user = accounts::by_id(tx, challenge.user)?;
    let unchanged =
        |user: &User| user.is_usable() && user.two_factor_enabled && user.auth_epoch == challenge.epoch;
    let Some(user) = user.filter(unchanged).filter(|_| answer.sender.holds(&challenge.tie)) else {
        return Ok(Answered::Expired);
    };
    match judge(tx, factors, act, &user, &answer.presented)? {
        Judgement::Right if sql::consume_challenge(tx, &token)? => {
            let proof = Proof::Password { epoch: challenge.epoch };
            Ok(Answered::Passed(Box::new(Passed {
                user,
                evidence: Evidence { proof, second: Some(Shown::Now(answer.presented.method)) },
                client_id: challenge.client_id,
            })))
        }
        Judgement::Right => Ok(Answered::Expired),
        Judgement::Wrong => {
            sql::count_failure(tx, &token)?;
            Ok(Answered::WrongCode { user: user.id })
        }
        Judgement::Closed { until } => Ok(Answered::Closed { user: user.id, until }),
    }
}

fn hash(token: &OpaqueToken) -> TokenHash {
    TokenHash::of(CHALLENGE, token.expose())
}

/// The hash that a presented challenge must have in the database; `None` for what was never one.
fn presented_hash(challenge: &Secret<String>) -> Option<TokenHash> {
    let text = challenge.expose();
    OpaqueToken::has_shape(PREFIX, text).then(|| TokenHash::of(CHALLENGE, text))
}
