//! A stand-in for a value that failed, so that decoding gets to the next error. Its result is thrown away.

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{Deserializer, IntoDeserializer, Visitor};

use super::{Fault, shape::MAX_DEPTH};

/// Answers every request of a type with something of the right kind: zero, the empty string, the empty array, an
/// object of blanks. A type that accepts none of these ends the search.
#[derive(Clone, Copy, Default)]
pub(crate) struct Blank {
    depth: usize,
}

impl<'de> IntoDeserializer<'de, Fault> for Blank {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// Methods that answer every hint with the same visit.
macro_rules! answer {
    ($($method:ident)+ => |$visitor:ident| $visit:expr) => {
        $(fn $method<V: Visitor<'de>>(self, $visitor: V) -> Result<V::Value, Fault> {
            $visit
        })+
    };
}

impl<'de> Deserializer<'de> for Blank {
    type Error = Fault;

    answer!(deserialize_bool => |visitor| visitor.visit_bool(false));
    answer!(
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 => |visitor| visitor.visit_u64(0)
    );
    answer!(deserialize_f32 deserialize_f64 => |visitor| visitor.visit_f64(0.0));
    answer!(deserialize_char => |visitor| visitor.visit_char('0'));
    answer!(deserialize_str deserialize_string deserialize_identifier => |visitor| visitor.visit_borrowed_str(""));
    answer!(deserialize_bytes deserialize_byte_buf => |visitor| visitor.visit_borrowed_bytes(&[]));
    answer!(deserialize_option => |visitor| visitor.visit_none());
    answer!(deserialize_unit deserialize_any deserialize_ignored_any => |visitor| visitor.visit_unit());
    answer!(deserialize_seq => |visitor| visitor.visit_seq(SeqDeserializer::new(std::iter::empty::<Blank>())));
    answer!(deserialize_map => |visitor| visitor.visit_map(MapDeserializer::new(std::iter::empty::<(&str, Blank)>())));

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Fault> {
        let inside = self.deeper()?;
        visitor.visit_seq(SeqDeserializer::new(std::iter::repeat_n(inside, len)))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let inside = self.deeper()?;
        visitor.visit_map(MapDeserializer::new(fields.iter().map(|name| (*name, inside))))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let first = variants.first().copied().unwrap_or_default();
        visitor.visit_enum(IntoDeserializer::<Fault>::into_deserializer(first))
    }
}

impl Blank {
    fn deeper(self) -> Result<Self, Fault> {
        if self.depth == MAX_DEPTH { Err(Fault::Objection) } else { Ok(Self { depth: self.depth + 1 }) }
    }
}
