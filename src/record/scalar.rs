//! PURE. A field's value as it stands in the document, whatever its type, and the records made of such fields.
//!
//! Reading a record never fails for a field of the wrong type: [`Scalar`] keeps what was found, and the transform,
//! which knows the field's path and what it wants, says so. [`record!`] derives serde's `Deserialize` for a struct of
//! fields as jsonb would have it: of repeated keys the last wins (serde's own derive refuses them).

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::document::jsonb::NUMBER_TOKEN;
use crate::document::{Kind, number};

/// A JSON value whose containers are told by their kind alone.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Scalar<'a> {
    /// The key is not there.
    #[default]
    Missing,
    Null,
    Boolean(bool),
    /// In plain decimal notation.
    Number(String),
    String(Cow<'a, str>),
    Array,
    Object,
}

impl Scalar<'_> {
    /// `None` for a missing one.
    pub fn kind(&self) -> Option<Kind> {
        Some(match self {
            Scalar::Missing => return None,
            Scalar::Null => Kind::Null,
            Scalar::Boolean(_) => Kind::Boolean,
            Scalar::Number(_) => Kind::Number,
            Scalar::String(_) => Kind::String,
            Scalar::Array => Kind::Array,
            Scalar::Object => Kind::Object,
        })
    }

    /// As a person reads it: a string without quotes.
    pub fn display(&self) -> String {
        match self {
            Scalar::Boolean(value) => value.to_string(),
            Scalar::Number(text) => text.clone(),
            Scalar::String(text) => text.to_string(),
            other => other.kind().map(|kind| kind.to_string()).unwrap_or_default(),
        }
    }
}

/// What a visitor finds: a scalar, or a container that it is handed to.
trait Shape<'de>: Sized {
    fn scalar(scalar: Scalar<'de>) -> Self;

    fn array<A: SeqAccess<'de>>(mut elements: A) -> Result<Self, A::Error> {
        number::leave_unseen();
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self::scalar(Scalar::Array))
    }

    /// `first` is the key already taken, its value not yet.
    fn object<A: MapAccess<'de>>(
        first: Option<Key<'de>>,
        mut members: A,
    ) -> Result<Self, A::Error> {
        number::leave_unseen();
        if first.is_some() {
            members.next_value::<IgnoredAny>()?;
        }
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Self::scalar(Scalar::Object))
    }
}

struct ShapeVisitor<T>(PhantomData<T>);

impl<'de, T: Shape<'de>> Visitor<'de> for ShapeVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(T::scalar(Scalar::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<T, E> {
        Ok(T::scalar(Scalar::Boolean(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<T, E> {
        Ok(T::scalar(Scalar::Number(value.to_string())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<T, E> {
        Ok(T::scalar(Scalar::Number(value.to_string())))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<T, E> {
        Ok(T::scalar(Scalar::String(Cow::Borrowed(value))))
    }

    fn visit_str<E>(self, value: &str) -> Result<T, E> {
        Ok(T::scalar(Scalar::String(Cow::Owned(value.to_owned()))))
    }

    fn visit_string<E>(self, value: String) -> Result<T, E> {
        Ok(T::scalar(Scalar::String(Cow::Owned(value))))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, elements: A) -> Result<T, A::Error> {
        T::array(elements)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<T, A::Error> {
        let mut first = members.next_key::<Key>()?;
        if first.as_ref().is_some_and(|key| *key.0 == *NUMBER_TOKEN.as_bytes()) {
            match number_or_member(&mut members)? {
                Ok(number) => return Ok(T::scalar(number)),
                Err(next) => first = next,
            }
        }
        T::object(first, members)
    }
}

/// The number that a map stands for, or else the key behind the first.
#[inline(never)]
fn number_or_member<'de, A: MapAccess<'de>>(
    members: &mut A,
) -> Result<Result<Scalar<'de>, Option<Key<'de>>>, A::Error> {
    match members.next_value()? {
        NumberOrMember::Number(text) => Ok(Ok(Scalar::Number(number::from_json(&text)))),
        NumberOrMember::Member => {
            number::leave_unseen();
            members.next_key().map(Err)
        }
    }
}

/// The value of a map's first key that is [`NUMBER_TOKEN`]. A number's text is handed over as an owned string, and no
/// string of a document ever is: that tells a number from an object with a member of this name.
enum NumberOrMember {
    Number(String),
    Member,
}

impl<'de> Deserialize<'de> for NumberOrMember {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberVisitor;
        impl<'de> Visitor<'de> for NumberVisitor {
            type Value = NumberOrMember;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON value")
            }

            fn visit_string<E>(self, text: String) -> Result<NumberOrMember, E> {
                Ok(NumberOrMember::Number(text))
            }

            fn visit_str<E>(self, _: &str) -> Result<NumberOrMember, E> {
                Ok(NumberOrMember::Member)
            }

            fn visit_unit<E>(self) -> Result<NumberOrMember, E> {
                Ok(NumberOrMember::Member)
            }

            fn visit_bool<E>(self, _: bool) -> Result<NumberOrMember, E> {
                Ok(NumberOrMember::Member)
            }

            fn visit_i64<E>(self, _: i64) -> Result<NumberOrMember, E> {
                Ok(NumberOrMember::Member)
            }

            fn visit_u64<E>(self, _: u64) -> Result<NumberOrMember, E> {
                Ok(NumberOrMember::Member)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<NumberOrMember, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(NumberOrMember::Member)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<NumberOrMember, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(NumberOrMember::Member)
            }
        }
        deserializer.deserialize_any(NumberVisitor)
    }
}

/// A key, to be compared with those that are known: as text, or as the bytes of it.
pub struct Key<'a>(Cow<'a, [u8]>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(value.as_bytes())))
            }

            fn visit_borrowed_bytes<E>(self, value: &'de [u8]) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(value)))
            }

            fn visit_str<E>(self, value: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(value.as_bytes().to_owned())))
            }
        }
        deserializer.deserialize_identifier(KeyVisitor)
    }
}

impl<'de> Shape<'de> for Scalar<'de> {
    fn scalar(scalar: Scalar<'de>) -> Self {
        scalar
    }
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShapeVisitor(PhantomData))
    }
}

/// A field that may be a list: search terms.
#[derive(Clone, Debug, PartialEq)]
pub enum List<'a> {
    Scalar(Scalar<'a>),
    Elements(Vec<Scalar<'a>>),
}

impl Default for List<'_> {
    fn default() -> Self {
        List::Scalar(Scalar::Missing)
    }
}

impl<'de> Shape<'de> for List<'de> {
    fn scalar(scalar: Scalar<'de>) -> Self {
        List::Scalar(scalar)
    }

    fn array<A: SeqAccess<'de>>(mut elements: A) -> Result<Self, A::Error> {
        let mut list = vec![];
        while let Some(element) = elements.next_element()? {
            list.push(element);
        }
        Ok(List::Elements(list))
    }
}

impl<'de> Deserialize<'de> for List<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShapeVisitor(PhantomData))
    }
}

/// A field that holds a record of its own, or something else: IMSLP's `intvals`.
#[derive(Clone, Debug, PartialEq)]
pub enum Nested<'a, T> {
    Scalar(Scalar<'a>),
    Record(T),
}

impl<T> Default for Nested<'_, T> {
    fn default() -> Self {
        Nested::Scalar(Scalar::Missing)
    }
}

/// A record whose fields are taken one by one.
pub trait Fields<'de>: Default {
    /// Takes the value of `key`, over any earlier one, or skips it.
    fn take<A: MapAccess<'de>>(&mut self, key: &[u8], members: &mut A) -> Result<(), A::Error>;
}

impl<'de, T: Fields<'de>> Shape<'de> for Nested<'de, T> {
    fn scalar(scalar: Scalar<'de>) -> Self {
        Nested::Scalar(scalar)
    }

    fn object<A: MapAccess<'de>>(
        first: Option<Key<'de>>,
        mut members: A,
    ) -> Result<Self, A::Error> {
        let mut record = T::default();
        let mut key = first;
        while let Some(Key(name)) = key {
            record.take(&name, &mut members)?;
            key = members.next_key()?;
        }
        Ok(Nested::Record(record))
    }
}

impl<'de, T: Fields<'de>> Deserialize<'de> for Nested<'de, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShapeVisitor(PhantomData))
    }
}

/// Declares a record: a struct of optional fields with the keys they are read from.
macro_rules! record {
    ($(#[$meta:meta])* pub struct $name:ident<'a> { $($key:literal => $field:ident: $type:ty,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $name<'a> { $(pub $field: $type,)+ }

        impl<'a> $crate::record::scalar::Fields<'a> for $name<'a> {
            fn take<A: serde::de::MapAccess<'a>>(
                &mut self,
                key: &[u8],
                members: &mut A,
            ) -> Result<(), A::Error> {
                $(if *key == *$key.as_bytes() {
                    self.$field = members.next_value()?;
                    return Ok(());
                })+
                $crate::document::number::leave_unseen();
                members.next_value::<serde::de::IgnoredAny>().map(drop)
            }
        }
    };
}
pub(crate) use record;

#[cfg(test)]
mod tests;
