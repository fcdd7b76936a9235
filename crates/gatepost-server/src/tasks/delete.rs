//! `DELETE /api/v1/tasks/{id}` and `DELETE /api/v1/admin/tasks/{id}`: the end of a task.

use axum::extract::State;
use gatepost_db::WriteTx;
use gatepost_problem::{ApiResult, Path, Problem};
use http::StatusCode;

use super::model::{Task, TaskId};
use super::{TasksDeleteAny, TasksWrite, owned, sql};
use crate::app::App;
use crate::audit::{self, Act, Event, Origin};
use crate::http::{Preconditions, Refused, Require};

/// Delete a task of yours
#[utoipa::path(
    delete,
    path = "/api/v1/tasks/{id}",
    operation_id = "tasks_delete",
    tag = "tasks",
    params(("id" = TaskId, Path, description = "The task's id")),
    responses(
        (status = 204, description = "The task is gone"),
        (status = 401, body = Problem, description = "`invalid_token`"),
        (status = 403, body = Problem, description = "`not_owner`; `forbidden`, `insufficient_scope`"),
        (status = 404, body = Problem, description = "`not_found`"),
        (status = 412, body = Problem, description = "`version_mismatch`: `If-Match` names another version"),
    ),
    security(("bearer" = ["tasks:write"]), ("password" = []), ("api_key" = ["tasks:write"])),
)]
pub(super) async fn handler(
    State(app): State<App>,
    caller: Require<TasksWrite>,
    origin: Origin,
    preconditions: Preconditions,
    Path(id): Path<TaskId>,
) -> ApiResult<StatusCode> {
    let user = caller.user().id;
    let act = origin.act(app.clock.now()).by(user);
    app.db
        .write(move |tx| {
            caller.confirm(tx, act.at)?;
            let task = owned(tx, id, user)?;
            preconditions.require(task.version)?;
            delete(tx, &act, &task)
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Delete a task of anybody
///
/// Takes the permission `tasks:delete_any`. The audit log says who did it, and to whom.
#[utoipa::path(
    delete,
    path = "/api/v1/admin/tasks/{id}",
    operation_id = "admin_tasks_delete",
    tag = "admin",
    params(("id" = TaskId, Path, description = "The task's id")),
    responses(
        (status = 204, description = "The task is gone"),
        (status = 401, body = Problem, description = "`invalid_token`"),
        (status = 403, body = Problem, description = "`forbidden`, `insufficient_scope`"),
        (status = 404, body = Problem, description = "`not_found`"),
        (status = 412, body = Problem, description = "`version_mismatch`: `If-Match` names another version"),
    ),
    security(("bearer" = ["tasks:delete_any"]), ("password" = []), ("api_key" = ["tasks:delete_any"])),
)]
pub(super) async fn any(
    State(app): State<App>,
    caller: Require<TasksDeleteAny>,
    origin: Origin,
    preconditions: Preconditions,
    Path(id): Path<TaskId>,
) -> ApiResult<StatusCode> {
    let act = origin.act(app.clock.now()).by(caller.user().id);
    app.db
        .write(move |tx| {
            caller.confirm(tx, act.at)?;
            let task = sql::task_by_id(tx, id)?.ok_or(Refused::NotFound)?;
            preconditions.require(task.version)?;
            delete(tx, &act, &task)
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn delete(tx: &mut WriteTx<'_>, act: &Act, task: &Task) -> Result<(), Refused> {
    sql::delete(tx, task.id)?;
    let (owner, id) = (task.owner_id, task.id.to_string());
    audit::record(tx, act, &Event::Resource { action: "task_deleted", owner, id, fields: Vec::new() })?;
    Ok(())
}
