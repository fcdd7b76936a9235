//! `POST /api/v1/users/me/2fa/totp`: a new authenticator, which counts once it has shown a code.

use axum::extract::State;
use gatepost_db::WriteTx;
use gatepost_kernel::{Id, Secret};
use gatepost_problem::{ApiResult, Json, Problem};
use http::StatusCode;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::model::PENDING_LIFE;
use super::recovery_code::{RecoveryCode, SET};
use super::totp::{TotpCode, TotpSecret, picture};
use super::{Error, Factors, sql};
use crate::accounts::{self, User};
use crate::app::App;
use crate::audit::{self, Act, Event, Origin};
use crate::http::Caller;
use crate::ids::UserId;
use crate::outbox::{FactorChange, Letter};

/// What an authenticator needs to know. It is shown once and never again.
#[derive(Serialize, ToSchema)]
pub(super) struct TotpEnrolment {
    /// The secret, to be typed: base32.
    #[serde(serialize_with = "shown_once")]
    #[schema(value_type = String, example = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")]
    secret: Secret<String>,
    /// The Key URI that authenticators open.
    #[serde(serialize_with = "shown_once")]
    #[schema(value_type = String, example = "otpauth://totp/Gatepost:ada%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Gatepost")]
    otpauth_uri: Secret<String>,
    /// The same as a picture to scan: an `svg` element.
    #[serde(serialize_with = "shown_once")]
    #[schema(value_type = String)]
    qr_svg: Secret<String>,
}

/// This body is the one place where a secret is meant to be seen.
pub(super) fn shown_once<S: Serializer>(secret: &Secret<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose())
}

/// Enrol an authenticator
///
/// Needs a proof of identity that is at most ten minutes old. Nothing changes until the authenticator has shown its first
/// code, within ten minutes and in the same session.
#[utoipa::path(
    post,
    path = "/api/v1/users/me/2fa/totp",
    operation_id = "second_factor_enrol",
    tag = "second-factor",
    responses(
        (status = 201, body = TotpEnrolment),
        (status = 401, body = Problem, description = "`invalid_token`, or `insufficient_user_authentication`: step up first"),
        (status = 409, body = Problem, description = "`conflict`: there is an authenticator already; remove it first"),
    ),
    security(("bearer" = []), ("password" = [])),
)]
pub(super) async fn handler(
    State(app): State<App>,
    caller: Caller,
    origin: Origin,
) -> ApiResult<(StatusCode, Json<TotpEnrolment>)> {
    let user = caller.user.id;
    let act = origin.act(app.clock.now()).by(user);
    caller.require_fresh(act.at)?;
    let secret = TotpSecret::draw(&app.random);
    let otpauth_uri = secret.uri(&caller.user.email).map_err(Problem::internal)?;
    let qr_svg = picture(otpauth_uri.expose()).map_err(Problem::internal)?;
    let credential = Id::generate(act.at, &app.random);
    let sealed = app.second_factor.seal(user, credential, &secret);
    let pending = sql::Pending { credential, sealed };
    app.db
        .write(move |tx| {
            without_factor(tx, &caller)?;
            sql::put_pending(tx, (caller.session.id, user), &pending, act.at.plus(PENDING_LIFE))?;
            Ok::<_, Error>(audit::record(tx, &act, &Event::SecondFactorEnrolmentBegun { user })?)
        })
        .await?;
    Ok((StatusCode::CREATED, Json(TotpEnrolment { secret: secret.base32(), otpauth_uri, qr_svg })))
}

/// The caller's account, which has no second factor yet.
fn without_factor(tx: &mut WriteTx<'_>, caller: &Caller) -> Result<User, Error> {
    if !caller.confirm(tx)? {
        return Err(Error::SessionEnded);
    }
    let user = accounts::by_id(tx, caller.user.id)?.ok_or(Error::SessionEnded)?;
    if user.two_factor_enabled { Err(Error::AlreadyOn) } else { Ok(user) }
}

/// The caller's account, which has a second factor.
pub(super) fn with_factor(tx: &mut WriteTx<'_>, caller: &Caller) -> Result<User, Error> {
    if !caller.confirm(tx)? {
        return Err(Error::SessionEnded);
    }
    let user = accounts::by_id(tx, caller.user.id)?.ok_or(Error::SessionEnded)?;
    if user.two_factor_enabled { Ok(user) } else { Err(Error::NotOn) }
}

/// A set of recovery codes, drawn before the transaction so that running it again is harmless.
pub struct RecoveryCodes(Vec<RecoveryCode>);

impl RecoveryCodes {
    /// A new set.
    pub fn draw(random: &gatepost_kernel::Random) -> Self {
        Self((0..SET).map(|_| RecoveryCode::draw(random)).collect())
    }

    /// The texts to be shown, once.
    pub fn to_texts(&self) -> Vec<Secret<String>> {
        self.0.iter().map(RecoveryCode::to_text).collect()
    }

    /// Puts this set in the place of the one before, whose codes are dead from then on.
    pub(super) fn replace(
        &self,
        tx: &mut WriteTx<'_>,
        factors: &Factors,
        act: &Act,
        user: UserId,
    ) -> Result<(), Error> {
        let hashes: Vec<_> = self.0.iter().map(|code| factors.hash(user, code)).collect();
        Ok(sql::replace_codes(tx, user, &hashes, act.at)?)
    }
}

/// The first code of an authenticator that waits for it.
pub struct Confirmation {
    /// As typed.
    pub code: Secret<String>,
    /// The codes for the day when it is lost.
    pub codes: RecoveryCodes,
}

/// Switches the second factor on if the code is right, and returns the account as it is then: every session has ended.
/// `None` for a wrong code, after which nothing has changed.
///
/// # Errors
/// [`Error::NothingPending`] when this session enrolled nothing within ten minutes, [`Error::AlreadyOn`],
/// [`Error::SessionEnded`], [`Error::Unreadable`], or what the database says.
pub fn confirm(
    tx: &mut WriteTx<'_>,
    factors: &Factors,
    act: &Act,
    caller: &Caller,
    confirmation: &Confirmation,
) -> Result<Option<User>, Error> {
    let user = without_factor(tx, caller)?.id;
    let pending = sql::pending(tx, caller.session.id, user, act.at)?.ok_or(Error::NothingPending)?;
    let secret = factors.open(user, pending.credential, &pending.sealed).ok_or(Error::Unreadable)?;
    let code = TotpCode::parse(confirmation.code.expose());
    let Some(step) = code.and_then(|code| secret.step_of(&code, act.at, factors.window, i64::MIN)) else {
        return Ok(None);
    };
    // The code is used up: it does not sign anybody in.
    sql::insert_credential(tx, user, &pending, step, act.at)?;
    confirmation.codes.replace(tx, factors, act, user)?;
    let user = accounts::set_two_factor(tx, user, true, act.at)?;
    audit::record(tx, act, &Event::SecondFactorEnabled { user: user.id })?;
    factors.tell(tx, act.at, &user, Letter::SecondFactorChanged { what: FactorChange::Enabled })?;
    Ok(Some(user))
}
