//! `POST /api/v1/auth/reset-password`: a new password for whoever reads the account's mailbox.

use axum::extract::State;
use gatepost_db::WriteTx;
use gatepost_kernel::Secret;
use gatepost_problem::{ApiResult, Check, Json, Problem};
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::link::{self, Desk, LinkPurpose, Presented, Refusal};
use super::purge::purge_unproven;
use crate::accounts::{self, User};
use crate::api_keys;
use crate::app::App;
use crate::attempts::{self, Attempts};
use crate::audit::{self, Act, Event, Origin};
use crate::http::OwnSite;
use crate::ids::UserId;
use crate::outbox::Gone;
use crate::passwords::{self, PasswordHash};
use crate::sign_in::{self, PasswordField, believe_new_password, hash_problem};

/// The token of a link, and a new password.
#[derive(Deserialize, ToSchema)]
#[schema(as = ResetPasswordRequest, example = json!({
    "token": "gpl_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "new_password": "seven lanterns under the pier"
}))]
pub(super) struct Request {
    /// What stands behind `#token=` in the link.
    #[schema(value_type = String, format = Password)]
    token: Secret<String>,
    /// At least 12 characters, and hard to guess.
    #[schema(value_type = String, format = Password)]
    new_password: Secret<String>,
}

/// Set a new password with a link
///
/// Every session of the account ends, and every API key. It signs nobody in, and a second factor stays as it is: the next sign-in asks for it.
/// Unless the address was never verified: then whoever registered it is thrown out, and the second factor goes, too.
/// A password that is refused does not use the link up.
#[utoipa::path(
    post,
    path = "/api/v1/auth/reset-password",
    operation_id = "auth_reset_password",
    tag = "recovery",
    request_body = Request,
    responses(
        (status = 204, description = "The password is set"),
        (status = 400, body = Problem, description = "`invalid_token`: unknown, used, expired or replaced by a newer one"),
        (status = 403, body = Problem, description = "`csrf_rejected`: a page of another site sent it"),
        (status = 422, body = Problem, description = "`validation_failed`, with `password_…` codes"),
        (status = 503, body = Problem, description = "`busy`: try again after `Retry-After` seconds"),
    ),
)]
pub(super) async fn handler(
    State(app): State<App>,
    _: OwnSite,
    origin: Origin,
    Json(request): Json<Request>,
) -> ApiResult<StatusCode> {
    let token = Presented::parse(request.token)?;
    // Before anything costs work: strangers must not make us hash.
    let (now, shown, history) = (app.clock.now(), token.clone(), app.config.passwords.history);
    let (user, former) = app
        .db
        .read(move |tx| {
            let (_, user) = link::look_at(tx, LinkPurpose::ResetPassword, &shown, now)?;
            let former = if user.email_verified {
                passwords::former_of(tx, user.id, history)?
            } else {
                // They may be those of somebody who registered an address that is not theirs.
                Vec::new()
            };
            Ok::<_, Refusal>((user, former))
        })
        .await?;
    let field = PasswordField { pointer: "/new_password", email: Some(user.email), username: user.username };
    let mut check = Check::new();
    let new =
        believe_new_password(&app, &mut check, request.new_password, field).await.map_err(hash_problem)?;
    let (new,) = check.values((new,))?;
    sign_in::refuse_former(&app, new.clone(), former).await?;
    let hash = app.hasher.hash(new).await.map_err(hash_problem)?;

    let (act, desk, attempts) = (origin.act(app.clock.now()), Desk::of(&app), app.attempts.clone());
    let reset = Reset { act, desk, attempts, token, hash, history };
    let identities = app.identities.clone();
    app.db
        .write(move |tx| {
            let user = reset.apply(tx)?;
            identities.forget_after_commit(tx, user);
            Ok::<_, Refusal>(())
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

struct Reset {
    act: Act,
    desk: Desk,
    attempts: Attempts,
    token: Presented,
    hash: PasswordHash,
    history: u8,
}

impl Reset {
    /// One transaction: the link, the password, the epoch (which ends every session), older links, audit and notice.
    fn apply(&self, tx: &mut WriteTx<'_>) -> Result<UserId, Refusal> {
        let act = &self.act;
        let (_, user) = link::consume(tx, LinkPurpose::ResetPassword, &self.token, act.at)?;
        let purged = !user.email_verified;
        let second_factor = purged && purge_unproven(tx, act, &user)?;
        // A reset is how an account is won back, so no key that an intruder may have made lives on. A change of the password by
        // somebody who knows it is not.
        let api_keys = api_keys::forget(tx, act, user.id)? > 0;
        passwords::set(tx, act, user.id, &self.hash, self.history)?;
        let User { id, .. } = accounts::bump_epoch(tx, user.id, act.at)?;
        link::forget_pending(tx, id)?;
        // Whoever reads the mailbox need not wait for a guesser's sake.
        attempts::reopen(tx, &self.attempts.of_user(&user, None, act.at))?;
        audit::record(tx, act, &Event::PasswordReset { user: id, purged })?;
        let gone = Gone { second_factor, api_keys };
        self.desk.outbox.owe(tx, act.at, &sign_in::password_changed(&user, act, gone))?;
        Ok(id)
    }
}
