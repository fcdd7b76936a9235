//! Tasks: what somebody has to do.
//!
//! Tasks and items are a part of the application, and the worked examples of a resource that accounts own
//! (`docs/guide/protect-your-own-resource.md`). They use nothing that an application around Gatepost could not use as well:
//! `tests/as_an_embedder.rs` compiles these very files from outside.
//!
//! Invariants:
//! * A task belongs to one account, and the server says to which: no field of a request names an owner.
//! * [`owned`] is the one place that compares the owner with the caller. The task of somebody else is refused as `not_owner`;
//!   what nobody has, or only a deleted account, is absent.
//! * A change, its audit row and the question whether the caller still may are one transaction.
//! * A page of a list looks at no more than [`WINDOW`](crate::http::WINDOW) tasks of the caller, whatever is filtered.

mod change;
mod create;
mod delete;
mod list;
mod model;
mod read;
mod sql;
mod transfer;

use gatepost_db::ReadTx;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::http::Refused;
use crate::ids::UserId;

pub use create::create;
pub use model::{Status, Task, TaskId};
pub use sql::STATEMENTS;
pub use transfer::Tasks;

crate::permissions! {
    TasksRead = "tasks:read", "Read one's own tasks.";
    TasksWrite = "tasks:write", "Make, change and delete one's own tasks.";
    TasksDeleteAny = "tasks:delete_any", "Delete the tasks of others.";
}

/// The operations of this feature.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list::handler, create::handler))
        .routes(routes!(read::handler, change::handler, delete::handler))
        .routes(routes!(delete::any))
}

/// The task, if it belongs to this account.
fn owned(tx: &mut ReadTx<'_>, id: TaskId, caller: UserId) -> Result<Task, Refused> {
    let task = sql::task_by_id(tx, id)?.ok_or(Refused::NotFound)?;
    if task.owner_id == caller { Ok(task) } else { Err(Refused::NotOwner) }
}
