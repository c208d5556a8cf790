//! PURE. JSON of which no object has a member twice: which of the two a mapping's author means, nobody knows.
//!
//! A mapping that was jsonb has lost its repeated members before, as jsonb does.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::fault::{MappingFault, Problem};
use super::path::member;

/// The JSON of a text, or what is wrong with it, at its place.
pub fn parse(text: &str) -> Result<Value, MappingFault> {
    let json = serde_json::from_str(text)
        .map_err(|error| MappingFault::new("$", Problem::Malformed(error.to_string())))?;
    match repeated(text) {
        Some(path) => Err(MappingFault::new(path, Problem::Repeated)),
        None => Ok(json),
    }
}

/// The path of the first member that its object has already.
fn repeated(text: &str) -> Option<String> {
    let repeated = RefCell::new(None);
    let place = Place { path: "$", repeated: &repeated };
    let _ = place.deserialize(&mut serde_json::Deserializer::from_str(text));
    repeated.into_inner()
}

/// The place of a value, which is looked through for members that are there twice.
#[derive(Clone, Copy)]
struct Place<'p> {
    path: &'p str,
    repeated: &'p RefCell<Option<String>>,
}

impl<'de> DeserializeSeed<'de> for Place<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Place<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        for index in 0.. {
            let path = format!("{}[{index}]", self.path);
            if elements.next_element_seed(Place { path: &path, ..self })?.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// serde_json gives other numbers than whole ones as objects too, of one member.
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            let path = format!("{}{}", self.path, member(&name));
            if !names.insert(name) {
                self.repeated.replace(Some(path));
                return Err(A::Error::custom("a member is there twice"));
            }
            members.next_value_seed(Place { path: &path, ..self })?;
        }
        Ok(())
    }
}
