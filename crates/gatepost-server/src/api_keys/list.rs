//! `GET /api/v1/api-keys`: one's own keys.

use axum::extract::State;
use gatepost_db::{DbError, ReadTx};
use gatepost_kernel::Timestamp;
use gatepost_problem::{ApiResult, Check, Json, Problem, Query};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::model::ApiKey;
use super::sql;
use crate::app::App;
use crate::http::{Caller, Page, Paging, storage_problem};
use crate::ids::{ApiKeyId, UserId};

/// A key, without what opens.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiKey)]
pub(super) struct ApiKeyBody {
    /// To revoke it by.
    id: ApiKeyId,
    /// What its owner calls it.
    #[schema(example = "nightly report")]
    name: String,
    /// The last four characters of the key.
    #[schema(example = "x4Qk")]
    hint: String,
    /// The permissions that it reaches, as far as its owner has them.
    #[schema(example = json!(["audit:read"]))]
    scopes: Vec<String>,
    /// When it was made.
    created_at: Timestamp,
    /// When it stops working.
    expires_at: Timestamp,
    /// When it was last used, to the minute.
    last_used_at: Option<Timestamp>,
}

impl From<ApiKey> for ApiKeyBody {
    fn from(key: ApiKey) -> Self {
        let ApiKey { id, name, hint, scopes, created_at, expires_at, last_used_at } = key;
        Self { id, name, hint, scopes, created_at, expires_at, last_used_at }
    }
}

/// Which page.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Parameters {
    /// How many entries, 1 to 100; 50 where nothing is said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List your API keys
///
/// Newest first. A key that has expired stays on the list for thirty days, unless it is revoked.
#[utoipa::path(
    get,
    path = "/api/v1/api-keys",
    operation_id = "api_keys_list",
    tag = "account",
    params(Parameters),
    responses(
        (status = 200, body = Page<ApiKeyBody>),
        (status = 401, body = Problem, description = "`invalid_token`"),
        (status = 422, body = Problem, description = "`validation_failed`: `out_of_range`, `invalid_cursor`"),
    ),
    security(("bearer" = []), ("password" = [])),
)]
pub(super) async fn handler(
    State(app): State<App>,
    caller: Caller,
    Query(Parameters { limit, cursor }): Query<Parameters>,
) -> ApiResult<Json<Page<ApiKeyBody>>> {
    let mut check = Check::new();
    let paging = Paging::check(&mut check, limit, cursor.as_deref());
    let (paging,) = check.values((paging,))?;
    let (user, after, rows) = (caller.user.id, paging.after(), paging.rows());
    let keys = app.db.read(move |tx| page(tx, user, after, rows)).await.map_err(storage_problem)?;
    Ok(Json(paging.page(keys, |key| key.id, ApiKeyBody::from)))
}

/// The keys of an account that were not revoked, newest first, from before this one on.
///
/// # Errors
/// What the database says.
pub fn page(
    tx: &mut ReadTx<'_>,
    user: UserId,
    before: Option<ApiKeyId>,
    limit: i64,
) -> Result<Vec<ApiKey>, DbError> {
    sql::keys_before(tx, user, before, limit)
}
