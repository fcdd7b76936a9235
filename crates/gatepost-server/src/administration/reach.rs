//! Who may act on whose account: what every change of this feature asks first.

use gatepost_db::WriteTx;
use gatepost_kernel::Timestamp;
use gatepost_problem::{Problem, ProblemType};

use super::Error;
use crate::access::{self, AccessRules, Authority};
use crate::accounts::{self, User};
use crate::app::App;
use crate::audit::Act;
use crate::http::{Permission, Principal, Require, Speaker};
use crate::ids::UserId;
use crate::sessions::Identities;

/// Finds the account that somebody is about to act on, if they reach that far.
#[derive(Clone)]
pub(super) struct Reach {
    pub(super) rules: AccessRules,
    pub(super) identities: Identities,
}

impl Reach {
    pub(super) fn of(app: &App) -> Self {
        Self { rules: app.access.clone(), identities: app.identities.clone() }
    }

    /// The living account, for a caller who still has the permission and may do all that the account may. This node forgets
    /// what it knows of it once the change is durable.
    ///
    /// # Errors
    /// What rules it out. Whether there is such an account comes first: whoever may change accounts may know.
    pub(super) fn account<P: Permission, By: Speaker>(
        &self,
        tx: &mut WriteTx<'_>,
        act: &Act,
        caller: &Require<P, By>,
        (user, expected): (UserId, Option<i64>),
    ) -> Result<User, Error> {
        let authority = Authority::Caller(caller.confirm(tx, act.at)?);
        let user = accounts::living(tx, user, expected)?;
        access::may_act_on(tx, &self.rules, &authority, user.id)?;
        self.identities.forget_after_commit(tx, user.id);
        Ok(user)
    }
}

/// For the part of an operation that gives somebody a way in: it takes a session that was proven a short while ago, and no
/// API key reaches it.
pub(super) fn require_fresh_session(caller: &Principal, now: Timestamp) -> Result<(), Problem> {
    match caller {
        Principal::Session(caller) => caller.require_fresh(now),
        Principal::ApiKey(_) => Err(Problem::new(ProblemType::InsufficientScope)
            .detail("An API key does not reach this: its owner has to sign in.")),
    }
}
