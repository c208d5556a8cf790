//! A mapping and a table fitted together: which columns are written, by what their rows are told apart.

use std::borrow::Cow;

use pgrx::PgSqlErrorCode::ERRCODE_T_R_SERIALIZATION_FAILURE;

use crate::mapping::Mapping;
use crate::mapping::fault::{MappingFault, Problem};
use crate::mapping::resolve::{ColumnInfo, Resolved, Source, Written, resolve};
use crate::options::OnConflict;
use crate::pg::spi::Spi;
use crate::pg::{encoding, relation};
use crate::record::{Column, ColumnType, Given, Key, Null, Table};
use crate::report::Failure;
use crate::target::Target;
use crate::target::facts::{ColumnFacts, Generated, Identity, IndexFacts, TableFacts};
use crate::target::key::{self, KeyColumn};

/// The place of a field among those of its source.
pub fn field(fields: &[Column], source: &Source) -> Option<usize> {
    match source {
        Source::Field(name) => fields.iter().position(|field| field.name_text() == *name),
        Source::Paths(_) | Source::Others => None,
    }
}

/// Fits the mapping to the table.
pub fn resolve_for(mapping: &Mapping, facts: &TableFacts) -> Result<Resolved, Failure> {
    const JSONB: u32 = ColumnType::JSONB.oid;
    let there = facts.columns.iter().filter(|column| !column.dropped);
    let named: Vec<(String, &ColumnFacts)> =
        there.map(|column| (encoding::of_message(&column.name), column)).collect();
    let info = named.iter().map(|(name, facts)| ColumnInfo {
        name,
        generated: facts.generated != Generated::No,
        identity_always: facts.identity == Identity::Always,
        is_jsonb: facts.type_oid == JSONB,
    });
    let columns: Vec<ColumnInfo> = info.collect();
    Ok(resolve(mapping, &columns)?)
}

/// The columns of the key, each with its place among those that are written, and whether nulls in it are equal; no columns
/// if every record is a new row.
pub fn find_key(
    spi: &Spi,
    mapping: &Mapping,
    resolved: &Resolved,
    target: &Target,
    on_conflict: OnConflict,
) -> Result<(Vec<(KeyColumn, usize)>, bool), Failure> {
    let numbers = numbers(&target.facts);
    let index = match (index_of(resolved, &target.facts), &mapping.key) {
        (Some(index), _) => index,
        (None, Some(names)) => {
            return Err(MappingFault::new("$.key", Problem::NoKey(names.clone())).into());
        }
        (None, None) if on_conflict == OnConflict::Error => return Ok((vec![], false)),
        (None, None) => return Err(target.no_key()),
    };
    let place =
        |number: i16| resolved.written.iter().position(|written| numbers[written.column] == number);
    let columns = key::columns(spi, index.oid);
    if columns.len() != index.key.len() {
        // The table has an index that the transaction's snapshot does not show.
        return Err(Failure::Refused {
            code: ERRCODE_T_R_SERIALIZATION_FAILURE,
            message: format!(
                "could not serialize access: an index of \"{}\" was made meanwhile",
                target.table.name
            ),
            hint: None,
        });
    }
    let placed =
        columns.into_iter().map(|column| place(column.number).map(|place| (column, place)));
    // The server makes the others, so each record is a new row.
    Ok((placed.collect::<Option<Vec<_>>>().unwrap_or_default(), index.nulls_equal))
}

/// The index of the key: of the columns that the mapping names, or the primary key's.
fn index_of<'t>(resolved: &Resolved, facts: &'t TableFacts) -> Option<&'t IndexFacts> {
    let numbers = numbers(facts);
    let named = |key: &Vec<usize>| key.iter().map(|column| numbers[*column]).collect::<Vec<i16>>();
    facts.key(resolved.key.as_ref().map(named).as_deref())
}

/// Adds the columns of the key that the mapping says nothing of: no record has them, and ON CONFLICT names them.
pub fn add_key(resolved: &mut Resolved, facts: &TableFacts) {
    let numbers = numbers(facts);
    let key = index_of(resolved, facts).map(|index| index.key.clone());
    for number in key.unwrap_or_default() {
        let Some(column) = numbers.iter().position(|it| *it == number) else { continue };
        if resolved.written.iter().all(|written| written.column != column) {
            resolved.written.push(Written { column, source: Source::Paths(vec![]) });
        }
    }
    resolved.written.sort_by_key(|written| written.column);
}

/// The numbers of the columns that are not dropped.
fn numbers(facts: &TableFacts) -> Vec<i16> {
    let columns = (1..).zip(&facts.columns);
    columns.filter(|(_, column)| !column.dropped).map(|(number, _)| number).collect()
}

/// What is written of the table.
pub fn table(
    target: &Target,
    resolved: &Resolved,
    fields: Option<&[Column]>,
    key: &[(KeyColumn, usize)],
) -> Table {
    let (facts, numbers) = (&target.facts, numbers(&target.facts));
    let column = |written: &Written| {
        let facts = &facts.columns[numbers[written.column] as usize - 1];
        let name = Cow::Owned(facts.name.clone());
        if let Some(field) = fields.and_then(|fields| fields.get(field(fields, &written.source)?)) {
            let other_type = facts.type_oid != field.kind.oid;
            return Column {
                name,
                // An id that is kept as something else tells nobody apart.
                identity: field.identity && ColumnType::INTEGERS.contains(&facts.type_oid),
                cast: other_type.then(|| relation::type_name(facts.type_oid)),
                ..field.clone()
            };
        }
        let kind = ColumnType {
            oid: facts.type_oid,
            typmod: facts.typmod,
            length: facts.length,
            alignment: facts.alignment,
        };
        Column { name, kind, always: false, identity: false, given: Given::Always, cast: None }
    };
    let written: Vec<i16> = resolved.written.iter().map(|it| numbers[it.column]).collect();
    let places = |columns: &[i16]| -> Option<Vec<usize>> {
        columns.iter().map(|number| written.iter().position(|it| it == number)).collect()
    };
    // Rows of one parent lie together where an index is filled in that order; else the key's index is.
    let has_index =
        |columns: &[i16]| facts.indexes.iter().any(|index| index.key.starts_with(columns));
    let parents = facts.foreign_keys.iter().filter(|key| has_index(&key.columns));
    let parent = parents.into_iter().find_map(|key| places(&key.columns));
    Table {
        columns: resolved.written.iter().map(column).collect(),
        key: key
            .iter()
            .map(|(column, place)| Key {
                place: *place,
                equal: Cow::Owned(column.equal.clone()),
                collation: column.collation.clone(),
                takes: column.takes.clone(),
            })
            .collect(),
        parent: parent.unwrap_or_default(),
        null: if fields.is_some() { Null::Unknown } else { Null::Value },
        ..target.table.clone()
    }
}
