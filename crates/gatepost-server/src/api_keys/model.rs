//! What a key is. Pure: no database, no clock, no HTTP.

use std::time::Duration;

use gatepost_kernel::{OpaqueToken, Purpose, Random, Timestamp, TokenHash};
use gatepost_problem::Check;

use crate::access::AccessRules;
use crate::accounts::{IdentifierError, one_line};
use crate::http::Rights;
use crate::ids::{ApiKeyId, UserId};

const PREFIX: &str = "gpk";
const API_KEY: Purpose = Purpose::new("api-key");

/// How many keys somebody can have at a time.
pub(super) const MOST_KEYS: i64 = 50;
/// How many scopes a request can name.
const MOST_SCOPES: usize = 100;
/// How long a key lives where nothing is said, in seconds: 90 days.
const DEFAULT_LIFE: u64 = 90 * 24 * 60 * 60;
/// How long it can live, in seconds: 365 days.
const LONGEST_LIFE: u64 = 365 * 24 * 60 * 60;

/// A key as its owner sees it afterwards: everything but the key.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// What its owner calls it.
    pub name: String,
    /// Its last four characters.
    pub hint: String,
    /// The permissions that it reaches, as far as its owner has them. Sorted.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working.
    pub expires_at: Timestamp,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
}

/// A key that is about to be written.
#[derive(Clone)]
pub(super) struct NewKey {
    pub(super) user: UserId,
    pub(super) key: ApiKey,
    pub(super) hash: TokenHash,
    /// Whether its owner had shown a second factor in the session that makes it.
    pub(super) second_factor: bool,
}

/// Draws a new key.
pub(super) fn draw(random: &Random) -> OpaqueToken {
    OpaqueToken::generate(PREFIX, random)
}

/// Whether a text means to be an API key.
pub fn has_prefix(text: &str) -> bool {
    text.strip_prefix(PREFIX).is_some_and(|rest| rest.starts_with('_'))
}

/// The hash that a presented key has in the database; `None` for what was never a key.
pub(super) fn hash_of(key: &str) -> Option<TokenHash> {
    OpaqueToken::has_shape(PREFIX, key).then(|| TokenHash::of(API_KEY, key))
}

/// The part of a key that its owner may see again: 24 of 256 bits.
pub(super) fn hint_of(key: &str) -> String {
    key.get(key.len().saturating_sub(4)..).unwrap_or_default().to_owned()
}

/// What somebody wants a key to be, believed.
#[derive(Clone)]
pub(super) struct Wanted {
    pub(super) name: String,
    pub(super) scopes: Vec<String>,
    pub(super) life: Duration,
}

impl Wanted {
    /// Believes the fields of a request, and notes what is wrong with them. The rights are those of whoever asks.
    pub(super) fn check(
        check: &mut Check,
        name: &str,
        scopes: Vec<String>,
        expires_in: Option<u64>,
        (rights, rules): (&Rights, &AccessRules),
    ) -> Option<Self> {
        const TOO_LONG: IdentifierError =
            IdentifierError::new("too_long", "The name of a key has at most 64 characters.");
        let name = check.field("/name", one_line(name, 64, TOO_LONG));
        let scopes = believe_scopes(check, scopes, rights, rules);
        let seconds = expires_in.unwrap_or(DEFAULT_LIFE);
        check.require(
            (1..=LONGEST_LIFE).contains(&seconds),
            "/expires_in",
            "out_of_range",
            format!("A key lives for 1 to {LONGEST_LIFE} seconds, which is a year."),
        );
        Some(Self { name: name?, scopes: scopes?, life: Duration::from_secs(seconds) })
    }
}

/// Scopes are names of permissions, and nobody hands out more than they have.
fn believe_scopes(
    check: &mut Check,
    mut scopes: Vec<String>,
    rights: &Rights,
    rules: &AccessRules,
) -> Option<Vec<String>> {
    if scopes.len() > MOST_SCOPES {
        check.refuse("/scopes", "too_long", format!("A key has at most {MOST_SCOPES} scopes."));
        return None;
    }
    let mut all_right = true;
    for (position, scope) in scopes.iter().enumerate() {
        let pointer = || format!("/scopes/{position}");
        if rights.may(scope) {
            continue;
        }
        // Of the operator's own permissions, whoever does not have one need not know that it exists.
        match rules.is_built_in(scope) {
            true => {
                check.refuse(pointer(), "exceeds_own_rights", "You do not have this permission yourself.");
            }
            false => check.refuse(pointer(), "unknown_scope", "There is no such permission."),
        }
        all_right = false;
    }
    scopes.sort();
    scopes.dedup();
    all_right.then_some(scopes)
}

/// What a key may do: its owner's permissions as far as its scopes name them. Roles mean more than permissions, so it has
/// none.
pub(super) fn rights_within(owner: Rights, scopes: &[String]) -> Rights {
    let permissions = owner.permissions.into_iter().filter(|name| scopes.contains(name)).collect();
    Rights { roles: Vec::new(), permissions }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights(permissions: &[&str]) -> Rights {
        let permissions = permissions.iter().map(|&name| name.to_owned()).collect();
        Rights { roles: vec!["admin".to_owned()], permissions }
    }

    fn rules() -> AccessRules {
        AccessRules::new(crate::features::permissions(), &[])
    }

    #[test]
    fn az_08_a_key_may_do_what_both_its_scopes_and_its_owner_may() {
        let scopes = ["audit:read".to_owned(), "users:read".to_owned()];
        let within = rights_within(rights(&["users:delete", "users:read"]), &scopes);
        assert_eq!((within.roles.len(), within.permissions), (0, vec!["users:read".to_owned()]));
        assert!(rights_within(rights(&["users:read"]), &[]).permissions.is_empty());
    }

    #[test]
    fn az_08_everything_wrong_with_a_wish_is_said_at_once() {
        let mut check = Check::new();
        let scopes = ["audit:read", "no:such", "users:read"].map(str::to_owned).to_vec();
        let wanted = Wanted::check(&mut check, "a\nb", scopes, Some(0), (&rights(&["audit:read"]), &rules()));
        assert!(wanted.is_none());
        let problem = check.finish().unwrap_err();
        let found: Vec<_> =
            problem.errors().iter().map(|error| (error.pointer.as_str(), error.code)).collect();
        let expected = [
            ("/name", "invalid_characters"),
            ("/scopes/1", "unknown_scope"),
            ("/scopes/2", "exceeds_own_rights"),
            ("/expires_in", "out_of_range"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn az_08_a_key_has_an_end_even_if_nobody_said_when() {
        let life = |seconds| {
            let mut check = Check::new();
            Wanted::check(&mut check, "x", Vec::new(), seconds, (&rights(&[]), &rules()))
                .map(|wanted| wanted.life)
                .filter(|_| check.is_ok())
        };
        assert_eq!(life(None), Some(Duration::from_secs(90 * 86_400)));
        assert_eq!(life(Some(365 * 86_400)), Some(Duration::from_secs(365 * 86_400)));
        assert_eq!(life(Some(365 * 86_400 + 1)), None);
        assert_eq!(life(Some(u64::MAX)), None);
    }

    #[test]
    fn a_key_is_known_by_its_shape() {
        let key = draw(&Random::system());
        assert!(has_prefix(key.expose()) && hash_of(key.expose()).is_some());
        assert!(key.expose().ends_with(&hint_of(key.expose())) && hint_of(key.expose()).len() == 4);
        assert!(has_prefix("gpk_") && hash_of("gpk_").is_none());
        for other in ["", "gpk", "gps_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "xgpk_", "é"] {
            assert!(!has_prefix(other) && hash_of(other).is_none(), "{other}");
        }
    }
}
