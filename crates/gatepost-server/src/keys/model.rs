//! The life of a signing key. Pure: no database, no clock, no cryptography.

use std::time::Duration;

use gatepost_kernel::Timestamp;
use gatepost_token::Algorithm;

/// Where a key stands. It only ever moves to the right: `next → active → retiring → retired`, or to `revoked`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Published, so that verifiers know it, and not yet signing.
    Next,
    /// Signing. There is exactly one.
    Active,
    /// Published, so that what it signed still verifies, and no longer signing.
    Retiring,
    /// Gone from the key set; its private half is erased.
    Retired,
    /// Taken out of use at once; its private half is erased and its tokens are refused.
    Revoked,
}

impl State {
    /// The name in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Active => "active",
            Self::Retiring => "retiring",
            Self::Retired => "retired",
            Self::Revoked => "revoked",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        [Self::Next, Self::Active, Self::Retiring, Self::Retired, Self::Revoked]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// A key, as its row says, without its private half.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// RFC 7638 thumbprint.
    pub kid: String,
    /// What it signs with.
    pub algorithm: Algorithm,
    /// Where it stands.
    pub state: State,
    /// When it was made and published.
    pub created_at: Timestamp,
    /// When it began to sign.
    pub activated_at: Option<Timestamp>,
    /// When it stopped signing.
    pub retiring_at: Option<Timestamp>,
    /// When it was retired or revoked.
    pub ended_at: Option<Timestamp>,
}

/// How long each part of the life lasts.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// What new keys sign with. An active key of another algorithm is replaced.
    pub algorithm: Algorithm,
    /// How long a key signs.
    pub rotate_every: Duration,
    /// How long a key is published before it signs: longer than any verifier keeps a key set.
    pub publish_before: Duration,
    /// How long a key is published after it signed: longer than any token lives.
    pub retire_after: Duration,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Make a key that signs at once: there is none to wait for.
    MakeActive,
    /// Make a key and publish it.
    MakeNext,
    /// Let the published key sign, and the one that signed retire.
    Activate(String),
    /// End a key that nothing valid was signed with any more.
    Retire(String),
}

/// The next thing that is due, if anything is. To be asked again once it is done.
pub(super) fn due(keys: &[KeyInfo], now: Timestamp, schedule: &Schedule) -> Option<Step> {
    let in_state = |state| keys.iter().find(move |key| key.state == state);
    let next = in_state(State::Next);
    let Some(active) = in_state(State::Active) else {
        return Some(next.map_or(Step::MakeActive, |next| Step::Activate(next.kid.clone())));
    };
    let ends = match active.activated_at {
        Some(activated) if active.algorithm == schedule.algorithm => activated.plus(schedule.rotate_every),
        Some(_) | None => now,
    };
    match next {
        None if now.plus(schedule.publish_before) >= ends => return Some(Step::MakeNext),
        Some(next) if now >= ends && now >= next.created_at.plus(schedule.publish_before) => {
            return Some(Step::Activate(next.kid.clone()));
        }
        None | Some(_) => {}
    }
    keys.iter()
        .filter(|key| key.state == State::Retiring)
        .find(|key| key.retiring_at.is_none_or(|since| now >= since.plus(schedule.retire_after)))
        .map(|key| Step::Retire(key.kid.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);
    const SCHEDULE: Schedule = Schedule {
        algorithm: Algorithm::EdDsa,
        rotate_every: Duration::from_secs(30 * 86_400),
        publish_before: DAY,
        retire_after: DAY,
    };

    fn day(number: i64) -> Timestamp {
        Timestamp::from_secs(number * 86_400)
    }

    /// Does what is due on each day, as the server does, and tells what happened when.
    fn live(
        days: std::ops::RangeInclusive<i64>,
        keys: &mut Vec<KeyInfo>,
        schedule: &Schedule,
    ) -> Vec<(i64, Step)> {
        let mut story = Vec::new();
        for today in days {
            while let Some(step) = due(keys, day(today), schedule) {
                apply(keys, &step, day(today), schedule.algorithm);
                story.push((today, step));
            }
            assert_eq!(keys.iter().filter(|key| key.state == State::Active).count(), 1);
        }
        story
    }

    fn apply(keys: &mut Vec<KeyInfo>, step: &Step, now: Timestamp, algorithm: Algorithm) {
        let make = |state, activated_at| KeyInfo {
            kid: format!("k{}", keys.len() + 1),
            algorithm,
            state,
            created_at: now,
            activated_at,
            retiring_at: None,
            ended_at: None,
        };
        match step {
            Step::MakeActive => keys.push(make(State::Active, Some(now))),
            Step::MakeNext => keys.push(make(State::Next, None)),
            Step::Activate(kid) => {
                for key in keys.iter_mut() {
                    if key.state == State::Active {
                        (key.state, key.retiring_at) = (State::Retiring, Some(now));
                    }
                    if key.kid == *kid {
                        (key.state, key.activated_at) = (State::Active, Some(now));
                    }
                }
            }
            Step::Retire(kid) => {
                let key = keys.iter_mut().find(|key| key.kid == *kid).unwrap();
                (key.state, key.ended_at) = (State::Retired, Some(now));
            }
        }
    }

    #[test]
    fn jwt_06_a_key_is_published_before_it_signs_and_after_it_signed() {
        let mut keys = Vec::new();
        let story = live(0..=31, &mut keys, &SCHEDULE);
        assert_eq!(
            story,
            [
                (0, Step::MakeActive),
                (29, Step::MakeNext),
                (30, Step::Activate("k2".to_owned())),
                (31, Step::Retire("k1".to_owned())),
            ]
        );
    }

    #[test]
    fn a_server_that_was_off_when_the_key_was_due_still_publishes_first() {
        let mut keys = Vec::new();
        live(0..=0, &mut keys, &SCHEDULE);
        let story = live(100..=102, &mut keys, &SCHEDULE);
        assert_eq!(story[0], (100, Step::MakeNext));
        assert_eq!(story[1], (101, Step::Activate("k2".to_owned())));
    }

    #[test]
    fn jwt_07_a_revoked_active_key_is_replaced_at_once() {
        let mut keys = Vec::new();
        live(0..=0, &mut keys, &SCHEDULE);
        keys[0].state = State::Revoked;
        assert_eq!(live(1..=1, &mut keys, &SCHEDULE), [(1, Step::MakeActive)]);
    }

    #[test]
    fn another_algorithm_in_the_configuration_rotates_the_key() {
        let mut keys = Vec::new();
        live(0..=0, &mut keys, &SCHEDULE);
        let story = live(1..=2, &mut keys, &Schedule { algorithm: Algorithm::Es256, ..SCHEDULE });
        assert_eq!(story, [(1, Step::MakeNext), (2, Step::Activate("k2".to_owned()))]);
    }
}
