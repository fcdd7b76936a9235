//! Proofs, refresh tokens and families. Pure: no database, no clock, no HTTP.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gatepost_kernel::{Purpose, Random, Secret, Timestamp, TokenHash};
use zeroize::Zeroize as _;

use crate::accounts::User;
use crate::ids::{SessionId, UserId};

/// What somebody has shown to be let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The password of the account as it was in this epoch.
    Password {
        /// The `auth_epoch` that was read together with the password's hash.
        epoch: i64,
    },
    /// The account was made in this very transaction.
    NewAccount,
    /// The one-time link for the first owner.
    SetupLink,
    /// A session of the account that was confirmed, and fresh, in this very transaction.
    Session,
}

impl Proof {
    /// The name in the session's row and in the audit trail.
    pub const fn method(self) -> &'static str {
        match self {
            Self::Password { .. } => "password",
            Self::NewAccount => "registration",
            Self::SetupLink => "setup_link",
            Self::Session => "session",
        }
    }
}

/// A second factor that was shown (NIST SP 800-63B-4 section 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecondFactor {
    /// A one-time code of an authenticator (RFC 6238).
    Totp,
    /// One of the codes that were handed out for the day when the authenticator is lost.
    RecoveryCode,
}

impl SecondFactor {
    /// Its name in requests, answers and the audit trail.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Totp => "totp",
            Self::RecoveryCode => "recovery_code",
        }
    }
}

/// When a second factor was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// In this very transaction.
    Now(SecondFactor),
    /// In the session that the new one replaces, which is as fresh as that one and no fresher.
    Before {
        /// When.
        at: Timestamp,
    },
}

impl Shown {
    /// The name in the audit trail.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Now(factor) => factor.name(),
            Self::Before { .. } => "session",
        }
    }

    /// When it was shown, to a session that begins now.
    pub(super) const fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Now(_) => now,
            Self::Before { at } => at,
        }
    }
}

/// All that somebody has shown in one sign-in.
#[derive(Clone, Copy, Debug)]
pub struct Evidence {
    /// The first factor.
    pub proof: Proof,
    /// The second one, if it was asked for.
    pub second: Option<Shown>,
}

impl From<Proof> for Evidence {
    fn from(proof: Proof) -> Self {
        Self { proof, second: None }
    }
}

/// What the operator asks of every sign-in, whichever door it comes through.
#[derive(Clone, Copy, Debug, Default)]
pub struct Policy {
    /// Whether an address must be verified before its account may be used.
    pub verified_only: bool,
}

/// The sign-in policy's word that somebody may have a session: the proof holds and the account may be used.
///
/// There is no other way to make one than [`Assurance::establish`].
#[derive(Clone, Copy, Debug)]
pub struct Assurance {
    pub(super) user: UserId,
    pub(super) epoch: i64,
    pub(super) method: &'static str,
    pub(super) second: Option<Shown>,
}

/// Why a proof that holds opens no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAssured {
    /// The account may not be used, or has changed since the proof was given. The client must not learn which.
    Refused,
    /// An administrator has yet to let its owner in.
    AwaitingApproval,
    /// The address has yet to be verified.
    EmailNotVerified,
    /// The account has a second factor, and it was not shown.
    SecondFactorRequired,
}

impl Assurance {
    /// Weighs a proof against the account as it is in the transaction that will open the session.
    ///
    /// # Errors
    /// [`NotAssured`]: whatever the policy asks for in addition is said only to somebody whose first proof holds.
    pub fn establish(user: &User, evidence: Evidence, policy: Policy) -> Result<Self, NotAssured> {
        let Evidence { proof, second } = evidence;
        let current = match proof {
            Proof::Password { epoch } => epoch == user.auth_epoch,
            Proof::NewAccount | Proof::SetupLink | Proof::Session => true,
        };
        if !user.is_active || user.deleted_at.is_some() || !current {
            return Err(NotAssured::Refused);
        }
        if user.awaiting_approval {
            return Err(NotAssured::AwaitingApproval);
        }
        if policy.verified_only && !user.email_verified {
            return Err(NotAssured::EmailNotVerified);
        }
        if user.two_factor_enabled && second.is_none() {
            return Err(NotAssured::SecondFactorRequired);
        }
        Ok(Self { user: user.id, epoch: user.auth_epoch, method: proof.method(), second })
    }
}

const SELECTOR: Purpose = Purpose::new("refresh-selector");
const VALIDATOR: Purpose = Purpose::new("refresh-validator");
const PREFIX: &str = "rt1_";
const SELECTOR_LENGTH: usize = 16;
const VALIDATOR_LENGTH: usize = 32;

/// A refresh token: `rt1_<selector>.<validator>`, base64url. The selector stays for the life of the family, the
/// validator changes with each rotation. Both are random: knowing the selector proves possession of a token of the
/// family, old or new.
pub struct RefreshToken {
    selector: Secret<[u8; SELECTOR_LENGTH]>,
    validator: Secret<[u8; VALIDATOR_LENGTH]>,
}

impl RefreshToken {
    /// The first token of a new family.
    pub fn draw(random: &Random) -> Self {
        Self { selector: Secret::new(random.bytes()), validator: Secret::new(random.bytes()) }
    }

    /// The next token of the same family.
    pub fn successor(&self, random: &Random) -> Self {
        Self { selector: self.selector.clone(), validator: Secret::new(random.bytes()) }
    }

    /// The token of the same family with this validator.
    pub(super) fn with_validator(&self, validator: [u8; VALIDATOR_LENGTH]) -> Self {
        Self { selector: self.selector.clone(), validator: Secret::new(validator) }
    }

    /// Reads a token that a client presents. Garbage costs no query.
    pub fn parse(text: &str) -> Option<Self> {
        let (selector, validator) = text.strip_prefix(PREFIX)?.split_once('.')?;
        if selector.len() != 22 || validator.len() != 43 {
            return None;
        }
        Some(Self { selector: decode(selector)?, validator: decode(validator)? })
    }

    /// The text to hand to the client, once.
    pub fn to_text(&self) -> Secret<String> {
        let mut text = String::with_capacity(PREFIX.len() + 22 + 1 + 43);
        text.push_str(PREFIX);
        URL_SAFE_NO_PAD.encode_string(self.selector.expose(), &mut text);
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(self.validator.expose(), &mut text);
        Secret::new(text)
    }

    pub(super) fn selector_hash(&self) -> TokenHash {
        TokenHash::of(SELECTOR, self.selector.expose())
    }

    pub(super) fn validator_hash(&self) -> TokenHash {
        TokenHash::of(VALIDATOR, self.validator.expose())
    }

    pub(super) fn validator(&self) -> &[u8; VALIDATOR_LENGTH] {
        self.validator.expose()
    }
}

fn decode<const N: usize>(text: &str) -> Option<Secret<[u8; N]>> {
    let mut bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let array = bytes.as_slice().try_into().ok();
    bytes.zeroize();
    array.map(Secret::new)
}

/// A family, as its row says.
pub(super) struct Family {
    pub(super) session: SessionId,
    pub(super) user: UserId,
    pub(super) client_id: String,
    pub(super) epoch: i64,
    pub(super) current: TokenHash,
    pub(super) previous: Option<TokenHash>,
    pub(super) sealed_successor: Option<Vec<u8>>,
    pub(super) fingerprint: Option<TokenHash>,
    pub(super) rotated_at: Timestamp,
    pub(super) idle_until: Timestamp,
    pub(super) absolute_until: Timestamp,
    pub(super) is_active: bool,
}

/// What a token that could not be rotated means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// The family has ended or expired: refuse.
    Dead,
    /// The client repeats the exchange whose answer it lost: give the same successor again.
    Replay,
    /// The token was replaced moments ago, but somebody else presents it, or the clocks of two nodes differ: refuse, and
    /// change nothing, so that neither a stranger nor a clock can sign the owner out.
    Mismatch,
    /// The right family and an older token: it was stolen, or its thief rotated it. End the family.
    Reuse,
    /// The right family and another application: the token leaked. End the family.
    ForeignClient,
}

/// How far a clock may have been set back since the rotation.
const CLOCK_SLACK: Duration = Duration::from_secs(1);

/// What was presented, and by whom.
pub(super) struct Presentation {
    pub(super) token: TokenHash,
    pub(super) fingerprint: TokenHash,
    pub(super) client_id: String,
}

impl Family {
    /// Judges a token whose compare-and-swap found nothing to swap.
    pub(super) fn judge(&self, presented: &Presentation, now: Timestamp, window: Duration) -> Judgement {
        if !self.is_active || now >= self.idle_until || now >= self.absolute_until {
            return Judgement::Dead;
        }
        if self.client_id != presented.client_id {
            return Judgement::ForeignClient;
        }
        if self.current == presented.token {
            // Current, alive and still not swapped: its account is disabled or has moved on to another epoch.
            return Judgement::Dead;
        }
        let replaced = self.previous.as_ref() == Some(&presented.token);
        if !replaced || now > self.rotated_at.plus(window) {
            Judgement::Reuse
        } else if now.plus(CLOCK_SLACK) < self.rotated_at {
            // By this node's clock the rotation has yet to happen: two clocks differ, and nobody is a thief for that.
            Judgement::Mismatch
        } else if self.fingerprint.as_ref() == Some(&presented.fingerprint) && self.sealed_successor.is_some()
        {
            Judgement::Replay
        } else {
            Judgement::Mismatch
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WINDOW: Duration = Duration::from_secs(10);
    const ROTATED: Timestamp = Timestamp::from_secs(1_000);

    fn hash(text: &str) -> TokenHash {
        TokenHash::of(VALIDATOR, text)
    }

    fn family() -> Family {
        Family {
            session: SessionId::from_uuid(uuid::Uuid::nil()),
            user: UserId::from_uuid(uuid::Uuid::nil()),
            client_id: "gatepost".to_owned(),
            epoch: 1,
            current: hash("r2"),
            previous: Some(hash("r1")),
            sealed_successor: Some(vec![1]),
            fingerprint: Some(hash("browser")),
            rotated_at: ROTATED,
            idle_until: Timestamp::from_secs(2_000),
            absolute_until: Timestamp::from_secs(3_000),
            is_active: true,
        }
    }

    fn presentation(token: &str, browser: &str, client_id: &str) -> Presentation {
        Presentation { token: hash(token), fingerprint: hash(browser), client_id: client_id.to_owned() }
    }

    fn judge(family: &Family, token: &str, browser: &str, now: Timestamp) -> Judgement {
        family.judge(&presentation(token, browser, "gatepost"), now, WINDOW)
    }

    #[test]
    fn op_05_the_parent_is_replayed_within_the_window_to_the_same_client_only() {
        let family = family();
        let end = ROTATED.plus(WINDOW);
        assert_eq!(judge(&family, "r1", "browser", ROTATED), Judgement::Replay);
        assert_eq!(judge(&family, "r1", "browser", end), Judgement::Replay);
        assert_eq!(judge(&family, "r1", "browser", end.plus(Duration::from_micros(1))), Judgement::Reuse);
        assert_eq!(judge(&family, "r1", "thief", ROTATED), Judgement::Mismatch);
    }

    #[test]
    fn op_04_an_older_token_is_reuse_at_any_time() {
        assert_eq!(judge(&family(), "r0", "browser", ROTATED), Judgement::Reuse);
        assert_eq!(judge(&family(), "r0", "browser", Timestamp::from_secs(1_999)), Judgement::Reuse);
    }

    #[test]
    fn a_token_of_another_client_ends_the_family_also_when_it_is_the_current_one() {
        for token in ["r0", "r1", "r2"] {
            let foreign = presentation(token, "browser", "other");
            assert_eq!(family().judge(&foreign, ROTATED, WINDOW), Judgement::ForeignClient);
        }
    }

    #[test]
    fn a_clock_set_back_by_more_than_a_second_does_not_open_the_window() {
        let family = family();
        assert_eq!(judge(&family, "r1", "browser", ROTATED.minus(CLOCK_SLACK)), Judgement::Replay);
        assert_eq!(judge(&family, "r1", "browser", Timestamp::from_secs(998)), Judgement::Mismatch);
    }

    #[test]
    fn a_family_that_ended_or_expired_is_dead_whatever_is_presented() {
        for token in ["r0", "r1", "r2"] {
            assert_eq!(
                judge(&Family { is_active: false, ..family() }, token, "browser", ROTATED),
                Judgement::Dead
            );
            assert_eq!(judge(&family(), token, "browser", Timestamp::from_secs(2_000)), Judgement::Dead);
            let expired = Family { absolute_until: ROTATED, ..family() };
            assert_eq!(judge(&expired, token, "browser", ROTATED), Judgement::Dead);
        }
    }

    proptest! {
        #[test]
        fn a_token_reads_back_as_itself_and_nothing_else_does(selector: [u8; 16], validator: [u8; 32], noise in ".{0,100}") {
            let token = RefreshToken { selector: Secret::new(selector), validator: Secret::new(validator) };
            let read = RefreshToken::parse(token.to_text().expose()).unwrap();
            prop_assert!(read.selector_hash() == token.selector_hash());
            prop_assert!(read.validator_hash() == token.validator_hash());
            if let Some(read) = RefreshToken::parse(&noise) {
                let text = read.to_text();
                prop_assert_eq!(text.expose(), &noise);
            }
        }
    }
}
