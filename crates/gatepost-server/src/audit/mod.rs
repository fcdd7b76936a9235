//! Audit: what happened, who did it, and to whom.
//!
//! Invariants: a change of state and its audit row commit together or not at all; a row holds no password, token, link
//! or code; rows outlive the account that they speak of. A refresh that succeeds writes no row (its counter lives in
//! the session's family); sign-in, sign-out and token reuse do.

mod sql;

use std::net::IpAddr;

use gatepost_db::{DbError, WriteTx};
use gatepost_kernel::{Random, Timestamp};
use serde_json::{Value, json};

use crate::ids::{SessionId, UserId};

pub use sql::STATEMENTS;

/// Where a request comes from. It becomes an [`Act`] once the work begins: reading a body or hashing a password may take
/// seconds, and what is decided must be decided by the time of the decision.
#[derive(Clone)]
pub struct Origin {
    /// The client's address.
    pub address: Option<IpAddr>,
    /// What the client calls itself, cut to 256 characters.
    pub user_agent: Option<String>,
    /// The id of the request, to find its log line.
    pub request_id: Option<String>,
    /// Where the ids of audit rows come from.
    pub random: Random,
}

impl Origin {
    /// What is done now, for this request.
    pub fn act(self, now: Timestamp) -> Act {
        let Self { address, user_agent, request_id, random } = self;
        Act { at: now, actor: None, address, user_agent, request_id, random }
    }
}

/// Who acts, when and from where: what every audit row needs besides what happened.
#[derive(Clone)]
pub struct Act {
    /// When.
    pub at: Timestamp,
    /// The signed-in user who acts, if one does.
    pub actor: Option<UserId>,
    /// The client's address, if there is a client: the command line has none.
    pub address: Option<IpAddr>,
    /// What the client calls itself, cut to 256 characters.
    pub user_agent: Option<String>,
    /// The id of the request, to find its log line.
    pub request_id: Option<String>,
    /// Where the ids of audit rows come from.
    pub random: Random,
}

impl Act {
    /// An act of the operator at the command line.
    pub fn by_operator(at: Timestamp, random: Random) -> Self {
        Self { at, actor: None, address: None, user_agent: None, request_id: None, random }
    }

    /// The same act, done by this user.
    #[must_use]
    pub fn by(self, user: UserId) -> Self {
        Self { actor: Some(user), ..self }
    }
}

/// Something that happened and must be remembered.
#[derive(Debug, Clone)]
pub enum Event {
    /// An account was made.
    UserRegistered {
        /// Whose.
        user: UserId,
        /// How: `register`, `setup` or `command_line`.
        by: &'static str,
    },
    /// Profile fields were changed.
    UserUpdated {
        /// Whose.
        user: UserId,
        /// The names of the fields, not their values.
        fields: Vec<&'static str>,
    },
    /// An account was deleted; its tombstone remains for seven days.
    UserDeleted {
        /// Whose.
        user: UserId,
    },
    /// An account was switched off.
    UserDisabled {
        /// Whose.
        user: UserId,
    },
    /// An account was switched on again.
    UserEnabled {
        /// Whose.
        user: UserId,
    },
    /// A role was given.
    RoleGranted {
        /// To whom.
        user: UserId,
        /// Which.
        role: String,
    },
    /// A password was changed or set.
    PasswordChanged {
        /// Whose.
        user: UserId,
    },
    /// Somebody signed in.
    SignedIn {
        /// Who.
        user: UserId,
        /// The new session.
        session: SessionId,
        /// Which proof was given: `password`, `setup`.
        method: &'static str,
    },
    /// A session ended because its user signed out.
    SignedOut {
        /// Who.
        user: UserId,
        /// Which session.
        session: SessionId,
    },
    /// A refresh token was used that had been replaced: the family was revoked (RFC 9700 section 4.14.2).
    RefreshReuseDetected {
        /// Whose.
        user: UserId,
        /// Which session ended with it.
        session: SessionId,
    },
    /// A link to make the first owner was made; an older one ended.
    SetupLinkMade,
    /// A signing key entered a state.
    KeyChanged {
        /// Its id.
        kid: String,
        /// The state: `next`, `active`, `retiring`, `retired` or `revoked`.
        state: &'static str,
    },
}

impl Event {
    /// The stable name of the action, whose account it concerns, and what else is remembered.
    fn parts(&self) -> (&'static str, Option<UserId>, Value) {
        match self {
            Self::UserRegistered { user, by } => ("user_registered", Some(*user), json!({ "by": by })),
            Self::UserUpdated { user, fields } => ("user_updated", Some(*user), json!({ "fields": fields })),
            Self::UserDeleted { user } => ("user_deleted", Some(*user), json!({})),
            Self::UserDisabled { user } => ("user_disabled", Some(*user), json!({})),
            Self::UserEnabled { user } => ("user_enabled", Some(*user), json!({})),
            Self::RoleGranted { user, role } => ("role_granted", Some(*user), json!({ "role": role })),
            Self::PasswordChanged { user } => ("password_changed", Some(*user), json!({})),
            Self::SignedIn { user, session, method } => {
                ("signed_in", Some(*user), json!({ "session": session, "method": method }))
            }
            Self::SignedOut { user, session } => ("signed_out", Some(*user), json!({ "session": session })),
            Self::RefreshReuseDetected { user, session } => {
                ("refresh_reuse_detected", Some(*user), json!({ "session": session }))
            }
            Self::SetupLinkMade => ("setup_link_made", None, json!({})),
            Self::KeyChanged { kid, state } => ("key_changed", None, json!({ "kid": kid, "state": state })),
        }
    }
}

/// Writes the event's row in the transaction that makes it true.
///
/// # Errors
/// What the database says. The caller passes it on: a change that cannot be audited does not happen.
pub fn record(tx: &mut WriteTx<'_>, act: &Act, event: &Event) -> Result<(), DbError> {
    let (action, user, details) = event.parts();
    sql::insert(tx, act, &sql::Entry { action, user, details: details.to_string() })
}
