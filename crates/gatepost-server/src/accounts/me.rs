//! `GET` and `PATCH /api/v1/users/me`: one's own account.

use axum::extract::State;
use axum::response::Response;
use gatepost_db::WriteTx;
use gatepost_kernel::Timestamp;
use gatepost_problem::{ApiResult, Check, Json, Problem};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::model::User;
use super::profile::{Patch, ProfileChange, ProfileInput};
use super::{Error, alive, living, sql, who_holds};
use crate::app::App;
use crate::audit::{self, Act, Event, Origin};
use crate::http::{Caller, Preconditions, Principal, Rights};
use crate::ids::UserId;

/// An account as its owner and administrators see it.
#[derive(Serialize, ToSchema)]
#[schema(as = User)]
pub struct UserBody {
    /// Never changes and is never given to another account.
    id: UserId,
    /// As typed by its owner.
    #[schema(example = "ada@example.com")]
    email: String,
    /// Whether mail is known to arrive there.
    email_verified: bool,
    /// As typed by its owner.
    #[schema(example = "ada")]
    username: Option<String>,
    /// E.164.
    #[schema(example = "+441632960961")]
    phone_number: Option<String>,
    /// Given name.
    #[schema(example = "Ada")]
    first_name: Option<String>,
    /// Family name.
    #[schema(example = "Lovelace")]
    last_name: Option<String>,
    /// A few words about oneself.
    bio: Option<String>,
    /// The https address of a picture.
    avatar_url: Option<String>,
    /// ISO 3166-1 alpha-2.
    #[schema(example = "GB")]
    country: Option<String>,
    /// Whether the account may be used.
    is_active: bool,
    /// Sorted by name.
    #[schema(example = json!(["user"]))]
    roles: Vec<String>,
    /// What the roles add up to, as `resource:action`.
    permissions: Vec<String>,
    /// Whether signing in asks for a second factor.
    two_factor_enabled: bool,
    /// When the account was made.
    created_at: Timestamp,
    /// When it last changed.
    updated_at: Timestamp,
    /// When its owner last signed in.
    last_login_at: Option<Timestamp>,
}

impl UserBody {
    /// The account with the rights that it has now.
    pub fn new(user: &User, rights: &Rights) -> Self {
        Self {
            id: user.id,
            email: user.email.clone(),
            email_verified: user.email_verified,
            username: user.username.clone(),
            phone_number: user.phone_number.clone(),
            first_name: user.first_name.clone(),
            last_name: user.last_name.clone(),
            bio: user.bio.clone(),
            avatar_url: user.avatar_url.clone(),
            country: user.country.clone(),
            is_active: user.is_active,
            roles: rights.roles.clone(),
            permissions: rights.permissions.clone(),
            two_factor_enabled: user.two_factor_enabled,
            created_at: user.created_at,
            updated_at: user.updated_at,
            last_login_at: user.last_login_at,
        }
    }
}

/// Read your own account
///
/// With an API key, `roles` is empty and `permissions` are those that the key reaches now.
#[utoipa::path(
    get,
    path = "/api/v1/users/me",
    operation_id = "users_me_get",
    tag = "account",
    responses(
        (status = 200, body = UserBody, headers(("ETag" = String, description = "The version of the account"))),
        (status = 304, description = "`If-None-Match` names the current version"),
        (status = 401, body = Problem, description = "`invalid_token`"),
    ),
    security(("bearer" = []), ("password" = []), ("api_key" = [])),
)]
pub(super) async fn get(caller: Principal, preconditions: Preconditions) -> Response {
    preconditions.answer(caller.user().version, || UserBody::new(caller.user(), caller.rights()))
}

/// A change of one's own profile: absent leaves a field, `null` clears it.
#[derive(Deserialize, ToSchema)]
#[schema(as = ProfilePatch, example = json!({ "first_name": "Ada", "bio": null }))]
pub(super) struct Request {
    /// 3 to 32 letters, digits, `.`, `_` or `-`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    username: Patch<String>,
    /// E.164, such as `+441632960961`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    phone_number: Patch<String>,
    /// At most 100 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    first_name: Patch<String>,
    /// At most 100 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    last_name: Patch<String>,
    /// At most 500 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    bio: Patch<String>,
    /// An https address of at most 500 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    avatar_url: Patch<String>,
    /// ISO 3166-1 alpha-2, such as `GB`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    country: Patch<String>,
}

/// Change your own profile
#[utoipa::path(
    patch,
    path = "/api/v1/users/me",
    operation_id = "users_me_update",
    tag = "account",
    request_body = Request,
    responses(
        (status = 200, body = UserBody, headers(("ETag" = String, description = "The new version of the account"))),
        (status = 401, body = Problem, description = "`invalid_token`"),
        (status = 409, body = Problem, description = "`username_taken`, `phone_taken`"),
        (status = 412, body = Problem, description = "`version_mismatch`: `If-Match` names another version"),
        (status = 422, body = Problem, description = "`validation_failed`"),
    ),
    security(("bearer" = []), ("password" = [])),
)]
pub(super) async fn patch(
    State(app): State<App>,
    caller: Caller,
    origin: Origin,
    preconditions: Preconditions,
    Json(request): Json<Request>,
) -> ApiResult<Response> {
    let mut check = Check::new();
    let input = ProfileInput {
        username: request.username,
        phone_number: request.phone_number,
        first_name: request.first_name,
        last_name: request.last_name,
        bio: request.bio,
        avatar_url: request.avatar_url,
        country: request.country,
    };
    let change = input.check(&mut check);
    let (change,) = check.values((change,))?;

    let (id, expected) = (caller.user.id, preconditions.expected());
    let act = origin.act(app.clock.now()).by(id);
    let rights = caller.rights.clone();
    let identities = app.identities.clone();
    let user = app
        .db
        .write(move |tx| {
            if !caller.confirm(tx)? {
                return Err(Error::SessionEnded);
            }
            identities.forget_after_commit(tx, id);
            change_profile(tx, &act, id, change.clone(), expected)
        })
        .await?;
    Ok(preconditions.changed(user.version, UserBody::new(&user, &rights)))
}

/// Changes profile fields and returns the account as it is then.
///
/// # Errors
/// [`Error::NotFound`], [`Error::VersionMismatch`] when `expected` is another version, or which name is taken.
pub fn change_profile(
    tx: &mut WriteTx<'_>,
    act: &Act,
    id: UserId,
    change: ProfileChange,
    expected: Option<i64>,
) -> Result<User, Error> {
    let mut user = living(tx, id, expected)?;
    let fields = change.apply(&mut user);
    if fields.is_empty() {
        return Ok(user);
    }
    who_holds(tx, &user, None)?;
    let user = alive(sql::save_profile(tx, &user, act.at)?)?;
    audit::record(tx, act, &Event::UserUpdated { user: user.id, fields })?;
    Ok(user)
}
