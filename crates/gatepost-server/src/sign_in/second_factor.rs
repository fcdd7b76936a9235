//! `POST /api/v1/auth/login/second-factor`: the second step of a sign-in.

use axum::extract::State;
use axum::response::{AppendHeaders, IntoResponse};
use gatepost_db::WriteTx;
use gatepost_kernel::{Secret, Timestamp};
use gatepost_problem::{ApiResult, Json, Problem, ProblemType};
use http::HeaderMap;
use http::header::SET_COOKIE;
use serde::Deserialize;
use utoipa::ToSchema;

use super::answer::{SignInResponse, known_device, signed_in};
use crate::accounts::{self, User};
use crate::app::App;
use crate::attempts::{self, Attempts, Reason};
use crate::audit::{Act, Origin};
use crate::http::{CookieName, Cookies, storage_problem};
use crate::outbox::Outbox;
use crate::second_factor::{
    self, Answer, Answered, Factors, Method, Passed, Presented, Sender, closed_problem,
};
use crate::sessions::{self, Assurance, Drawn, Grant, Mint, SignIn};

/// The answer to a challenge.
#[derive(Deserialize, ToSchema)]
#[schema(as = SecondFactorRequest, example = json!({
    "challenge": "gpc_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "method": "totp", "code": "123456"
}))]
pub(super) struct Request {
    /// The `challenge` of the problem `mfa_required`.
    #[schema(value_type = String, format = Password)]
    challenge: Secret<String>,
    /// One of its `methods`.
    method: Method,
    /// The code; spaces, dashes and the case of letters do not matter.
    #[schema(value_type = String, format = Password)]
    code: Secret<String>,
}

/// Sign in: the second step
///
/// A challenge lives for five minutes and for five wrong codes, and is answered from where the first step came: by the
/// same browser, with the cookie that it was given, or by a page of the same origin, or by a program.
#[utoipa::path(
    post,
    path = "/api/v1/auth/login/second-factor",
    operation_id = "auth_login_second_factor",
    tag = "sign-in",
    request_body = Request,
    responses(
        (status = 200, body = SignInResponse),
        (status = 401, body = Problem, description = "`invalid_code`: wrong, or used before; `challenge_expired`: begin again with the password"),
        (status = 403, body = Problem, description = "`csrf_rejected`: another site asks for a browser session"),
        (status = 422, body = Problem, description = "`validation_failed`"),
        (status = 429, body = Problem, description = "`too_many_attempts`: the authenticator's codes are refused for a day; a recovery code still works"),
        (status = 503, body = Problem, description = "`busy`: try again after `Retry-After` seconds"),
    ),
)]
pub(super) async fn handler(
    State(app): State<App>,
    origin: Origin,
    (sender, cookies, headers): (Sender, Cookies, HeaderMap),
    Json(request): Json<Request>,
) -> ApiResult<impl IntoResponse> {
    let Request { challenge, method, code } = request;
    let (looked_up, now) = (challenge.clone(), app.clock.now());
    let begun = app.db.read(move |tx| second_factor::begun_on(tx, &looked_up, now)).await;
    let device = begun.map_err(storage_problem)?.ok_or_else(expired)?;
    if device.wanted.is_browser() {
        app.csrf.check_sign_in(&headers)?;
    }
    let presented = Presented { method: method.into(), code };
    let step = SecondStep {
        act: origin.act(app.clock.now()),
        answer: Answer { challenge, sender, presented },
        factors: app.second_factor.clone(),
        mint: app.mint.clone(),
        drawn: app.mint.draw(device),
        attempts: app.attempts.clone(),
        device_cookie: cookies.get(CookieName::Device),
        outbox: app.outbox.clone(),
    };
    let (now, identities) = (step.act.at, app.identities.clone());
    let taken = app
        .db
        .write(move |tx| {
            let taken = step.take(tx)?;
            if let Taken::SignedIn(done) = &taken {
                identities.forget_after_commit(tx, done.1.id);
            }
            Ok::<_, second_factor::Error>(taken)
        })
        .await?;
    let (grant, user) = match taken {
        Taken::SignedIn(done) => *done,
        Taken::WrongCode => return Err(Problem::new(ProblemType::InvalidCode)),
        Taken::Expired => return Err(expired()),
        Taken::Closed { until } => return Err(closed_problem(now, until)),
    };
    let spent = (SET_COOKIE, app.cookies.clear(CookieName::PreAuth));
    let known = known_device(&app, &app.attempts.device_cookie(user.id, now));
    Ok((AppendHeaders([spent, known]), signed_in(&app, &grant, &user)?))
}

fn expired() -> Problem {
    Problem::new(ProblemType::ChallengeExpired)
}

struct SecondStep {
    act: Act,
    answer: Answer,
    factors: Factors,
    mint: Mint,
    drawn: Drawn,
    attempts: Attempts,
    device_cookie: Option<Secret<String>>,
    outbox: Outbox,
}

/// What came of the second step. All of it is remembered, so none of it is an error.
enum Taken {
    SignedIn(Box<(Grant, User)>),
    WrongCode,
    Expired,
    Closed { until: Timestamp },
}

impl SecondStep {
    /// One transaction: the code and the challenge are used up and the session is there, or a wrong code is counted.
    fn take(&self, tx: &mut WriteTx<'_>) -> Result<Taken, second_factor::Error> {
        let Passed { user, evidence, client_id } =
            match second_factor::answer(tx, &self.factors, &self.act, &self.answer)? {
                Answered::Passed(passed) => *passed,
                Answered::WrongCode { user } => {
                    attempts::note_in(tx, &self.act, Some(user), Reason::InvalidCode)?;
                    return Ok(Taken::WrongCode);
                }
                Answered::Expired => return Ok(Taken::Expired),
                Answered::Closed { user, until } => {
                    attempts::note_in(tx, &self.act, Some(user), Reason::Locked)?;
                    return Ok(Taken::Closed { until });
                }
            };
        // The policy has the last word, as everywhere. What it misses now, the first step would say.
        let Ok(assurance) = Assurance::establish(&user, evidence, self.mint.policy()) else {
            return Ok(Taken::Expired);
        };
        let sign_in = SignIn { assurance, client_id: &client_id, drawn: &self.drawn };
        let target = self.attempts.of_user(&user, self.device_cookie.as_ref(), self.act.at);
        attempts::arrived(tx, (&self.mint, &self.outbox), &self.act, &user, &target)?;
        let grant = sessions::open(tx, &self.mint, &self.act, &sign_in)?;
        let user = accounts::mark_signed_in(tx, user.id, self.act.at)?;
        Ok(Taken::SignedIn(Box::new((grant, user))))
    }
}
