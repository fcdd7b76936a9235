//! `DELETE /api/v1/sessions/{id}` and `DELETE /api/v1/sessions`: the end of one's other devices.

use axum::extract::State;
use gatepost_db::{DbError, WriteTx};
use gatepost_problem::{ApiResult, Path, Problem, Query};
use http::StatusCode;
use serde::Deserialize;

use super::identities::Identities;
use super::sql;
use crate::app::App;
use crate::audit::{self, Act, Event, Origin};
use crate::http::{Caller, storage_problem};
use crate::ids::{SessionId, UserId};

/// Why a session was not ended.
enum Error {
    /// The caller has no living session of this id. Whether somebody else has one is not said.
    NotFound,
    /// The caller's own session has ended meanwhile.
    SessionEnded,
    Db(DbError),
}

impl From<DbError> for Error {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound => Self::not_found(),
            Error::SessionEnded => Self::invalid_bearer(),
            Error::Db(error) => storage_problem(error),
        }
    }
}

/// End one of your sessions
///
/// Its tokens or its cookie stop working at once. Ending the current one is signing out.
#[utoipa::path(
    delete,
    path = "/api/v1/sessions/{id}",
    operation_id = "sessions_revoke",
    tag = "account",
    params(("id" = SessionId, Path, description = "The session's id")),
    responses(
        (status = 204, description = "The session has ended"),
        (status = 401, body = Problem, description = "`invalid_token`"),
        (status = 404, body = Problem, description = "`not_found`: also for a session of somebody else, or one that has ended"),
    ),
    security(("bearer" = []), ("password" = [])),
)]
pub(super) async fn one(
    State(app): State<App>,
    caller: Caller,
    origin: Origin,
    Path(session): Path<SessionId>,
) -> ApiResult<StatusCode> {
    let user = caller.user.id;
    let act = origin.act(app.clock.now()).by(user);
    let identities = app.identities.clone();
    app.db
        .write(move |tx| {
            if !caller.confirm(tx)? {
                return Err(Error::SessionEnded);
            }
            if revoke(tx, &identities, &act, user, session)? { Ok(()) } else { Err(Error::NotFound) }
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Which sessions to end.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Selection {
    /// Whether the current session ends as well. It stays unless this is `true`.
    #[serde(default)]
    include_current: bool,
}

/// End all your other sessions
#[utoipa::path(
    delete,
    path = "/api/v1/sessions",
    operation_id = "sessions_revoke_all",
    tag = "account",
    params(Selection),
    responses(
        (status = 204, description = "They have ended"),
        (status = 401, body = Problem, description = "`invalid_token`"),
        (status = 422, body = Problem, description = "`validation_failed`"),
    ),
    security(("bearer" = []), ("password" = [])),
)]
pub(super) async fn all(
    State(app): State<App>,
    caller: Caller,
    origin: Origin,
    Query(request): Query<Selection>,
) -> ApiResult<StatusCode> {
    let user = caller.user.id;
    let keep = (!request.include_current).then_some(caller.session.id);
    let act = origin.act(app.clock.now()).by(user);
    let identities = app.identities.clone();
    app.db
        .write(move |tx| {
            if !caller.confirm(tx)? {
                return Err(Error::SessionEnded);
            }
            Ok(revoke_all(tx, &identities, &act, user, keep)?)
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends a session of this user, with all that it handed out. Whether there was such a session.
///
/// # Errors
/// What the database says.
pub fn revoke(
    tx: &mut WriteTx<'_>,
    identities: &Identities,
    act: &Act,
    user: UserId,
    session: SessionId,
) -> Result<bool, DbError> {
    if !sql::belongs_to(tx, session, user)? {
        return Ok(false);
    }
    identities.forget_after_commit(tx, user);
    let ended = sql::end_session(tx, session, "revoked", "revoked_by_owner", act.at)?;
    if ended {
        audit::record(tx, act, &Event::SessionRevoked { user, session })?;
    }
    Ok(ended)
}

/// Ends every session of this user but the one to keep, and returns how many there were.
///
/// # Errors
/// What the database says.
pub fn revoke_all(
    tx: &mut WriteTx<'_>,
    identities: &Identities,
    act: &Act,
    user: UserId,
    keep: Option<SessionId>,
) -> Result<u64, DbError> {
    identities.forget_after_commit(tx, user);
    let ended = sql::end_sessions(tx, user, keep, act.at)?;
    if ended > 0 {
        audit::record(tx, act, &Event::SessionsRevoked { user, ended })?;
    }
    Ok(ended)
}
