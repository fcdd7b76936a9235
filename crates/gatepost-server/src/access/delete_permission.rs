//! `DELETE /api/v1/admin/permissions/{name}`: a permission of the operator's own that nothing asks for any more.

use axum::extract::State;
use gatepost_db::WriteTx;
use gatepost_problem::{ApiResult, Path, Problem};
use http::StatusCode;

use super::model::Authority;
use super::{Error, RolesWrite, sql};
use crate::app::App;
use crate::audit::{self, Act, Event, Origin};
use crate::http::{Caller, Require};

/// Delete a permission of your own
///
/// Every role loses it. Takes the permission `roles:write`, the permission itself, and a sign-in that is at most ten minutes
/// old.
#[utoipa::path(
    delete,
    path = "/api/v1/admin/permissions/{name}",
    operation_id = "admin_permissions_delete",
    tag = "admin",
    params(("name" = String, Path, description = "The permission's name")),
    responses(
        (status = 204, description = "The permission is gone"),
        (status = 401, body = Problem, description = "`invalid_token`, or `insufficient_user_authentication`: prove once more who you are"),
        (status = 403, body = Problem, description = "`forbidden`: a permission is missing"),
        (status = 404, body = Problem, description = "`not_found`"),
        (status = 409, body = Problem, description = "`conflict`: an operation of this server asks for it"),
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
    let (rules, identities) = (app.access.clone(), app.identities.clone());
    app.db
        .write(move |tx| {
            let authority = Authority::Caller(caller.confirm(tx, act.at)?);
            if rules.is_built_in(&name) {
                return Err(Error::Conflict("An operation of this server asks for it."));
            }
            identities.forget_all_after_commit(tx);
            delete(tx, &act, &authority, &name)
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn delete(tx: &mut WriteTx<'_>, act: &Act, authority: &Authority, name: &str) -> Result<(), Error> {
    if !sql::own_permission_exists(tx, name)? {
        return Err(Error::NotFound);
    }
    if !authority.covers_permission(name) {
        return Err(Error::BeyondOwnRights);
    }
    sql::delete_own_permission(tx, name)?;
    audit::record(tx, act, &Event::PermissionDeleted { permission: name.to_owned() })?;
    Ok(())
}
