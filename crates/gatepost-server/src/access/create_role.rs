//! `POST /api/v1/admin/roles`: a new role.

use axum::extract::State;
use gatepost_db::{ReadTx, WriteTx};
use gatepost_problem::{ApiResult, Check, Json, Problem};
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::model::{self, AccessRules, Authority, Role};
use super::read_roles::RoleBody;
use super::{Error, MOST_PERMISSIONS, MOST_ROLES, RolesWrite, sql};
use crate::app::App;
use crate::audit::{self, Act, Event, Origin};
use crate::http::{Caller, Require};

/// What the role is to be.
#[derive(Deserialize, ToSchema)]
#[schema(as = RoleRequest, example = json!({ "name": "support", "description": "Helps people", "permissions": ["users:read"] }))]
pub(super) struct Request {
    /// 2 to 32 lower-case letters, digits, `_` or `-`, beginning with a letter. It cannot be changed later.
    name: String,
    /// At most 200 characters.
    #[serde(default)]
    description: String,
    /// As `resource:action`; permissions of your own are the most that you can give.
    permissions: Vec<String>,
}

/// Make a role
///
/// Takes the permission `roles:write` and a sign-in that is at most ten minutes old.
#[utoipa::path(
    post,
    path = "/api/v1/admin/roles",
    operation_id = "admin_roles_create",
    tag = "admin",
    request_body = Request,
    responses(
        (status = 201, body = RoleBody),
        (status = 401, body = Problem, description = "`invalid_token`, or `insufficient_user_authentication`: prove once more who you are"),
        (status = 403, body = Problem, description = "`forbidden`: the permission is missing, or the role would reach further than your own rights"),
        (status = 409, body = Problem, description = "`conflict`: there is a role of this name, or there are 200 already"),
        (status = 422, body = Problem, description = "`validation_failed`: `invalid_role`, `unknown_permission`, `too_long`, …"),
    ),
    security(("bearer" = ["roles:write"]), ("password" = [])),
)]
pub(super) async fn handler(
    State(app): State<App>,
    caller: Require<RolesWrite, Caller>,
    origin: Origin,
    Json(request): Json<Request>,
) -> ApiResult<(StatusCode, Json<RoleBody>)> {
    let act = origin.act(app.clock.now()).by(caller.user.id);
    caller.require_fresh(act.at)?;
    let Request { name, description, permissions } = request;
    let mut check = Check::new();
    let name = check.field("/name", model::role_name(name));
    let description = check.field("/description", model::description(description));
    let permissions = believe_permissions(&mut check, permissions);
    let (name, description, permissions) = check.values((name, description, permissions))?;
    let rules = app.access.clone();
    let role = app
        .db
        .write(move |tx| {
            let authority = Authority::Caller(caller.confirm(tx, act.at)?);
            if sql::roles(tx)?.len() >= MOST_ROLES {
                return Err(Error::Conflict("There are 200 roles already: delete one that nobody has."));
            }
            create(tx, &act, (&rules, &authority), (&name, &description, &permissions))
        })
        .await?;
    Ok((StatusCode::CREATED, Json(RoleBody::new(&app.access, role))))
}

fn create(
    tx: &mut WriteTx<'_>,
    act: &Act,
    (rules, authority): (&AccessRules, &Authority),
    (name, description, permissions): (&str, &str, &[String]),
) -> Result<Role, Error> {
    may_give(tx, rules, authority, permissions)?;
    if !sql::insert_role(tx, name, description, act.at)? {
        return Err(Error::Conflict("There is a role of this name."));
    }
    for permission in permissions {
        sql::add_permission(tx, act, name, permission)?;
    }
    let created = Event::RoleCreated { role: name.to_owned(), permissions: permissions.to_vec() };
    audit::record(tx, act, &created)?;
    sql::role_by_name(tx, name)?.ok_or(Error::NotFound)
}

/// Whether all of these exist, and whether the authority reaches as far.
pub(super) fn may_give(
    tx: &mut ReadTx<'_>,
    rules: &AccessRules,
    authority: &Authority,
    permissions: &[String],
) -> Result<(), Error> {
    for (place, permission) in permissions.iter().enumerate() {
        if !rules.is_built_in(permission) && !sql::own_permission_exists(tx, permission)? {
            return Err(Error::UnknownPermission(place));
        }
        if !authority.covers_permission(permission) {
            return Err(Error::BeyondOwnRights);
        }
    }
    Ok(())
}

/// Bounds a list of permissions and takes each once. Whether they exist is the database's word.
pub(super) fn believe_permissions(check: &mut Check, mut permissions: Vec<String>) -> Option<Vec<String>> {
    if permissions.len() > MOST_PERMISSIONS {
        let most = format!("A role has at most {MOST_PERMISSIONS} permissions.");
        check.refuse("/permissions", "too_long", most);
        return None;
    }
    let mut seen = std::collections::HashSet::new();
    permissions.retain(|name| seen.insert(name.clone()));
    Some(permissions)
}
