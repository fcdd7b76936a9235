//! One row: what it gives, believed. Pure: no database, no clock.

use std::fmt;

use gatepost_kernel::{Secret, Timestamp};
use gatepost_problem::{Check, FieldError, Problem};
use serde::Deserialize;

use super::columns;
use crate::access::USER;
use crate::accounts::{Email, Patch, ProfileChange, ProfileInput};
use crate::passwords::PasswordHash;

/// A row as it came in: the shape of a line of JSON; a row of CSV is made into one.
#[derive(Default, Deserialize)]
pub(super) struct Input {
    pub(super) email: String,
    #[serde(default)]
    pub(super) email_verified: Option<bool>,
    #[serde(default)]
    pub(super) username: Patch<String>,
    #[serde(default)]
    pub(super) phone_number: Patch<String>,
    #[serde(default)]
    pub(super) first_name: Patch<String>,
    #[serde(default)]
    pub(super) last_name: Patch<String>,
    #[serde(default)]
    pub(super) bio: Patch<String>,
    #[serde(default)]
    pub(super) avatar_url: Patch<String>,
    #[serde(default)]
    pub(super) country: Patch<String>,
    #[serde(default)]
    pub(super) is_active: Option<bool>,
    #[serde(default)]
    pub(super) awaiting_approval: Option<bool>,
    #[serde(default)]
    pub(super) roles: Option<Vec<String>>,
    #[serde(default)]
    pub(super) created_at: Option<String>,
    #[serde(default)]
    pub(super) password_hash: Option<Secret<String>>,
}

/// A row that was believed.
#[derive(Clone)]
pub(super) struct Row {
    /// The line that it begins in.
    pub(super) line: u64,
    pub(super) email: Email,
    /// Whether the file vouches for the address. `false` and nothing say the same: nothing is taken back.
    pub(super) vouched: bool,
    pub(super) profile: ProfileChange,
    pub(super) is_active: Option<bool>,
    pub(super) awaiting_approval: bool,
    /// Always with `user`, sorted, each once.
    pub(super) roles: Vec<String>,
    pub(super) created_at: Option<Timestamp>,
    pub(super) hash: Option<PasswordHash>,
}

/// What a row is held against.
pub(super) struct Beliefs {
    /// When.
    pub(super) now: Timestamp,
    /// The roles that there are.
    pub(super) roles: Vec<String>,
    /// Whether the server has what a hash needs, such as its pepper.
    pub(super) can_verify: Box<dyn Fn(&PasswordHash) -> bool + Send>,
}

/// What is wrong with a row, in one line without any of its values.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Complaint {
    /// The line that the row begins in, from 1.
    pub line: u64,
    /// Whether it is about names that no row may have.
    pub(super) names_unknown_fields: bool,
    what: String,
}

impl Complaint {
    /// About the row as a whole.
    pub(super) fn whole(line: u64, what: impl Into<String>) -> Self {
        Self { line, names_unknown_fields: false, what: what.into() }
    }

    /// About one field.
    pub(super) fn field(line: u64, field: &str, what: &str) -> Self {
        Self::whole(line, format!("{field}: {what}"))
    }

    /// All that a decoder or a [`Check`] has noted.
    pub(super) fn of(line: u64, problem: &Problem) -> Self {
        let whats: Vec<String> = problem.errors().iter().map(sentence).collect();
        if whats.is_empty() {
            return Self::whole(line, "The row is not a JSON object in which each field stands once.");
        }
        let names_unknown_fields = problem.errors().iter().any(|error| error.code == "unknown_field");
        Self { names_unknown_fields, ..Self::whole(line, whats.join(" ")) }
    }
}

/// `email: This is not a mail address.`
fn sentence(error: &FieldError) -> String {
    let field = error.pointer.trim_start_matches('/');
    if error.code == "unknown_field" {
        return columns::unknown(field);
    }
    // A step of a pointer may be the file's own text.
    format!("{}: {}", field.escape_debug(), error.detail)
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl Input {
    /// Believes a row, or says all that is wrong with it.
    pub(super) fn believe(self, line: u64, mut check: Check, beliefs: &Beliefs) -> Result<Row, Complaint> {
        let email = check.field("/email", Email::parse(&self.email));
        let profile = ProfileInput {
            username: self.username,
            phone_number: self.phone_number,
            first_name: self.first_name,
            last_name: self.last_name,
            bio: self.bio,
            avatar_url: self.avatar_url,
            country: self.country,
        };
        let profile = profile.check(&mut check);
        let roles = believe_roles(&mut check, self.roles.unwrap_or_default(), &beliefs.roles);
        let created_at = believe_time(&mut check, self.created_at.as_deref(), beliefs.now);
        let hash = believe_hash(&mut check, self.password_hash.as_ref(), &beliefs.can_verify);
        let values = check.values((email, profile, roles, created_at, hash));
        let (email, profile, roles, created_at, hash) =
            values.map_err(|problem| Complaint::of(line, &problem))?;
        Ok(Row {
            line,
            email,
            vouched: self.email_verified == Some(true),
            profile,
            is_active: self.is_active,
            awaiting_approval: self.awaiting_approval == Some(true),
            roles,
            created_at,
            hash,
        })
    }
}

fn believe_roles(check: &mut Check, mut roles: Vec<String>, known: &[String]) -> Option<Vec<String>> {
    let unknown = roles.iter().any(|role| !known.contains(role));
    if unknown {
        let expected = format!("Expected roles that there are: {}.", known.join(", "));
        check.refuse("/roles", "unknown_role", expected);
        return None;
    }
    roles.push(USER.to_owned());
    roles.sort();
    roles.dedup();
    Some(roles)
}

fn believe_time(check: &mut Check, text: Option<&str>, now: Timestamp) -> Option<Option<Timestamp>> {
    let Some(text) = text else { return Some(None) };
    match text.parse::<Timestamp>() {
        Ok(at) if at <= now => Some(Some(at)),
        Ok(_) => {
            check.refuse("/created_at", "invalid_time", "This time has yet to come.");
            None
        }
        Err(_) => {
            let expected = "Expected a time with its offset, such as 2026-11-21T09:30:00Z.";
            check.refuse("/created_at", "invalid_time", expected);
            None
        }
    }
}

fn believe_hash(
    check: &mut Check,
    text: Option<&Secret<String>>,
    can_verify: &dyn Fn(&PasswordHash) -> bool,
) -> Option<Option<PasswordHash>> {
    let Some(text) = text else { return Some(None) };
    match PasswordHash::parse(text.expose()) {
        Ok(hash) if can_verify(&hash) => Some(Some(hash)),
        Ok(_) => {
            let why = "The hash needs a pepper that this installation does not have.";
            check.refuse("/password_hash", "invalid_password_hash", why);
            None
        }
        Err(error) => {
            check.refuse("/password_hash", "invalid_password_hash", format!("Refused: {error}."));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "$2b$04$SKp4rvffoIMBFLtw0iqPSeUn.YJrsgFZLEvkUdQKn.ZPFMvLKO4.C";

    fn beliefs() -> Beliefs {
        Beliefs {
            now: Timestamp::from_secs(1_767_225_600),
            roles: vec!["admin".to_owned(), "user".to_owned()],
            can_verify: Box::new(|hash| hash.pepper().is_none()),
        }
    }

    fn input() -> Input {
        Input { email: "Ada@Example.com".to_owned(), ..Input::default() }
    }

    fn wrong(input: Input) -> String {
        input.believe(7, Check::new(), &beliefs()).err().unwrap().to_string()
    }

    #[test]
    fn a_row_with_an_address_is_enough_and_everybody_is_a_user() {
        let row = input().believe(7, Check::new(), &beliefs()).unwrap();
        assert_eq!((row.line, row.email.canonical()), (7, "ada@example.com"));
        assert_eq!(row.roles, ["user"]);
        assert!(!row.vouched && row.hash.is_none());
    }

    #[test]
    fn everything_that_is_wrong_is_one_line_without_values() {
        let said = wrong(Input {
            email: "ada".to_owned(),
            username: Patch::Set("a b".to_owned()),
            roles: Some(vec!["root".to_owned()]),
            created_at: Some("yesterday".to_owned()),
            password_hash: Some(Secret::new("hunter2hunter2".to_owned())),
            ..Input::default()
        });
        assert!(said.starts_with("line 7: email: This is not a mail address."), "{said}");
        for part in [
            "username: ",
            "roles: Expected roles that there are: admin, user.",
            "created_at: ",
            "password_hash: ",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
        for value in ["a b", "root", "yesterday", "hunter2", "\n"] {
            assert!(!said.contains(value), "{value}: {said}");
        }
    }

    #[test]
    fn pwd_02_a_hash_that_cannot_be_verified_or_is_hostile_is_a_bad_row() {
        let with = |hash: &str| Input { password_hash: Some(Secret::new(hash.to_owned())), ..input() };
        assert!(with(HASH).believe(1, Check::new(), &beliefs()).unwrap().hash.is_some());
        assert!(wrong(with("$1$abc$def")).contains("not supported"));
        assert!(wrong(with(&HASH.replace("$04$", "$31$"))).contains("too costly"));
        let peppered = "$argon2id$v=19$m=19456,t=2,p=1,keyid=k9$c2FsdHlzYWx0eXNhbHR5IQ$Phn6Eg/xhsocMJ7ropCkOSHwKKFlZdgnNL5y8eXdZKM";
        assert!(wrong(with(peppered)).contains("pepper"));
    }

    #[test]
    fn a_time_that_has_yet_to_come_is_refused() {
        let at = |text: &str| Input { created_at: Some(text.to_owned()), ..input() };
        assert!(at("2019-05-01T10:00:00+02:00").believe(1, Check::new(), &beliefs()).is_ok());
        assert!(wrong(at("2030-01-01T00:00:00Z")).contains("yet to come"));
    }
}
