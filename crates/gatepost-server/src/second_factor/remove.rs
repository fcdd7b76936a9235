//! `DELETE /api/v1/users/me/2fa/totp`: without a second factor from now on.

use axum::extract::State;
use gatepost_problem::{ApiResult, Problem};
use http::StatusCode;

use super::enrol::with_factor;
use super::{Error, sql};
use crate::accounts;
use crate::app::App;
use crate::audit::{self, Event, Origin};
use crate::http::Caller;
use crate::outbox::{FactorChange, Letter};
use crate::sessions;

/// Remove the second factor
///
/// Needs the second factor itself, shown at most ten minutes ago: the authenticator or, when it is lost, a recovery code.
/// The recovery codes go with it, every other session ends, and a mail says so.
#[utoipa::path(
    delete,
    path = "/api/v1/users/me/2fa/totp",
    operation_id = "second_factor_remove",
    tag = "second-factor",
    responses(
        (status = 204, description = "A password is enough from now on"),
        (status = 401, body = Problem, description = "`invalid_token`, or `insufficient_user_authentication`: step up with the second factor first"),
        (status = 409, body = Problem, description = "`conflict`: there is none"),
    ),
    security(("bearer" = []), ("password" = [])),
)]
pub(super) async fn handler(State(app): State<App>, caller: Caller, origin: Origin) -> ApiResult<StatusCode> {
    let act = origin.act(app.clock.now()).by(caller.user.id);
    caller.require_fresh(act.at)?;
    let (factors, identities) = (app.second_factor.clone(), app.identities.clone());
    app.db
        .write(move |tx| {
            let user = with_factor(tx, &caller)?.id;
            sql::forget(tx, user)?;
            let user = accounts::set_two_factor(tx, user, false, act.at)?;
            audit::record(tx, &act, &Event::SecondFactorDisabled { user: user.id, by: "owner" })?;
            factors.tell(tx, act.at, &user, Letter::SecondFactorChanged { what: FactorChange::Disabled })?;
            sessions::revoke_all(tx, &identities, &act, user.id, Some(caller.session.id))?;
            Ok::<_, Error>(())
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
