//! Which accounts somebody looks for, and how a page of them comes together. Pure: no database, no clock, no HTTP.

use std::borrow::Cow;

use gatepost_problem::Invalid;

use crate::access::{HeldRole, USER};
use crate::accounts::{Email, PhoneNumber, User};
use crate::ids::UserId;

/// How many accounts a page looks at, about, as in other lists ([`WINDOW`](crate::http::WINDOW)). What is rare among many
/// makes pages short, never slow.
const EXAMINED: usize = 1_000;
/// How many are read at a time once the first ones did not fill the page.
const BATCH: usize = 500;

/// What the accounts of a list have in common. All that is given must hold.
#[derive(Clone)]
pub(super) struct Filter {
    pub(super) search: Option<Search>,
    /// The name of a role.
    pub(super) role: Option<String>,
    pub(super) is_active: Option<bool>,
    pub(super) email_verified: Option<bool>,
    /// Those that can be restored, in place of those that live.
    pub(super) deleted: bool,
}

/// What stands in the field of a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Search {
    /// An id.
    Id(UserId),
    /// A whole phone number.
    Phone(String),
    /// How an address or a username begins.
    Beginning(Beginning),
}

/// How a canonical address or username begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Beginning(String);

/// Why a text is no search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotASearch(&'static str);

impl Invalid for NotASearch {
    fn code(&self) -> &'static str {
        self.0
    }

    fn detail(&self) -> Cow<'static, str> {
        "Send 1 to 254 characters of an address or a username, or a whole id or phone number.".into()
    }
}

impl Search {
    /// # Errors
    /// `too_short`, `too_long`, `invalid_characters`.
    pub(super) fn parse(text: &str) -> Result<Self, NotASearch> {
        let text = text.trim_matches(' ');
        if text.is_empty() {
            return Err(NotASearch("too_short"));
        }
        if text.len() > 254 {
            return Err(NotASearch("too_long"));
        }
        if text.chars().any(char::is_control) {
            return Err(NotASearch("invalid_characters"));
        }
        if let Ok(id) = text.parse() {
            return Ok(Self::Id(id));
        }
        if let Ok(number) = PhoneNumber::parse(text) {
            return Ok(Self::Phone(number.as_str().to_owned()));
        }
        // A whole address may be spelled in any way that its owner could sign in with.
        let whole = Email::parse(text).ok().map(|email| email.canonical().to_owned());
        Ok(Self::Beginning(Beginning(whole.unwrap_or_else(|| text.to_ascii_lowercase()))))
    }
}

impl Beginning {
    /// Where the names begin and end that have this beginning, in the order of their bytes, from behind the last name of the
    /// page before. Names are printable ASCII, so that U+0001 is before and U+007F behind whatever can go on.
    pub(super) fn range(&self, after: Option<&str>) -> (String, String) {
        let from = after.map_or_else(|| self.0.clone(), |name| format!("{name}\u{1}"));
        (from, format!("{}\u{7f}", self.0))
    }

    /// Whether a name has it.
    pub(super) fn begins(&self, name: &str) -> bool {
        name.starts_with(&self.0)
    }

    /// Whether one of the names has it under which an account is, or was, known.
    fn begins_name_of(&self, user: &User) -> bool {
        self.begins(&user.email_canonical())
            || user.username_canonical().is_some_and(|name| self.begins(&name))
    }
}

/// The index that a list walks along. What else is asked for is looked at account by account.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Walk<'a> {
    /// The account with this id.
    Id(UserId),
    /// The account with this phone number.
    Phone(&'a str),
    /// Addresses and usernames, in the order of their bytes.
    Names(&'a Beginning),
    /// Deleted accounts, newest first, as all below.
    Deleted,
    /// Accounts with this role.
    Holders(&'a str),
    /// Accounts that are, or are not, active.
    Active(bool),
    /// Accounts whose address is, or is not, verified.
    Verified(bool),
    /// All that live.
    Living,
}

impl Filter {
    /// The way that is likely to meet the fewest accounts in vain.
    pub(super) fn walk(&self) -> Walk<'_> {
        match (&self.search, &self.role, self.is_active, self.email_verified) {
            (Some(Search::Id(id)), ..) => Walk::Id(*id),
            // A tombstone is in no index of names; there are those of seven days.
            _ if self.deleted => Walk::Deleted,
            (Some(Search::Phone(number)), ..) => Walk::Phone(number),
            (Some(Search::Beginning(beginning)), ..) => Walk::Names(beginning),
            // Everybody has this one.
            (None, Some(role), ..) if role != USER => Walk::Holders(role),
            (None, _, Some(false), _) => Walk::Active(false),
            (None, _, _, Some(verified)) => Walk::Verified(verified),
            (None, _, Some(true), None) => Walk::Active(true),
            (None, _, None, None) => Walk::Living,
        }
    }

    fn lets_through(&self, entry: &Entry) -> bool {
        let Entry { user, held, .. } = entry;
        let found = match &self.search {
            None => true,
            Some(Search::Id(id)) => user.id == *id,
            Some(Search::Phone(number)) => user.phone_number.as_ref() == Some(number),
            Some(Search::Beginning(beginning)) => entry.is_found_by(beginning),
        };
        found
            && user.deleted_at.is_some() == self.deleted
            && self.is_active.is_none_or(|active| user.is_active == active)
            && self.email_verified.is_none_or(|verified| user.email_verified == verified)
            && self.role.as_ref().is_none_or(|role| held.iter().any(|held| held.name == *role))
    }
}

/// A place in a list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// In lists that are newest first.
    Id(UserId),
    /// In lists by name.
    Name(String),
}

/// An account, where the walk met it.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) user: User,
    pub(super) held: Vec<HeldRole>,
    pub(super) place: Place,
    /// The other canonical name of an account that was met by one.
    pub(super) other_name: Option<String>,
}

impl Entry {
    /// A walk along names meets an account by its address and by its username. It is listed where it is met first.
    fn is_found_by(&self, beginning: &Beginning) -> bool {
        match &self.place {
            Place::Id(_) => beginning.begins_name_of(&self.user),
            Place::Name(name) => {
                !self.other_name.as_ref().is_some_and(|other| beginning.begins(other) && other < name)
            }
        }
    }
}

/// A page of accounts, and where the next one begins if there may be one.
pub(super) type Gathered = (Vec<Entry>, Option<Place>);

/// Gathers a page. `fetch` reads the next so many accounts of the walk, after a place.
///
/// # Errors
/// Those of `fetch`.
pub(super) fn gather<E>(
    filter: &Filter,
    (after, limit): (Option<Place>, usize),
    mut fetch: impl FnMut(Option<&Place>, usize) -> Result<Vec<Entry>, E>,
) -> Result<Gathered, E> {
    let (mut found, mut after, mut examined) = (Vec::<Entry>::new(), after, 0);
    loop {
        let wanted = if examined == 0 { limit + 1 } else { BATCH };
        let batch = fetch(after.as_ref(), wanted)?;
        let is_last = batch.len() < wanted;
        examined += batch.len();
        for entry in batch {
            after = Some(entry.place.clone());
            if !filter.lets_through(&entry) {
                continue;
            }
            if found.len() == limit {
                let next = found.last().map(|last| last.place.clone());
                return Ok((found, next));
            }
            found.push(entry);
        }
        if is_last {
            return Ok((found, None));
        }
        if examined >= EXAMINED {
            return Ok((found, after));
        }
    }
}

#[cfg(test)]
mod tests;
