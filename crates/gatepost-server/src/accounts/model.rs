//! What an account is. Pure: no database, no clock, no HTTP.

use gatepost_kernel::Timestamp;

use super::Email;
use crate::ids::UserId;

/// An account, as its row says.
#[derive(Clone)]
pub struct User {
    /// Never reused, never changed.
    pub id: UserId,
    /// The address as its owner typed it; mail goes there.
    pub email: String,
    /// Whether its owner has shown that mail arrives there.
    pub email_verified: bool,
    /// The name to sign in with and to be known by, as typed.
    pub username: Option<String>,
    /// E.164; profile data only.
    pub phone_number: Option<String>,
    /// Given name.
    pub first_name: Option<String>,
    /// Family name.
    pub last_name: Option<String>,
    /// A few words about oneself.
    pub bio: Option<String>,
    /// An https address of a picture.
    pub avatar_url: Option<String>,
    /// ISO 3166-1 alpha-2, upper case.
    pub country: Option<String>,
    /// Whether the account may be used.
    pub is_active: bool,
    /// Whether a sign-in needs a second factor.
    pub two_factor_enabled: bool,
    /// Whether an administrator has yet to let its owner in.
    pub awaiting_approval: bool,
    /// Counts up with every event after which no earlier credential may work: password change, disable, delete.
    pub auth_epoch: i64,
    /// Counts up with every change: the `ETag`.
    pub version: i64,
    /// When the account was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When its owner last signed in.
    pub last_login_at: Option<Timestamp>,
    /// When it was deleted: the row is a tombstone.
    pub deleted_at: Option<Timestamp>,
}

impl User {
    /// An account as it begins, with this address.
    pub fn new(id: UserId, email: &Email, at: Timestamp) -> Self {
        Self {
            id,
            email: email.as_typed().to_owned(),
            email_verified: false,
            username: None,
            phone_number: None,
            first_name: None,
            last_name: None,
            bio: None,
            avatar_url: None,
            country: None,
            is_active: true,
            two_factor_enabled: false,
            awaiting_approval: false,
            auth_epoch: 1,
            version: 1,
            created_at: at,
            updated_at: at,
            last_login_at: None,
            deleted_at: None,
        }
    }

    /// The form of the username that is unique: letter case does not tell two users apart.
    pub fn username_canonical(&self) -> Option<String> {
        self.username.as_deref().map(str::to_ascii_lowercase)
    }

    /// The form of the address that is unique.
    pub fn email_canonical(&self) -> String {
        // It was believed when it was written.
        Email::parse(&self.email).map_or_else(|_| self.email.clone(), |email| email.canonical().to_owned())
    }

    /// The address to send mail to: the stored one, never one that a request names.
    pub fn mailbox(&self) -> String {
        Email::parse(&self.email).map_or_else(|_| self.email.clone(), |email| email.mailbox())
    }

    /// Whether the account may be used at all.
    pub const fn is_usable(&self) -> bool {
        self.is_active && !self.awaiting_approval && self.deleted_at.is_none()
    }
}
