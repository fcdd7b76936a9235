//! The end of a key: by its owner, by an operator, with its account's past, or by time.

use std::time::Duration;

use axum::extract::State;
use gatepost_db::{DbError, WriteTx};
use gatepost_kernel::Timestamp;
use gatepost_problem::{ApiResult, Path, Problem};
use http::StatusCode;

use super::sql;
use crate::app::App;
use crate::audit::{self, Act, Event, Origin};
use crate::http::{Caller, storage_problem};
use crate::ids::{ApiKeyId, UserId};

/// How long the row of a key remains after its end, for its owner to find out why a program fails.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Revoke an API key
///
/// It stops working at once on this server, and within seconds on others.
#[utoipa::path(
    delete,
    path = "/api/v1/api-keys/{id}",
    operation_id = "api_keys_revoke",
    tag = "account",
    params(("id" = ApiKeyId, Path, description = "The key's id")),
    responses(
        (status = 204, description = "The key is revoked"),
        (status = 401, body = Problem, description = "`invalid_token`"),
        (status = 404, body = Problem, description = "`not_found`: also for the key of somebody else, and for one that was revoked before"),
    ),
    security(("bearer" = []), ("password" = [])),
)]
pub(super) async fn handler(
    State(app): State<App>,
    caller: Caller,
    origin: Origin,
    Path(id): Path<ApiKeyId>,
) -> ApiResult<StatusCode> {
    let user = caller.user.id;
    let act = origin.act(app.clock.now()).by(user);
    let identities = app.identities.clone();
    let revoked = app
        .db
        .write(move |tx| {
            if !caller.confirm(tx)? {
                return Ok(None);
            }
            identities.forget_after_commit(tx, user);
            revoke(tx, &act, user, id).map(Some)
        })
        .await
        .map_err(storage_problem)?;
    match revoked {
        Some(true) => Ok(StatusCode::NO_CONTENT),
        Some(false) => Err(Problem::not_found()),
        None => Err(Problem::invalid_bearer()),
    }
}

/// Revokes a key of this account. Whether there was one to revoke. The caller makes this node forget the account.
///
/// # Errors
/// What the database says.
pub fn revoke(tx: &mut WriteTx<'_>, act: &Act, user: UserId, id: ApiKeyId) -> Result<bool, DbError> {
    let revoked = sql::revoke(tx, id, user, act.at)?;
    if revoked {
        audit::record(tx, act, &Event::ApiKeyRevoked { user, key: id.to_string() })?;
    }
    Ok(revoked)
}

/// Revokes every key of an account, because whoever made them may not have been its owner. Returns how many. The caller
/// makes this node forget the account.
///
/// # Errors
/// What the database says.
pub fn forget(tx: &mut WriteTx<'_>, act: &Act, user: UserId) -> Result<usize, DbError> {
    let revoked = sql::revoke_all(tx, user, act.at)?;
    for id in &revoked {
        audit::record(tx, act, &Event::ApiKeyRevoked { user, key: id.to_string() })?;
    }
    Ok(revoked.len())
}

/// Forgets keys that expired or were revoked more than thirty days ago, up to a thousand at a time, and returns how many.
///
/// # Errors
/// What the database says.
pub fn purge(tx: &mut WriteTx<'_>, now: Timestamp) -> Result<u64, DbError> {
    sql::purge(tx, now.minus(KEPT))
}
