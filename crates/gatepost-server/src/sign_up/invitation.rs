//! Invitations: links that let somebody make an account, whatever `sign_up.mode` says.

use std::time::Duration;

use gatepost_db::{DbError, WriteTx};
use gatepost_kernel::{Id, OpaqueToken, Purpose, Secret, Timestamp, TokenHash};

use super::sql;
use crate::accounts::{self, Email, LoginIdentifier};
use crate::app::App;
use crate::audit::{self, Event};
use crate::outbox::{Letter, Mail};

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
    /// What its owner becomes.
    pub(super) role: String,
}

/// A link that was just made. Its token is in the mail and nowhere else: the database has only the hash.
pub struct InvitationLink {
    /// The link, to show once.
    pub url: Secret<String>,
    /// When it stops working.
    pub expires_at: Timestamp,
}

/// Invites the owner of an address by mail, and ends the invitation before. `None` when the address has an account.
///
/// # Errors
/// What the database says.
pub async fn invite(app: &App, email: Email, role: &'static str) -> Result<Option<InvitationLink>, DbError> {
    let act = app.operator_act();
    let token = OpaqueToken::generate(PREFIX, &app.random);
    let hash = TokenHash::of(INVITATION, token.expose());
    let expires_at = act.at.plus(LIFE);
    let id = InvitationId::generate(act.at, &app.random);
    // In the fragment, which browsers send to no server and write to no log.
    let url = Secret::new(format!("{}{PAGE}#token={}", app.issuer, token.expose()));
    let (outbox, link) = (app.outbox.clone(), url.clone());
    let made = app.db.write(move |tx| {
        let identifier = LoginIdentifier::Email(email.clone());
        if accounts::by_identifier(tx, &identifier)?.is_some() {
            return Ok(false);
        }
        let invitation = Invitation { id, email: email.as_typed().to_owned(), role: role.to_owned() };
        sql::put_invitation(tx, (email.canonical(), &invitation), &hash, (act.at, expires_at))?;
        audit::record(tx, &act, &Event::InvitationSent { invitation: id.to_string() })?;
        let letter = Letter::Invitation { link: link.clone(), expires: expires_at };
        let mail = Mail { user: None, to: email.mailbox(), letter, not_after: Some(expires_at) };
        outbox.owe(tx, act.at, &mail)?;
        Ok::<_, DbError>(true)
    });
    Ok(made.await?.then_some(InvitationLink { url, expires_at }))
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
