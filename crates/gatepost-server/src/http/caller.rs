//! Who makes a request, for handlers: [`Caller`] for who is signed in, [`Origin`] for the audit trail.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use gatepost_db::{DbError, ReadTx};
use gatepost_kernel::{Secret, Timestamp};
use gatepost_problem::{Problem, ProblemType, request_id};
use http::header::{AUTHORIZATION, USER_AGENT};
use http::request::Parts;

use super::{ClientAddress, CookieName, Credential, SignedInUser, storage_problem};
use crate::api_keys::KeyIdentity;
use crate::app::App;
use crate::audit::Origin;
use crate::sessions::{self, CookieKey, Identity};

/// The roles of an account and what they add up to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// Names of roles, sorted.
    pub roles: Vec<String>,
    /// `resource:action`, sorted.
    pub permissions: Vec<String>,
}

impl Rights {
    /// Whether this permission is among them.
    pub fn may(&self, permission: &str) -> bool {
        self.permissions.iter().any(|held| held == permission)
    }

    /// Whether this role is among them.
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|held| held == role)
    }
}

/// The signed-in user behind a request. A handler that takes one answers 401 to everybody else, and 403 to the API keys of
/// users: see [`Principal`](super::Principal) for operations that those may call, too.
///
/// They come with an access token, or with a session cookie and then only from our own pages, unless nothing is changed
/// (see [`CsrfGuard`](super::CsrfGuard)).
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
            Some(_) | None => Err(step_up_required()),
        }
    }

    async fn of_cookie(
        parts: &Parts,
        app: &App,
        cookie: &str,
        now: Timestamp,
    ) -> Result<Arc<Identity>, Problem> {
        let ended =
            || Problem::unauthenticated().cause("the session cookie is unknown, or its session has ended");
        let cookie = CookieKey::hash_of(cookie).ok_or_else(ended)?;
        app.csrf.check(&parts.method, &parts.headers, app.cookies, &cookie)?;
        sessions::of_cookie(app, &cookie, now).await.map_err(storage_problem)?.ok_or_else(ended)
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let caller = <Self as OptionalFromRequestParts<App>>::from_request_parts(parts, app).await?;
        caller.ok_or_else(Problem::unauthenticated)
    }
}

/// For the few operations that a signed-in user and a stranger may both call.
impl OptionalFromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Option<Self>, Problem> {
        let now = app.clock.now();
        let identity = match Credential::from_headers(&parts.headers)? {
            Some(Credential::AccessToken(token)) => app.identities.authenticate(token.expose(), now).await?,
            Some(Credential::ApiKey(key)) => return Err(api_key_reaches_nothing(parts, app, &key).await),
            // Whoever says in a header who they are does not mean the cookie.
            None if parts.headers.contains_key(AUTHORIZATION) => return Ok(None),
            None => match app.cookies.get(&parts.headers, CookieName::Session) {
                Some(cookie) => Self::of_cookie(parts, app, cookie.expose(), now).await?,
                None => return Ok(None),
            },
        };
        sessions::note_use(app, &identity, now).await;
        if let Some(log) = parts.extensions.get::<SignedInUser>() {
            log.set(identity.user.id);
        }
        Ok(Some(Self(identity)))
    }
}

/// The living API key of a request, if it brings one.
pub(super) async fn api_key_of(parts: &Parts, app: &App) -> Result<Option<Arc<KeyIdentity>>, Problem> {
    match Credential::from_headers(&parts.headers)? {
        Some(Credential::ApiKey(key)) => authenticate_key(parts, app, &key).await.map(Some),
        Some(Credential::AccessToken(_)) | None => Ok(None),
    }
}

async fn authenticate_key(
    parts: &Parts,
    app: &App,
    key: &Secret<String>,
) -> Result<Arc<KeyIdentity>, Problem> {
    let identity = app.api_keys.authenticate(key.expose(), app.clock.now()).await?;
    if let Some(log) = parts.extensions.get::<SignedInUser>() {
        log.set(identity.user.id);
        log.set_api_key(identity.id);
    }
    Ok(identity)
}

/// What an API key hears where only a session will do: 403 when it lives, for its owner is known and may not do this with
/// it, and 401 when it does not.
async fn api_key_reaches_nothing(parts: &Parts, app: &App, key: &Secret<String>) -> Problem {
    match authenticate_key(parts, app, key).await {
        Ok(_) => Problem::new(ProblemType::InsufficientScope)
            .detail("An API key does not reach this operation: its owner has to sign in."),
        Err(problem) => problem,
    }
}

/// For an operation that reads its credential itself and that API keys do not reach: it refuses them, and nobody else.
pub struct NotByApiKey;

impl FromRequestParts<App> for NotByApiKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        match Credential::from_headers(&parts.headers)? {
            Some(Credential::ApiKey(key)) => Err(api_key_reaches_nothing(parts, app, &key).await),
            Some(Credential::AccessToken(_)) | None => Ok(Self),
        }
    }
}

/// 401 for a session whose last proof is too old, or is not the one that the account has.
pub(crate) fn step_up_required() -> Problem {
    Problem::step_up_required(FRESH_SECONDS)
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
