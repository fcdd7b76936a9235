//! What is remembered: a line for each thing that happens to accounts, rights and keys.

use serde_json::{Value, json};

use crate::ids::{SessionId, UserId};

/// Something that happened and must be remembered.
#[derive(Debug, Clone)]
pub enum Event {
    /// An account was made.
    UserRegistered {
        /// Whose.
        user: UserId,
        /// How: `register`, `invitation`, `setup`, `command_line` or `administrator`.
        by: &'static str,
    },
    /// An account was made from a file of another system.
    UserImported {
        /// Whose.
        user: UserId,
        /// The roles that it has.
        roles: Vec<String>,
        /// Whether it brought a password.
        password: bool,
    },
    /// Somebody tried to register the address of an account, and was not told that there is one.
    RegistrationRepeated {
        /// Whose.
        user: UserId,
    },
    /// Two who typed different passwords registered the same address, and nobody had shown yet whose it is: neither password
    /// counts.
    PasswordWithdrawn {
        /// Whose.
        user: UserId,
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
    /// A deleted account was brought back.
    UserRestored {
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
    /// A role was taken.
    RoleRevoked {
        /// From whom.
        user: UserId,
        /// Which.
        role: String,
    },
    /// A role was made.
    RoleCreated {
        /// Its name.
        role: String,
        /// What it allows.
        permissions: Vec<String>,
    },
    /// What a role allows, or what it is described as, was changed.
    RoleChanged {
        /// Its name.
        role: String,
        /// Permissions that it has now.
        given: Vec<String>,
        /// Permissions that it has no more.
        taken: Vec<String>,
    },
    /// A role was deleted.
    RoleDeleted {
        /// Its name.
        role: String,
    },
    /// A permission of the operator's own was made.
    PermissionCreated {
        /// Its name.
        permission: String,
    },
    /// A permission of the operator's own was deleted; every role lost it.
    PermissionDeleted {
        /// Its name.
        permission: String,
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
        /// The second factor, if one was shown: `totp`, `recovery_code`, or `session` if it was in the session before.
        second: Option<&'static str>,
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
    /// Mail to the address was shown to arrive at the account's owner.
    EmailVerified {
        /// Whose.
        user: UserId,
    },
    /// An administrator took back that the address is known to be the owner's; every session ended.
    EmailUnverified {
        /// Whose.
        user: UserId,
    },
    /// Somebody signed in wants another address; its mailbox has yet to confirm.
    EmailChangeRequested {
        /// Whose.
        user: UserId,
    },
    /// The account has another address.
    EmailChanged {
        /// Whose.
        user: UserId,
    },
    /// The former mailbox took the change of address back.
    EmailChangeUndone {
        /// Whose.
        user: UserId,
    },
    /// A link was sent to the account's mailbox.
    LinkSent {
        /// Whose.
        user: UserId,
        /// What the link is for.
        purpose: &'static str,
    },
    /// A new password was set through a link in a mail.
    PasswordReset {
        /// Whose.
        user: UserId,
        /// Whether the address was unverified until then, so that everything older was thrown away.
        purged: bool,
    },
    /// The account's owner said that a notice was not about them: every session ended.
    AccountSecured {
        /// Whose.
        user: UserId,
    },
    /// Somebody was invited.
    InvitationSent {
        /// The invitation.
        invitation: String,
    },
    /// An invitation became an account.
    InvitationAccepted {
        /// Whose.
        user: UserId,
        /// The invitation.
        invitation: String,
    },
    /// An administrator let somebody in.
    UserApproved {
        /// Whom.
        user: UserId,
    },
    /// An authenticator was shown its secret; it has yet to show a code.
    SecondFactorEnrolmentBegun {
        /// Whose.
        user: UserId,
    },
    /// A second factor was enrolled and proven.
    SecondFactorEnabled {
        /// Whose.
        user: UserId,
    },
    /// The second factor was removed.
    SecondFactorDisabled {
        /// Whose.
        user: UserId,
        /// By whom: `owner`, `operator`, `administrator`, or `recovery` when the mailbox's owner threw an intruder out.
        by: &'static str,
    },
    /// A new set of recovery codes replaced the old one.
    RecoveryCodesReplaced {
        /// Whose.
        user: UserId,
    },
    /// A recovery code was used up.
    RecoveryCodeUsed {
        /// Whose.
        user: UserId,
        /// How many remain.
        remaining: u32,
    },
    /// Too many wrong codes: the authenticator's codes are refused for a day.
    SecondFactorClosed {
        /// Whose.
        user: UserId,
    },
    /// Somebody signed in proved once more who they are (RFC 9470).
    SteppedUp {
        /// Who.
        user: UserId,
        /// In which session.
        session: SessionId,
        /// With what.
        method: &'static str,
    },
    /// A session was ended from the list of devices.
    SessionRevoked {
        /// Whose.
        user: UserId,
        /// Which.
        session: SessionId,
    },
    /// Every other session was ended, or every one.
    SessionsRevoked {
        /// Whose.
        user: UserId,
        /// How many.
        ended: u64,
    },
    /// So many wrong passwords that unknown devices must wait.
    LockedOut {
        /// Whose.
        user: UserId,
        /// Failures in a row.
        failures: i64,
    },
    /// The lock-out was lifted by an operator.
    Unlocked {
        /// Whose.
        user: UserId,
    },
    /// An API key was made.
    ApiKeyCreated {
        /// Whose.
        user: UserId,
        /// Its id.
        key: String,
        /// What it reaches.
        scopes: Vec<String>,
    },
    /// An API key was revoked.
    ApiKeyRevoked {
        /// Whose.
        user: UserId,
        /// Its id.
        key: String,
    },
    /// Something that an account owns was made, changed or deleted. For resources of every kind, also of an application
    /// around us.
    Resource {
        /// The name of the action: of lower-case letters, digits and `_`, such as `task_created`.
        action: &'static str,
        /// Whose it is.
        owner: UserId,
        /// Which.
        id: String,
        /// The names of the fields that were changed, not their values.
        fields: Vec<&'static str>,
    },
    /// Everything of one kind that an account owned was given to another one.
    /// [`record_transfer`](super::record_transfer) writes it for each of the two.
    ResourcesTransferred {
        /// For whom it is remembered.
        user: UserId,
        /// What, in the plural: `tasks`.
        resource: &'static str,
        /// From whom.
        from: UserId,
        /// To whom.
        to: UserId,
        /// How many.
        count: u64,
    },
    /// Sealed segments of the audit trail were older than they are kept.
    AuditPurged {
        /// The last entry that went.
        through: i64,
    },
    /// An operator owed dead letters once more.
    MailRetried {
        /// The id of the one; none where it was every one.
        mail: Option<String>,
        /// How many.
        mails: u64,
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
    pub(super) fn parts(&self) -> (&'static str, Option<UserId>, Value) {
        match self {
            Self::UserRegistered { user, by } => ("user_registered", Some(*user), json!({ "by": by })),
            Self::UserImported { user, roles, password } => (
                "user_registered",
                Some(*user),
                json!({ "by": "import", "roles": roles, "password": password }),
            ),
            Self::RegistrationRepeated { user } => ("registration_repeated", Some(*user), json!({})),
            Self::PasswordWithdrawn { user } => ("password_withdrawn", Some(*user), json!({})),
            Self::UserUpdated { user, fields } => ("user_updated", Some(*user), json!({ "fields": fields })),
            Self::UserDeleted { user } => ("user_deleted", Some(*user), json!({})),
            Self::UserRestored { user } => ("user_restored", Some(*user), json!({})),
            Self::UserDisabled { user } => ("user_disabled", Some(*user), json!({})),
            Self::UserEnabled { user } => ("user_enabled", Some(*user), json!({})),
            Self::RoleGranted { user, role } => ("role_granted", Some(*user), json!({ "role": role })),
            Self::RoleRevoked { user, role } => ("role_revoked", Some(*user), json!({ "role": role })),
            Self::RoleCreated { role, permissions } => {
                ("role_created", None, json!({ "role": role, "permissions": permissions }))
            }
            Self::RoleChanged { role, given, taken } => {
                ("role_changed", None, json!({ "role": role, "given": given, "taken": taken }))
            }
            Self::RoleDeleted { role } => ("role_deleted", None, json!({ "role": role })),
            Self::PermissionCreated { permission } => {
                ("permission_created", None, json!({ "permission": permission }))
            }
            Self::PermissionDeleted { permission } => {
                ("permission_deleted", None, json!({ "permission": permission }))
            }
            Self::PasswordChanged { user } => ("password_changed", Some(*user), json!({})),
            Self::SignedIn { user, session, method, second } => (
                "signed_in",
                Some(*user),
                json!({ "session": session, "method": method, "second_factor": second }),
            ),
            Self::SignedOut { user, session } => ("signed_out", Some(*user), json!({ "session": session })),
            Self::RefreshReuseDetected { user, session } => {
                ("refresh_reuse_detected", Some(*user), json!({ "session": session }))
            }
            Self::EmailVerified { user } => ("email_verified", Some(*user), json!({})),
            Self::EmailUnverified { user } => ("email_unverified", Some(*user), json!({})),
            Self::EmailChangeRequested { user } => ("email_change_requested", Some(*user), json!({})),
            Self::EmailChanged { user } => ("email_changed", Some(*user), json!({})),
            Self::EmailChangeUndone { user } => ("email_change_undone", Some(*user), json!({})),
            Self::LinkSent { user, purpose } => ("link_sent", Some(*user), json!({ "purpose": purpose })),
            Self::PasswordReset { user, purged } => {
                ("password_reset", Some(*user), json!({ "purged": purged }))
            }
            Self::AccountSecured { user } => ("account_secured", Some(*user), json!({})),
            Self::InvitationSent { invitation } => {
                ("invitation_sent", None, json!({ "invitation": invitation }))
            }
            Self::InvitationAccepted { user, invitation } => {
                ("invitation_accepted", Some(*user), json!({ "invitation": invitation }))
            }
            Self::UserApproved { user } => ("user_approved", Some(*user), json!({})),
            Self::SecondFactorEnrolmentBegun { user } => {
                ("second_factor_enrolment_begun", Some(*user), json!({}))
            }
            Self::SecondFactorEnabled { user } => ("second_factor_enabled", Some(*user), json!({})),
            Self::SecondFactorDisabled { user, by } => {
                ("second_factor_disabled", Some(*user), json!({ "by": by }))
            }
            Self::RecoveryCodesReplaced { user } => ("recovery_codes_replaced", Some(*user), json!({})),
            Self::RecoveryCodeUsed { user, remaining } => {
                ("recovery_code_used", Some(*user), json!({ "remaining": remaining }))
            }
            Self::SecondFactorClosed { user } => ("second_factor_closed", Some(*user), json!({})),
            Self::SteppedUp { user, session, method } => {
                ("stepped_up", Some(*user), json!({ "session": session, "method": method }))
            }
            Self::SessionRevoked { user, session } => {
                ("session_revoked", Some(*user), json!({ "session": session }))
            }
            Self::SessionsRevoked { user, ended } => {
                ("sessions_revoked", Some(*user), json!({ "ended": ended }))
            }
            Self::LockedOut { user, failures } => {
                ("locked_out", Some(*user), json!({ "failures": failures }))
            }
            Self::Unlocked { user } => ("unlocked", Some(*user), json!({})),
            Self::ApiKeyCreated { user, key, scopes } => {
                ("api_key_created", Some(*user), json!({ "key": key, "scopes": scopes }))
            }
            Self::ApiKeyRevoked { user, key } => ("api_key_revoked", Some(*user), json!({ "key": key })),
            Self::Resource { action, owner, id, fields } if fields.is_empty() => {
                (*action, Some(*owner), json!({ "id": id }))
            }
            Self::Resource { action, owner, id, fields } => {
                (*action, Some(*owner), json!({ "id": id, "fields": fields }))
            }
            Self::ResourcesTransferred { user, resource, from, to, count } => (
                "resources_transferred",
                Some(*user),
                json!({ "resource": resource, "from": from, "to": to, "count": count }),
            ),
            Self::AuditPurged { through } => ("audit_purged", None, json!({ "through": through })),
            Self::MailRetried { mail, mails } => {
                ("mail_retried", None, json!({ "mail": mail, "mails": mails }))
            }
            Self::SetupLinkMade => ("setup_link_made", None, json!({})),
            Self::KeyChanged { kid, state } => ("key_changed", None, json!({ "kid": kid, "state": state })),
        }
    }
}
