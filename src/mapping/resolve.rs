//! PURE. Which columns of a target are written, and from what: a mapping and the table's columns together.

use super::fault::{MappingFault, Problem};
use super::path::{Path, member};
use super::{Columns, Mapping, Others, fields_of};

/// What a mapping needs to know of a column, in the order of the table.
#[derive(Clone, Copy, Debug)]
pub struct ColumnInfo<'a> {
    pub name: &'a str,
    /// GENERATED ALWAYS AS (an expression).
    pub generated: bool,
    /// GENERATED ALWAYS AS IDENTITY.
    pub identity_always: bool,
    pub is_jsonb: bool,
}

impl ColumnInfo<'_> {
    fn is_the_servers(&self) -> bool {
        self.generated || self.identity_always
    }
}

/// A mapping for a table. Columns are told by their place in the list of [`ColumnInfo`].
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    /// The columns that are written, in the order of the table.
    pub written: Vec<Written>,
    /// The columns of the key that the mapping names, in its order.
    pub key: Option<Vec<usize>>,
    pub untaken: Untaken,
    /// Members that belong to columns which the server writes itself: no column takes them, and nobody misses them.
    pub passed_over: Vec<String>,
    /// Fields that the table has no column for, where a mapping of fields names no columns: left out.
    pub left_out: Vec<&'static str>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    pub column: usize,
    pub source: Source,
}

/// What a column is written from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// The first of these that is there.
    Paths(Vec<Path>),
    /// What the transforms of the record's source make of it.
    Field(&'static str),
    /// The members that no column takes.
    Others,
}

/// What becomes of members that no column takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Untaken {
    Ignore,
    Error,
    /// A column has them: the one of [`Source::Others`].
    Keep,
}

/// Fits a mapping to the columns of a table. Columns that the server writes itself are passed over where they are matched
/// by name, and a fault where the mapping names them.
pub fn resolve(mapping: &Mapping, columns: &[ColumnInfo<'_>]) -> Result<Resolved, MappingFault> {
    let place = |name: &str, path: &str| {
        columns
            .iter()
            .position(|column| column.name == name)
            .ok_or_else(|| MappingFault::new(path, Problem::NoColumn(name.to_owned())))
    };
    let writable = |name: &str, path: &str| {
        let column = place(name, path)?;
        match columns[column].is_the_servers() {
            true => Err(MappingFault::new(path, Problem::Generated(name.to_owned()))),
            false => Ok(column),
        }
    };
    let named = |name: &str, source: Source| {
        let column = writable(name, &format!("$.columns{}", member(name)))?;
        Ok(Written { column, source })
    };
    let (untaken, others) = match &mapping.others {
        Others::Ignore => (Untaken::Ignore, None),
        Others::Error => (Untaken::Error, None),
        Others::Column(name) => {
            let column = writable(name, "$.others")?;
            if !columns[column].is_jsonb {
                return Err(MappingFault::new("$.others", Problem::NotJsonb(name.clone())));
            }
            (Untaken::Keep, Some(column))
        }
    };
    let numbered = || columns.iter().enumerate();
    let mut passed_over = vec![];
    let mut left_out = vec![];
    let mut written: Vec<Written> = match (&mapping.columns, mapping.fields_of) {
        (Columns::Paths(list), _) => list
            .iter()
            .map(|(name, paths)| named(name, Source::Paths(paths.clone())))
            .collect::<Result<_, _>>()?,
        (Columns::Fields(list), _) => list
            .iter()
            .map(|(name, field)| named(name, Source::Field(field)))
            .collect::<Result<_, _>>()?,
        (Columns::ByName, Some(resource)) => {
            let fields = fields_of(resource);
            left_out = fields
                .clone()
                .filter(|field| columns.iter().all(|column| column.name != *field))
                .collect();
            let of_field = |(column, info): (usize, &ColumnInfo)| {
                let field = fields.clone().find(|field| *field == info.name)?;
                Some(Written { column, source: Source::Field(field) })
            };
            numbered().filter(|(_, info)| !info.is_the_servers()).filter_map(of_field).collect()
        }
        (Columns::ByName, None) => {
            let servers = columns.iter().filter(|column| column.is_the_servers());
            passed_over = servers.map(|column| column.name.to_owned()).collect();
            numbered()
                .filter(|(column, info)| !info.is_the_servers() && others != Some(*column))
                .map(|(column, info)| {
                    let source = Source::Paths(vec![Path::to_member(info.name)]);
                    Written { column, source }
                })
                .collect()
        }
    };
    written.extend(others.map(|column| Written { column, source: Source::Others }));
    written.sort_by_key(|written| written.column);
    let key = mapping.key.as_ref().map(|names| {
        let numbered = names.iter().enumerate();
        numbered.map(|(index, name)| place(name, &format!("$.key[{index}]"))).collect()
    });
    Ok(Resolved { written, key: key.transpose()?, untaken, passed_over, left_out })
}

#[cfg(test)]
mod tests;
