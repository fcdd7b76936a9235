//! What a task is. Pure: no database, no clock, no HTTP.

use gatepost_kernel::{Id, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::accounts::{IdentifierError, Patch, one_line, several_lines};
use crate::ids::UserId;

/// A kind of [`Id`]: a task.
pub enum TaskKind {}
/// The id of a task.
pub type TaskId = Id<TaskKind>;

/// How far a task is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = TaskStatus)]
pub enum Status {
    /// Nobody has begun.
    #[default]
    Todo,
    /// Somebody is at it.
    Doing,
    /// It is done.
    Done,
}

impl Status {
    /// Its name in the database.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Todo => "todo",
            Self::Doing => "doing",
            Self::Done => "done",
        }
    }

    /// What [`Status::name`] named.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        [Self::Todo, Self::Doing, Self::Done].into_iter().find(|status| status.name() == name)
    }
}

/// A task, as its owner sees it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Task {
    /// Never changes.
    pub id: TaskId,
    /// The account that it belongs to.
    pub owner_id: UserId,
    /// What is to be done, on one line.
    #[schema(example = "Write the report")]
    pub title: String,
    /// More about it.
    pub description: Option<String>,
    /// How far it is.
    pub status: Status,
    /// When it should be done.
    pub due_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Counts up with every change: the `ETag`.
    #[serde(skip)]
    pub version: i64,
}

/// A title: 1 to 200 characters on one line.
///
/// # Errors
/// `too_short`, `too_long`, `invalid_characters`.
pub(super) fn title(text: &str) -> Result<String, IdentifierError> {
    const TOO_LONG: IdentifierError = IdentifierError::new("too_long", "A title has at most 200 characters.");
    one_line(text, 200, TOO_LONG)
}

/// A description: 1 to 4,000 characters.
///
/// # Errors
/// `too_short`, `too_long`, `invalid_characters`.
pub(super) fn description(text: &str) -> Result<String, IdentifierError> {
    const TOO_LONG: IdentifierError =
        IdentifierError::new("too_long", "A description has at most 4,000 characters.");
    several_lines(text, 4_000, TOO_LONG)
}

/// A point in time, as RFC 3339 writes it.
///
/// # Errors
/// `invalid_time`.
pub(super) fn time(text: &str) -> Result<Timestamp, IdentifierError> {
    const EXPECTED: IdentifierError =
        IdentifierError::new("invalid_time", "Write a time as in RFC 3339: 2026-11-21T09:30:00Z.");
    text.parse().map_err(|_| EXPECTED)
}

/// What a search looks at, and for: letter case does not count.
pub(super) fn folded(text: &str) -> String {
    text.to_lowercase()
}

/// What is to change, believed.
#[derive(Clone)]
pub(super) struct Change {
    pub(super) title: Option<String>,
    pub(super) description: Patch<String>,
    pub(super) status: Option<Status>,
    pub(super) due_at: Patch<Timestamp>,
}

impl Change {
    /// Writes the change into the task and names the fields that are others now.
    pub(super) fn apply(self, task: &mut Task) -> Vec<&'static str> {
        let Self { title, description, status, due_at } = self;
        let touched = [
            ("title", set(&mut task.title, title)),
            ("description", description.apply(&mut task.description)),
            ("status", set(&mut task.status, status)),
            ("due_at", due_at.apply(&mut task.due_at)),
        ];
        touched.into_iter().filter_map(|(name, changed)| changed.then_some(name)).collect()
    }
}

fn set<T: PartialEq>(field: &mut T, new: Option<T>) -> bool {
    match new {
        Some(new) if new != *field => {
            *field = new;
            true
        }
        Some(_) | None => false,
    }
}

/// Which tasks are wanted. All that is given must hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Filter {
    /// How far they are.
    pub(super) status: Option<Status>,
    /// Due before.
    pub(super) due_before: Option<Timestamp>,
    /// Due then or later.
    pub(super) due_after: Option<Timestamp>,
    /// Folded text that their titles hold.
    pub(super) text: Option<String>,
}

#[cfg(test)]
mod tests {
    use gatepost_kernel::Random;

    use super::*;

    #[test]
    fn a_status_is_named_the_same_in_the_database_and_on_the_wire() {
        for status in [Status::Todo, Status::Doing, Status::Done] {
            assert_eq!(Status::from_name(status.name()), Some(status));
            assert_eq!(serde_json::to_value(status).unwrap(), status.name());
        }
        assert_eq!(Status::from_name("Done"), None);
    }

    #[test]
    fn a_change_names_what_it_changes_and_nothing_else() {
        let random = Random::system();
        let now = Timestamp::from_secs(1);
        let mut task = Task {
            id: Id::generate(now, &random),
            owner_id: Id::generate(now, &random),
            title: "a".to_owned(),
            description: Some("b".to_owned()),
            status: Status::Todo,
            due_at: None,
            created_at: now,
            updated_at: now,
            version: 1,
        };
        let change = Change {
            title: Some("a".to_owned()),
            description: Patch::Clear,
            status: Some(Status::Done),
            due_at: Patch::Keep,
        };
        assert_eq!(change.clone().apply(&mut task), ["description", "status"]);
        assert_eq!((task.description.as_deref(), task.status), (None, Status::Done));
        assert!(change.apply(&mut task).is_empty());
    }
}
