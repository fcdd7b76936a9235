//! What roles are and what they add up to. Pure: no database, no clock, no HTTP.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use gatepost_kernel::Timestamp;
use gatepost_problem::Invalid;

use super::{ADMIN, USER};
use crate::http::{PermissionInfo, Rights};
use crate::ids::UserId;

/// A role and what it brings, as one look at the database finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldRole {
    /// Its name.
    pub name: String,
    /// The names of permissions that stand beside it in the database.
    pub permissions: Vec<String>,
}

impl HeldRole {
    /// Reads what `held_roles!` writes: `admin= editor=notes:read,notes:write`.
    pub(crate) fn all_from_text(text: Option<&str>) -> Vec<Self> {
        let role = |word: &str| {
            let (name, permissions) = word.split_once('=').unwrap_or((word, ""));
            let permissions = permissions.split(',').filter(|name| !name.is_empty()).map(str::to_owned);
            Self { name: name.to_owned(), permissions: permissions.collect() }
        };
        text.unwrap_or_default().split_whitespace().map(role).collect()
    }
}

/// What turns roles into rights: what the code asks for, and what the operator demands besides. Cloning shares it.
#[derive(Clone, Debug)]
pub struct AccessRules(Arc<Rules>);

#[derive(Debug)]
struct Rules {
    catalogue: Vec<PermissionInfo>,
    with_second_factor: Vec<String>,
}

impl AccessRules {
    /// These permissions are what the code asks for, and these roles count only in a session that showed a second factor. A
    /// session without one has the other roles of its account, so that their holder can sign in and enrol.
    pub fn new(permissions: impl IntoIterator<Item = PermissionInfo>, with_second_factor: &[String]) -> Self {
        let mut catalogue: Vec<_> = permissions.into_iter().collect();
        catalogue.sort_by_key(|permission| permission.name);
        catalogue.dedup();
        Self(Arc::new(Rules { catalogue, with_second_factor: with_second_factor.to_vec() }))
    }

    /// The permissions that the code asks for, by name.
    pub fn catalogue(&self) -> &[PermissionInfo] {
        &self.0.catalogue
    }

    /// Whether the code asks for this permission somewhere.
    pub fn is_built_in(&self, permission: &str) -> bool {
        self.0.catalogue.iter().any(|known| known.name == permission)
    }

    /// Whether this role counts only where a second factor was shown.
    pub fn needs_second_factor(&self, role: &str) -> bool {
        self.0.with_second_factor.iter().any(|name| name == role)
    }

    /// What these roles add up to, in a session that has, or has not, shown a second factor.
    pub fn rights(&self, held: Vec<HeldRole>, second_factor: bool) -> Rights {
        let (mut roles, mut permissions) = (Vec::new(), BTreeSet::new());
        for role in held.into_iter().filter(|role| second_factor || !self.needs_second_factor(&role.name)) {
            permissions.extend(self.permissions_of(&role).map(Cow::into_owned));
            roles.push(role.name);
        }
        roles.sort();
        Rights { roles, permissions: permissions.into_iter().collect() }
    }

    /// What a role allows. `admin` allows everything that the code asks for, and the operator's own permissions have a row
    /// of it.
    pub fn permissions_of<'a>(&'a self, role: &'a HeldRole) -> impl Iterator<Item = Cow<'a, str>> {
        let built_in: &[PermissionInfo] = if role.name == ADMIN { self.catalogue() } else { &[] };
        let built_in = built_in.iter().map(|permission| Cow::Borrowed(permission.name));
        built_in.chain(role.permissions.iter().map(|name| Cow::Borrowed(name.as_str())))
    }
}

/// On whose word rights are given and taken. Nobody gives what they do not have themselves, and nobody touches an account
/// that may do more than they.
#[derive(Clone, Debug)]
pub enum Authority {
    /// The operator at the command line, who could write to the database as well.
    Operator,
    /// A caller, with the rights that the transaction read.
    Caller(Rights),
}

impl Authority {
    /// Whether it reaches as far as this role. `admin` will have permissions that nobody has thought of yet, so only an
    /// administrator reaches as far. What `user` allows is nobody's privilege: whoever speaks here has it too, also where an
    /// API key names less. A role without permissions means something to others, who read its name in tokens: it takes
    /// somebody who has it.
    pub fn covers(&self, rules: &AccessRules, role: &HeldRole) -> bool {
        match self {
            Self::Operator => true,
            Self::Caller(rights) if rights.has_role(ADMIN) || rights.has_role(&role.name) => true,
            Self::Caller(_) if role.name == ADMIN => false,
            Self::Caller(_) if role.name == USER => true,
            Self::Caller(rights) => {
                let mut permissions = rules.permissions_of(role).peekable();
                permissions.peek().is_some() && permissions.all(|name| rights.may(&name))
            }
        }
    }

    /// Whether it is that of an administrator.
    pub fn is_administrator(&self) -> bool {
        match self {
            Self::Operator => true,
            Self::Caller(rights) => rights.has_role(ADMIN),
        }
    }

    /// Whether it reaches as far as this permission.
    pub fn covers_permission(&self, permission: &str) -> bool {
        match self {
            Self::Operator => true,
            Self::Caller(rights) => rights.may(permission),
        }
    }
}

/// A role, as its row says.
#[derive(Clone, Debug)]
pub(super) struct Role {
    /// Its name and permissions.
    pub(super) held: HeldRole,
    /// What it is for.
    pub(super) description: String,
    /// Counts up with every change: the `ETag`.
    pub(super) version: i64,
    /// When it was made; the built-in ones never were.
    pub(super) created_at: Timestamp,
    /// When it last changed.
    pub(super) updated_at: Timestamp,
}

/// An operator's own permission, as its row says.
#[derive(Clone, Debug)]
pub(super) struct OwnPermission {
    /// Its name, `resource:action`.
    pub(super) name: String,
    /// What it allows.
    pub(super) description: String,
    /// When it was made.
    pub(super) created_at: Timestamp,
}

/// Who gave something, and when.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    /// The signed-in user; nobody for the operator, a registration, and what was always so.
    pub(super) by: Option<UserId>,
    /// When.
    pub(super) at: Timestamp,
}

/// Why a name is none, or a description too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NameError {
    code: &'static str,
    detail: &'static str,
}

impl Invalid for NameError {
    fn code(&self) -> &'static str {
        self.code
    }

    fn detail(&self) -> Cow<'static, str> {
        self.detail.into()
    }
}

/// The name of a role: 2 to 32 lower-case letters, digits, `_` and `-`, beginning with a letter.
///
/// # Errors
/// `invalid_role`.
pub(super) fn role_name(text: String) -> Result<String, NameError> {
    let fits = (2..=32).contains(&text.len()) && is_word(&text);
    let detail = "Use 2 to 32 lower-case letters, digits, `_` or `-`, beginning with a letter.";
    fits.then_some(text).ok_or(NameError { code: "invalid_role", detail })
}

/// The name of a permission: `resource:action`, two words of the same kind, at most 64 bytes.
///
/// # Errors
/// `invalid_permission`.
pub(super) fn permission_name(text: String) -> Result<String, NameError> {
    let words = text.split_once(':').is_some_and(|(resource, action)| is_word(resource) && is_word(action));
    let detail = "Write `resource:action` in lower-case letters, digits, `_` or `-`: `reports:read`.";
    (text.len() <= 64 && words).then_some(text).ok_or(NameError { code: "invalid_permission", detail })
}

/// Whether a text is the name of a permission.
pub(super) fn is_permission_name(text: &str) -> bool {
    permission_name(text.to_owned()).is_ok()
}

/// What a role or a permission is for: at most 200 characters on one line.
///
/// # Errors
/// `too_long`, `invalid_characters`.
pub(super) fn description(text: String) -> Result<String, NameError> {
    if text.chars().count() > 200 {
        return Err(NameError { code: "too_long", detail: "A description has at most 200 characters." });
    }
    if text.chars().any(char::is_control) {
        return Err(NameError { code: "invalid_characters", detail: "A description is one line." });
    }
    Ok(text)
}

/// Whether a text can stand in `held_roles!`, which separates by spaces, `=`, `,` and nothing else.
fn is_word(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-';
    text.starts_with(|first: char| first.is_ascii_lowercase()) && text.bytes().all(fits)
}

#[cfg(test)]
mod tests;
