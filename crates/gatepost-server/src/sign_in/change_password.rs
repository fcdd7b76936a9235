//! `PUT /api/v1/users/me/password`: a new password, and the end of everything that the old one had opened.

use axum::extract::State;
use axum::response::Response;
use gatepost_db::{DbError, WriteTx};
use gatepost_kernel::Secret;
use gatepost_problem::{ApiResult, Check, Json, Problem, ProblemType};
use serde::Deserialize;
use utoipa::ToSchema;

use super::answer::{self, SignInResponse};
use super::password::{PasswordField, believe_new_password, hash_problem, password_changed, refuse_former};
use crate::accounts::{self, User};
use crate::app::App;
use crate::attempts;
use crate::audit::{self, Act, Event, Origin};
use crate::http::{Caller, CookieName, Cookies, storage_problem};
use crate::outbox::{Gone, Outbox};
use crate::passwords::{self, Password, PasswordHash};
use crate::sessions::{
    self, Assurance, Device, Drawn, Evidence, FIRST_PARTY, Grant, Mint, Proof, Shown, SignIn,
};

/// The old and the new password.
#[derive(Deserialize, ToSchema)]
#[schema(as = ChangePasswordRequest, example = json!({
    "current_password": "correct horse battery staple", "new_password": "seven lanterns under the pier"
}))]
pub(super) struct Request {
    /// The present password.
    #[schema(value_type = String, format = Password)]
    current_password: Secret<String>,
    /// At least 12 characters, and hard to guess.
    #[schema(value_type = String, format = Password)]
    new_password: Secret<String>,
}

/// Change your password
///
/// Every session of the account ends, on all devices; the answer carries a new one for this device: tokens, or a new
/// cookie in a browser session.
#[utoipa::path(
    put,
    path = "/api/v1/users/me/password",
    operation_id = "users_me_change_password",
    tag = "account",
    request_body = Request,
    responses(
        (status = 200, body = SignInResponse),
        (status = 401, body = Problem, description = "`invalid_token`, or `insufficient_user_authentication` on an account with a second factor"),
        (status = 403, body = Problem, description = "`invalid_current_password`"),
        (status = 429, body = Problem, description = "`too_many_attempts`: wrong passwords count here as at the sign-in; or `rate_limited`"),
        (status = 422, body = Problem, description = "`validation_failed`, with `password_…` codes"),
    ),
    security(("bearer" = []), ("password" = [])),
)]
pub(super) async fn handler(
    State(app): State<App>,
    caller: Caller,
    origin: Origin,
    cookies: Cookies,
    Json(request): Json<Request>,
) -> ApiResult<Response> {
    // The current password is the fresh proof; an account with a second factor needs that one, too.
    if caller.user.two_factor_enabled {
        caller.require_fresh(app.clock.now())?;
    }
    let field = PasswordField {
        pointer: "/new_password",
        email: Some(caller.user.email.clone()),
        username: caller.user.username.clone(),
    };
    let mut check = Check::new();
    let new =
        believe_new_password(&app, &mut check, request.new_password, field).await.map_err(hash_problem)?;
    let (new,) = check.values((new,))?;

    let (user, history) = (caller.user.id, app.config.passwords.history);
    let (stored, former) = app
        .db
        .read(move |tx| {
            Ok::<_, DbError>((passwords::hash_of(tx, user)?, passwords::former_of(tx, user, history)?))
        })
        .await
        .map_err(storage_problem)?;
    let wrong = || Problem::new(ProblemType::InvalidCurrentPassword);
    let current = Password::parse(request.current_password).map_err(|_| wrong())?;
    // Whoever has stolen a session must not guess faster here than at the front door.
    let target =
        app.attempts.of_user(&caller.user, cookies.get(CookieName::Device).as_ref(), app.clock.now());
    let reservation = attempts::reserve(&app, &origin, target).await?;
    match app.hasher.verify(current, stored).await {
        // Also when the new password is refused: the old one was right.
        Ok(verdict) if verdict.matched => reservation.proven(&app).await.map_err(storage_problem)?,
        Ok(_) => {
            reservation.failed(&app).await.map_err(storage_problem)?;
            return Err(wrong());
        }
        Err(error) => {
            reservation.give_back(&app).await;
            return Err(hash_problem(error));
        }
    }
    refuse_former(&app, new.clone(), former).await?;
    let hash = app.hasher.hash(new).await.map_err(hash_problem)?;

    let wanted = caller.session.kind;
    let change = Change {
        act: origin.act(app.clock.now()).by(user),
        caller,
        hash,
        history,
        drawn: app.mint.draw(Device { name: None, wanted }),
        mint: app.mint.clone(),
        outbox: app.outbox.clone(),
    };
    let identities = app.identities.clone();
    let (grant, user) = app
        .db
        .write(move |tx| {
            identities.forget_after_commit(tx, user);
            change.apply(tx)
        })
        .await?;
    answer::signed_in(&app, &grant, &user)
}

struct Change {
    act: Act,
    caller: Caller,
    hash: PasswordHash,
    history: u8,
    drawn: Drawn,
    mint: Mint,
    outbox: Outbox,
}

/// Why the password was not changed after all.
enum Error {
    /// The session has ended, or the account has changed, while the hashes were computed.
    Overtaken,
    Db(DbError),
}

impl From<DbError> for Error {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Overtaken => Self::invalid_bearer(),
            Error::Db(error) => storage_problem(error),
        }
    }
}

impl Change {
    /// One transaction: hash, history, epoch (which ends every session), audit, notice, and the new session.
    fn apply(&self, tx: &mut WriteTx<'_>) -> Result<(Grant, User), Error> {
        let (act, user) = (&self.act, self.caller.user.id);
        if !self.caller.confirm(tx)? {
            return Err(Error::Overtaken);
        }
        passwords::set(tx, act, user, &self.hash, self.history)?;
        audit::record(tx, act, &Event::PasswordChanged { user })?;
        let user = accounts::bump_epoch(tx, user, act.at)?;
        self.outbox.owe(tx, act.at, &password_changed(&user, act, Gone::default()))?;
        // The session has shown a second factor where there is one, and nobody shows it now: the new session must not be
        // fresher than the old one, or one code would do for as long as somebody changes the password again.
        let shown = self.caller.session.second_factor_at.filter(|_| user.two_factor_enabled);
        let second = shown.map(|at| Shown::Before { at });
        let evidence = Evidence { proof: Proof::Password { epoch: user.auth_epoch }, second };
        let assurance =
            Assurance::establish(&user, evidence, self.mint.policy()).map_err(|_| Error::Overtaken)?;
        let sign_in = SignIn { assurance, client_id: FIRST_PARTY, drawn: &self.drawn };
        let grant = sessions::open(tx, &self.mint, act, &sign_in)?;
        Ok((grant, user))
    }
}
