//! `GET /api/v1/admin/permissions`: what can be allowed.

use axum::extract::State;
use gatepost_kernel::Timestamp;
use gatepost_problem::{ApiResult, Json, Problem};
use serde::Serialize;
use utoipa::ToSchema;

use super::model::OwnPermission;
use super::{RolesRead, sql};
use crate::app::App;
use crate::http::{Page, PermissionInfo, Require, storage_problem};

/// A permission.
#[derive(Serialize, ToSchema)]
#[schema(as = Permission)]
pub(super) struct PermissionBody {
    /// `resource:action`.
    #[schema(example = "users:read")]
    name: String,
    description: String,
    /// Whether an operation of this server asks for it. The others are for applications behind it.
    built_in: bool,
    created_at: Option<Timestamp>,
}

impl From<&PermissionInfo> for PermissionBody {
    fn from(permission: &PermissionInfo) -> Self {
        let (name, description) = (permission.name.to_owned(), permission.about.to_owned());
        Self { name, description, built_in: true, created_at: None }
    }
}

impl From<OwnPermission> for PermissionBody {
    fn from(permission: OwnPermission) -> Self {
        let OwnPermission { name, description, created_at } = permission;
        Self { name, description, built_in: false, created_at: Some(created_at) }
    }
}

/// List the permissions
///
/// By name, all on one page: those that the server asks for, and the operator's own. Needs the permission `roles:read`.
#[utoipa::path(
    get,
    path = "/api/v1/admin/permissions",
    operation_id = "admin_permissions_list",
    tag = "admin",
    responses(
        (status = 200, body = Page<PermissionBody>),
        (status = 401, body = Problem, description = "`invalid_token`"),
        (status = 403, body = Problem, description = "`forbidden`, `insufficient_scope`"),
    ),
    security(("bearer" = ["roles:read"]), ("password" = []), ("api_key" = ["roles:read"])),
)]
pub(super) async fn handler(
    State(app): State<App>,
    _caller: Require<RolesRead>,
) -> ApiResult<Json<Page<PermissionBody>>> {
    let own = app.db.read(sql::own_permissions).await.map_err(storage_problem)?;
    let built_in = app.access.catalogue().iter().map(PermissionBody::from);
    let mut all: Vec<_> = built_in.chain(own.into_iter().map(PermissionBody::from)).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Json(Page::whole(all)))
}
