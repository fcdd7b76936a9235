//! `name=value&name=value`: queries and forms, decoded strictly.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::value::BorrowedStrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, Visitor};

use super::blank::Blank;
use super::{Fault, Findings, Step};
use crate::field::FieldError;

/// The most parameters of one query or form.
pub(crate) const MAX_PAIRS: usize = 100;

/// Why a text is not a list of parameters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Broken {
    TooMany,
    /// A `%` without two hexadecimal digits, or bytes that are not UTF-8.
    Encoding,
    /// A name that occurs twice: two readers may pick different values.
    Repeated(String),
}

/// Decoded parameters, each name once.
#[derive(Debug)]
pub(crate) struct Pairs(Vec<(String, String)>);

impl Pairs {
    /// Splits and decodes. The work is bounded by [`MAX_PAIRS`] and the length, which the caller has bounded.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Broken> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for part in bytes.split(|&byte| byte == b'&').filter(|part| !part.is_empty()) {
            if pairs.len() == MAX_PAIRS {
                return Err(Broken::TooMany);
            }
            let mut sides = part.splitn(2, |&byte| byte == b'=');
            let name = unescape(sides.next().unwrap_or_default()).ok_or(Broken::Encoding)?;
            let value = unescape(sides.next().unwrap_or_default()).ok_or(Broken::Encoding)?;
            if pairs.iter().any(|(known, _)| *known == name) {
                return Err(Broken::Repeated(super::shown(&name)));
            }
            pairs.push((name, value));
        }
        Ok(Self(pairs))
    }

    /// Forgets the parameters without a value, which RFC 6749, section 3.2, treats as absent.
    pub(crate) fn without_empty(mut self) -> Self {
        self.0.retain(|(_, value)| !value.is_empty());
        self
    }

    /// Decodes into a type. `strict` refuses parameters that the type does not know.
    pub(crate) fn decode<'de, T: Deserialize<'de>>(&'de self, strict: bool) -> Result<T, Vec<FieldError>> {
        let size = self.0.iter().map(|(name, value)| name.len() + value.len()).sum();
        super::decode(size, |findings| {
            let mut reader = Reader { pairs: &self.0, strict, path: Vec::new(), findings };
            T::deserialize(&mut reader).map_err(|fault| (std::mem::take(&mut reader.path), fault))
        })
    }
}

/// Undoes `application/x-www-form-urlencoded`, strictly: WHATWG's algorithm would let a stray `%` pass and replace
/// what is not UTF-8.
fn unescape(bytes: &[u8]) -> Option<String> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter();
    while let Some(&byte) = rest.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let high = char::from(*rest.next()?).to_digit(16)?;
                let low = char::from(*rest.next()?).to_digit(16)?;
                u8::try_from(high << 4 | low).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}

struct Reader<'de, 'f> {
    pairs: &'de [(String, String)],
    strict: bool,
    path: Vec<Step<'de>>,
    findings: &'f mut Findings,
}

impl<'de> Deserializer<'de> for &mut Reader<'de, '_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let todo = self.pairs.iter().map(|(name, value)| (&**name, Some(&**value))).collect();
        visitor.visit_map(Parameters { reader: self, todo, value: None })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let mut todo = Vec::new();
        for (name, value) in self.pairs {
            if fields.contains(&&**name) {
                todo.push((&**name, Some(&**value)));
            } else if self.strict {
                self.findings.unknown(super::pointer(&[Step::Name(Cow::Borrowed(name))]));
            }
        }
        for field in fields {
            let is_absent = !self.pairs.iter().any(|(name, _)| name == field);
            if is_absent && self.findings.is_blanked(&[Step::Name(Cow::Borrowed(field))]) {
                todo.push((field, None));
            }
        }
        todo.reverse();
        visitor.visit_map(Parameters { reader: self, todo, value: None })
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

struct Parameters<'r, 'de, 'f> {
    reader: &'r mut Reader<'de, 'f>,
    /// The last comes first. Without a value it is made up.
    todo: Vec<(&'de str, Option<&'de str>)>,
    value: Option<(&'de str, Option<&'de str>)>,
}

impl<'de> MapAccess<'de> for Parameters<'_, 'de, '_> {
    type Error = Fault;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Fault> {
        self.value = self.todo.pop();
        self.value.map(|(name, _)| seed.deserialize(BorrowedStrDeserializer::new(name))).transpose()
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Fault> {
        let Some((name, value)) = self.value.take() else { return Err(Fault::Garbled) };
        let reader = &mut *self.reader;
        reader.path.push(Step::Name(Cow::Borrowed(name)));
        let value = match value {
            Some(text) if !reader.findings.is_blanked(&reader.path) => seed.deserialize(Text(text))?,
            _ => seed.deserialize(Blank::default())?,
        };
        reader.path.pop();
        Ok(value)
    }
}

/// One value, which the type reads as it likes.
struct Text<'de>(&'de str);

/// Methods that read a number in decimal, without a plus sign.
macro_rules! number {
    ($($method:ident)+ => $type:ty, $visit:ident, $expected:literal) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            match self.0.parse::<$type>() {
                Ok(number) if !self.0.starts_with('+') => visitor.$visit(number),
                _ => Err(Fault::WrongType($expected.to_owned())),
            }
        })+
    };
}

impl<'de> Deserializer<'de> for Text<'de> {
    type Error = Fault;

    number!(deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 => i64, visit_i64, "a whole number");
    number!(
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
            => u64, visit_u64, "a whole number that is not negative"
    );
    number!(deserialize_bool => bool, visit_bool, "true or false");

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0.parse::<f64>() {
            Ok(number) if number.is_finite() => visitor.visit_f64(number),
            _ => Err(Fault::WrongType("a number".to_owned())),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_borrowed_str(self.0)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_enum(IntoDeserializer::<Fault>::into_deserializer(self.0))
    }

    serde::forward_to_deserialize_any! {
        i128 u128 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct
        identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Result<Vec<(String, String)>, Broken> {
        Pairs::parse(text.as_bytes()).map(|pairs| pairs.0)
    }

    #[test]
    fn escapes_are_undone_strictly() {
        assert_eq!(
            names("a+b=%C3%A4%2B&c"),
            Ok(vec![("a b".into(), "ä+".into()), ("c".into(), String::new())])
        );
        for bad in ["a=%", "a=%4", "a=%zz", "a=%+1", "a=%ff", "%c3=1"] {
            assert_eq!(names(bad), Err(Broken::Encoding), "{bad}");
        }
    }

    #[test]
    fn az_09_a_name_occurs_once() {
        assert_eq!(names("a=1&b=2&%61=1"), Err(Broken::Repeated("a".into())));
    }

    #[test]
    fn http_08_the_number_of_parameters_is_bounded() {
        let many = |n: usize| (0..n).map(|i| format!("p{i}=1")).collect::<Vec<_>>().join("&");
        assert_eq!(names(&many(MAX_PAIRS)).unwrap().len(), MAX_PAIRS);
        assert_eq!(names(&many(MAX_PAIRS + 1)), Err(Broken::TooMany));
    }
}
