//! The part of an account that its owner writes: checked once, for registration and for changes alike.

use gatepost_problem::{Check, Invalid};
use serde::{Deserialize, Deserializer};

use super::identifiers::{AvatarUrl, Bio, Country, PersonName, PhoneNumber, Username};
use super::model::User;

/// A field of a JSON merge patch (RFC 7396): absent leaves, `null` clears, a value sets.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Patch<T> {
    /// The field is absent.
    #[default]
    Keep,
    /// The field is `null`.
    Clear,
    /// The field has a value.
    Set(T),
}

impl<T> Patch<T> {
    /// The same with the value believed.
    ///
    /// # Errors
    /// Those of `parse`.
    pub fn try_map<U, E>(self, parse: impl FnOnce(T) -> Result<U, E>) -> Result<Patch<U>, E> {
        match self {
            Self::Keep => Ok(Patch::Keep),
            Self::Clear => Ok(Patch::Clear),
            Self::Set(value) => parse(value).map(Patch::Set),
        }
    }

    /// The same for a field that always has a value: `null` is noted as `required`.
    pub fn kept(self, check: &mut Check, pointer: &'static str) -> Option<T> {
        match self {
            Self::Keep => None,
            Self::Set(value) => Some(value),
            Self::Clear => {
                check.refuse(pointer, "required", "This field has a value always: leave it out to keep it.");
                None
            }
        }
    }

    /// Writes the change into a field. Whether the field is another one now.
    pub fn apply(self, field: &mut Option<T>) -> bool
    where
        T: PartialEq,
    {
        let new = match self {
            Self::Keep => return false,
            Self::Clear => None,
            Self::Set(value) => Some(value),
        };
        let changed = *field != new;
        *field = new;
        changed
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Patch<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Clear, Self::Set))
    }
}

/// Profile fields as they came in. A request lists them as fields of its own, so that unknown fields are noticed.
#[derive(Default)]
pub struct ProfileInput {
    /// See [`Username`].
    pub username: Patch<String>,
    /// See [`PhoneNumber`].
    pub phone_number: Patch<String>,
    /// See [`PersonName`].
    pub first_name: Patch<String>,
    /// See [`PersonName`].
    pub last_name: Patch<String>,
    /// See [`Bio`].
    pub bio: Patch<String>,
    /// See [`AvatarUrl`].
    pub avatar_url: Patch<String>,
    /// See [`Country`].
    pub country: Patch<String>,
}

/// Profile fields that were believed: the canonical text of each.
#[derive(Clone, Default)]
pub struct ProfileChange {
    username: Patch<String>,
    phone_number: Patch<String>,
    first_name: Patch<String>,
    last_name: Patch<String>,
    bio: Patch<String>,
    avatar_url: Patch<String>,
    country: Patch<String>,
}

impl ProfileInput {
    /// Checks every field and notes all that is wrong.
    pub fn check(self, check: &mut Check) -> Option<ProfileChange> {
        // Every field is looked at before the first `?`, so that all complaints are noted.
        let username =
            text(check, "/username", self.username, Username::parse, |it| it.as_typed().to_owned());
        let phone =
            text(check, "/phone_number", self.phone_number, PhoneNumber::parse, |it| it.as_str().to_owned());
        let first =
            text(check, "/first_name", self.first_name, PersonName::parse, |it| it.as_str().to_owned());
        let last = text(check, "/last_name", self.last_name, PersonName::parse, |it| it.as_str().to_owned());
        let bio = text(check, "/bio", self.bio, Bio::parse, |it| it.as_str().to_owned());
        let avatar =
            text(check, "/avatar_url", self.avatar_url, AvatarUrl::parse, |it| it.as_str().to_owned());
        let country = text(check, "/country", self.country, Country::parse, |it| it.as_str().to_owned());
        Some(ProfileChange {
            username: username?,
            phone_number: phone?,
            first_name: first?,
            last_name: last?,
            bio: bio?,
            avatar_url: avatar?,
            country: country?,
        })
    }
}

fn text<T, E: Invalid>(
    check: &mut Check,
    pointer: &str,
    input: Patch<String>,
    parse: impl FnOnce(&str) -> Result<T, E>,
    canonical: impl FnOnce(T) -> String,
) -> Option<Patch<String>> {
    check.field(pointer, input.try_map(|typed| parse(&typed).map(canonical)))
}

impl ProfileChange {
    /// The username that it sets, if it sets one.
    pub fn username(&self) -> Option<&str> {
        match &self.username {
            Patch::Set(name) => Some(name),
            Patch::Keep | Patch::Clear => None,
        }
    }

    /// The phone number that it sets, if it sets one.
    pub fn phone_number(&self) -> Option<&str> {
        match &self.phone_number {
            Patch::Set(number) => Some(number),
            Patch::Keep | Patch::Clear => None,
        }
    }

    /// The same without a username.
    #[must_use]
    pub fn without_username(self) -> Self {
        Self { username: Patch::Keep, ..self }
    }

    /// The same without a phone number.
    #[must_use]
    pub fn without_phone_number(self) -> Self {
        Self { phone_number: Patch::Keep, ..self }
    }

    /// Writes the change into the account and names the fields that it touched.
    pub fn apply(self, user: &mut User) -> Vec<&'static str> {
        let mut fields = Vec::new();
        let mut set = |name, slot: &mut Option<String>, patch: Patch<String>| {
            if patch.apply(slot) {
                fields.push(name);
            }
        };
        set("username", &mut user.username, self.username);
        set("phone_number", &mut user.phone_number, self.phone_number);
        set("first_name", &mut user.first_name, self.first_name);
        set("last_name", &mut user.last_name, self.last_name);
        set("bio", &mut user.bio, self.bio);
        set("avatar_url", &mut user.avatar_url, self.avatar_url);
        set("country", &mut user.country, self.country);
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Body {
        #[serde(default)]
        bio: Patch<String>,
    }

    fn bio(json: &str) -> Patch<String> {
        serde_json::from_str::<Body>(json).unwrap().bio
    }

    #[test]
    fn absent_leaves_null_clears_and_a_value_sets() {
        assert!(bio("{}") == Patch::Keep);
        assert!(bio(r#"{"bio": null}"#) == Patch::Clear);
        assert!(bio(r#"{"bio": "x"}"#) == Patch::Set("x".to_owned()));
    }

    #[test]
    fn every_bad_field_is_noted_at_once() {
        let mut check = Check::new();
        let input = ProfileInput {
            username: Patch::Set("no spaces allowed".to_owned()),
            country: Patch::Set("Germany".to_owned()),
            avatar_url: Patch::Set("javascript:alert(1)".to_owned()),
            ..ProfileInput::default()
        };
        assert!(input.check(&mut check).is_none());
        let pointers: Vec<String> =
            check.finish().unwrap_err().errors().iter().map(|error| error.pointer.clone()).collect();
        assert_eq!(pointers, ["/username", "/avatar_url", "/country"]);
    }
}
