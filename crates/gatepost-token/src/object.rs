//! JSON objects that can be read in one way only.

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Error as _, IntoDeserializer as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// A JSON object, read as `T`.
///
/// Two things that serde lets pass are refused: a member that occurs twice, also one that `T` does not know
/// (RFC 7515 section 4, RFC 7519 section 4), and an array in place of the object.
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Object<T> {
    /// Reads one object and nothing after it. All of it must be UTF-8, also what `T` skips.
    pub(crate) fn read(json: &'de [u8]) -> Option<T> {
        let text = str::from_utf8(json).ok()?;
        serde_json::from_str::<Self>(text).ok().map(|Object(value)| value)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
                let members = UniqueNames { members, seen: BTreeSet::new() };
                T::deserialize(MapAccessDeserializer::new(members)).map(Object)
            }
        }

        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct UniqueNames<A> {
    members: A,
    seen: BTreeSet<String>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for UniqueNames<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        // The name is compared after its escapes are resolved: "e\u0078p" is "exp".
        let Some(name) = self.members.next_key::<String>()? else { return Ok(None) };
        let value = seed.deserialize(name.as_str().into_deserializer())?;
        if self.seen.insert(name) { Ok(Some(value)) } else { Err(A::Error::custom("a member occurs twice")) }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.members.next_value_seed(seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Point {
        x: i64,
        y: i64,
    }

    fn read(text: &str) -> Option<(i64, i64)> {
        Object::<Point>::read(text.as_bytes()).map(|point| (point.x, point.y))
    }

    #[test]
    fn an_object_is_read_once_and_as_a_whole() {
        assert_eq!(read(r#"{"x":1,"y":2}"#), Some((1, 2)));
        assert_eq!(read(r#"{"x":1,"y":2,"z":[{"x":9}]}"#), Some((1, 2)));
        assert_eq!(read(r#"{"x":1,"y":2,"x":1}"#), None);
        assert_eq!(read(r#"{"x":1,"y":2,"\u0078":1}"#), None);
        assert_eq!(read(r#"{"x":1,"y":2,"z":1,"z":1}"#), None);
        assert_eq!(read("[1,2]"), None);
        assert_eq!(read(r#"{"x":1,"y":2}{}"#), None);
        assert!(Object::<Point>::read(b"{\"x\":1,\"y\":2,\"z\":\"\xff\"}").is_none());
    }
}
