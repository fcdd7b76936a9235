//! Items: what somebody has.
//!
//! The shorter one of the two worked examples of a resource that accounts own; the other one, `tasks`, has states and filters.
//! It uses nothing that an application around Gatepost could not use as well: `tests/as_an_embedder.rs` compiles these very
//! files from outside.
//!
//! Invariants:
//! * An item belongs to one account, and the server says to which: no field of a request names an owner.
//! * [`owned`] is the one place that compares the owner with the caller. The item of somebody else is refused as `not_owner`;
//!   what nobody has, or only a deleted account, is absent.
//! * A change, its audit row and the question whether the caller still may are one transaction.
//! * A page of a list looks at no more than [`WINDOW`](crate::http::WINDOW) items of the caller, whatever is filtered.

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

use crate::accounts::{self, User};
use crate::app::App;
use crate::http::Refused;
use crate::ids::UserId;

pub use create::create;
pub use model::{Item, ItemId};
pub use sql::STATEMENTS;
pub use transfer::Items;

crate::permissions! {
    ItemsRead = "items:read", "Read one's own items.";
    ItemsWrite = "items:write", "Make, change and delete one's own items.";
    ItemsDeleteAny = "items:delete_any", "Delete the items of others.";
}

/// The operations of this feature.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list::handler, create::handler))
        .routes(routes!(read::handler, change::handler, delete::handler))
        .routes(routes!(create::for_user))
        .routes(routes!(delete::any))
}

/// Whether this account is the caller's own. An account that may not be used is as absent as one that never was.
fn may_own(tx: &mut ReadTx<'_>, owner: UserId, caller: UserId) -> Result<(), Refused> {
    if owner == caller {
        return Ok(());
    }
    match accounts::by_id(tx, owner)?.filter(User::is_usable) {
        Some(_) => Err(Refused::NotOwner),
        None => Err(Refused::NotFound),
    }
}

/// The item, if it belongs to this account.
fn owned(tx: &mut ReadTx<'_>, id: ItemId, caller: UserId) -> Result<Item, Refused> {
    let item = sql::item_by_id(tx, id)?.ok_or(Refused::NotFound)?;
    if item.owner_id == caller { Ok(item) } else { Err(Refused::NotOwner) }
}
