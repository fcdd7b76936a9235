//! `PATCH /api/v1/tasks/{id}`: what is different about a task.

use axum::extract::State;
use axum::response::Response;
use gatepost_db::WriteTx;
use gatepost_problem::{ApiResult, Check, Json, Path, Problem};
use serde::Deserialize;
use utoipa::ToSchema;

use super::model::{self, Change, Status, Task, TaskId};
use super::{TasksWrite, owned, sql};
use crate::accounts::Patch;
use crate::app::App;
use crate::audit::{self, Act, Event, Origin};
use crate::http::{Preconditions, Refused, Require};

/// A change of a task: absent leaves a field, `null` clears it.
#[derive(Deserialize, ToSchema)]
#[schema(as = TaskPatch, example = json!({ "status": "done", "due_at": null }))]
pub(super) struct Request {
    /// 1 to 200 characters on one line.
    #[serde(default)]
    #[schema(value_type = String, required = false)]
    title: Patch<String>,
    /// 1 to 4,000 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    description: Patch<String>,
    /// How far it is.
    #[serde(default)]
    #[schema(value_type = Status, required = false)]
    status: Patch<Status>,
    /// RFC 3339.
    #[serde(default)]
    #[schema(value_type = Option<gatepost_kernel::Timestamp>)]
    due_at: Patch<String>,
}

impl Request {
    fn check(self, check: &mut Check) -> Option<Change> {
        let title = self.title.kept(check, "/title").map(|text| model::title(&text));
        let title = check.optional("/title", title);
        let description =
            check.field("/description", self.description.try_map(|text| model::description(&text)));
        let status = self.status.kept(check, "/status");
        let due_at = check.field("/due_at", self.due_at.try_map(|text| model::time(&text)));
        Some(Change { title: title?, description: description?, status, due_at: due_at? })
    }
}

/// Change a task of yours
#[utoipa::path(
    patch,
    path = "/api/v1/tasks/{id}",
    operation_id = "tasks_update",
    tag = "tasks",
    params(("id" = TaskId, Path, description = "The task's id")),
    request_body = Request,
    responses(
        (status = 200, body = Task, headers(("ETag" = String, description = "The new version of the task"))),
        (status = 401, body = Problem, description = "`invalid_token`"),
        (status = 403, body = Problem, description = "`not_owner`; `forbidden`, `insufficient_scope`"),
        (status = 404, body = Problem, description = "`not_found`"),
        (status = 412, body = Problem, description = "`version_mismatch`: `If-Match` names another version"),
        (status = 422, body = Problem, description = "`validation_failed`: `too_long`, `invalid_characters`, `invalid_time`, …"),
    ),
    security(("bearer" = ["tasks:write"]), ("password" = []), ("api_key" = ["tasks:write"])),
)]
pub(super) async fn handler(
    State(app): State<App>,
    caller: Require<TasksWrite>,
    origin: Origin,
    preconditions: Preconditions,
    Path(id): Path<TaskId>,
    Json(request): Json<Request>,
) -> ApiResult<Response> {
    let user = caller.user().id;
    let act = origin.act(app.clock.now()).by(user);
    let mut check = Check::new();
    let change = request.check(&mut check);
    let (change,) = check.values((change,))?;
    let task = app
        .db
        .write(move |tx| {
            caller.confirm(tx, act.at)?;
            let task = owned(tx, id, user)?;
            preconditions.require(task.version)?;
            apply(tx, &act, task, change.clone())
        })
        .await?;
    Ok(preconditions.changed(task.version, task))
}

fn apply(tx: &mut WriteTx<'_>, act: &Act, mut task: Task, change: Change) -> Result<Task, Refused> {
    let fields = change.apply(&mut task);
    if fields.is_empty() {
        return Ok(task);
    }
    task.version += 1;
    task.updated_at = act.at;
    sql::save(tx, &task)?;
    let (owner, id) = (task.owner_id, task.id.to_string());
    audit::record(tx, act, &Event::Resource { action: "task_changed", owner, id, fields })?;
    Ok(task)
}
