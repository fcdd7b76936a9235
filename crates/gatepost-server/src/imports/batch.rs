//! The transaction of a batch: accounts, passwords, roles, audit entries and the checkpoint, all or none.

use std::sync::Arc;

use gatepost_db::{DbError, WriteTx};

use super::checkpoint::{Checkpoint, Tally};
use super::feed::Place;
use super::known::{Decision, Known, New, Rules};
use super::row::{Complaint, Row};
use super::source::FileHash;
use super::sql;
use crate::access;
use crate::accounts::{self, Email, User};
use crate::attempts::{self, Attempts};
use crate::audit::{self, Act, Event};
use crate::ids::UserId;
use crate::passwords::{self, PasswordHash};
use crate::sessions::Identities;

/// Rows that are done together, each with the id that its account gets if it is a new one.
pub(super) struct Batch {
    pub(super) rows: Vec<Result<(UserId, Row), Complaint>>,
    /// Behind the last of them.
    pub(super) end: Place,
}

/// All that the transaction needs besides an act. Cloning shares the rows.
#[derive(Clone)]
pub(super) struct Job {
    pub(super) batch: Arc<Batch>,
    pub(super) rules: Rules,
    /// How many former passwords are kept.
    pub(super) history: u8,
    pub(super) attempts: Attempts,
    pub(super) identities: Identities,
    /// Where the run was before; the file's hash, if it can be gone on with.
    pub(super) from: Checkpoint,
    pub(super) file: Option<FileHash>,
    /// Whether all of it is taken back.
    pub(super) dry: bool,
}

/// What became of a batch.
#[derive(Clone)]
pub(super) struct Done {
    /// Where the run is now.
    pub(super) to: Checkpoint,
    pub(super) complaints: Vec<Complaint>,
}

/// Why a batch was not written.
pub(super) enum Undone {
    /// It was only to be seen what would happen.
    Dry(Box<Done>),
    /// Another run of the same file was quicker.
    Overtaken,
    Db(DbError),
}

impl From<DbError> for Undone {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

impl Job {
    /// Does what each row says, in the order of the file.
    pub(super) fn run(&self, tx: &mut WriteTx<'_>, act: &Act) -> Result<Done, Undone> {
        let rows: Vec<&Row> =
            self.batch.rows.iter().filter_map(|row| row.as_ref().ok().map(|(_, row)| row)).collect();
        let mut known = Known::load(tx, &rows, act.at)?;
        let (mut tally, mut complaints, mut new) = (Tally::default(), Vec::new(), Vec::new());
        for row in &self.batch.rows {
            let (id, row) = match row {
                Ok(row) => row,
                Err(complaint) => {
                    tally.bad += 1;
                    complaints.push(complaint.clone());
                    continue;
                }
            };
            match known.decide(row, *id, self.rules, act.at) {
                Decision::Create(account) => {
                    tally.created += 1;
                    new.push(*account);
                }
                Decision::Update(update) => {
                    // It may be about one of them, or take a name that one of them has given up.
                    self.create(tx, act, std::mem::take(&mut new))?;
                    if update.takes_last_admin(tx)? {
                        tally.bad += 1;
                        complaints.push(Complaint::field(
                            row.line,
                            "is_active",
                            "This is the last administrator.",
                        ));
                        continue;
                    }
                    update.write(tx, act, (&self.identities, self.history))?;
                    known.note(row, &update);
                    tally.updated += 1;
                }
                Decision::Unchanged => tally.unchanged += 1,
                Decision::Skipped => tally.skipped += 1,
                Decision::Bad(complaint) => {
                    tally.bad += 1;
                    complaints.push(complaint);
                }
            }
        }
        self.create(tx, act, new)?;
        let to = self.advanced(tally, &complaints);
        if let Some(file) = self.file.as_ref().filter(|_| !self.dry)
            && !sql::advance(tx, file, (&self.from, &to), act.at)?
        {
            return Err(Undone::Overtaken);
        }
        let done = Done { to, complaints };
        if self.dry { Err(Undone::Dry(Box::new(done))) } else { Ok(done) }
    }

    fn advanced(&self, tally: Tally, complaints: &[Complaint]) -> Checkpoint {
        Checkpoint {
            place: self.batch.end,
            tally: self.from.tally.plus(tally),
            last_errors: complaints.iter().map(|complaint| format!("{complaint}\n")).collect(),
            ..self.from.clone()
        }
    }

    /// Writes new accounts, one statement for each table.
    fn create(&self, tx: &mut WriteTx<'_>, act: &Act, new: Vec<New>) -> Result<(), DbError> {
        if new.is_empty() {
            return Ok(());
        }
        let mut users: Vec<(User, Email)> = Vec::with_capacity(new.len());
        let mut hashes: Vec<(UserId, PasswordHash)> = Vec::with_capacity(new.len());
        let (mut grants, mut events) = (Vec::new(), Vec::new());
        let mut targets = Vec::with_capacity(new.len());
        for New { user, email, roles, hash } in new {
            let id = user.id;
            targets.push(self.attempts.of_user(&user, None, act.at));
            grants.extend(roles.iter().map(|role| (id, role.clone())));
            events.push(Event::UserImported { user: id, roles, password: hash.is_some() });
            hashes.extend(hash.map(|hash| (id, hash)));
            users.push((user, email));
        }
        accounts::bring(tx, &users)?;
        passwords::bring(tx, act, &hashes)?;
        access::bring(tx, act, &grants)?;
        audit::record_all(tx, act, &events)?;
        // What was counted against the names while nobody had them is not their owners'.
        attempts::reopen_all(tx, &targets)
    }
}
