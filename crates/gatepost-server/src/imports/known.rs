//! What the database holds about the rows of a batch, and what is to be done with each of them.
//!
//! Looked up once for the whole batch; afterwards each decision notes what it will have changed, so that the next row is
//! decided as if the one before it had been written.

use std::collections::{HashMap, HashSet};

use gatepost_db::{DbError, ReadTx};
use gatepost_kernel::Timestamp;

use super::OnExisting;
use super::row::{Complaint, Row};
use super::update::Update;
use crate::access::{self, USER};
use crate::accounts::{self, Email, User};
use crate::ids::UserId;
use crate::passwords::{self, PasswordHash};
use crate::recovery;

/// What the operator decided about rows.
#[derive(Clone, Copy)]
pub(super) struct Rules {
    pub(super) on_existing: OnExisting,
    pub(super) replace_passwords: bool,
}

/// Accounts and names, as they are after the rows so far.
pub(super) struct Known {
    /// By canonical address.
    accounts: HashMap<String, Account>,
    usernames: HashMap<String, UserId>,
    phones: HashMap<String, UserId>,
    /// Addresses that somebody may take back.
    reserved: HashSet<String>,
}

#[derive(Clone)]
struct Account {
    user: User,
    roles: Vec<String>,
    hash: Option<PasswordHash>,
}

/// An account that is to be.
#[derive(Clone)]
pub(super) struct New {
    pub(super) user: User,
    pub(super) email: Email,
    pub(super) roles: Vec<String>,
    pub(super) hash: Option<PasswordHash>,
}

/// What is to be done with a row.
pub(super) enum Decision {
    Create(Box<New>),
    Update(Box<Update>),
    Unchanged,
    Skipped,
    Bad(Complaint),
}

impl Known {
    /// Looks up whatever these rows speak of.
    pub(super) fn load(tx: &mut ReadTx<'_>, rows: &[&Row], now: Timestamp) -> Result<Self, DbError> {
        let addresses: Vec<&str> = rows.iter().map(|row| row.email.canonical()).collect();
        let usernames: Vec<String> =
            rows.iter().filter_map(|row| row.profile.username()).map(str::to_ascii_lowercase).collect();
        let phones: Vec<&str> = rows.iter().filter_map(|row| row.profile.phone_number()).collect();
        let mut known = Self {
            accounts: HashMap::new(),
            usernames: HashMap::new(),
            phones: HashMap::new(),
            reserved: recovery::reserved_among(tx, &addresses, now)?.into_iter().collect(),
        };
        if !usernames.is_empty() {
            known.usernames.extend(accounts::who_has_usernames(tx, &usernames)?);
        }
        if !phones.is_empty() {
            known.phones.extend(accounts::who_has_phones(tx, &phones)?);
        }
        let users = accounts::by_addresses(tx, &addresses)?;
        if users.is_empty() {
            return Ok(known);
        }
        let ids: Vec<UserId> = users.iter().map(|user| user.id).collect();
        let mut roles: HashMap<UserId, Vec<String>> = HashMap::new();
        for (user, role) in access::roles_of_all(tx, &ids)? {
            roles.entry(user).or_default().push(role);
        }
        let mut hashes: HashMap<UserId, PasswordHash> = passwords::hashes_of(tx, &ids)?.into_iter().collect();
        for user in users {
            let (roles, hash) = (roles.remove(&user.id).unwrap_or_default(), hashes.remove(&user.id));
            known.accounts.insert(user.email_canonical(), Account { user, roles, hash });
        }
        Ok(known)
    }

    /// What is to be done with a row. A new account gets this id, and is known from now on; an update is known once it was
    /// [noted](Self::note).
    pub(super) fn decide(&mut self, row: &Row, id: UserId, rules: Rules, now: Timestamp) -> Decision {
        let Some(account) = self.accounts.get(row.email.canonical()) else {
            return self.decide_new(row, id, now);
        };
        match rules.on_existing {
            OnExisting::Update => self.decide_update(row, account, rules),
            OnExisting::Skip => Decision::Skipped,
            OnExisting::Error => bad(row, "email", "There is an account with this address already."),
        }
    }

    fn decide_new(&mut self, row: &Row, id: UserId, now: Timestamp) -> Decision {
        if self.reserved.contains(row.email.canonical()) {
            return bad(row, "email", "An account that had this address may still take it back.");
        }
        let mut user = User {
            email_verified: row.vouched,
            is_active: row.is_active.unwrap_or(true),
            awaiting_approval: row.awaiting_approval,
            updated_at: now,
            ..User::new(id, &row.email, row.created_at.unwrap_or(now))
        };
        row.profile.clone().apply(&mut user);
        if let Some(complaint) = self.who_holds(row, &user) {
            return complaint;
        }
        let (email, roles, hash) = (row.email.clone(), row.roles.clone(), row.hash.clone());
        self.hold(None, Account { user: user.clone(), roles: roles.clone(), hash: hash.clone() });
        Decision::Create(Box::new(New { user, email, roles, hash }))
    }

    fn decide_update(&self, row: &Row, account: &Account, rules: Rules) -> Decision {
        let Account { user, roles, hash } = account;
        let mut after = user.clone();
        let profile_changes = !row.profile.clone().apply(&mut after).is_empty();
        if let Some(complaint) = self.who_holds(row, &after) {
            return complaint;
        }
        let verify = row.vouched && !user.email_verified;
        let set_hash = match (&row.hash, hash) {
            (Some(_), None) => true,
            (Some(new), Some(old)) => rules.replace_passwords && new.expose() != old.expose(),
            (None, _) => false,
        };
        // Nobody has shown whose the address is: what somebody may have made of the account must not outlive the word of
        // the file (REG-06).
        let throw_out = !user.email_verified && (verify || set_hash);
        let missing: Vec<String> = row.roles.iter().filter(|role| !roles.contains(role)).cloned().collect();
        if !user.email_verified && !verify && missing.iter().any(|role| role != USER) {
            return bad(
                row,
                "roles",
                "Nobody has verified the address of this account: it gets roles once `email_verified` is given, too.",
            );
        }
        let update = Update {
            user: user.id,
            profile: profile_changes.then(|| row.profile.clone()),
            verify,
            active: row.is_active.filter(|active| *active != user.is_active),
            roles: missing,
            hash: row.hash.clone().filter(|_| set_hash || throw_out),
            throw_out,
        };
        if update.is_nothing() { Decision::Unchanged } else { Decision::Update(Box::new(update)) }
    }

    /// The complaint about a name that another account has.
    fn who_holds(&self, row: &Row, wanted: &User) -> Option<Decision> {
        let is_other = |holder: Option<&UserId>| holder.is_some_and(|holder| *holder != wanted.id);
        // A name that the account has already was not looked up, and is nobody else's.
        if wanted.username_canonical().is_some_and(|name| is_other(self.usernames.get(&name))) {
            return Some(bad(row, "username", "Another account has this username."));
        }
        if wanted.phone_number.as_ref().is_some_and(|number| is_other(self.phones.get(number))) {
            return Some(bad(row, "phone_number", "Another account has this phone number."));
        }
        None
    }

    /// Notes that an update was written.
    pub(super) fn note(&mut self, row: &Row, update: &Update) {
        let Some(before) = self.accounts.get(row.email.canonical()).cloned() else { return };
        let mut after = before.clone();
        if let Some(profile) = update.profile.clone() {
            profile.apply(&mut after.user);
        }
        after.user.email_verified |= update.verify;
        after.user.is_active = update.active.unwrap_or(after.user.is_active);
        after.roles.extend(update.roles.iter().cloned());
        if update.throw_out || update.hash.is_some() {
            after.hash = update.hash.clone();
        }
        self.hold(Some(&before.user), after);
    }

    /// The names of the account before are free, those of the account after are its own.
    fn hold(&mut self, before: Option<&User>, after: Account) {
        if let Some(before) = before {
            if let Some(name) = before.username_canonical() {
                self.usernames.remove(&name);
            }
            if let Some(number) = &before.phone_number {
                self.phones.remove(number);
            }
        }
        let user = &after.user;
        if let Some(name) = user.username_canonical() {
            self.usernames.insert(name, user.id);
        }
        if let Some(number) = &user.phone_number {
            self.phones.insert(number.clone(), user.id);
        }
        self.accounts.insert(user.email_canonical(), after);
    }
}

fn bad(row: &Row, field: &str, what: &str) -> Decision {
    Decision::Bad(Complaint::field(row.line, field, what))
}
