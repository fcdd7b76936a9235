//! The syntax check: everything about a JSON text that does not depend on a type.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// The deepest nesting of arrays and objects. The contract needs six.
pub(crate) const MAX_DEPTH: usize = 32;

/// Checks that `text` is one JSON value, with strings that decode (no unpaired surrogate), numbers that fit, members
/// that occur once (RFC 8259, section 4, leaves duplicates to us, and two readers may pick different ones) and at
/// most [`MAX_DEPTH`] levels.
///
/// It keeps the member names of the objects that are open, and nothing else.
///
/// # Errors
/// A sentence with the position. It holds nothing of the text.
pub(crate) fn check(text: &str) -> Result<(), String> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    Shape { depth: 0 }
        .deserialize(&mut deserializer)
        .and_then(|()| deserializer.end())
        .map_err(|error| error.to_string())
}

#[derive(Clone, Copy)]
struct Shape {
    depth: usize,
}

impl Shape {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return Err(E::custom(format_args!("more than {MAX_DEPTH} levels of nesting")));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Shape {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Shape {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let inside = self.deeper()?;
        while seq.next_element_seed(inside)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let inside = self.deeper()?;
        let mut names = Vec::new();
        while let Some(Name(name)) = map.next_key()? {
            names.push(name);
            map.next_value_seed(inside)?;
        }
        // Sorting needs no hash, so nobody can choose names that make it slow.
        names.sort_unstable();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(A::Error::custom("an object has two members of the same name"));
        }
        Ok(())
    }
}

/// A member name, borrowed from the text unless it has an escape.
struct Name<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Cow<'de, str>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a member name")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(text))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Cow::Owned(text.to_owned()))
            }
        }
        deserializer.deserialize_str(Text).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pwd_04_surrogates_come_in_pairs() {
        assert_eq!(check(r#"{"a":"\ud83d\ude00"}"#), Ok(()));
        for lone in [r#"{"a":"\ud83d"}"#, r#"{"a":"\ude00"}"#, r#"{"a":"\ud83d\ud83d"}"#, r#"{"\ud83d":1}"#] {
            assert!(check(lone).is_err(), "{lone}");
        }
    }

    #[test]
    fn az_09_a_name_occurs_once_whatever_its_spelling() {
        assert_eq!(check(r#"{"a":1,"b":{"a":1}}"#), Ok(()));
        for twice in [r#"{"a":1,"a":1}"#, r#"{"a":1,"b":2,"\u0061":3}"#, r#"[{"x":{"a":1,"a":2}}]"#] {
            assert!(check(twice).is_err(), "{twice}");
        }
    }

    #[test]
    fn az_09_nesting_ends_at_32_levels() {
        let arrays = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        let objects = |n: usize| format!("{}1{}", r#"{"a":"#.repeat(n), "}".repeat(n));
        assert_eq!(check(&arrays(32)), Ok(()));
        assert_eq!(check(&objects(32)), Ok(()));
        assert!(check(&arrays(33)).is_err());
        assert!(check(&objects(33)).is_err());
        assert!(check(&"[".repeat(100_000)).is_err());
    }

    #[test]
    fn az_09_what_json_does_not_have_is_refused() {
        for bad in
            ["NaN", "Infinity", "1e999", "01", "+1", "'a'", "{a:1}", "[1,]", "1 2", "", "\u{feff}1", "/**/1"]
        {
            assert!(check(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_complaint_holds_nothing_of_the_text() {
        let complaint = check(r#"{"password":"CANARY" "#).unwrap_err();
        assert!(!complaint.contains("CANARY") && complaint.contains("line 1"), "{complaint}");
    }
}
