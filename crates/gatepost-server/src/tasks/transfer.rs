//! Tasks that go to another account, because theirs is deleted.

use gatepost_db::{DbError, WriteTx};

use super::sql;
use crate::audit::{self, Act};
use crate::extension::OwnedResource;
use crate::ids::UserId;

/// Tasks, as something that can be given to another account.
pub struct Tasks;

impl OwnedResource for Tasks {
    fn name(&self) -> &'static str {
        "tasks"
    }

    fn transfer(&self, tx: &mut WriteTx<'_>, act: &Act, from: UserId, to: UserId) -> Result<u64, DbError> {
        let count = sql::transfer(tx, from, to, act.at)?;
        audit::record_transfer(tx, act, self.name(), (from, to), count)?;
        Ok(count)
    }
}
