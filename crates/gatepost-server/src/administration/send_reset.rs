//! `POST /api/v1/admin/users/{id}/send-reset`: a mail with a link that sets a new password.

use axum::extract::State;
use gatepost_problem::{ApiResult, Json, Path, Problem};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::Error;
use super::reach::Reach;
use crate::accounts::UsersWrite;
use crate::app::App;
use crate::audit::Origin;
use crate::http::Require;
use crate::ids::UserId;
use crate::outbox::Kind;
use crate::recovery::{Desk, DrawnLink};

/// What was done.
#[derive(Serialize, ToSchema)]
#[schema(as = ResetSent)]
pub(super) struct Sent {
    /// Always `accepted`: the mail leaves soon.
    #[schema(example = "accepted")]
    status: &'static str,
}

/// Send somebody a link that sets a new password
///
/// To the address that the account has; it works for 30 minutes and ends the one before. Nobody but the reader of that mailbox
/// sees it. Needs the permission `users:write`, and reaches no account that may do more than you.
#[utoipa::path(
    post,
    path = "/api/v1/admin/users/{id}/send-reset",
    operation_id = "admin_users_send_reset",
    tag = "admin",
    params(("id" = UserId, Path, description = "The user's id")),
    responses(
        (status = 202, body = Sent),
        (status = 401, body = Problem, description = "`invalid_token`"),
        (status = 403, body = Problem, description = "`forbidden`: the permission is missing, or the account may do more than you; `insufficient_scope`"),
        (status = 404, body = Problem, description = "`not_found`"),
        (status = 409, body = Problem, description = "`conflict`: the account is switched off, and no link works for it"),
        (status = 429, body = Problem, description = "`rate_limited`: the address has got a mail of this kind within a minute, or five within a day"),
    ),
    security(("bearer" = ["users:write"]), ("password" = []), ("api_key" = ["users:write"])),
)]
pub(super) async fn handler(
    State(app): State<App>,
    caller: Require<UsersWrite>,
    origin: Origin,
    Path(user): Path<UserId>,
) -> ApiResult<(StatusCode, Json<Sent>)> {
    let act = origin.act(app.clock.now()).by(caller.user().id);
    let (reach, desk, link) = (Reach::of(&app), Desk::of(&app), DrawnLink::draw(&app.random));
    app.db
        .write(move |tx| {
            let user = reach.account(tx, &act, &caller, (user, None))?;
            if !user.is_active {
                return Err(Error::Conflict("The account is switched off: no link works for it."));
            }
            if !desk.may_send(tx, &act, &user, Kind::ResetPassword)? {
                return Err(Error::EnoughMails);
            }
            Ok(desk.send_reset(tx, &act, &user, &link)?)
        })
        .await?;
    Ok((StatusCode::ACCEPTED, Json(Sent { status: "accepted" })))
}
