//! Notes: a resource of our own, protected as Gatepost's tasks and items are.
//! `docs/guide/protect-your-own-resource.md` goes through this file.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{delete, get};
use gatepost_db::migrate::Migration;
use gatepost_db::{DbError, ReadTx, Row, WriteTx, params, statements};
use gatepost_kernel::Id;
use gatepost_problem::{ApiResult, Check, Json, Path, Query};
use gatepost_server::accounts::{IdentifierError, one_line};
use gatepost_server::app::App;
use gatepost_server::audit::{self, Act, Event, Origin};
use gatepost_server::extension::OwnedResource;
use gatepost_server::http::{Page, Paging, Preconditions, Refused, Require, created, storage_problem};
use gatepost_server::ids::UserId;
use gatepost_server::permissions;
use serde::{Deserialize, Serialize};

pub(crate) const MIGRATION: Migration = Migration {
    number: 2,
    name: "notes",
    text: "-- up
CREATE TABLE notes (
    id {uuid} NOT NULL PRIMARY KEY,
    owner_id {uuid} NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    title TEXT NOT NULL,
    version {int} NOT NULL
) {strict};
CREATE INDEX notes_by_owner ON notes (owner_id, id);
INSERT INTO role_permissions (role, permission, granted_at, granted_by) VALUES
    ('user', 'notes:read', 0, NULL),
    ('user', 'notes:write', 0, NULL);
-- down
DELETE FROM role_permissions WHERE permission IN ('notes:read', 'notes:write', 'notes:delete_any');
DROP TABLE notes;
",
};

permissions! {
    NotesRead = "notes:read", "Read one's own notes.";
    NotesWrite = "notes:write", "Make and delete one's own notes.";
    NotesDeleteAny = "notes:delete_any", "Delete the notes of others.";
}

statements! {
    INSERT = "INSERT INTO notes (id, owner_id, title, version) VALUES (?1, ?2, ?3, ?4)";
    BY_ID = "SELECT n.id, n.owner_id, n.title, n.version FROM notes n JOIN users u ON u.id = n.owner_id \
        WHERE n.id = ?1 AND u.deleted_at IS NULL";
    PAGE = "SELECT id, owner_id, title, version FROM notes WHERE owner_id = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3";
    DELETE = "DELETE FROM notes WHERE id = ?1";
    TRANSFER = "UPDATE notes SET owner_id = ?2, version = version + 1 WHERE owner_id = ?1";
}

/// A kind of [`Id`].
enum NoteKind {}
type NoteId = Id<NoteKind>;

#[derive(Clone, Serialize)]
struct Note {
    id: NoteId,
    owner_id: UserId,
    title: String,
    #[serde(skip)]
    version: i64,
}

fn note_from_row(row: &Row<'_>) -> Result<Note, DbError> {
    Ok(Note { id: row.get(0)?, owner_id: row.get(1)?, title: row.get(2)?, version: row.get(3)? })
}

fn note(tx: &mut ReadTx<'_>, id: NoteId) -> Result<Note, Refused> {
    tx.query_opt(&BY_ID, &params![id], note_from_row)?.ok_or(Refused::NotFound)
}

/// The note, if it belongs to this account. The one place that compares the two.
fn owned(tx: &mut ReadTx<'_>, id: NoteId, caller: UserId) -> Result<Note, Refused> {
    let note = note(tx, id)?;
    if note.owner_id == caller { Ok(note) } else { Err(Refused::NotOwner) }
}

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/notes", get(list).post(create))
        .route("/notes/{id}", get(read).delete(delete_own))
        .route("/admin/notes/{id}", delete(delete_any))
}

#[derive(Deserialize)]
struct Request {
    title: String,
}

async fn create(
    State(app): State<App>,
    caller: Require<NotesWrite>,
    origin: Origin,
    Json(request): Json<Request>,
) -> ApiResult<Response> {
    const TOO_LONG: IdentifierError = IdentifierError::new("too_long", "A title has at most 200 characters.");
    let owner_id = caller.user().id;
    let act = origin.act(app.clock.now()).by(owner_id);
    let mut check = Check::new();
    let title = check.field("/title", one_line(&request.title, 200, TOO_LONG));
    let (title,) = check.values((title,))?;
    let note = Note { id: Id::generate(act.at, &app.random), owner_id, title, version: 1 };
    let made = note.clone();
    app.db
        .write(move |tx| {
            caller.confirm(tx, act.at)?;
            tx.execute(&INSERT, &params![note.id, note.owner_id, note.title, note.version])?;
            remember(tx, &act, "note_created", &note)
        })
        .await?;
    Ok(created(made.version, made))
}

fn remember(tx: &mut WriteTx<'_>, act: &Act, action: &'static str, note: &Note) -> Result<(), Refused> {
    let (owner, id) = (note.owner_id, note.id.to_string());
    audit::record(tx, act, &Event::Resource { action, owner, id, fields: Vec::new() })?;
    Ok(())
}

async fn read(
    State(app): State<App>,
    caller: Require<NotesRead>,
    preconditions: Preconditions,
    Path(id): Path<NoteId>,
) -> ApiResult<Response> {
    let user = caller.user().id;
    let note = app.db.read(move |tx| owned(tx, id, user)).await?;
    Ok(preconditions.answer(note.version, || note))
}

#[derive(Deserialize)]
struct Wanted {
    limit: Option<u32>,
    cursor: Option<String>,
}

async fn list(
    State(app): State<App>,
    caller: Require<NotesRead>,
    Query(wanted): Query<Wanted>,
) -> ApiResult<Json<Page<Note>>> {
    let mut check = Check::new();
    let paging = Paging::check(&mut check, wanted.limit, wanted.cursor.as_deref());
    let (paging,) = check.values((paging,))?;
    let (owner, rows) = (caller.user().id, paging.rows());
    let before: NoteId = paging.after().unwrap_or(Id::from_bytes([0xff; 16]));
    let found =
        app.db.read(move |tx| tx.query_all(&PAGE, &params![owner, before, rows], note_from_row)).await;
    Ok(Json(paging.page(found.map_err(storage_problem)?, |note| note.id, |note| note)))
}

async fn delete_own(
    State(app): State<App>,
    caller: Require<NotesWrite>,
    origin: Origin,
    preconditions: Preconditions,
    Path(id): Path<NoteId>,
) -> ApiResult<StatusCode> {
    let user = caller.user().id;
    let act = origin.act(app.clock.now()).by(user);
    app.db
        .write(move |tx| {
            caller.confirm(tx, act.at)?;
            let note = owned(tx, id, user)?;
            preconditions.require(note.version)?;
            tx.execute(&DELETE, &params![note.id])?;
            remember(tx, &act, "note_deleted", &note)
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn delete_any(
    State(app): State<App>,
    caller: Require<NotesDeleteAny>,
    origin: Origin,
    Path(id): Path<NoteId>,
) -> ApiResult<StatusCode> {
    let act = origin.act(app.clock.now()).by(caller.user().id);
    app.db
        .write(move |tx| {
            caller.confirm(tx, act.at)?;
            let note = note(tx, id)?;
            tx.execute(&DELETE, &params![note.id])?;
            remember(tx, &act, "note_deleted", &note)
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Notes, as something that accounts own: Gatepost is told of it, so that notes can be given to another account when theirs is deleted.
pub(crate) struct Notes;

impl OwnedResource for Notes {
    fn name(&self) -> &'static str {
        "notes"
    }

    fn transfer(&self, tx: &mut WriteTx<'_>, act: &Act, from: UserId, to: UserId) -> Result<u64, DbError> {
        let count = tx.execute(&TRANSFER, &params![from, to])?;
        audit::record_transfer(tx, act, self.name(), (from, to), count)?;
        Ok(count)
    }
}
