//! What a mail can say.

use gatepost_kernel::{Secret, Timestamp};
use serde_json::{Value, json};

/// One mail's message and what it speaks of. Links are whole, `<public_url>/<page>#token=<token>`, and secret.
#[derive(Clone)]
pub enum Letter {
    /// To the address of a new account: is it yours?
    VerifyAddress {
        /// Where to say so.
        link: Secret<String>,
        /// Until when.
        expires: Timestamp,
    },
    /// To the address that an account is to have from now on: is it yours?
    ConfirmAddress {
        /// Where to say so.
        link: Secret<String>,
        /// Until when.
        expires: Timestamp,
    },
    /// To the former address: the account has another one now, and this is how to take it back.
    AddressChanging {
        /// Where to take it back.
        undo: Secret<String>,
        /// Until when.
        expires: Timestamp,
    },
    /// To the address that the account has now, and to the one that it had.
    AddressChanged,
    /// Somebody asked for a new password.
    ResetPassword {
        /// Where to set it.
        link: Secret<String>,
        /// Until when.
        expires: Timestamp,
    },
    /// The password was changed.
    PasswordChanged {
        /// When.
        at: Timestamp,
        /// On which device, when it is known.
        device: Option<String>,
        /// What went with the old one.
        gone: Gone,
    },
    /// Somebody signed in on a device that was not seen before.
    NewDevice {
        /// What the device calls itself.
        device: String,
        /// The client's address.
        address: String,
        /// Where that address is, when it is known.
        location: Option<String>,
        /// When.
        at: Timestamp,
    },
    /// Something about the second factor changed.
    SecondFactorChanged {
        /// What.
        what: FactorChange,
    },
    /// A recovery code was used up.
    RecoveryCodeUsed {
        /// How many remain.
        remaining: u32,
    },
    /// So many wrong passwords that unknown devices must wait.
    TooManyFailures {
        /// Where the owner says that it was somebody else.
        secure: Secret<String>,
    },
    /// A refresh token was used that had been replaced: the session ended (RFC 9700 section 4.14.2).
    SessionStolen,
    /// Somebody is invited to make an account.
    Invitation {
        /// Where to accept.
        link: Secret<String>,
        /// Until when.
        expires: Timestamp,
    },
    /// Somebody tried to register an address that has an account already.
    AccountExists {
        /// Where to sign in.
        sign_in: String,
    },
    /// The account waits for an administrator.
    AwaitingApproval,
    /// An administrator let the account in.
    AccountApproved {
        /// Where to sign in.
        sign_in: String,
    },
}

/// What went with a password that a reset replaced, as far as it was there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gone {
    /// The second factor: nobody had shown before that the mailbox is theirs.
    pub second_factor: bool,
    /// The API keys.
    pub api_keys: bool,
}

/// What happened to a second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FactorChange {
    /// It was switched on.
    Enabled,
    /// It was switched off.
    Disabled,
    /// A new set of recovery codes replaced the old one.
    CodesReplaced,
    /// Too many wrong codes: the authenticator's codes are refused for a day.
    Closed,
}

impl FactorChange {
    const fn name(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::CodesReplaced => "codes_replaced",
            Self::Closed => "closed",
        }
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $text:literal),+ $(,)?) => {
        /// Which letter it is: what limits count, and which template is used.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Kind { $($(#[$doc])* $name),+ }

        impl Kind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The stable name, as in the database and in the names of template files.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }
        }
    };
}

kinds! {
    /// [`Letter::VerifyAddress`].
    VerifyAddress = "verify_address",
    /// [`Letter::ConfirmAddress`].
    ConfirmAddress = "confirm_address",
    /// [`Letter::AddressChanging`].
    AddressChanging = "address_changing",
    /// [`Letter::AddressChanged`].
    AddressChanged = "address_changed",
    /// [`Letter::ResetPassword`].
    ResetPassword = "reset_password",
    /// [`Letter::PasswordChanged`].
    PasswordChanged = "password_changed",
    /// [`Letter::NewDevice`].
    NewDevice = "new_device",
    /// [`Letter::SecondFactorChanged`].
    SecondFactorChanged = "second_factor_changed",
    /// [`Letter::RecoveryCodeUsed`].
    RecoveryCodeUsed = "recovery_code_used",
    /// [`Letter::TooManyFailures`].
    TooManyFailures = "too_many_failures",
    /// [`Letter::SessionStolen`].
    SessionStolen = "session_stolen",
    /// [`Letter::Invitation`].
    Invitation = "invitation",
    /// [`Letter::AccountExists`].
    AccountExists = "account_exists",
    /// [`Letter::AwaitingApproval`].
    AwaitingApproval = "awaiting_approval",
    /// [`Letter::AccountApproved`].
    AccountApproved = "account_approved",
}

impl Kind {
    /// The kind with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }
}

impl Letter {
    /// Which letter it is.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::VerifyAddress { .. } => Kind::VerifyAddress,
            Self::ConfirmAddress { .. } => Kind::ConfirmAddress,
            Self::AddressChanging { .. } => Kind::AddressChanging,
            Self::AddressChanged => Kind::AddressChanged,
            Self::ResetPassword { .. } => Kind::ResetPassword,
            Self::PasswordChanged { .. } => Kind::PasswordChanged,
            Self::NewDevice { .. } => Kind::NewDevice,
            Self::SecondFactorChanged { .. } => Kind::SecondFactorChanged,
            Self::RecoveryCodeUsed { .. } => Kind::RecoveryCodeUsed,
            Self::TooManyFailures { .. } => Kind::TooManyFailures,
            Self::SessionStolen => Kind::SessionStolen,
            Self::Invitation { .. } => Kind::Invitation,
            Self::AccountExists { .. } => Kind::AccountExists,
            Self::AwaitingApproval => Kind::AwaitingApproval,
            Self::AccountApproved { .. } => Kind::AccountApproved,
        }
    }

    /// What its template speaks of. It holds the links: seal it.
    pub(super) fn details(&self) -> Value {
        match self {
            Self::VerifyAddress { link, expires }
            | Self::ConfirmAddress { link, expires }
            | Self::ResetPassword { link, expires }
            | Self::Invitation { link, expires } => {
                json!({ "link": link.expose(), "expires": minute(*expires) })
            }
            Self::AddressChanging { undo, expires } => {
                json!({ "link": undo.expose(), "expires": minute(*expires) })
            }
            Self::TooManyFailures { secure } => json!({ "link": secure.expose() }),
            Self::PasswordChanged { at, device, gone } => json!({
                "at": minute(*at),
                "device": device.as_deref().map(plain),
                "second_factor_gone": gone.second_factor,
                "api_keys_gone": gone.api_keys,
            }),
            Self::NewDevice { device, address, location, at } => json!({
                "device": plain(device),
                "address": plain(address),
                "location": location.as_deref().map(plain),
                "at": minute(*at),
            }),
            Self::SecondFactorChanged { what } => json!({ "what": what.name() }),
            Self::RecoveryCodeUsed { remaining } => json!({ "remaining": remaining }),
            Self::AccountExists { sign_in } | Self::AccountApproved { sign_in } => {
                json!({ "sign_in": sign_in })
            }
            Self::AddressChanged | Self::SessionStolen | Self::AwaitingApproval => json!({}),
        }
    }
}

impl Letter {
    /// One of each kind, with everything that a template may speak of: to see whether the templates work.
    pub(super) fn samples() -> Vec<Self> {
        let link = || Secret::new("https://auth.example.com/page#token=sample".to_owned());
        let (at, expires) = (Timestamp::from_secs(1_767_225_600), Timestamp::from_secs(1_767_312_000));
        let sign_in = || "https://auth.example.com/sign-in".to_owned();
        let device = || "Firefox on Linux".to_owned();
        vec![
            Self::VerifyAddress { link: link(), expires },
            Self::ConfirmAddress { link: link(), expires },
            Self::AddressChanging { undo: link(), expires },
            Self::AddressChanged,
            Self::ResetPassword { link: link(), expires },
            Self::PasswordChanged {
                at,
                device: Some(device()),
                gone: Gone { second_factor: true, api_keys: true },
            },
            Self::NewDevice {
                device: device(),
                address: "192.0.2.1".to_owned(),
                location: Some("Bern, Switzerland".to_owned()),
                at,
            },
            Self::SecondFactorChanged { what: FactorChange::Enabled },
            Self::SecondFactorChanged { what: FactorChange::Disabled },
            Self::SecondFactorChanged { what: FactorChange::CodesReplaced },
            Self::SecondFactorChanged { what: FactorChange::Closed },
            Self::RecoveryCodeUsed { remaining: 7 },
            Self::TooManyFailures { secure: link() },
            Self::SessionStolen,
            Self::Invitation { link: link(), expires },
            Self::AccountExists { sign_in: sign_in() },
            Self::AwaitingApproval,
            Self::AccountApproved { sign_in: sign_in() },
        ]
    }
}

/// A time as a mail says it: `2026-11-21, 09:30 UTC`. The reader may be anywhere.
fn minute(at: Timestamp) -> String {
    let text = at.to_string();
    match (text.get(..10), text.get(11..16)) {
        (Some(day), Some(minute)) => format!("{day}, {minute} UTC"),
        _ => text,
    }
}

/// Text that somebody outside chose, in one line and of a length that a mail can bear.
fn plain(text: &str) -> String {
    const LONGEST: usize = 200;
    let one_line = text.chars().take(LONGEST).map(|c| if c.is_control() { ' ' } else { c });
    one_line.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_name_of_its_own() {
        for kind in Kind::ALL {
            assert_eq!(Kind::parse(kind.name()), Some(*kind));
        }
        assert_eq!(Kind::parse("love_letter"), None);
    }

    #[test]
    fn a_time_is_said_to_the_minute() {
        assert_eq!(minute(Timestamp::from_micros(1_767_225_600_123_456)), "2026-01-01, 00:00 UTC");
    }

    #[test]
    fn rec_09_text_from_outside_is_one_short_line() {
        assert_eq!(plain("Browser\r\nBcc: eve@example.com\0"), "Browser  Bcc: eve@example.com ");
        assert_eq!(plain(&"x".repeat(1_000)).len(), 200);
    }
}
