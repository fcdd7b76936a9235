//! Invitations: links that let somebody make an account, whatever `sign_up.mode` says.

use std::time::Duration;

use gatepost_db::{DbError, WriteTx};
use gatepost_kernel::{Id, OpaqueToken, Purpose, Secret, Timestamp, TokenHash};

use super::sql;
use crate::access::{self, AccessRules, Authority, RolesAssign, USER};
use crate::accounts::{self, Email, LoginIdentifier, User, UsersWrite};
use crate::app::App;
use crate::audit::{self, Act, Event};
use crate::http::{Permission as _, Rights};
use crate::ids::UserId;
use crate::outbox::{Letter, Mail, Outbox};

const PREFIX: &str = "gpi";
const INVITATION: Purpose = Purpose::new("invitation");
/// The page that the link opens.
const PAGE: &str = "/accept-invitation";

/// How long an invitation can be accepted.
const LIFE: Duration = Duration::from_secs(72 * 60 * 60);
/// How long an expired one stays in the database: a clock that ran ahead deletes nothing for good.
const GRACE: Duration = Duration::from_secs(24 * 60 * 60);

/// A kind of [`Id`]: an invitation.
pub(super) enum InvitationKind {}
/// The id of an invitation, for the audit trail.
pub(super) type InvitationId = Id<InvitationKind>;

/// An invitation, as its row says.
pub(super) struct Invitation {
    pub(super) id: InvitationId,
    /// The address as the operator wrote it. Its canonical form is the key.
    pub(super) email: String,
    /// What its owner becomes besides a user.
    pub(super) roles: Vec<String>,
    /// Who invited them; nobody for the operator.
    pub(super) invited_by: Option<UserId>,
}

/// A link that was just made. Its token is in the mail and nowhere else: the database has only the hash.
pub struct InvitationLink {
    /// The link, to show once.
    pub url: Secret<String>,
    /// When it stops working.
    pub expires_at: Timestamp,
}

/// An invitation that is ready to be written: all that is random was drawn before the transaction.
#[derive(Clone)]
pub struct DrawnInvitation {
    id: InvitationId,
    hash: TokenHash,
    url: Secret<String>,
    expires_at: Timestamp,
    rules: AccessRules,
    outbox: Outbox,
}

impl DrawnInvitation {
    /// Draws one.
    pub fn draw(app: &App, now: Timestamp) -> Self {
        let token = OpaqueToken::generate(PREFIX, &app.random);
        Self {
            id: InvitationId::generate(now, &app.random),
            hash: TokenHash::of(INVITATION, token.expose()),
            // In the fragment, which browsers send to no server and write to no log.
            url: Secret::new(format!("{}{PAGE}#token={}", app.issuer, token.expose())),
            expires_at: now.plus(LIFE),
            rules: app.access.clone(),
            outbox: app.outbox.clone(),
        }
    }

    /// Invites the owner of an address by mail, to become this, and ends the invitation before.
    ///
    /// # Errors
    /// `EmailTaken` when the address has an account; [`access::Error::UnknownRole`], [`access::Error::BeyondOwnRights`].
    pub fn send(
        &self,
        tx: &mut WriteTx<'_>,
        act: &Act,
        authority: &Authority,
        (email, roles): (&Email, &[String]),
    ) -> Result<(), access::Error> {
        if accounts::by_identifier(tx, &LoginIdentifier::Email(email.clone()))?.is_some() {
            return Err(accounts::Error::EmailTaken.into());
        }
        supersede(tx, act, (&self.rules, authority), email)?;
        for (place, role) in roles.iter().enumerate().filter(|(_, role)| *role != USER) {
            access::may_give(tx, &self.rules, authority, (place, role))?;
        }
        let invitation = Invitation {
            id: self.id,
            email: email.as_typed().to_owned(),
            roles: roles.to_vec(),
            invited_by: act.actor,
        };
        sql::put_invitation(tx, (email.canonical(), &invitation), &self.hash, (act.at, self.expires_at))?;
        audit::record(tx, act, &Event::InvitationSent { invitation: self.id.to_string() })?;
        let letter = Letter::Invitation { link: self.url.clone(), expires: self.expires_at };
        let mail = Mail { user: None, to: email.mailbox(), letter, not_after: Some(self.expires_at) };
        Ok(self.outbox.owe(tx, act.at, &mail)?)
    }
}

/// Invites the owner of an address by mail, on the operator's word, and ends the invitation before.
///
/// # Errors
/// As [`DrawnInvitation::send`].
pub async fn invite(app: &App, email: Email, roles: Vec<String>) -> Result<InvitationLink, access::Error> {
    let act = app.operator_act();
    let drawn = DrawnInvitation::draw(app, act.at);
    let link = InvitationLink { url: drawn.url.clone(), expires_at: drawn.expires_at };
    app.db.write(move |tx| drawn.send(tx, &act, &Authority::Operator, (&email, &roles))).await?;
    Ok(link)
}

/// Ends the invitation that an address has, for one who is about to invite or make its owner themselves.
///
/// # Errors
/// [`access::Error::BeyondOwnRights`] when it promises more than they could give: nobody takes a promise away from somebody, or
/// the account that it is meant for, by being first.
pub fn supersede(
    tx: &mut WriteTx<'_>,
    act: &Act,
    (rules, authority): (&AccessRules, &Authority),
    email: &Email,
) -> Result<(), access::Error> {
    let Some(before) = sql::invitation_of(tx, email.canonical(), act.at)? else { return Ok(()) };
    for (place, role) in before.roles.iter().enumerate().filter(|(_, role)| *role != USER) {
        match access::may_give(tx, rules, authority, (place, role)) {
            // A role that is gone promises nothing.
            Ok(()) | Err(access::Error::UnknownRole(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(sql::forget_invitation(tx, email.canonical())?)
}

/// Gives an invited person the roles that they were promised, as far as there still are such roles and whoever invited them
/// still may invite, assign roles, and reaches that far: whoever was thrown out since leaves nobody behind with their rights.
pub(super) fn give_roles(
    tx: &mut WriteTx<'_>,
    act: &Act,
    rules: &AccessRules,
    (user, invitation): (UserId, &Invitation),
) -> Result<(), access::Error> {
    let authority = match invitation.invited_by {
        None => Authority::Operator,
        Some(inviter) => Authority::Caller(match accounts::by_id(tx, inviter)?.filter(User::is_usable) {
            // A role that needs a factor is worth nothing to somebody who has none any more.
            Some(inviter) => rules.rights(access::roles_of(tx, inviter.id)?, inviter.two_factor_enabled),
            None => Rights::default(),
        }),
    };
    let may_invite = [UsersWrite::NAME, RolesAssign::NAME].map(|name| authority.covers_permission(name));
    if may_invite != [true, true] {
        return Ok(());
    }
    for role in invitation.roles.iter().filter(|role| *role != USER) {
        match access::may_give(tx, rules, &authority, (0, role)) {
            Ok(()) => access::grant(tx, act, user, role)?,
            Err(access::Error::UnknownRole(_) | access::Error::BeyondOwnRights) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The hash that a presented token must have in the database; `None` for what was never a token.
pub(super) fn hash_of(token: &str) -> Option<TokenHash> {
    OpaqueToken::has_shape(PREFIX, token).then(|| TokenHash::of(INVITATION, token))
}

/// Forgets invitations that expired more than a day ago, up to a thousand at a time, and returns how many.
///
/// # Errors
/// What the database says.
pub fn purge(tx: &mut WriteTx<'_>, now: Timestamp) -> Result<u64, DbError> {
    sql::purge_invitations(tx, now.minus(GRACE))
}
