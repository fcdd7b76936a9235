//! Teams: whoever signs one up makes a row of ours and an account of Gatepost's, both or neither.

use axum::extract::State;
use axum::routing::get;
use axum::{Router, http::StatusCode};
use gatepost_db::migrate::Migration;
use gatepost_db::{DbError, params, statements};
use gatepost_kernel::{Id, Secret};
use gatepost_problem::{ApiResult, Json, Problem, ProblemType};
use gatepost_server::accounts::{self, ProfileInput};
use gatepost_server::app::App;
use gatepost_server::audit::Origin;
use gatepost_server::http::{Caller, Require, storage_problem};
use gatepost_server::permissions;
use gatepost_server::sign_up::{Enrolment, NewAccount, Terms, enroll};
use serde::{Deserialize, Serialize};

permissions! {
    TeamsReadAny = "teams:read_any", "See every team.";
}

pub(crate) const MIGRATION: Migration = Migration {
    number: 1,
    name: "teams",
    text: "-- up
CREATE TABLE teams (
    id {uuid} NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    owner_id {uuid} NOT NULL REFERENCES users (id) ON DELETE CASCADE
) {strict};
CREATE INDEX teams_by_owner ON teams (owner_id, name);
-- down
DROP TABLE teams;
",
};

statements! {
    INSERT = "INSERT INTO teams (id, name, owner_id) VALUES (?1, ?2, ?3) ON CONFLICT (name) DO NOTHING";
    NAMES = "SELECT name FROM teams ORDER BY name LIMIT 100";
    NAMES_OF = "SELECT name FROM teams WHERE owner_id = ?1 ORDER BY name LIMIT 100";
}

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/teams", get(all).post(sign_up)).route("/teams/mine", get(mine))
}

/// A kind of [`Id`].
enum TeamKind {}

#[derive(Deserialize)]
struct SignUp {
    team: String,
    email: String,
    password: Secret<String>,
}

#[derive(Serialize)]
struct Teams {
    teams: Vec<String>,
}

/// `POST /teams`: a stranger signs up with a team.
async fn sign_up(
    State(app): State<App>,
    origin: Origin,
    Json(request): Json<SignUp>,
) -> ApiResult<(StatusCode, Json<Teams>)> {
    let SignUp { team, email, password } = request;
    let account = NewAccount { email, password, profile: ProfileInput::default() };
    // Everything slow comes before the transaction: the password is judged and hashed here.
    let enrolment = Enrolment::prepare(&app, account, Terms::stranger(false)).await?;
    let act = origin.act(app.clock.now());
    let id = Id::<TeamKind>::generate(act.at, &app.random);
    let name = team.clone();
    app.db
        .write(move |tx| {
            let owner = enroll(tx, &act, enrolment.clone())?;
            match tx.execute(&INSERT, &params![id, name, owner.id])? {
                0 => Err(Error::NameTaken),
                _ => Ok(()),
            }
        })
        .await?;
    Ok((StatusCode::CREATED, Json(Teams { teams: vec![team] })))
}

/// `GET /teams/mine`: for everybody who is signed in.
async fn mine(State(app): State<App>, caller: Caller) -> ApiResult<Json<Teams>> {
    let owner = caller.user.id;
    let found = app.db.read(move |tx| tx.query_all(&NAMES_OF, &params![owner], |row| row.get(0))).await;
    Ok(Json(Teams { teams: found.map_err(storage_problem)? }))
}

/// `GET /teams`: for those with the permission, and for their API keys with that scope.
async fn all(State(app): State<App>, _caller: Require<TeamsReadAny>) -> ApiResult<Json<Teams>> {
    let found = app.db.read(|tx| tx.query_all(&NAMES, &params![], |row| row.get(0))).await;
    Ok(Json(Teams { teams: found.map_err(storage_problem)? }))
}

/// Why nobody was signed up. An `Err` rolls back, so neither the team nor the account is there.
enum Error {
    NameTaken,
    Account(accounts::Error),
}

impl From<accounts::Error> for Error {
    fn from(error: accounts::Error) -> Self {
        Self::Account(error)
    }
}

impl From<DbError> for Error {
    fn from(error: DbError) -> Self {
        Self::Account(error.into())
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NameTaken => Self::new(ProblemType::Conflict).detail("There is a team of this name."),
            Error::Account(error) => error.into(),
        }
    }
}
