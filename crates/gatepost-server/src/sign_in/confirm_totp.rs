//! `POST /api/v1/users/me/2fa/totp/confirm`: the first code of an authenticator switches the second factor on.
//!
//! It stands here and not beside the enrolment because its answer is a sign-in: every session ends, and the caller gets
//! one that has shown the factor.

use axum::extract::State;
use axum::response::IntoResponse;
use gatepost_db::WriteTx;
use gatepost_kernel::Secret;
use gatepost_problem::{ApiResult, Json, Problem, ProblemType};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer::{self, SignInResponse};
use crate::accounts::User;
use crate::app::App;
use crate::audit::{Act, Origin};
use crate::http::Caller;
use crate::second_factor::{self, Confirmation, Error, Factors, RecoveryCodes, all_shown_once};
use crate::sessions::{
    self, Assurance, Device, Drawn, Evidence, FIRST_PARTY, Grant, Mint, Proof, SecondFactor, Shown, SignIn,
};

/// The first code.
#[derive(Deserialize, ToSchema)]
#[schema(as = ConfirmTotpRequest, example = json!({ "code": "123456" }))]
pub(super) struct Request {
    /// What the authenticator shows now.
    #[schema(value_type = String, format = Password)]
    code: Secret<String>,
}

/// The second factor is on.
#[derive(Serialize, ToSchema)]
pub(super) struct SecondFactorEnabled {
    /// Ten codes for the day when the authenticator is lost, each good once. They are not shown again.
    #[serde(serialize_with = "all_shown_once")]
    #[schema(value_type = Vec<String>, example = json!(["7QF2-9KXM-0B4T-HWCV"]))]
    recovery_codes: Vec<Secret<String>>,
    /// A new session; every other one has ended.
    auth: SignInResponse,
}

/// Switch the second factor on
///
/// Needs a proof of identity that is at most ten minutes old, and an authenticator that was enrolled in this session
/// within ten minutes. Every session ends; the answer carries a new one that has shown the factor.
#[utoipa::path(
    post,
    path = "/api/v1/users/me/2fa/totp/confirm",
    operation_id = "second_factor_confirm",
    tag = "second-factor",
    request_body = Request,
    responses(
        (status = 200, body = SecondFactorEnabled),
        (status = 401, body = Problem, description = "`invalid_code`; `invalid_token`, or `insufficient_user_authentication`: step up first"),
        (status = 409, body = Problem, description = "`conflict`: nothing was enrolled in this session, or the factor is on already"),
        (status = 422, body = Problem, description = "`validation_failed`"),
    ),
    security(("bearer" = []), ("password" = [])),
)]
pub(super) async fn handler(
    State(app): State<App>,
    caller: Caller,
    origin: Origin,
    Json(request): Json<Request>,
) -> ApiResult<impl IntoResponse> {
    let user = caller.user.id;
    let act = origin.act(app.clock.now()).by(user);
    caller.require_fresh(act.at)?;
    let codes = RecoveryCodes::draw(&app.random);
    let recovery_codes = codes.to_texts();
    let device = Device { name: None, wanted: caller.session.kind };
    let enabling = Enabling {
        act,
        caller,
        confirmation: Confirmation { code: request.code, codes },
        factors: app.second_factor.clone(),
        drawn: app.mint.draw(device),
        mint: app.mint.clone(),
    };
    let identities = app.identities.clone();
    let enabled = app
        .db
        .write(move |tx| {
            identities.forget_after_commit(tx, user);
            enabling.apply(tx)
        })
        .await?;
    let (grant, user) = enabled.ok_or_else(|| Problem::new(ProblemType::InvalidCode))?;
    let (cookies, auth) = answer::parts(&app, &grant, &user)?;
    Ok((cookies, Json(SecondFactorEnabled { recovery_codes, auth })))
}

struct Enabling {
    act: Act,
    caller: Caller,
    confirmation: Confirmation,
    factors: Factors,
    drawn: Drawn,
    mint: Mint,
}

impl Enabling {
    /// One transaction: credential, recovery codes, epoch (which ends every session), audit, mail, and the new session.
    fn apply(&self, tx: &mut WriteTx<'_>) -> Result<Option<(Grant, User)>, Error> {
        let Self { act, caller, confirmation, factors, drawn, mint } = self;
        let Some(user) = second_factor::confirm(tx, factors, act, caller, confirmation)? else {
            return Ok(None);
        };
        let evidence = Evidence { proof: Proof::Session, second: Some(Shown::Now(SecondFactor::Totp)) };
        let assurance =
            Assurance::establish(&user, evidence, mint.policy()).map_err(|_| Error::SessionEnded)?;
        let sign_in = SignIn { assurance, client_id: FIRST_PARTY, drawn };
        let grant = sessions::open(tx, mint, act, &sign_in)?;
        Ok(Some((grant, user)))
    }
}
