//! Who makes a request, for handlers: [`Caller`] for who is signed in, [`Act`] for the audit trail.

use std::ops::Deref;
use std::sync::Arc;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use gatepost_problem::{BearerToken, Problem, request_id};
use http::header::USER_AGENT;
use http::request::Parts;

use super::{ClientAddress, SignedInUser, storage_problem};
use crate::app::App;
use crate::audit::Act;
use crate::sessions::Identity;
use crate::sessions::identities::AuthenticationError;

/// The roles of an account and what they add up to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// Names of roles, sorted.
    pub roles: Vec<String>,
    /// `resource:action`, sorted.
    pub permissions: Vec<String>,
}

/// The signed-in user behind a request. A handler that takes one answers 401 to everybody else.
///
/// What it says was true when the request began: the account is active, its session lives, and its rights are those of
/// the database.
#[derive(Clone)]
pub struct Caller(Arc<Identity>);

impl Deref for Caller {
    type Target = Identity;

    fn deref(&self) -> &Identity {
        &self.0
    }
}

impl Caller {
    async fn authenticate(parts: &mut Parts, app: &App, token: &BearerToken) -> Result<Self, Problem> {
        let found = app.identities.authenticate(token.expose(), app.clock.now()).await;
        match found {
            Ok(identity) => {
                if let Some(log) = parts.extensions.get::<SignedInUser>() {
                    log.set(identity.user.id);
                }
                Ok(Self(identity))
            }
            Err(AuthenticationError::Db(error)) => Err(storage_problem(error)),
            Err(refused) => Err(Problem::invalid_bearer().cause(refused)),
        }
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let token = BearerToken::from_headers(&parts.headers)?.ok_or_else(Problem::unauthenticated)?;
        Self::authenticate(parts, app, &token).await
    }
}

/// For the few operations that a signed-in user and a stranger may both call.
impl OptionalFromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Option<Self>, Problem> {
        match BearerToken::from_headers(&parts.headers)? {
            Some(token) => Self::authenticate(parts, app, &token).await.map(Some),
            None => Ok(None),
        }
    }
}

/// The longest part of a user agent that is kept.
const USER_AGENT_LENGTH: usize = 256;

impl FromRequestParts<App> for Act {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        let user_agent = parts.headers.get(USER_AGENT).map(|value| {
            let text = String::from_utf8_lossy(value.as_bytes());
            text.chars().filter(|character| !character.is_control()).take(USER_AGENT_LENGTH).collect()
        });
        Ok(Self {
            at: app.clock.now(),
            actor: None,
            address: parts.extensions.get::<ClientAddress>().map(|client| client.0),
            user_agent,
            request_id: request_id::current().map(|id| id.to_string()),
            random: app.random.clone(),
        })
    }
}
