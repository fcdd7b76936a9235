//! What an item is. Pure: no database, no clock, no HTTP.

use gatepost_kernel::{Id, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use crate::accounts::{IdentifierError, Patch, one_line, several_lines};
use crate::ids::UserId;

/// A kind of [`Id`]: an item.
pub enum ItemKind {}
/// The id of an item.
pub type ItemId = Id<ItemKind>;

/// An item, as its owner sees it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Item {
    /// Never changes.
    pub id: ItemId,
    /// The account that it belongs to.
    pub owner_id: UserId,
    /// What it is, on one line.
    #[schema(example = "A brass lantern")]
    pub title: String,
    /// More about it.
    pub description: Option<String>,
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

/// What a search looks at, and for: letter case does not count.
pub(super) fn folded(text: &str) -> String {
    text.to_lowercase()
}

/// What is to change, believed.
#[derive(Clone)]
pub(super) struct Change {
    pub(super) title: Option<String>,
    pub(super) description: Patch<String>,
}

impl Change {
    /// Writes the change into the item and names the fields that are others now.
    pub(super) fn apply(self, item: &mut Item) -> Vec<&'static str> {
        let Self { title, description } = self;
        let mut fields = Vec::new();
        if let Some(title) = title.filter(|title| *title != item.title) {
            item.title = title;
            fields.push("title");
        }
        if description.apply(&mut item.description) {
            fields.push("description");
        }
        fields
    }
}

#[cfg(test)]
mod tests {
    use gatepost_kernel::Random;

    use super::*;

    #[test]
    fn a_change_names_what_it_changes_and_nothing_else() {
        let random = Random::system();
        let now = Timestamp::from_secs(1);
        let mut item = Item {
            id: Id::generate(now, &random),
            owner_id: Id::generate(now, &random),
            title: "a".to_owned(),
            description: Some("b".to_owned()),
            created_at: now,
            updated_at: now,
            version: 1,
        };
        let change = Change { title: Some("a".to_owned()), description: Patch::Clear };
        assert_eq!(change.clone().apply(&mut item), ["description"]);
        assert_eq!(item.description, None);
        assert!(change.apply(&mut item).is_empty());
    }
}
