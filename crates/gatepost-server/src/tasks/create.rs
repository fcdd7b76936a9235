//! `POST /api/v1/tasks`: a new task.

use axum::extract::State;
use axum::response::Response;
use gatepost_db::{DbError, WriteTx};
use gatepost_kernel::Id;
use gatepost_problem::{ApiResult, Check, Json, Problem};
use serde::Deserialize;
use utoipa::ToSchema;

use super::model::{self, Status, Task};
use super::{TasksWrite, sql};
use crate::app::App;
use crate::audit::{self, Act, Event, Origin};
use crate::http::{Refused, Require, created};

/// What the task is to be.
#[derive(Deserialize, ToSchema)]
#[schema(as = TaskRequest, example = json!({ "title": "Write the report", "due_at": "2026-11-21T09:30:00Z" }))]
pub(super) struct Request {
    /// 1 to 200 characters on one line.
    title: String,
    /// 1 to 4,000 characters.
    #[serde(default)]
    description: Option<String>,
    /// `todo` where nothing is said.
    #[serde(default)]
    status: Option<Status>,
    /// RFC 3339.
    #[serde(default)]
    #[schema(value_type = Option<gatepost_kernel::Timestamp>)]
    due_at: Option<String>,
}

/// Make a task
///
/// It belongs to you. An API key needs `tasks:write` among its scopes.
#[utoipa::path(
    post,
    path = "/api/v1/tasks",
    operation_id = "tasks_create",
    tag = "tasks",
    request_body = Request,
    responses(
        (status = 201, body = Task, headers(("ETag" = String, description = "The version of the task"))),
        (status = 401, body = Problem, description = "`invalid_token`"),
        (status = 403, body = Problem, description = "`forbidden`, `insufficient_scope`"),
        (status = 422, body = Problem, description = "`validation_failed`: `too_long`, `invalid_characters`, `invalid_time`, …"),
    ),
    security(("bearer" = ["tasks:write"]), ("password" = []), ("api_key" = ["tasks:write"])),
)]
pub(super) async fn handler(
    State(app): State<App>,
    caller: Require<TasksWrite>,
    origin: Origin,
    Json(request): Json<Request>,
) -> ApiResult<Response> {
    let owner_id = caller.user().id;
    let act = origin.act(app.clock.now()).by(owner_id);
    let mut check = Check::new();
    let title = check.field("/title", model::title(&request.title));
    let description = check.optional("/description", request.description.as_deref().map(model::description));
    let due_at = check.optional("/due_at", request.due_at.as_deref().map(model::time));
    let (title, description, due_at) = check.values((title, description, due_at))?;
    let task = Task {
        id: Id::generate(act.at, &app.random),
        owner_id,
        title,
        description,
        status: request.status.unwrap_or_default(),
        due_at,
        created_at: act.at,
        updated_at: act.at,
        version: 1,
    };
    let made = task.clone();
    app.db
        .write(move |tx| {
            caller.confirm(tx, act.at)?;
            create(tx, &act, &task)?;
            Ok::<_, Refused>(())
        })
        .await?;
    Ok(created(made.version, made))
}

/// Writes a task that was put together.
///
/// # Errors
/// What the database says; [`DbError::Constraint`] for an owner that does not exist.
pub fn create(tx: &mut WriteTx<'_>, act: &Act, task: &Task) -> Result<(), DbError> {
    sql::insert(tx, task)?;
    let (owner, id) = (task.owner_id, task.id.to_string());
    audit::record(tx, act, &Event::Resource { action: "task_created", owner, id, fields: Vec::new() })
}
