//! Who makes a request, for handlers: [`Caller`] for who is signed in, [`Origin`] for the audit trail.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use gatepost_db::{DbError, ReadTx};
use gatepost_kernel::Timestamp;
use gatepost_problem::{BearerToken, Problem, request_id};
use http::header::USER_AGENT;
use http::request::Parts;

use super::{ClientAddress, SignedInUser};
use crate::app::App;
use crate::audit::Origin;
use crate::sessions::{self, Identity};

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
    /// Whether the caller is still signed in, as the transaction sees it. Every transaction that changes something for a
    /// caller asks first: the body may have come in slowly, and the session may have ended meanwhile, here or on another
    /// node.
    ///
    /// # Errors
    /// What the database says.
    pub fn confirm(&self, tx: &mut ReadTx<'_>) -> Result<bool, DbError> {
        sessions::still_lives(tx, &self.session)
    }

    /// Whether the caller has proven who they are a short while ago (RFC 9470): what every operation asks that changes
    /// credentials. On an account with a second factor that one counts, whatever else was shown.
    ///
    /// # Errors
    /// 401 `insufficient_user_authentication`: the client asks its user to step up, and tries again.
    pub fn require_fresh(&self, now: Timestamp) -> Result<(), Problem> {
        let shown = if self.user.two_factor_enabled {
            self.session.second_factor_at
        } else {
            Some(self.session.proven_at)
        };
        match shown {
            Some(shown) if now.since(shown) <= FRESH => Ok(()),
            Some(_) | None => Err(Problem::step_up_required(FRESH_SECONDS)),
        }
    }

    async fn authenticate(parts: &mut Parts, app: &App, token: &BearerToken) -> Result<Self, Problem> {
        let identity = app.identities.authenticate(token.expose(), app.clock.now()).await?;
        if let Some(log) = parts.extensions.get::<SignedInUser>() {
            log.set(identity.user.id);
        }
        Ok(Self(identity))
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

/// How long a proof counts as fresh.
const FRESH: Duration = Duration::from_secs(FRESH_SECONDS as u64);
const FRESH_SECONDS: u32 = 10 * 60;

/// The longest part of a user agent that is kept.
const USER_AGENT_LENGTH: usize = 256;

impl FromRequestParts<App> for Origin {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        let user_agent = parts.headers.get(USER_AGENT).map(|value| {
            let text = String::from_utf8_lossy(value.as_bytes());
            text.chars().filter(|character| !character.is_control()).take(USER_AGENT_LENGTH).collect()
        });
        Ok(Self {
            address: parts.extensions.get::<ClientAddress>().map(|client| client.0),
            user_agent,
            request_id: request_id::current().map(|id| id.to_string()),
            random: app.random.clone(),
        })
    }
}
