//! `GET` and `POST /api/v1/users/me/2fa/recovery-codes`: how many are left, and a new set.

use axum::extract::State;
use gatepost_kernel::Secret;
use gatepost_problem::{ApiResult, Json, Problem};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::enrol::{RecoveryCodes, with_factor};
use super::{Error, sql};
use crate::app::App;
use crate::audit::{self, Event, Origin};
use crate::http::{Caller, storage_problem};
use crate::outbox::{FactorChange, Letter};

/// A new set of recovery codes.
#[derive(Serialize, ToSchema)]
pub(super) struct NewRecoveryCodes {
    /// Ten codes, each good once. They are not shown again.
    #[serde(serialize_with = "all_shown_once")]
    #[schema(value_type = Vec<String>, example = json!(["7QF2-9KXM-0B4T-HWCV"]))]
    recovery_codes: Vec<Secret<String>>,
}

/// These bodies are the places where recovery codes are meant to be seen.
pub(crate) fn all_shown_once<S: Serializer>(
    codes: &[Secret<String>],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(codes.iter().map(Secret::expose))
}

/// Make new recovery codes
///
/// Needs the second factor, shown at most ten minutes ago. The codes of the set before are dead at once.
#[utoipa::path(
    post,
    path = "/api/v1/users/me/2fa/recovery-codes",
    operation_id = "recovery_codes_replace",
    tag = "second-factor",
    responses(
        (status = 200, body = NewRecoveryCodes),
        (status = 401, body = Problem, description = "`invalid_token`, or `insufficient_user_authentication`: step up with the second factor first"),
        (status = 409, body = Problem, description = "`conflict`: there is no second factor that they could stand in for"),
    ),
    security(("bearer" = []), ("password" = [])),
)]
pub(super) async fn replace(
    State(app): State<App>,
    caller: Caller,
    origin: Origin,
) -> ApiResult<Json<NewRecoveryCodes>> {
    let act = origin.act(app.clock.now()).by(caller.user.id);
    caller.require_fresh(act.at)?;
    let codes = RecoveryCodes::draw(&app.random);
    let recovery_codes = codes.to_texts();
    let factors = app.second_factor.clone();
    app.db
        .write(move |tx| {
            let user = with_factor(tx, &caller)?;
            codes.replace(tx, &factors, &act, user.id)?;
            audit::record(tx, &act, &Event::RecoveryCodesReplaced { user: user.id })?;
            let letter = Letter::SecondFactorChanged { what: FactorChange::CodesReplaced };
            factors.tell(tx, act.at, &user, letter)?;
            Ok::<_, Error>(())
        })
        .await?;
    Ok(Json(NewRecoveryCodes { recovery_codes }))
}

/// What is left of the recovery codes.
#[derive(Serialize, ToSchema)]
pub(super) struct RecoveryCodesLeft {
    /// How many were not used yet.
    #[schema(example = 10)]
    remaining: usize,
}

/// Count your recovery codes
#[utoipa::path(
    get,
    path = "/api/v1/users/me/2fa/recovery-codes",
    operation_id = "recovery_codes_count",
    tag = "second-factor",
    responses(
        (status = 200, body = RecoveryCodesLeft),
        (status = 401, body = Problem, description = "`invalid_token`"),
    ),
    security(("bearer" = []), ("password" = [])),
)]
pub(super) async fn count(State(app): State<App>, caller: Caller) -> ApiResult<Json<RecoveryCodesLeft>> {
    let user = caller.user.id;
    let unused = app.db.read(move |tx| sql::unused_codes(tx, user)).await.map_err(storage_problem)?;
    Ok(Json(RecoveryCodesLeft { remaining: unused.len() }))
}
