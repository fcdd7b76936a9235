//! What was tried, written down: `login_attempts`.

use gatepost_db::{DbError, WriteTx};
use gatepost_kernel::{Id, Purpose, TokenHash};

use super::{network, rate, sql};
use crate::app::App;
use crate::audit::{Act, Origin};
use crate::ids::UserId;

/// A kind of [`Id`]: a row of `login_attempts`.
pub enum AttemptKind {}
/// The id of a row of `login_attempts`.
pub type AttemptId = Id<AttemptKind>;

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Somebody is signed in.
    Success,
    /// The password was wrong, or the account has none.
    InvalidCredentials,
    /// Nobody has that name. It is not written down: people type passwords into the wrong field.
    UnknownAccount,
    /// So many had failed before that nothing was verified.
    Locked,
    /// The account may not be used, or has changed since the password was verified.
    Disabled,
    /// The password was right, and the account has a second factor.
    SecondFactorRequired,
    /// The password was right, and the second factor was not.
    InvalidCode,
    /// The password was right, and the address has yet to be verified.
    EmailNotVerified,
    /// The password was right, and an administrator has yet to let its owner in.
    AwaitingApproval,
}

impl Reason {
    /// Its name in the table and in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::InvalidCredentials => "invalid_credentials",
            Self::UnknownAccount => "unknown_account",
            Self::Locked => "locked",
            Self::Disabled => "disabled",
            Self::SecondFactorRequired => "second_factor_required",
            Self::InvalidCode => "invalid_code",
            Self::EmailNotVerified => "email_not_verified",
            Self::AwaitingApproval => "awaiting_approval",
        }
    }

    /// Whether user agents are told apart. They are whatever the client likes, so a row for each is written only for
    /// attempts that the lock-out lets through and that belong to an account.
    const fn tells_agents_apart(self) -> bool {
        match self {
            Self::Locked | Self::UnknownAccount => false,
            Self::Success
            | Self::InvalidCredentials
            | Self::Disabled
            | Self::SecondFactorRequired
            | Self::InvalidCode
            | Self::EmailNotVerified
            | Self::AwaitingApproval => true,
        }
    }
}

const KEY: Purpose = Purpose::new("login-attempt");
const HOUR: i64 = 60 * 60;

/// What makes attempts alike: account, network, user agent and reason, within an hour of the clock.
fn key(act: &Act, network: Option<&str>, user: Option<UserId>, reason: Reason) -> TokenHash {
    let agent = act.user_agent.as_deref().filter(|_| reason.tells_agents_apart()).unwrap_or_default();
    let user = user.map(|user| user.to_string()).unwrap_or_default();
    let hour = act.at.as_secs().div_euclid(HOUR);
    // A zero byte is in none of the parts, so that none can be shifted into the next.
    let parts = [&hour.to_string(), reason.name(), &user, network.unwrap_or_default(), agent];
    TokenHash::of(KEY, parts.join("\0"))
}

fn row(act: &Act, user: Option<UserId>, reason: Reason) -> sql::Note<'_> {
    let network = act.address.map(network::of_customer);
    sql::Note {
        id: Id::generate(act.at, &act.random),
        key: key(act, network.as_deref(), user, reason),
        user,
        reason,
        address: act.address.map(|address| address.to_string()),
        network,
        user_agent: act.user_agent.as_deref(),
        at: act.at,
    }
}

/// Writes down how an attempt ended, when there is nothing else to write.
///
/// # Errors
/// What the database says.
pub async fn note(app: &App, origin: &Origin, user: Option<UserId>, reason: Reason) -> Result<(), DbError> {
    let act = origin.clone().act(app.clock.now());
    count(reason);
    if reason != Reason::Success && app.attempts.rate.count(act.at) {
        tracing::warn!(failures = rate::MANY, "many sign-ins fail: somebody may be trying many accounts");
    }
    sql::note_alone(&app.db, &row(&act, user, reason)).await
}

/// Writes down how an attempt ended, in the transaction that it ended with.
///
/// # Errors
/// What the database says.
pub fn note_in(tx: &mut WriteTx<'_>, act: &Act, user: Option<UserId>, reason: Reason) -> Result<(), DbError> {
    tx.after_commit(move || count(reason));
    sql::note(tx, &row(act, user, reason))
}

fn count(reason: Reason) {
    if reason != Reason::Success {
        metrics::counter!("login_failures_total", "reason" => reason.name()).increment(1);
    }
}

#[cfg(test)]
mod tests {
    use gatepost_kernel::{Random, Timestamp};

    use super::*;

    fn act(second: i64, address: &str, agent: &str) -> Act {
        Act {
            at: Timestamp::from_secs(second),
            actor: None,
            address: Some(address.parse().unwrap()),
            user_agent: Some(agent.to_owned()),
            request_id: None,
            random: Random::system(),
        }
    }

    fn key_of(act: &Act, user: Option<UserId>, reason: Reason) -> TokenHash {
        row(act, user, reason).key
    }

    #[test]
    fn brief3_attempts_that_are_alike_are_one_row_and_others_are_not() {
        let ada = Some(Id::from_bytes([1; 16]));
        let wrong = Reason::InvalidCredentials;
        let first = key_of(&act(7_200, "2001:db8::1", "a"), ada, wrong);
        assert!(first == key_of(&act(10_799, "2001:db8::2", "a"), ada, wrong));
        assert!(first != key_of(&act(10_800, "2001:db8::1", "a"), ada, wrong), "another hour");
        assert!(first != key_of(&act(7_200, "2001:db8:0:1::1", "a"), ada, wrong), "another network");
        assert!(first != key_of(&act(7_200, "2001:db8::1", "b"), ada, wrong), "another agent");
        assert!(first != key_of(&act(7_200, "2001:db8::1", "a"), ada, Reason::Disabled), "another reason");
        assert!(first != key_of(&act(7_200, "2001:db8::1", "a"), None, wrong), "no account");
    }

    #[test]
    fn bru_10_user_agents_make_no_rows_for_attempts_that_cost_nothing() {
        let ada = Some(Id::from_bytes([1; 16]));
        for (user, reason) in [(ada, Reason::Locked), (None, Reason::Locked), (None, Reason::UnknownAccount)]
        {
            let one = key_of(&act(0, "192.0.2.1", "a"), user, reason);
            assert!(one == key_of(&act(0, "192.0.2.1", "b"), user, reason));
        }
    }
}
