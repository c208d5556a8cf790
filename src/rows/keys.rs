//! PURE. A row's parent and key, made of its tuple.

use crate::error::Fault;
use crate::record::Column;
use crate::tuple;

/// The columns that a row's parent and its key are made of, by their places.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    pub parent: Vec<usize>,
    /// None if rows have no key, or one that only the server can compare.
    pub key: Vec<usize>,
    /// A null is a value of the key as any other.
    pub nulls_equal: bool,
}

impl Keys {
    /// Appends the row's parent and key; how long the parent is. A row that has null in one of the columns has no parent,
    /// or no key.
    pub fn append(
        &self,
        tuple: &[u8],
        columns: &[Column],
        keys: &mut Vec<u8>,
    ) -> Result<usize, Fault> {
        let start = keys.len();
        if !self.parent.is_empty() {
            append(&self.parent, false, tuple, columns, keys)?;
        }
        let parent = keys.len() - start;
        if !self.key.is_empty() {
            append(&self.key, self.nulls_equal, tuple, columns, keys)?;
        }
        Ok(parent)
    }
}

/// Appends the values of some columns: of several each behind its length; nothing where one is null.
fn append(
    places: &[usize],
    nulls_equal: bool,
    tuple: &[u8],
    columns: &[Column],
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let start = out.len();
    let last = places.iter().max().map_or(0, |last| last + 1);
    let values: Vec<Option<&[u8]>> = tuple::values(tuple, columns).take(last).collect();
    for &place in places {
        let value = match values.get(place).copied().flatten() {
            Some(value) => value,
            None if nulls_equal => {
                out.try_reserve(size_of::<u32>()).map_err(|_| Fault::OutOfMemory)?;
                // No value is so long.
                out.extend_from_slice(&u32::MAX.to_be_bytes());
                continue;
            }
            None => {
                out.truncate(start);
                return Ok(());
            }
        };
        out.try_reserve(value.len() + size_of::<u32>()).map_err(|_| Fault::OutOfMemory)?;
        // A key is never empty, and one behind the other can be told apart.
        if places.len() > 1 || value.is_empty() || nulls_equal {
            out.extend_from_slice(&(value.len() as u32).to_be_bytes());
        }
        out.extend_from_slice(value);
    }
    Ok(())
}
