//! `GET /api/v1/tasks`: one's own tasks.

use axum::extract::State;
use gatepost_problem::{ApiResult, Check, Json, Problem, Query};
use serde::Deserialize;

use super::model::{self, Filter, Status, Task};
use super::{TasksRead, sql};
use crate::app::App;
use crate::http::{Page, Paging, Require, storage_problem};

/// Which page of which tasks.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// How far they are.
    status: Option<Status>,
    /// Due before; what is never due is not among them.
    #[param(value_type = Option<gatepost_kernel::Timestamp>)]
    due_before: Option<String>,
    /// Due then or later.
    #[param(value_type = Option<gatepost_kernel::Timestamp>)]
    due_after: Option<String>,
    /// A part of the title, in any letter case.
    q: Option<String>,
    /// How many entries, 1 to 100; 50 where nothing is said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

impl Wanted {
    fn filter(&self, check: &mut Check) -> Option<Filter> {
        let due_before = check.optional("/due_before", self.due_before.as_deref().map(model::time));
        let due_after = check.optional("/due_after", self.due_after.as_deref().map(model::time));
        let text = check.optional("/q", self.q.as_deref().map(model::title));
        Some(Filter {
            status: self.status,
            due_before: due_before?,
            due_after: due_after?,
            text: text?.as_deref().map(model::folded),
        })
    }
}

/// List your tasks
///
/// Newest first. All filters that are given must hold. With filters, a page looks at your next thousand tasks: it may have few
/// entries or none and still a `next_cursor`. The list ends where that is `null`.
#[utoipa::path(
    get,
    path = "/api/v1/tasks",
    operation_id = "tasks_list",
    tag = "tasks",
    params(Wanted),
    responses(
        (status = 200, body = Page<Task>),
        (status = 401, body = Problem, description = "`invalid_token`"),
        (status = 403, body = Problem, description = "`forbidden`, `insufficient_scope`"),
        (status = 422, body = Problem, description = "`validation_failed`: `out_of_range`, `invalid_cursor`, `invalid_time`, …"),
    ),
    security(("bearer" = ["tasks:read"]), ("password" = []), ("api_key" = ["tasks:read"])),
)]
pub(super) async fn handler(
    State(app): State<App>,
    caller: Require<TasksRead>,
    Query(wanted): Query<Wanted>,
) -> ApiResult<Json<Page<Task>>> {
    let mut check = Check::new();
    let filter = wanted.filter(&mut check);
    let paging = Paging::check(&mut check, wanted.limit, wanted.cursor.as_deref());
    let (filter, paging) = check.values((filter, paging))?;
    let (owner, before, rows) = (caller.user().id, paging.after(), paging.rows());
    let found = app.db.read(move |tx| sql::tasks_before(tx, owner, before, &filter, rows)).await;
    let (tasks, end) = found.map_err(storage_problem)?;
    Ok(Json(paging.page_of_window(tasks, end, |task| task.id, |task| task)))
}
