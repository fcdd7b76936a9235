//! `GET /api/v1/admin/users`: the accounts, newest first or by name.

use axum::extract::State;
use gatepost_db::{DbError, ReadTx};
use gatepost_problem::{ApiResult, Check, Json, Problem, Query};
use serde::Deserialize;

use super::model::{Filter, Gathered, Place, Search, Walk, gather};
use super::sql;
use crate::access;
use crate::accounts::{LoginIdentifier, User, UserBody, UsersRead};
use crate::app::App;
use crate::http::{Cursor, Page, Require, believe_cursor, believe_limit, storage_problem};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    q: Option<String>,
    role: Option<String>,
    is_active: Option<bool>,
    email_verified: Option<bool>,
    #[serde(default)]
    deleted: bool,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// List the accounts
///
/// All filters that are given must hold. Newest first; with a search for a beginning, by the name that was found. A page can
/// be shorter than `limit`, even empty, when what is asked for is rare among many: the list ends where `next_cursor` is
/// `null`. Needs the permission `users:read`.
#[utoipa::path(
    get,
    path = "/api/v1/admin/users",
    operation_id = "admin_users_list",
    tag = "admin",
    params(
        ("q" = Option<String>, Query, description = "How the address or the username begins, in any letter case; or a whole id or phone number"),
        ("role" = Option<String>, Query, description = "With this role"),
        ("is_active" = Option<bool>, Query, description = "Whether the account may be used"),
        ("email_verified" = Option<bool>, Query, description = "Whether mail is known to arrive at its owner"),
        ("deleted" = Option<bool>, Query, description = "Accounts that were deleted within seven days, in place of those that live; `updated_at` is when"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100, description = "Entries a page; 50 if absent"),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before"),
    ),
    responses(
        (status = 200, body = Page<UserBody>),
        (status = 401, body = Problem, description = "`invalid_token`"),
        (status = 403, body = Problem, description = "`forbidden`, `insufficient_scope`"),
        (status = 422, body = Problem, description = "`validation_failed`"),
    ),
    security(("bearer" = ["users:read"]), ("password" = []), ("api_key" = ["users:read"])),
)]
pub(super) async fn handler(
    State(app): State<App>,
    _caller: Require<UsersRead>,
    Query(wanted): Query<Wanted>,
) -> ApiResult<Json<Page<UserBody>>> {
    let Wanted { q, role, is_active, email_verified, deleted, limit, cursor } = wanted;
    let mut check = Check::new();
    let search = check.optional("/q", q.as_deref().map(Search::parse));
    let is_role = role.as_deref().is_none_or(access::is_role_name);
    check.require(is_role, "/role", "invalid_role", "This cannot be the name of a role.");
    let limit = believe_limit(&mut check, limit);
    let filter = search.map(|search| Filter { search, role, is_active, email_verified, deleted });
    let place = |cursor: &Cursor| place_in(filter.as_ref()?, cursor);
    let after = believe_cursor(&mut check, cursor.as_deref(), place);
    let (limit, filter, after) = check.values((limit, filter, after))?;

    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let found = app.db.read(move |tx| page(tx, &filter, (after.clone(), limit)));
    let (entries, next) = found.await.map_err(storage_problem)?;
    let body = |entry: super::model::Entry| {
        let rights = app.access.rights(entry.held, true);
        UserBody::new(&entry.user, &rights)
    };
    let next = next.map(|place| match place {
        Place::Id(id) => Cursor::of_id(id),
        Place::Name(name) => Cursor::of_name(&name),
    });
    Ok(Json(Page::new(entries.into_iter().map(body).collect(), next.as_ref())))
}

/// The place that a cursor names in this list.
fn place_in(filter: &Filter, cursor: &Cursor) -> Option<Place> {
    match filter.walk() {
        Walk::Names(beginning) => {
            let name =
                cursor.name().filter(|name| beginning.begins(name) && !name.contains(char::is_control))?;
            Some(Place::Name(name.to_owned()))
        }
        Walk::Id(_)
        | Walk::Phone(_)
        | Walk::Deleted
        | Walk::Holders(_)
        | Walk::Active(_)
        | Walk::Verified(_)
        | Walk::Living => cursor.id().map(Place::Id),
    }
}

fn page(tx: &mut ReadTx<'_>, filter: &Filter, from: (Option<Place>, usize)) -> Result<Gathered, DbError> {
    let walk = filter.walk();
    gather(filter, from, |after, rows| sql::next(tx, &walk, after, i64::try_from(rows).unwrap_or(i64::MAX)))
}

/// The account of this address or username that was deleted last and can still be restored.
///
/// # Errors
/// What the database says.
pub fn find_deleted(tx: &mut ReadTx<'_>, name: &LoginIdentifier) -> Result<Option<User>, DbError> {
    const PORTION: i64 = 500;
    let was = |user: &User| match name {
        LoginIdentifier::Email(email) => user.email_canonical() == email.canonical(),
        LoginIdentifier::Username(name) => user.username_canonical().as_deref() == Some(name.canonical()),
    };
    let (mut found, mut after) = (None::<User>, None);
    loop {
        let portion = sql::next(tx, &Walk::Deleted, after.as_ref(), PORTION)?;
        let Some(last) = portion.last() else { return Ok(found) };
        after = Some(last.place.clone());
        let named = portion.into_iter().map(|entry| entry.user).filter(was);
        found = found.into_iter().chain(named).max_by_key(|user| user.deleted_at);
    }
}
