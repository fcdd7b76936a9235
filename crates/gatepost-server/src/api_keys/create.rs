//! `POST /api/v1/api-keys`: a new key, shown once.

use axum::extract::State;
use gatepost_db::{DbError, WriteTx};
use gatepost_kernel::{Id, Secret};
use gatepost_problem::{ApiResult, Check, Json, Problem, ProblemType};
use http::StatusCode;
use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;

use super::list::ApiKeyBody;
use super::model::{self, ApiKey, MOST_KEYS, NewKey, Wanted};
use super::sql;
use crate::app::App;
use crate::audit::{self, Act, Event, Origin};
use crate::http::{Caller, storage_problem};

/// What the key is to be.
#[derive(Deserialize, ToSchema)]
#[schema(as = ApiKeyRequest, example = json!({ "name": "nightly report", "scopes": [], "expires_in": 7_776_000 }))]
pub(super) struct Request {
    /// 1 to 64 characters, for you to know it by.
    name: String,
    /// Permissions of yours that it shall reach. None is needed to read your own account.
    scopes: Vec<String>,
    /// Seconds until it stops working: at most a year; 90 days where nothing is said.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 31_536_000)]
    expires_in: Option<u64>,
}

/// The key. It is in no other answer, and nobody can bring it back.
#[derive(Serialize, ToSchema)]
#[schema(as = NewApiKey)]
pub(super) struct NewKeyBody {
    /// To be sent as `Authorization: Bearer …` or `X-API-Key: …`.
    #[serde(serialize_with = "shown_once")]
    #[schema(value_type = String)]
    key: Secret<String>,
    #[serde(flatten)]
    about: ApiKeyBody,
}

/// This body is the one place where a key is meant to be seen.
fn shown_once<S: Serializer>(key: &Secret<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(key.expose())
}

/// Make an API key
///
/// For a program that shall act for you. It can do no more than you can at that moment, and no more than its scopes name. It
/// cannot change passwords, sessions, second factors or keys. Needs a sign-in that is at most ten minutes old.
#[utoipa::path(
    post,
    path = "/api/v1/api-keys",
    operation_id = "api_keys_create",
    tag = "account",
    request_body = Request,
    responses(
        (status = 201, body = NewKeyBody),
        (status = 401, body = Problem, description = "`invalid_token`, or `insufficient_user_authentication`: prove once more who you are"),
        (status = 409, body = Problem, description = "`conflict`: 50 keys are enough"),
        (status = 422, body = Problem, description = "`validation_failed`: `unknown_scope`, `exceeds_own_rights`, `out_of_range`, `too_long`, …"),
    ),
    security(("bearer" = []), ("password" = [])),
)]
pub(super) async fn handler(
    State(app): State<App>,
    caller: Caller,
    origin: Origin,
    Json(request): Json<Request>,
) -> ApiResult<(StatusCode, Json<NewKeyBody>)> {
    let act = origin.act(app.clock.now()).by(caller.user.id);
    caller.require_fresh(act.at)?;
    let mut check = Check::new();
    let Request { name, scopes, expires_in } = request;
    let wanted = Wanted::check(&mut check, &name, scopes, expires_in, (&caller.rights, &app.access));
    let (wanted,) = check.values((wanted,))?;

    let key = model::draw(&app.random);
    let hash = model::hash_of(key.expose()).ok_or_else(|| Problem::internal("a new key has no shape"))?;
    let about = ApiKey {
        id: Id::generate(act.at, &app.random),
        name: wanted.name,
        hint: model::hint_of(key.expose()),
        scopes: wanted.scopes,
        created_at: act.at,
        expires_at: act.at.plus(wanted.life),
        last_used_at: None,
    };
    let made = about.clone();
    let second_factor = caller.user.two_factor_enabled && caller.session.second_factor_at.is_some();
    let new = NewKey { user: caller.user.id, key: about, hash, second_factor };
    app.db
        .write(move |tx| {
            if !caller.confirm(tx)? {
                return Err(Error::SessionEnded);
            }
            make(tx, &act, &new)
        })
        .await?;
    let key = Secret::new(key.expose().to_owned());
    Ok((StatusCode::CREATED, Json(NewKeyBody { key, about: made.into() })))
}

fn make(tx: &mut WriteTx<'_>, act: &Act, new: &NewKey) -> Result<(), Error> {
    let NewKey { user, key, .. } = new;
    if sql::count_living(tx, *user, act.at)? >= MOST_KEYS {
        return Err(Error::TooMany);
    }
    sql::insert(tx, new)?;
    let created = Event::ApiKeyCreated { user: *user, key: key.id.to_string(), scopes: key.scopes.clone() };
    Ok(audit::record(tx, act, &created)?)
}

enum Error {
    SessionEnded,
    TooMany,
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
            Error::SessionEnded => Self::invalid_bearer(),
            Error::TooMany => Self::new(ProblemType::Conflict)
                .detail(format!("{MOST_KEYS} keys are enough: revoke one that is not used any more.")),
            Error::Db(error) => storage_problem(error),
        }
    }
}
