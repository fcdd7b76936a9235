//! How accounts come to be, and how signed-in users are remembered.

use super::problem::Complaint;
use super::reader::Reader;
use super::setting::Setting;

/// How accounts come to be.
#[derive(Clone, Copy, Debug)]
pub struct SignUpConfig {
    /// What happens after the form was sent.
    pub mode: SignUpMode,
}

/// What happens after a sign-up form was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SignUpMode {
    /// The user is signed in at once.
    Immediate,
}

/// How signed-in users are looked up.
#[derive(Clone, Copy, Debug)]
pub struct UsersConfig {
    /// Whether they are kept in memory. Whatever changes one of them drops it from there when it commits.
    pub cache: bool,
}

pub(crate) const SETTINGS: &[Setting] = &[
    Setting::new(
        "sign_up.mode",
        "'immediate'",
        "What happens after a sign-up: immediate signs the user in at once. verify_first and admin_approval need mail \
         and come with a later version.",
    ),
    Setting::new(
        "users.cache",
        "true",
        "Whether signed-in users are kept in memory between requests. A change takes effect when it commits.",
    ),
];

pub(crate) fn read(reader: &mut Reader<'_>) -> SignUpConfig {
    let modes =
        [("immediate", Some(SignUpMode::Immediate)), ("verify_first", None), ("admin_approval", None)];
    let mode = reader.choice("sign_up.mode", modes).unwrap_or_else(|| {
        let complaint = Complaint::new("needs mail, which this version does not have");
        reader.refuse("sign_up.mode", complaint.hint("use \"immediate\""));
        SignUpMode::Immediate
    });
    SignUpConfig { mode }
}

pub(crate) fn read_users(reader: &mut Reader<'_>) -> UsersConfig {
    UsersConfig { cache: reader.bool("users.cache") }
}
