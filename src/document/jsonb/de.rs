//! PURE. serde's view of jsonb: a `Deserializer` over the values that [`super`] walks.
//!
//! Strings are borrowed from the document. A number is handed over as serde_json does it, see [`NUMBER_TOKEN`].

use serde::de::value::{BorrowedStrDeserializer, StringDeserializer};
use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};

use super::{Children, Container, Jsonb, Members, NUMBER_TOKEN, corrupt, number_text, text};
use crate::error::Fault;

/// serde's error type of this reader.
#[derive(Debug)]
pub struct ReadError(Fault);

impl std::fmt::Display for ReadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for ReadError {}

impl de::Error for ReadError {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        ReadError(Fault::Corrupt)
    }
}

impl From<ReadError> for Fault {
    fn from(error: ReadError) -> Self {
        error.0
    }
}

impl From<Fault> for ReadError {
    fn from(fault: Fault) -> Self {
        ReadError(fault)
    }
}

impl<'a> de::Deserializer<'a> for Jsonb<'a> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self {
            Jsonb::Null => visitor.visit_unit(),
            Jsonb::Boolean(value) => visitor.visit_bool(value),
            Jsonb::Number(bytes) => {
                visitor.visit_map(NumberMap { text: Some(number_text(bytes)?) })
            }
            Jsonb::String(bytes) => visitor.visit_borrowed_str(text(bytes)?),
            Jsonb::Text(text) => visitor.visit_borrowed_str(text),
            Jsonb::Container(bytes) => {
                let container = Container::new(bytes)?;
                match container.is_object() {
                    true => {
                        visitor.visit_map(ObjectMap { members: container.members()?, value: None })
                    }
                    false => visitor.visit_seq(ArraySeq(container.children())),
                }
            }
        }
    }

    fn deserialize_option<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self {
            Jsonb::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'a>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_ignored_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        <V: Visitor<'a>>
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string
        bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct enum identifier
    }
}

struct ArraySeq<'a>(Children<'a>);

impl<'a> SeqAccess<'a> for ArraySeq<'a> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'a>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ReadError> {
        self.0.next().map(|element| seed.deserialize(element?)).transpose()
    }
}

struct ObjectMap<'a> {
    members: Members<'a>,
    value: Option<Jsonb<'a>>,
}

impl<'a> MapAccess<'a> for ObjectMap<'a> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'a>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ReadError> {
        let Some((key, value)) = self.members.next().transpose()? else { return Ok(None) };
        self.value = Some(value);
        seed.deserialize(KeyOf(key)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'a>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        seed.deserialize(self.value.take().ok_or_else(corrupt)?)
    }
}

/// A key: bytes to those who look for one they know, else a string.
struct KeyOf<'a>(&'a [u8]);

impl<'a> de::Deserializer<'a> for KeyOf<'a> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_borrowed_str(text(self.0)?)
    }

    fn deserialize_identifier<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_borrowed_bytes(self.0)
    }

    serde::forward_to_deserialize_any! {
        <V: Visitor<'a>>
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string
        bytes byte_buf option unit unit_struct newtype_struct seq tuple
        tuple_struct map struct enum ignored_any
    }
}

/// A number, as serde_json hands one over: a map of one entry.
struct NumberMap {
    text: Option<String>,
}

impl<'a> MapAccess<'a> for NumberMap {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'a>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ReadError> {
        if self.text.is_none() {
            return Ok(None);
        }
        seed.deserialize(BorrowedStrDeserializer::new(NUMBER_TOKEN)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'a>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        seed.deserialize(StringDeserializer::new(self.text.take().ok_or_else(corrupt)?))
    }
}
