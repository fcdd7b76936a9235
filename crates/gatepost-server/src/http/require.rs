//! [`Require`]: an operation that wants a permission says so in its signature.

use std::marker::PhantomData;
use std::ops::Deref;

use axum::extract::FromRequestParts;
use gatepost_db::{DbError, ReadTx};
use gatepost_kernel::Timestamp;
use gatepost_problem::{Problem, ProblemType};
use http::request::Parts;

use super::{Caller, Permission, Principal, Rights, storage_problem};
use crate::access::AccessRules;
use crate::app::App;
use crate::{api_keys, sessions};

/// A caller who has the permission `P`. Everybody else is answered 401 or 403 before the body is read.
///
/// `Require<P>` lets API keys in that have the permission among their scopes; `Require<P, Caller>` is for sessions only, for
/// what a program must never do.
///
/// What it says was true a moment ago. A transaction that changes something asks [`Require::confirm`], which reads the
/// rights of the caller from the database.
pub struct Require<P, By = Principal> {
    by: By,
    rules: AccessRules,
    permission: PhantomData<fn() -> P>,
}

impl<P: Permission, By: Speaker> Require<P, By> {
    /// The caller's rights as the transaction sees them, if the credential still holds and the permission is still
    /// among them.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn confirm(&self, tx: &mut ReadTx<'_>, now: Timestamp) -> Result<Rights, Denied> {
        let rights = self.by.rights_now(tx, &self.rules, now)?.ok_or(Denied::Ended)?;
        if rights.may(P::NAME) { Ok(rights) } else { Err(Denied::Forbidden) }
    }
}

impl<P, By> Deref for Require<P, By> {
    type Target = By;

    fn deref(&self) -> &By {
        &self.by
    }
}

impl<P: Permission, By: Speaker> FromRequestParts<App> for Require<P, By> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let by = By::from_request_parts(parts, app).await?;
        by.require(P::NAME)?;
        Ok(Self { by, rules: app.access.clone(), permission: PhantomData })
    }
}

/// Why a transaction does not do what its caller was allowed to a moment ago.
#[derive(Debug, thiserror::Error)]
pub enum Denied {
    /// The credential has ended.
    #[error("the caller's session or key has ended")]
    Ended,
    /// The permission was taken away.
    #[error("the caller does not have the permission any more")]
    Forbidden,
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Ended => Self::invalid_bearer().cause(denied),
            Denied::Forbidden => Self::new(ProblemType::Forbidden).cause(denied),
            Denied::Db(error) => storage_problem(error),
        }
    }
}

/// Who can hold a permission: a [`Caller`] or a [`Principal`].
pub trait Speaker: FromRequestParts<App, Rejection = Problem> + Send + Sync + sealed::Sealed {
    /// Whether the request may do this, by what was read when it began.
    ///
    /// # Errors
    /// 403 `insufficient_scope` for a key that was not given the permission; 403 `forbidden` for an account that does not
    /// have it.
    fn require(&self, permission: &'static str) -> Result<(), Problem>;

    /// The rights that the credential gives now; `None` when it has ended.
    ///
    /// # Errors
    /// What the database says.
    fn rights_now(
        &self,
        tx: &mut ReadTx<'_>,
        rules: &AccessRules,
        now: Timestamp,
    ) -> Result<Option<Rights>, DbError>;
}

impl Speaker for Caller {
    fn require(&self, permission: &'static str) -> Result<(), Problem> {
        if self.rights.may(permission) { Ok(()) } else { Err(Problem::new(ProblemType::Forbidden)) }
    }

    fn rights_now(
        &self,
        tx: &mut ReadTx<'_>,
        rules: &AccessRules,
        _now: Timestamp,
    ) -> Result<Option<Rights>, DbError> {
        sessions::rights_now(tx, self.session.id, rules)
    }
}

impl Speaker for Principal {
    fn require(&self, permission: &'static str) -> Result<(), Problem> {
        match self {
            Self::Session(caller) => caller.require(permission),
            Self::ApiKey(key) if !key.scopes.iter().any(|scope| scope == permission) => {
                Err(Problem::insufficient_scope(permission))
            }
            Self::ApiKey(key) if key.rights.may(permission) => Ok(()),
            Self::ApiKey(_) => Err(Problem::new(ProblemType::Forbidden)),
        }
    }

    fn rights_now(
        &self,
        tx: &mut ReadTx<'_>,
        rules: &AccessRules,
        now: Timestamp,
    ) -> Result<Option<Rights>, DbError> {
        match self {
            Self::Session(caller) => caller.rights_now(tx, rules, now),
            Self::ApiKey(key) => api_keys::rights_now(tx, key.id, rules, now),
        }
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Caller {}
    impl Sealed for super::Principal {}
}
