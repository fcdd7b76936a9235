//! `GET /api/v1/admin/roles` and `GET /api/v1/admin/roles/{name}`: what roles there are.

use axum::extract::State;
use axum::response::Response;
use gatepost_kernel::Timestamp;
use gatepost_problem::{ApiResult, Json, Path, Problem};
use serde::Serialize;
use utoipa::ToSchema;

use super::model::{AccessRules, Role};
use super::{ADMIN, RolesRead, USER, sql};
use crate::app::App;
use crate::http::{Page, Preconditions, Require, storage_problem};

/// A role and what it allows.
#[derive(Serialize, ToSchema)]
#[schema(as = Role)]
pub(super) struct RoleBody {
    #[schema(example = "editor")]
    name: String,
    description: String,
    /// As `resource:action`, by name.
    #[schema(example = json!(["users:read"]))]
    permissions: Vec<String>,
    /// Whether it comes with the server and cannot be deleted.
    built_in: bool,
    /// Whether it counts only in sessions that showed a second factor.
    needs_second_factor: bool,
    created_at: Option<Timestamp>,
    updated_at: Option<Timestamp>,
}

impl RoleBody {
    pub(super) fn new(rules: &AccessRules, role: Role) -> Self {
        let mut permissions: Vec<_> =
            rules.permissions_of(&role.held).map(std::borrow::Cow::into_owned).collect();
        permissions.sort();
        permissions.dedup();
        let built_in = is_built_in(&role.held.name);
        // The built-in roles were made by a migration, which has no clock.
        let known = |at: Timestamp| (at.as_micros() > 0).then_some(at);
        Self {
            needs_second_factor: rules.needs_second_factor(&role.held.name),
            name: role.held.name,
            description: role.description,
            permissions,
            built_in,
            created_at: known(role.created_at),
            updated_at: known(role.updated_at),
        }
    }
}

/// Whether a role comes with the server.
pub(super) fn is_built_in(name: &str) -> bool {
    name == ADMIN || name == USER
}

/// List the roles
///
/// By name, all on one page: there are at most 200. Needs the permission `roles:read`.
#[utoipa::path(
    get,
    path = "/api/v1/admin/roles",
    operation_id = "admin_roles_list",
    tag = "admin",
    responses(
        (status = 200, body = Page<RoleBody>),
        (status = 401, body = Problem, description = "`invalid_token`"),
        (status = 403, body = Problem, description = "`forbidden`, `insufficient_scope`"),
    ),
    security(("bearer" = ["roles:read"]), ("password" = []), ("api_key" = ["roles:read"])),
)]
pub(super) async fn list(
    State(app): State<App>,
    _caller: Require<RolesRead>,
) -> ApiResult<Json<Page<RoleBody>>> {
    let roles = app.db.read(sql::roles).await.map_err(storage_problem)?;
    Ok(Json(Page::whole(roles.into_iter().map(|role| RoleBody::new(&app.access, role)).collect())))
}

/// Read a role
///
/// Needs the permission `roles:read`.
#[utoipa::path(
    get,
    path = "/api/v1/admin/roles/{name}",
    operation_id = "admin_roles_get",
    tag = "admin",
    params(("name" = String, Path, description = "The role's name")),
    responses(
        (status = 200, body = RoleBody, headers(("ETag" = String, description = "The version of the role"))),
        (status = 304, description = "`If-None-Match` names the current version"),
        (status = 401, body = Problem, description = "`invalid_token`"),
        (status = 403, body = Problem, description = "`forbidden`, `insufficient_scope`"),
        (status = 404, body = Problem, description = "`not_found`"),
    ),
    security(("bearer" = ["roles:read"]), ("password" = []), ("api_key" = ["roles:read"])),
)]
pub(super) async fn get(
    State(app): State<App>,
    _caller: Require<RolesRead>,
    preconditions: Preconditions,
    Path(name): Path<String>,
) -> ApiResult<Response> {
    let found = app.db.read(move |tx| sql::role_by_name(tx, &name)).await.map_err(storage_problem)?;
    let role = found.ok_or_else(Problem::not_found)?;
    Ok(preconditions.answer(role.version, || RoleBody::new(&app.access, role)))
}
