//! How accounts come to be, and how signed-in users are remembered.

use super::problem::{Complaint, quote};
use super::reader::Reader;
use super::setting::Setting;
use crate::accounts::Email;

/// How accounts come to be.
#[derive(Clone, Debug)]
pub struct SignUpConfig {
    /// What happens after the form was sent.
    pub mode: SignUpMode,
    /// The domains whose addresses may register, as lower-case A-labels. Empty: all.
    pub allowed_domains: Vec<String>,
    /// Where users sign in, for links in mails; unset, the public address.
    pub sign_in_url: Option<String>,
}

impl SignUpConfig {
    /// Whether somebody with this address may register. Invitations and the operator's own commands do not ask.
    pub fn allows(&self, email: &Email) -> bool {
        self.allowed_domains.is_empty() || self.allowed_domains.iter().any(|domain| domain == email.domain())
    }
}

/// What happens after a sign-up form was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SignUpMode {
    /// The user is signed in at once.
    Immediate,
    /// The user signs in once their address is verified.
    VerifyFirst,
    /// The user signs in once their address is verified and an administrator has let them in.
    AdminApproval,
    /// Nobody registers: accounts come from invitations and the command line.
    Closed,
}

impl SignUpMode {
    /// Whether an address must be verified before its account may be used, whichever way the account came about.
    pub const fn is_verified_only(self) -> bool {
        match self {
            Self::VerifyFirst | Self::AdminApproval => true,
            Self::Immediate | Self::Closed => false,
        }
    }
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
        "What happens after a sign-up: immediate signs the user in at once; verify_first waits until the address is \
         verified, and no answer tells whether it has an account; admin_approval waits for an administrator, too; \
         closed refuses, and accounts come from invitations and the command line.",
    ),
    Setting::new(
        "sign_up.allowed_domains",
        "[]",
        "The domains whose addresses may register, such as example.com; subdomains do not count. Empty: all. \
         Invitations are free of it.",
    ),
    Setting::unset(
        "sign_up.sign_in_url",
        "'https://app.example.com/sign-in'",
        "Where users sign in, for the mails that say so. Unset, it is public_url.",
    ),
    Setting::new(
        "users.cache",
        "true",
        "Whether signed-in users are kept in memory between requests. A change takes effect when it commits.",
    ),
];

pub(crate) fn read(reader: &mut Reader<'_>) -> SignUpConfig {
    let modes = [
        ("immediate", SignUpMode::Immediate),
        ("verify_first", SignUpMode::VerifyFirst),
        ("admin_approval", SignUpMode::AdminApproval),
        ("closed", SignUpMode::Closed),
    ];
    SignUpConfig {
        mode: reader.choice("sign_up.mode", modes),
        allowed_domains: reader.list("sign_up.allowed_domains", domain),
        sign_in_url: reader.parsed("sign_up.sign_in_url", page),
    }
}

/// The canonical form of a domain that mail can be sent to.
fn domain(text: &str) -> Result<String, Complaint> {
    Email::parse(&format!("somebody@{text}")).map(|email| email.domain().to_owned()).map_err(|_| {
        Complaint::new(format!("{} is not a domain", quote(text))).hint("write it as \"example.com\"")
    })
}

/// The address of a page. It is written into mails as it is.
fn page(text: &str) -> Result<String, Complaint> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>".contains(&byte));
    let is_web =
        ["https://", "http://"].iter().any(|scheme| text.len() > scheme.len() && text.starts_with(scheme));
    if is_plain && is_web {
        return Ok(text.to_owned());
    }
    let complaint = Complaint::new(format!("{} is not the address of a page", quote(text)));
    Err(complaint.hint("write it as \"https://app.example.com/sign-in\""))
}

pub(crate) fn read_users(reader: &mut Reader<'_>) -> UsersConfig {
    UsersConfig { cache: reader.bool("users.cache") }
}
