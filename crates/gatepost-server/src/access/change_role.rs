//! `PATCH /api/v1/admin/roles/{name}`: what a role allows.

use axum::extract::State;
use axum::response::Response;
use gatepost_db::{ReadTx, WriteTx};
use gatepost_problem::{ApiResult, Check, Json, Path, Problem};
use serde::Deserialize;
use utoipa::ToSchema;

use super::create_role::{believe_permissions, may_give};
use super::model::{self, AccessRules, Authority, Role};
use super::read_roles::RoleBody;
use super::{ADMIN, Error, RolesAssign, RolesWrite, USER, sql};
use crate::app::App;
use crate::audit::{self, Act, Event, Origin};
use crate::http::{Caller, Permission as _, Preconditions, Require};

/// What is to change; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[schema(as = RolePatch, example = json!({ "description": "Every account has it." }))]
pub(super) struct Request {
    /// At most 200 characters.
    #[serde(default)]
    description: Option<String>,
    /// All that the role is to allow, as `resource:action`.
    #[serde(default)]
    permissions: Option<Vec<String>>,
}

/// Change a role
///
/// The next request of everybody who has it knows; other nodes know within seconds. `admin` allows everything, whatever
/// happens. Widening a role that somebody has takes `roles:assign` besides, and what everybody may is changed by administrators
/// only. Takes the permission `roles:write` and a sign-in that is at most ten minutes old.
#[utoipa::path(
    patch,
    path = "/api/v1/admin/roles/{name}",
    operation_id = "admin_roles_update",
    tag = "admin",
    params(("name" = String, Path, description = "The role's name")),
    request_body = Request,
    responses(
        (status = 200, body = RoleBody, headers(("ETag" = String, description = "The new version of the role"))),
        (status = 401, body = Problem, description = "`invalid_token`, or `insufficient_user_authentication`: prove once more who you are"),
        (status = 403, body = Problem, description = "`forbidden`: the permission is missing, or the role reaches further than your own rights"),
        (status = 404, body = Problem, description = "`not_found`"),
        (status = 409, body = Problem, description = "`conflict`: `admin` allows everything"),
        (status = 412, body = Problem, description = "`version_mismatch`: `If-Match` names another version"),
        (status = 422, body = Problem, description = "`validation_failed`: `unknown_permission`, `too_long`, …"),
    ),
    security(("bearer" = ["roles:write"]), ("password" = [])),
)]
pub(super) async fn handler(
    State(app): State<App>,
    caller: Require<RolesWrite, Caller>,
    (origin, preconditions): (Origin, Preconditions),
    Path(name): Path<String>,
    Json(request): Json<Request>,
) -> ApiResult<Response> {
    let act = origin.act(app.clock.now()).by(caller.user.id);
    caller.require_fresh(act.at)?;
    let mut check = Check::new();
    let description = check.optional("/description", request.description.map(model::description));
    let permissions = match request.permissions {
        Some(wanted) => believe_permissions(&mut check, wanted).map(Some),
        None => Some(None),
    };
    let (description, permissions) = check.values((description, permissions))?;
    let change = Change { description, permissions, expected: preconditions.expected() };
    let (rules, identities) = (app.access.clone(), app.identities.clone());
    let role = app
        .db
        .write(move |tx| {
            let authority = Authority::Caller(caller.confirm(tx, act.at)?);
            identities.forget_all_after_commit(tx);
            apply(tx, &act, (&rules, &authority), &name, &change)
        })
        .await?;
    Ok(preconditions.changed(role.version, RoleBody::new(&app.access, role)))
}

struct Change {
    description: Option<String>,
    permissions: Option<Vec<String>>,
    expected: Option<i64>,
}

fn apply(
    tx: &mut WriteTx<'_>,
    act: &Act,
    (rules, authority): (&AccessRules, &Authority),
    name: &str,
    change: &Change,
) -> Result<Role, Error> {
    let role = sql::role_by_name(tx, name)?.ok_or(Error::NotFound)?;
    if change.expected.is_some_and(|version| version != role.version) {
        return Err(Error::VersionMismatch);
    }
    if !authority.covers(rules, &role.held) {
        return Err(Error::BeyondOwnRights);
    }
    let has = &role.held.permissions;
    let wanted = match &change.permissions {
        Some(_) if name == ADMIN => {
            return Err(Error::Conflict("`admin` allows everything: give people another role."));
        }
        Some(wanted) => wanted,
        None => has,
    };
    let given: Vec<_> = wanted.iter().filter(|name| !has.contains(name)).cloned().collect();
    let taken: Vec<_> = has.iter().filter(|name| !wanted.contains(name)).cloned().collect();
    let description = change.description.as_ref().unwrap_or(&role.description);
    if given.is_empty() && taken.is_empty() && *description == role.description {
        return Ok(role);
    }
    may_give(tx, rules, authority, wanted)?;
    may_change(tx, authority, name, (&given, &taken))?;
    for permission in &given {
        sql::add_permission(tx, act, name, permission)?;
    }
    for permission in &taken {
        sql::remove_permission(tx, name, permission)?;
    }
    sql::describe_role(tx, name, description, act.at)?;
    audit::record(tx, act, &Event::RoleChanged { role: name.to_owned(), given, taken })?;
    sql::role_by_name(tx, name)?.ok_or(Error::NotFound)
}

/// Whether what a role allows may become this. Whoever has the role gets what it is given, which is as good as assigning it;
/// and what everybody may is for administrators to decide, because it reaches accounts that nobody has made yet.
fn may_change(
    tx: &mut ReadTx<'_>,
    authority: &Authority,
    name: &str,
    (given, taken): (&[String], &[String]),
) -> Result<(), Error> {
    let may = match name {
        USER => authority.is_administrator() || (given.is_empty() && taken.is_empty()),
        _ => given.is_empty() || authority.covers_permission(RolesAssign::NAME) || !sql::is_held(tx, name)?,
    };
    if may { Ok(()) } else { Err(Error::BeyondOwnRights) }
}
