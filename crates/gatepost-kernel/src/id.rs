//! Identifiers that cannot be mistaken for each other.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::{Random, Timestamp};

/// The id of a `K`: a UUIDv7 (RFC 9562 section 5.7), so that rows made later sort later.
///
/// `K` is never a value, only a name for the compiler: `Id<User>` and `Id<Session>` do not mix.
/// Ids are handles, not secrets: 74 of their bits are random, but knowing one must never open anything.
pub struct Id<K> {
    uuid: Uuid,
    kind: PhantomData<fn() -> K>,
}

impl<K> Id<K> {
    /// A new id, stamped with `now` and filled up from `random`.
    pub fn generate(now: Timestamp, random: &Random) -> Self {
        let millis = u64::try_from(now.as_micros() / 1_000).unwrap_or(0);
        Self::from_uuid(uuid::Builder::from_unix_timestamp_millis(millis, &random.bytes()).into_uuid())
    }

    /// The id with this value, as read from storage.
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self { uuid, kind: PhantomData }
    }

    /// The id with these bytes, as a caller handed them back.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self::from_uuid(Uuid::from_bytes(bytes))
    }

    /// The bare value, to write to storage.
    pub const fn as_uuid(&self) -> Uuid {
        self.uuid
    }
}

/// The text is not a UUID in its canonical, hyphenated form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a UUID")]
pub struct ParseIdError;

impl<K> FromStr for Id<K> {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // Only one spelling of an id is accepted: 36 characters, hyphenated (no braces, no "urn:").
        if text.len() != 36 {
            return Err(ParseIdError);
        }
        text.parse().map(Self::from_uuid).map_err(|_| ParseIdError)
    }
}

// Written by hand, because a derive would ask the same of `K`.
impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K> Copy for Id<K> {}
impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.uuid == other.uuid
    }
}
impl<K> Eq for Id<K> {}
impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.uuid.cmp(&other.uuid)
    }
}
impl<K> Hash for Id<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.uuid.hash(state);
    }
}
impl<K> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl<K> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.uuid.as_hyphenated(), f)
    }
}
impl<K> Serialize for Id<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
impl<'de, K> Deserialize<'de> for Id<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(feature = "openapi")]
mod openapi {
    use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
    use utoipa::openapi::{RefOr, Schema};

    impl<K> utoipa::PartialSchema for super::Id<K> {
        fn schema() -> RefOr<Schema> {
            ObjectBuilder::new()
                .schema_type(Type::String)
                .format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)))
                .examples([serde_json::json!("019aa4f5-7c2e-7b30-9a44-3f1d5c2e8b10")])
                .into()
        }
    }

    impl<K> utoipa::ToSchema for super::Id<K> {
        fn name() -> std::borrow::Cow<'static, str> {
            "Id".into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    enum Thing {}

    #[test]
    fn ids_of_a_later_millisecond_sort_later_and_say_that_they_are_version_7() {
        let random = Random::system();
        let early = Id::<Thing>::generate(Timestamp::from_micros(1_000_000), &random);
        let late = Id::<Thing>::generate(Timestamp::from_micros(1_001_000), &random);
        assert!(early < late);
        assert_eq!(early.as_uuid().get_version_num(), 7);
    }

    #[test]
    fn only_the_canonical_spelling_is_read() {
        let id = Id::<Thing>::generate(Timestamp::from_secs(1), &Random::system());
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(format!("{{{id}}}").parse::<Id<Thing>>(), Err(ParseIdError));
        assert_eq!(format!("urn:uuid:{id}").parse::<Id<Thing>>(), Err(ParseIdError));
        assert_eq!(id.as_uuid().simple().to_string().parse::<Id<Thing>>(), Err(ParseIdError));
    }
}
