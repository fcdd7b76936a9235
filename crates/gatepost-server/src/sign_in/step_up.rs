//! `POST /api/v1/auth/step-up`: one more proof in a session that goes on (RFC 9470).

use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse;
use gatepost_db::{DbError, WriteTx};
use gatepost_kernel::Secret;
use gatepost_problem::{ApiResult, Check, Json, Problem, ProblemType};
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::password::hash_problem;
use crate::app::App;
use crate::attempts::{self, Reason};
use crate::audit::{self, Event, Origin};
use crate::http::{Caller, CookieName, Cookies, session_cookies, step_up_required, storage_problem};
use crate::passwords::{self, Password};
use crate::second_factor::{self, Judgement, Presented, closed_problem};
use crate::sessions::{self, Identities, Renewal, SecondFactor};

/// With what somebody steps up.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[schema(as = StepUpMethod)]
#[serde(rename_all = "snake_case")]
pub(super) enum Method {
    /// The password: enough on an account without a second factor, and never on one that has one.
    Password,
    /// The code that an authenticator shows.
    Totp,
    /// One of the codes for the day when it is lost.
    RecoveryCode,
}

/// One more proof.
#[derive(Deserialize, ToSchema)]
#[schema(as = StepUpRequest, example = json!({ "method": "password", "password": "correct horse battery staple" }))]
pub(super) struct Request {
    /// What is shown.
    method: Method,
    /// For `password`: the present password.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Password)]
    password: Option<Secret<String>>,
    /// For `totp` and `recovery_code`: the code.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Password)]
    code: Option<Secret<String>>,
}

/// Step up
///
/// This session is fresh for ten minutes then, and the operations that change credentials do what they are asked. On an
/// account with a second factor only that one counts. Wrong passwords and codes are counted like those of a sign-in.
#[utoipa::path(
    post,
    path = "/api/v1/auth/step-up",
    operation_id = "auth_step_up",
    tag = "sign-in",
    request_body = Request,
    responses(
        (status = 204, description = "This session is fresh"),
        (status = 401, body = Problem, description = "`invalid_credentials`: the password is wrong; `invalid_code`; `insufficient_user_authentication`: a password is not enough here; `invalid_token`"),
        (status = 422, body = Problem, description = "`validation_failed`"),
        (status = 429, body = Problem, description = "`too_many_attempts`: wait for `Retry-After` seconds, or use a recovery code"),
        (status = 503, body = Problem, description = "`busy`: try again after `Retry-After` seconds"),
    ),
    security(("bearer" = []), ("password" = [])),
)]
pub(super) async fn handler(
    State(app): State<App>,
    caller: Caller,
    origin: Origin,
    cookies: Cookies,
    Json(request): Json<Request>,
) -> ApiResult<impl IntoResponse> {
    let Request { method, password, code } = request;
    let mut check = Check::new();
    let needs = |check: &mut Check, value: Option<Secret<String>>, pointer: &'static str| {
        check.require(value.is_some(), pointer, "required", "This method needs it.");
        value
    };
    // A browser session gets another id.
    let renewal = Arc::new(app.mint.renewal(caller.user.id, &caller.session));
    let proving = Proving { origin, caller, renewal: Arc::clone(&renewal) };
    match method {
        Method::Password => {
            let password = needs(&mut check, password, "/password");
            let (password,) = check.values((password,))?;
            with_password(&app, proving, &cookies, password).await?;
        }
        Method::Totp => {
            let (code,) = {
                let code = needs(&mut check, code, "/code");
                check.values((code,))?
            };
            with_code(&app, proving, Presented { method: SecondFactor::Totp, code }).await?;
        }
        Method::RecoveryCode => {
            let (code,) = {
                let code = needs(&mut check, code, "/code");
                check.values((code,))?
            };
            with_code(&app, proving, Presented { method: SecondFactor::RecoveryCode, code }).await?;
        }
    }
    let cookies = renewal.as_ref().as_ref().map(|renewal| session_cookies(&app, renewal.cookie()));
    Ok((cookies, StatusCode::NO_CONTENT))
}

/// Who steps up, and the next cookie of their session if it has one.
struct Proving {
    origin: Origin,
    caller: Caller,
    renewal: Arc<Option<Renewal>>,
}

fn renew(tx: &mut WriteTx<'_>, identities: &Identities, renewal: Option<&Renewal>) -> Result<(), DbError> {
    match renewal {
        Some(renewal) => sessions::renew_cookie(tx, identities, renewal).map(|_| ()),
        None => Ok(()),
    }
}

/// The password, judged and counted like at the front door.
async fn with_password(
    app: &App,
    proving: Proving,
    cookies: &Cookies,
    typed: Secret<String>,
) -> ApiResult<()> {
    let Proving { origin, caller, renewal } = proving;
    if caller.user.two_factor_enabled {
        return Err(step_up_required());
    }
    let wrong = || Problem::new(ProblemType::InvalidCredentials);
    let password = Password::parse(typed).map_err(|_| wrong())?;
    let user = caller.user.id;
    let stored = app.db.read(move |tx| passwords::hash_of(tx, user)).await.map_err(storage_problem)?;
    let cookie = cookies.get(CookieName::Device);
    let target = app.attempts.of_user(&caller.user, cookie.as_ref(), app.clock.now());
    let reservation = attempts::reserve(app, &origin, target).await?;
    match app.hasher.verify(password, stored).await {
        // Also when the session has ended meanwhile: the password was right.
        Ok(verdict) if verdict.matched => reservation.proven(app).await.map_err(storage_problem)?,
        Ok(_) => {
            reservation.failed(app).await.map_err(storage_problem)?;
            return Err(wrong());
        }
        Err(error) => {
            reservation.give_back(app).await;
            return Err(hash_problem(error));
        }
    }
    let act = origin.act(app.clock.now()).by(user);
    let identities = app.identities.clone();
    let proven = app.db.write(move |tx| {
        // Its epoch is that of the password that was read: one that was changed meanwhile has ended the session.
        if !caller.confirm(tx)? {
            return Ok::<_, DbError>(false);
        }
        sessions::prove(tx, &identities, &caller, None, act.at)?;
        renew(tx, &identities, renewal.as_ref().as_ref())?;
        let event = Event::SteppedUp { user, session: caller.session.id, method: "password" };
        audit::record(tx, &act, &event)?;
        Ok(true)
    });
    if proven.await.map_err(storage_problem)? { Ok(()) } else { Err(Problem::invalid_bearer()) }
}

/// A second factor, with the counters and guards of the sign-in.
async fn with_code(app: &App, proving: Proving, presented: Presented) -> ApiResult<()> {
    let Proving { origin, caller, renewal } = proving;
    let act = origin.act(app.clock.now()).by(caller.user.id);
    let now = act.at;
    let (factors, identities) = (app.second_factor.clone(), app.identities.clone());
    let judgement = app
        .db
        .write(move |tx| {
            if !caller.confirm(tx)? {
                return Err(second_factor::Error::SessionEnded);
            }
            let judgement = second_factor::judge(tx, &factors, &act, &caller.user, &presented)?;
            let user = caller.user.id;
            match &judgement {
                Judgement::Right => {
                    sessions::prove(tx, &identities, &caller, Some(presented.method), now)?;
                    renew(tx, &identities, renewal.as_ref().as_ref())?;
                    let (session, method) = (caller.session.id, presented.method.name());
                    audit::record(tx, &act, &Event::SteppedUp { user, session, method })?;
                }
                Judgement::Wrong => attempts::note_in(tx, &act, Some(user), Reason::InvalidCode)?,
                Judgement::Closed { .. } => attempts::note_in(tx, &act, Some(user), Reason::Locked)?,
            }
            Ok(judgement)
        })
        .await?;
    match judgement {
        Judgement::Right => Ok(()),
        Judgement::Wrong => Err(Problem::new(ProblemType::InvalidCode)),
        Judgement::Closed { until } => Err(closed_problem(now, until)),
    }
}
