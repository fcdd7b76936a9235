//! `POST /api/v1/auth/undo-email`: the mailbox that an account had takes it back from whoever changed its address.

use axum::extract::State;
use gatepost_db::WriteTx;
use gatepost_problem::{ApiResult, Json, Problem};
use http::StatusCode;

use super::link::{self, Desk, DrawnLink, Link, LinkPurpose, Presented, Refusal};
use super::verify_email::Request;
use crate::accounts::{self, User};
use crate::app::App;
use crate::attempts::{self, Attempts};
use crate::audit::{self, Act, Event, Origin};
use crate::http::OwnSite;
use crate::ids::UserId;
use crate::{api_keys, passwords};

/// Take a change of address back
///
/// The account has the former address again. Whoever changed it is taken for an intruder: every session ends, every API key is
/// revoked and the present password works no more. A link to set a new one goes to the former address. The second factor stays as
/// it is. It signs nobody in.
#[utoipa::path(
    post,
    path = "/api/v1/auth/undo-email",
    operation_id = "auth_undo_email",
    tag = "recovery",
    request_body = Request,
    responses(
        (status = 204, description = "The account has its former address; a link to set a password is in the mail"),
        (status = 400, body = Problem, description = "`invalid_token`: unknown, used, expired, or an older address was restored"),
        (status = 403, body = Problem, description = "`csrf_rejected`: a page of another site sent it"),
        (status = 409, body = Problem, description = "`email_taken`: another account has the former address"),
    ),
)]
pub(super) async fn handler(
    State(app): State<App>,
    _: OwnSite,
    origin: Origin,
    Json(request): Json<Request>,
) -> ApiResult<StatusCode> {
    let undo = Undo {
        token: Presented::parse(request.token)?,
        act: origin.act(app.clock.now()),
        desk: Desk::of(&app),
        attempts: app.attempts.clone(),
        reset: DrawnLink::draw(&app.random),
    };
    let identities = app.identities.clone();
    app.db
        .write(move |tx| {
            let user = undo.apply(tx)?;
            identities.forget_after_commit(tx, user);
            Ok::<_, Refusal>(())
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

struct Undo {
    token: Presented,
    act: Act,
    desk: Desk,
    attempts: Attempts,
    reset: DrawnLink,
}

impl Undo {
    /// One transaction: the address, the end of everything that whoever changed it may hold, audit, notice and a way in.
    fn apply(&self, tx: &mut WriteTx<'_>) -> Result<UserId, Refusal> {
        let Self { act, desk, .. } = self;
        let (link, last) = link::consume(tx, LinkPurpose::UndoEmail, &self.token, act.at)?;
        let id = accounts::change_email(tx, act, last.id, &link.email()?)?.id;
        passwords::withdraw(tx, id)?;
        api_keys::forget(tx, act, id)?;
        let user = accounts::bump_epoch(tx, id, act.at)?;
        forget_links(tx, &link, &user)?;
        attempts::reopen(tx, &self.attempts.of_user(&user, None, act.at))?;
        audit::record(tx, act, &Event::EmailChangeUndone { user: id })?;
        if last.email_canonical() != user.email_canonical() {
            // It may be the owner who reads this mailbox, and an intruder who reads the other.
            desk.tell_of_change(tx, act, &last)?;
        }
        desk.send_reset(tx, act, &user, &self.reset)?;
        Ok(id)
    }
}

/// The oldest mailbox wins: what was mailed at the time of this link or later is good for nothing more. What was mailed
/// before stays, to the owner of an older address.
fn forget_links(tx: &mut WriteTx<'_>, used: &Link, user: &User) -> Result<(), Refusal> {
    link::forget_pending(tx, user.id)?;
    link::forget_since(tx, LinkPurpose::UndoEmail, user.id, used.made_at)?;
    Ok(())
}
