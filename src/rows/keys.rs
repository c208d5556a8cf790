//! PURE. A row's parent and key, made of its tuple.

use std::ops::Deref;

use crate::error::Fault;
use crate::record::{Absent, Column, Table};
use crate::tuple;
use crate::value::key::KeyPart;

/// The columns that a row's parent and its key are made of, by their places.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Keys {
    pub parent: Vec<usize>,
    /// None if rows have no key, or one that only the server can compare. Each is of a type that [`KeyPart`] knows.
    pub key: Vec<usize>,
    /// Those of the key that have a default which is not null: where a row has no value for one, its key is not known.
    pub defaults: Vec<usize>,
    /// A null is a value of the key as any other.
    pub nulls_equal: bool,
}

impl Keys {
    /// By the key and the parent that the table is known to have.
    pub fn of(table: &Table) -> Self {
        Keys {
            parent: table.parent.clone(),
            key: table.key.iter().map(|key| key.place).collect(),
            defaults: vec![],
            nulls_equal: table.nulls_equal,
        }
    }

    /// Whether the key of a row that has no value for these columns is for the server to make.
    pub fn is_unknown(&self, absent: &Absent) -> bool {
        self.defaults.iter().any(|place| absent.contains(*place))
    }

    /// Appends the row's parent and key; how long the parent is. A row that has null in one of the columns, or has no
    /// value for it, has no parent, or no key.
    pub fn append(
        &self,
        tuple: &[u8],
        absent: &Absent,
        columns: &[Column],
        keys: &mut Vec<u8>,
    ) -> Result<usize, Fault> {
        let start = keys.len();
        let value = |place| tuple::values(tuple, columns).nth(place).flatten();
        append(&self.parent, false, columns, value, keys)?;
        let parent = keys.len() - start;
        if !self.is_unknown(absent) {
            append(&self.key, self.nulls_equal, columns, value, keys)?;
        }
        Ok(parent)
    }
}

/// Appends the values of some columns as bytes that compare; nothing where one is null.
pub fn append<V: Deref<Target = [u8]>>(
    places: &[usize],
    nulls_equal: bool,
    columns: &[Column],
    value: impl Fn(usize) -> Option<V>,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let start = out.len();
    for &place in places {
        let value = value(place);
        if nulls_equal {
            out.push(u8::from(value.is_some()));
        }
        let Some(value) = value else {
            if nulls_equal {
                continue;
            }
            out.truncate(start);
            return Ok(());
        };
        // At worst each byte is a zero, which takes two.
        out.try_reserve(2 * value.len() + 2 * size_of::<u32>()).map_err(|_| Fault::OutOfMemory)?;
        match KeyPart::of(columns[place].kind.oid) {
            Some(part) => part.append(&value, out),
            // A parent's bytes tell which rows have the same one.
            None => {
                out.extend_from_slice(&(value.len() as u32).to_be_bytes());
                out.extend_from_slice(&value);
            }
        }
    }
    Ok(())
}
