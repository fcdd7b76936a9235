//! Decoding JSON into a type, strictly.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::value::{CowStrDeserializer, MapAccessDeserializer};
use serde::de::{DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor};

use super::blank::Blank;
use super::scan::Cursor;
use super::{Fault, Findings, Step};
use crate::field::FieldError;

/// Decodes a text whose syntax was checked by [`shape::check`](super::shape::check).
///
/// A struct takes an object with its own fields only; serde alone would skip unknown ones and would also take an
/// array of the values in order. (A struct with `#[serde(flatten)]` takes any field: serde does not say which it
/// knows.)
pub(crate) fn from_str<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T, Vec<FieldError>> {
    super::decode(text.len(), |findings| {
        let mut reader = Reader { cursor: Cursor::new(text), path: Vec::new(), findings };
        T::deserialize(&mut reader).map_err(|fault| (std::mem::take(&mut reader.path), fault))
    })
}

/// Where the decoding stands. After an error, `path` still names the value that failed.
struct Reader<'de, 'f> {
    cursor: Cursor<'de>,
    path: Vec<Step<'de>>,
    findings: &'f mut Findings,
}

impl<'de> Reader<'de, '_> {
    /// Decodes the value that `step` leads to.
    fn inside<S: DeserializeSeed<'de>>(&mut self, step: Step<'de>, seed: S) -> Result<S::Value, Fault> {
        self.path.push(step);
        let value = if self.findings.is_blanked(&self.path) {
            self.cursor.skip();
            seed.deserialize(Blank::default())?
        } else {
            seed.deserialize(&mut *self)?
        };
        self.path.pop();
        Ok(value)
    }

    /// Notes a field of the object that is being read as unknown.
    fn unknown(&mut self, name: Cow<'de, str>) {
        self.path.push(Step::Name(name));
        self.findings.unknown(super::pointer(&self.path));
        self.path.pop();
    }

    /// Notes the unknown fields of the object that comes next, without moving.
    fn survey(&mut self, known: &'static [&'static str]) {
        let mut cursor = self.cursor;
        cursor.eat(b'{');
        while let Some(b'"') = cursor.peek() {
            let Some(name) = cursor.string() else { return };
            if !known.contains(&&*name) {
                self.unknown(name);
            }
            cursor.eat(b':');
            cursor.skip();
            cursor.eat(b',');
        }
    }

    /// The fields of the object that is being read which an earlier round has found missing or wrong.
    fn blanked_fields(&mut self, known: &'static [&'static str]) -> Vec<&'static str> {
        let mut fields = if self.findings.has_blanks() { known.to_vec() } else { Vec::new() };
        fields.retain(|field| {
            self.path.push(Step::Name(Cow::Borrowed(field)));
            let blanked = self.findings.is_blanked(&self.path);
            self.path.pop();
            blanked
        });
        fields
    }

    fn number<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Fault> {
        let token = self.cursor.scalar();
        if let Ok(number) = token.parse() {
            visitor.visit_u64(number)
        } else if let Ok(number) = token.parse() {
            visitor.visit_i64(number)
        } else if let Ok(number) = token.parse() {
            visitor.visit_f64(number)
        } else {
            Err(Fault::Garbled)
        }
    }
}

impl<'de> Deserializer<'de> for &mut Reader<'de, '_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.cursor.peek() {
            Some(b'{') => {
                self.cursor.eat(b'{');
                let mut members = Members::of(self, None, Vec::new());
                let value = visitor.visit_map(&mut members)?;
                members.end(value)
            }
            Some(b'[') => {
                self.cursor.eat(b'[');
                let mut elements = Elements { reader: self, index: 0, ended: false };
                let value = visitor.visit_seq(&mut elements)?;
                elements.end(value)
            }
            Some(b'"') => match self.cursor.string() {
                Some(Cow::Borrowed(text)) => visitor.visit_borrowed_str(text),
                Some(Cow::Owned(text)) => visitor.visit_string(text),
                None => Err(Fault::Garbled),
            },
            Some(b't' | b'f') => visitor.visit_bool(self.cursor.scalar() == "true"),
            Some(b'n') => {
                self.cursor.scalar();
                visitor.visit_unit()
            }
            _ => self.number(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        if self.cursor.peek() == Some(b'n') {
            self.cursor.scalar();
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        if self.cursor.peek() != Some(b'{') {
            return Err(Fault::WrongType("an object".to_owned()));
        }
        if self.findings.is_last_round {
            self.survey(fields);
        }
        let absent = self.blanked_fields(fields);
        self.cursor.eat(b'{');
        let mut members = Members::of(self, Some(fields), absent);
        let value = visitor.visit_map(&mut members)?;
        members.end(value)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.cursor.peek() {
            Some(b'"') => {
                let name = self.cursor.string().ok_or(Fault::Garbled)?;
                visitor.visit_enum(IntoDeserializer::<Fault>::into_deserializer(name))
            }
            Some(b'{') => {
                self.cursor.eat(b'{');
                let mut members = Members::of(self, None, Vec::new());
                let value = visitor.visit_enum(MapAccessDeserializer::new(&mut members))?;
                members.end(value)
            }
            _ => Err(Fault::WrongType(format!("one of {}", variants.join(", ")))),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.cursor.skip();
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map identifier
    }
}

/// What the next value of an object is.
enum Next<'de> {
    Here(Cow<'de, str>),
    Blank(&'static str),
}

/// The members of an object.
struct Members<'r, 'de, 'f> {
    reader: &'r mut Reader<'de, 'f>,
    /// The fields of the struct, if it is one. Others are noted and stepped over.
    known: Option<&'static [&'static str]>,
    /// The fields to make up at the end, unless they come.
    absent: Vec<&'static str>,
    next: Option<Next<'de>>,
    ended: bool,
}

impl<'r, 'de, 'f> Members<'r, 'de, 'f> {
    fn of(
        reader: &'r mut Reader<'de, 'f>,
        known: Option<&'static [&'static str]>,
        absent: Vec<&'static str>,
    ) -> Self {
        Self { reader, known, absent, next: None, ended: false }
    }

    /// A visitor may stop before the last member; then there was one too many.
    fn end<T>(self, value: T) -> Result<T, Fault> {
        if self.ended || self.reader.cursor.eat(b'}') {
            Ok(value)
        } else {
            Err(Fault::BadValue("an object with fewer members".to_owned()))
        }
    }
}

impl<'de> MapAccess<'de> for Members<'_, 'de, '_> {
    type Error = Fault;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Fault> {
        loop {
            let cursor = &mut self.reader.cursor;
            cursor.eat(b',');
            if cursor.peek() != Some(b'"') {
                break;
            }
            let name = cursor.string().ok_or(Fault::Garbled)?;
            cursor.eat(b':');
            if self.known.is_some_and(|known| !known.contains(&&*name)) {
                cursor.skip();
                self.reader.unknown(name);
                continue;
            }
            self.absent.retain(|field| *field != name);
            self.next = Some(Next::Here(name.clone()));
            return seed.deserialize(CowStrDeserializer::new(name)).map(Some);
        }
        if let Some(field) = self.absent.pop() {
            self.next = Some(Next::Blank(field));
            return seed.deserialize(CowStrDeserializer::new(Cow::Borrowed(field))).map(Some);
        }
        self.ended = self.reader.cursor.eat(b'}');
        if self.ended { Ok(None) } else { Err(Fault::Garbled) }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Fault> {
        match self.next.take() {
            Some(Next::Here(name)) => self.reader.inside(Step::Name(name), seed),
            Some(Next::Blank(field)) => {
                self.reader.path.push(Step::Name(Cow::Borrowed(field)));
                let value = seed.deserialize(Blank::default())?;
                self.reader.path.pop();
                Ok(value)
            }
            None => Err(Fault::Garbled),
        }
    }
}

/// The elements of an array.
struct Elements<'r, 'de, 'f> {
    reader: &'r mut Reader<'de, 'f>,
    index: usize,
    ended: bool,
}

impl Elements<'_, '_, '_> {
    /// A visitor of a tuple stops after its last element; then there may be one too many.
    fn end<T>(self, value: T) -> Result<T, Fault> {
        if self.ended || self.reader.cursor.eat(b']') {
            Ok(value)
        } else {
            Err(Fault::BadValue("an array with fewer elements".to_owned()))
        }
    }
}

impl<'de> SeqAccess<'de> for Elements<'_, 'de, '_> {
    type Error = Fault;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Fault> {
        self.reader.cursor.eat(b',');
        self.ended = self.ended || self.reader.cursor.eat(b']');
        if self.ended {
            return Ok(None);
        }
        let step = Step::Index(self.index);
        self.index += 1;
        self.reader.inside(step, seed).map(Some)
    }
}
