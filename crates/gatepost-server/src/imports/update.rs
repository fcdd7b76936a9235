//! What a row changes about an account that is there.

use gatepost_db::{DbError, ReadTx, WriteTx};

use crate::access;
use crate::accounts::{self, ProfileChange};
use crate::audit::{self, Act, Event};
use crate::ids::UserId;
use crate::passwords::{self, PasswordHash};
use crate::recovery;
use crate::sessions::Identities;

/// The changes of one row. Each is audited as if it had been made alone.
#[derive(Clone)]
pub(super) struct Update {
    pub(super) user: UserId,
    pub(super) profile: Option<ProfileChange>,
    pub(super) verify: bool,
    pub(super) active: Option<bool>,
    pub(super) roles: Vec<String>,
    pub(super) hash: Option<PasswordHash>,
    /// Whether whoever registered the account loses what they made of it.
    pub(super) throw_out: bool,
}

impl Update {
    pub(super) const fn is_nothing(&self) -> bool {
        let Self { user: _, profile, verify, active, roles, hash, throw_out } = self;
        profile.is_none() && !*verify && active.is_none() && roles.is_empty() && hash.is_none() && !*throw_out
    }

    /// Whether it would leave the installation without an administrator.
    pub(super) fn takes_last_admin(&self, tx: &mut ReadTx<'_>) -> Result<bool, DbError> {
        Ok(self.active == Some(false) && access::is_last_admin(tx, self.user)?)
    }

    /// Writes it. Everything that could refuse it was asked before: half a row must not be written.
    pub(super) fn write(
        &self,
        tx: &mut WriteTx<'_>,
        act: &Act,
        (identities, history): (&Identities, u8),
    ) -> Result<(), DbError> {
        let user = self.user;
        identities.forget_after_commit(tx, user);
        if self.throw_out {
            recovery::throw_out(tx, act, user, "import")?;
        }
        if let Some(hash) = &self.hash {
            passwords::set(tx, act, user, hash, history)?;
            audit::record(tx, act, &Event::PasswordChanged { user })?;
        }
        if self.throw_out || self.hash.is_some() {
            accounts::bump_epoch(tx, user, act.at)?;
        }
        if self.verify {
            accounts::mark_email_verified(tx, act, user).map_err(undecided)?;
        }
        if let Some(active) = self.active {
            access::set_active(tx, act, user, active).map_err(|error| match error {
                access::Error::Account(error) => undecided(error),
                // It was asked before whether this is the last administrator.
                access::Error::LastAdmin
                | access::Error::Denied(_)
                | access::Error::BeyondOwnRights
                | access::Error::NotFound
                | access::Error::UnknownRole(_)
                | access::Error::UnknownPermission(_)
                | access::Error::Conflict(_)
                | access::Error::VersionMismatch => DbError::Conflict,
            })?;
        }
        if let Some(profile) = &self.profile {
            accounts::change_profile(tx, act, user, profile.clone(), None).map_err(undecided)?;
        }
        for role in &self.roles {
            access::grant(tx, act, user, role)?;
        }
        Ok(())
    }
}

/// What was decided a moment ago holds no more: only a rerun can tell.
fn undecided(error: accounts::Error) -> DbError {
    match error {
        accounts::Error::Db(error) => error,
        accounts::Error::EmailTaken
        | accounts::Error::UsernameTaken
        | accounts::Error::PhoneTaken
        | accounts::Error::NotFound
        | accounts::Error::SessionEnded
        | accounts::Error::VersionMismatch => DbError::Conflict,
    }
}
