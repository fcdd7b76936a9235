//! `PUT /api/v1/admin/users/{id}/roles`: which roles an account has.

use axum::extract::State;
use axum::response::Response;
use gatepost_db::{ReadTx, WriteTx};
use gatepost_problem::{ApiResult, Check, Json, Path, Problem};
use serde::Deserialize;
use utoipa::ToSchema;

use super::model::{AccessRules, Authority};
use super::standing::{may_act_on, somebody_else_administers};
use super::{ADMIN, Error, MOST_ROLES, RolesAssign, USER, sql};
use crate::accounts::{self, UserBody};
use crate::app::App;
use crate::audit::{self, Act, Event, Origin};
use crate::http::{Caller, Preconditions, Require};
use crate::ids::UserId;

/// The roles that the account is to have.
#[derive(Deserialize, ToSchema)]
#[schema(as = RoleAssignment, example = json!({ "roles": ["user"] }))]
pub(super) struct Request {
    /// All of them. `user` may be left out: every account has it.
    roles: Vec<String>,
}

/// Give an account exactly these roles
///
/// Takes the permission `roles:assign` and a sign-in that is at most ten minutes old. Nobody gives or takes more than they
/// have, and the last administrator stays one. The account's next request has the new rights; other nodes know within
/// seconds.
#[utoipa::path(
    put,
    path = "/api/v1/admin/users/{id}/roles",
    operation_id = "admin_users_assign_roles",
    tag = "admin",
    params(("id" = UserId, Path, description = "The user's id")),
    request_body = Request,
    responses(
        (status = 200, body = UserBody, headers(("ETag" = String, description = "The new version of the account"))),
        (status = 401, body = Problem, description = "`invalid_token`, or `insufficient_user_authentication`: prove once more who you are"),
        (status = 403, body = Problem, description = "`forbidden`: the permission is missing, or this reaches further than your own rights"),
        (status = 404, body = Problem, description = "`not_found`"),
        (status = 409, body = Problem, description = "`last_admin`"),
        (status = 412, body = Problem, description = "`version_mismatch`: `If-Match` names another version"),
        (status = 422, body = Problem, description = "`validation_failed`: `unknown_role`"),
    ),
    security(("bearer" = ["roles:assign"]), ("password" = [])),
)]
pub(super) async fn handler(
    State(app): State<App>,
    caller: Require<RolesAssign, Caller>,
    (origin, preconditions): (Origin, Preconditions),
    Path(user): Path<UserId>,
    Json(request): Json<Request>,
) -> ApiResult<Response> {
    let act = origin.act(app.clock.now()).by(caller.user.id);
    caller.require_fresh(act.at)?;
    let mut check = Check::new();
    let few = request.roles.len() <= MOST_ROLES;
    check.require(few, "/roles", "too_long", format!("There are at most {MOST_ROLES} roles."));
    check.finish()?;
    let (identities, rules, expected) =
        (app.identities.clone(), app.access.clone(), preconditions.expected());
    let (user, rights) = app
        .db
        .write(move |tx| {
            let authority = Authority::Caller(caller.confirm(tx, act.at)?);
            accounts::living(tx, user, expected)?;
            identities.forget_after_commit(tx, user);
            set_roles(tx, &act, &rules, &authority, (user, &request.roles))?;
            let rights = super::rights_of(tx, &rules, user)?;
            Ok::<_, Error>((accounts::living(tx, user, None)?, rights))
        })
        .await?;
    Ok(preconditions.changed(user.version, UserBody::new(&user, &rights)))
}

/// Whether there is such a role, named in this place of a request, and the authority reaches as far.
///
/// # Errors
/// [`Error::UnknownRole`], [`Error::BeyondOwnRights`].
pub fn may_give(
    tx: &mut ReadTx<'_>,
    rules: &AccessRules,
    authority: &Authority,
    (place, role): (usize, &str),
) -> Result<(), Error> {
    let role = sql::role_by_name(tx, role)?.ok_or(Error::UnknownRole(place))?;
    if authority.covers(rules, &role.held) { Ok(()) } else { Err(Error::BeyondOwnRights) }
}

/// Gives an account exactly these roles, and `user`.
///
/// # Errors
/// [`Error::UnknownRole`], [`Error::BeyondOwnRights`], [`Error::LastAdmin`].
pub fn set_roles(
    tx: &mut WriteTx<'_>,
    act: &Act,
    rules: &AccessRules,
    authority: &Authority,
    (user, wanted): (UserId, &[String]),
) -> Result<(), Error> {
    may_act_on(tx, rules, authority, user)?;
    let held = sql::held_by(tx, user)?;
    let holds = |name: &str| held.iter().any(|role| role.name == name);
    for (place, name) in wanted.iter().enumerate().filter(|(_, name)| !holds(name)) {
        may_give(tx, rules, authority, (place, name))?;
        super::grant(tx, act, user, name)?;
    }
    let is_wanted = |name: &String| name == USER || wanted.contains(name);
    for role in held.iter().map(|role| &role.name).filter(|name| !is_wanted(name)) {
        if role == ADMIN {
            somebody_else_administers(tx, user)?;
        }
        if sql::remove(tx, user, role)? {
            accounts::touch(tx, user, act.at)?;
            audit::record(tx, act, &Event::RoleRevoked { user, role: role.clone() })?;
        }
    }
    Ok(())
}
