//! `GET /api/v1/tasks/{id}`: one's own task.

use axum::extract::State;
use axum::response::Response;
use gatepost_problem::{ApiResult, Path, Problem};

use super::model::{Task, TaskId};
use super::{TasksRead, owned};
use crate::app::App;
use crate::http::{Preconditions, Require};

/// Read a task of yours
#[utoipa::path(
    get,
    path = "/api/v1/tasks/{id}",
    operation_id = "tasks_get",
    tag = "tasks",
    params(("id" = TaskId, Path, description = "The task's id")),
    responses(
        (status = 200, body = Task, headers(("ETag" = String, description = "The version of the task"))),
        (status = 304, description = "`If-None-Match` names the current version"),
        (status = 401, body = Problem, description = "`invalid_token`"),
        (status = 403, body = Problem, description = "`not_owner`; `forbidden`, `insufficient_scope`"),
        (status = 404, body = Problem, description = "`not_found`"),
    ),
    security(("bearer" = ["tasks:read"]), ("password" = []), ("api_key" = ["tasks:read"])),
)]
pub(super) async fn handler(
    State(app): State<App>,
    caller: Require<TasksRead>,
    preconditions: Preconditions,
    Path(id): Path<TaskId>,
) -> ApiResult<Response> {
    let user = caller.user().id;
    let task = app.db.read(move |tx| owned(tx, id, user)).await?;
    Ok(preconditions.answer(task.version, || task))
}
