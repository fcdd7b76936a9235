//! [`Principal`]: for operations that programs may call, too.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use gatepost_db::{DbError, ReadTx};
use gatepost_kernel::Timestamp;
use gatepost_problem::Problem;
use http::request::Parts;

use super::caller::{Caller, Rights, api_key_of};
use crate::accounts::User;
use crate::api_keys::{self, KeyIdentity};
use crate::app::App;

/// Whoever makes a request: a signed-in user, or a program with an API key of theirs. A handler that takes one answers 401
/// to everybody else.
///
/// A handler that takes a [`Caller`] is closed to programs. That is what every operation on credentials takes, so that a
/// key can never become more than it is.
#[derive(Clone)]
pub enum Principal {
    /// A signed-in user.
    Session(Caller),
    /// An API key, and its owner.
    ApiKey(Arc<KeyIdentity>),
}

impl Principal {
    /// The account that the request speaks for.
    pub fn user(&self) -> &User {
        match self {
            Self::Session(caller) => &caller.user,
            Self::ApiKey(key) => &key.user,
        }
    }

    /// What the request may do. A key has no roles, and those permissions of its owner that its scopes name.
    pub fn rights(&self) -> &Rights {
        match self {
            Self::Session(caller) => &caller.rights,
            Self::ApiKey(key) => &key.rights,
        }
    }

    /// Whether the credential still holds, as the transaction sees it: see [`Caller::confirm`].
    ///
    /// # Errors
    /// What the database says.
    pub fn confirm(&self, tx: &mut ReadTx<'_>, now: Timestamp) -> Result<bool, DbError> {
        match self {
            Self::Session(caller) => caller.confirm(tx),
            Self::ApiKey(key) => api_keys::still_lives(tx, key.id, now),
        }
    }
}

impl FromRequestParts<App> for Principal {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        match api_key_of(parts, app).await? {
            Some(key) => Ok(Self::ApiKey(key)),
            None => Caller::from_request_parts(parts, app).await.map(Self::Session),
        }
    }
}
