//! `PATCH /api/v1/admin/users/{id}`: what an administrator writes in an account.

use axum::extract::State;
use axum::response::Response;
use gatepost_db::WriteTx;
use gatepost_problem::{ApiResult, Check, Json, Path, Problem};
use serde::Deserialize;
use utoipa::ToSchema;

use super::Error;
use super::reach::{Reach, require_fresh_session};
use crate::access;
use crate::accounts::{self, Patch, ProfileChange, ProfileInput, User, UserBody, UsersWrite, change_profile};
use crate::app::App;
use crate::audit::{Act, Origin};
use crate::http::{Preconditions, Require};
use crate::ids::UserId;

/// A change of an account: absent leaves a field, `null` clears it.
#[derive(Deserialize, ToSchema)]
#[schema(as = UserPatch, example = json!({ "first_name": "Ada", "bio": null, "is_active": true }))]
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
    /// Whether the account may be used. Switching it off ends its sessions, and its API keys for good.
    #[serde(default)]
    #[schema(value_type = bool)]
    is_active: Patch<bool>,
    /// Whether mail is known to arrive at its owner. Taking it back ends its sessions.
    #[serde(default)]
    #[schema(value_type = bool)]
    email_verified: Patch<bool>,
}

/// The change, believed.
#[derive(Clone)]
struct Change {
    profile: ProfileChange,
    is_active: Option<bool>,
    email_verified: Option<bool>,
    /// Whether the username is among what changes.
    renames: bool,
}

impl Change {
    /// Whether somebody could get in by it who could not before: by another name, to an account that was off, or with a mailbox.
    fn opens_a_way_in(&self) -> bool {
        self.renames || self.is_active == Some(true) || self.email_verified.is_some()
    }
}

impl Request {
    fn check(self) -> Result<Change, Problem> {
        let mut check = Check::new();
        let renames = self.username != Patch::Keep;
        let input = ProfileInput {
            username: self.username,
            phone_number: self.phone_number,
            first_name: self.first_name,
            last_name: self.last_name,
            bio: self.bio,
            avatar_url: self.avatar_url,
            country: self.country,
        };
        let profile = input.check(&mut check);
        let is_active = switch(&mut check, "/is_active", self.is_active);
        let email_verified = switch(&mut check, "/email_verified", self.email_verified);
        let (profile,) = check.values((profile,))?;
        Ok(Change { profile, is_active, email_verified, renames })
    }
}

/// A field that is on or off and cannot be cleared.
fn switch(check: &mut Check, pointer: &str, patch: Patch<bool>) -> Option<bool> {
    match patch {
        Patch::Keep => None,
        Patch::Set(value) => Some(value),
        Patch::Clear => {
            check.refuse(pointer, "required", "Send true or false.");
            None
        }
    }
}

/// Change an account
///
/// Needs the permission `users:write`, and reaches no account that may do more than you. `email_verified` takes a sign-in
/// that is at most ten minutes old, and no API key; so does a change of username, and `is_active: true`. The last administrator
/// cannot be switched off.
#[utoipa::path(
    patch,
    path = "/api/v1/admin/users/{id}",
    operation_id = "admin_users_update",
    tag = "admin",
    params(("id" = UserId, Path, description = "The user's id")),
    request_body = Request,
    responses(
        (status = 200, body = UserBody, headers(("ETag" = String, description = "The new version of the account"))),
        (status = 401, body = Problem, description = "`invalid_token`, or `insufficient_user_authentication`: prove once more who you are"),
        (status = 403, body = Problem, description = "`forbidden`: the permission is missing, or the account may do more than you; `insufficient_scope`"),
        (status = 404, body = Problem, description = "`not_found`"),
        (status = 409, body = Problem, description = "`username_taken`, `phone_taken`, `last_admin`; `conflict`: the address of an account with a second factor stays verified"),
        (status = 412, body = Problem, description = "`version_mismatch`: `If-Match` names another version"),
        (status = 422, body = Problem, description = "`validation_failed`"),
    ),
    security(("bearer" = ["users:write"]), ("password" = []), ("api_key" = ["users:write"])),
)]
pub(super) async fn handler(
    State(app): State<App>,
    caller: Require<UsersWrite>,
    (origin, preconditions): (Origin, Preconditions),
    Path(user): Path<UserId>,
    Json(request): Json<Request>,
) -> ApiResult<Response> {
    let change = request.check()?;
    let act = origin.act(app.clock.now()).by(caller.user().id);
    if change.opens_a_way_in() {
        require_fresh_session(&caller, act.at)?;
    }
    let (reach, expected) = (Reach::of(&app), preconditions.expected());
    let (user, rights) = app
        .db
        .write(move |tx| {
            let user = reach.account(tx, &act, &caller, (user, expected))?;
            let user = change_account(tx, &act, &user, change.clone())?;
            let rights = access::rights_of(tx, &reach.rules, user.id)?;
            Ok::<_, Error>((user, rights))
        })
        .await?;
    Ok(preconditions.changed(user.version, UserBody::new(&user, &rights)))
}

fn change_account(tx: &mut WriteTx<'_>, act: &Act, user: &User, change: Change) -> Result<User, Error> {
    let Change { profile, is_active, email_verified, .. } = change;
    change_profile(tx, act, user.id, profile, None)?;
    if let Some(active) = is_active {
        access::set_active(tx, act, user.id, active)?;
    }
    match email_verified {
        Some(true) if !user.email_verified => drop(accounts::mark_email_verified(tx, act, user.id)?),
        // Whoever holds the mailbox of an unverified address may throw out whatever is older: the factor would go, too.
        Some(false) if user.email_verified && user.two_factor_enabled => {
            return Err(Error::Conflict("The account has a second factor: its address stays verified."));
        }
        Some(false) if user.email_verified => drop(accounts::unverify_email(tx, act, user.id)?),
        Some(_) | None => {}
    }
    Ok(accounts::living(tx, user.id, None)?)
}
