//! `DELETE /api/v1/admin/roles/{name}`: a role that nobody needs any more.

use axum::extract::State;
use gatepost_db::WriteTx;
use gatepost_problem::{ApiResult, Path, Problem};
use http::StatusCode;

use super::model::{AccessRules, Authority};
use super::read_roles::is_built_in;
use super::{Error, RolesWrite, sql};
use crate::app::App;
use crate::audit::{self, Act, Event, Origin};
use crate::http::{Caller, Require};

/// Delete a role
///
/// As long as somebody has it, it stays: whoever has it would lose rights without anybody having looked at them. Takes the
/// permission `roles:write` and a sign-in that is at most ten minutes old.
#[utoipa::path(
    delete,
    path = "/api/v1/admin/roles/{name}",
    operation_id = "admin_roles_delete",
    tag = "admin",
    params(("name" = String, Path, description = "The role's name")),
    responses(
        (status = 204, description = "The role is gone"),
        (status = 401, body = Problem, description = "`invalid_token`, or `insufficient_user_authentication`: prove once more who you are"),
        (status = 403, body = Problem, description = "`forbidden`: the permission is missing, or the role reaches further than your own rights"),
        (status = 404, body = Problem, description = "`not_found`"),
        (status = 409, body = Problem, description = "`conflict`: it is built in, or somebody has it"),
    ),
    security(("bearer" = ["roles:write"]), ("password" = [])),
)]
pub(super) async fn handler(
    State(app): State<App>,
    caller: Require<RolesWrite, Caller>,
    origin: Origin,
    Path(name): Path<String>,
) -> ApiResult<StatusCode> {
    let act = origin.act(app.clock.now()).by(caller.user.id);
    caller.require_fresh(act.at)?;
    let rules = app.access.clone();
    app.db
        .write(move |tx| {
            let authority = Authority::Caller(caller.confirm(tx, act.at)?);
            delete(tx, &act, (&rules, &authority), &name)
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn delete(
    tx: &mut WriteTx<'_>,
    act: &Act,
    (rules, authority): (&AccessRules, &Authority),
    name: &str,
) -> Result<(), Error> {
    let role = sql::role_by_name(tx, name)?.ok_or(Error::NotFound)?;
    if is_built_in(name) {
        return Err(Error::Conflict("The role is built in."));
    }
    if !authority.covers(rules, &role.held) {
        return Err(Error::BeyondOwnRights);
    }
    // What a tombstone holds goes with the role; whoever lives keeps it, and then the role stays.
    for user in sql::remove_from_tombstones(tx, name)? {
        audit::record(tx, act, &Event::RoleRevoked { user, role: name.to_owned() })?;
    }
    if !sql::delete_role(tx, name)? {
        return Err(Error::Conflict("Somebody has this role: take it from them first."));
    }
    audit::record(tx, act, &Event::RoleDeleted { role: name.to_owned() })?;
    Ok(())
}
