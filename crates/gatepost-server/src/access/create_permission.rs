//! `POST /api/v1/admin/permissions`: a permission of the operator's own, for applications behind this server.

use axum::extract::State;
use gatepost_db::WriteTx;
use gatepost_problem::{ApiResult, Check, Json, Problem};
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::model::{self, OwnPermission};
use super::read_permissions::PermissionBody;
use super::{ADMIN, Error, MOST_PERMISSIONS, RolesWrite, sql};
use crate::app::App;
use crate::audit::{self, Act, Event, Origin};
use crate::http::{Caller, Require};

/// What can be allowed.
#[derive(Deserialize, ToSchema)]
#[schema(as = PermissionRequest, example = json!({ "name": "reports:read", "description": "Read the monthly reports." }))]
pub(super) struct Request {
    /// `resource:action`, in lower-case letters, digits, `_` or `-`.
    name: String,
    /// At most 200 characters.
    #[serde(default)]
    description: String,
}

/// Make a permission of your own
///
/// Administrators have it at once; everybody else gets it by a role. Takes the permission `roles:write` and a sign-in that is
/// at most ten minutes old.
#[utoipa::path(
    post,
    path = "/api/v1/admin/permissions",
    operation_id = "admin_permissions_create",
    tag = "admin",
    request_body = Request,
    responses(
        (status = 201, body = PermissionBody),
        (status = 401, body = Problem, description = "`invalid_token`, or `insufficient_user_authentication`: prove once more who you are"),
        (status = 403, body = Problem, description = "`forbidden`"),
        (status = 409, body = Problem, description = "`conflict`: there is one of this name, or there are 500 already"),
        (status = 422, body = Problem, description = "`validation_failed`: `invalid_permission`, `too_long`, …"),
    ),
    security(("bearer" = ["roles:write"]), ("password" = [])),
)]
pub(super) async fn handler(
    State(app): State<App>,
    caller: Require<RolesWrite, Caller>,
    origin: Origin,
    Json(request): Json<Request>,
) -> ApiResult<(StatusCode, Json<PermissionBody>)> {
    let act = origin.act(app.clock.now()).by(caller.user.id);
    caller.require_fresh(act.at)?;
    let mut check = Check::new();
    let name = check.field("/name", model::permission_name(request.name));
    let description = check.field("/description", model::description(request.description));
    let (name, description) = check.values((name, description))?;
    let permission = OwnPermission { name, description, created_at: act.at };
    let made = permission.clone();
    let (rules, identities) = (app.access.clone(), app.identities.clone());
    app.db
        .write(move |tx| {
            caller.confirm(tx, act.at)?;
            if rules.is_built_in(&permission.name) {
                return Err(TAKEN);
            }
            // Whoever has `admin` has one permission more.
            identities.forget_all_after_commit(tx);
            create(tx, &act, &permission)
        })
        .await?;
    Ok((StatusCode::CREATED, Json(made.into())))
}

const TAKEN: Error = Error::Conflict("There is a permission of this name.");

fn create(tx: &mut WriteTx<'_>, act: &Act, permission: &OwnPermission) -> Result<(), Error> {
    if sql::own_permissions(tx)?.len() >= MOST_PERMISSIONS {
        return Err(Error::Conflict("There are 500 permissions already: delete one that nothing asks for."));
    }
    if !sql::insert_own_permission(tx, act, permission)? {
        return Err(TAKEN);
    }
    sql::add_permission(tx, act, ADMIN, &permission.name)?;
    audit::record(tx, act, &Event::PermissionCreated { permission: permission.name.clone() })?;
    Ok(())
}
