//! `load_records`: a document into any table, by a mapping.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use pgrx::pg_sys;

use super::{Job, Load, run};
use crate::decode::mapped::Form;
use crate::document::Watch;
use crate::mapping::Mapping;
use crate::mapping::fault::{MappingFault, Problem};
use crate::mapping::program::Program;
use crate::mapping::resolve::{ColumnInfo, Resolved, Source, resolve};
use crate::options::{OnConflict, OnError, Options};
use crate::pg::batch::Batch;
use crate::pg::caller::Statement;
use crate::pg::spi::Spi;
use crate::pg::{encoding, interrupt, relation};
use crate::prepare::mapped::Mapped;
use crate::prepare::{Document, Prepared, prepare};
use crate::record::{Column, ColumnType, Given, Key, ORDINAL, Sink, Table, positional};
use crate::report::{Failure, LoadReport};
use crate::rows::keys::Keys;
use crate::sessions::eligible;
use crate::target::Target;
use crate::target::facts::{ColumnFacts, Generated, Identity, IndexFacts, TableFacts};
use crate::target::key::{self, KeyColumn};
use crate::tuple::{self, Tuples};
use crate::write::convert::convert;
use crate::write::insert::BATCH_ROWS;
use crate::write::statement::batch_name;

const FUNCTION: &str = "load_records";

/// Loads a document into a table; the number of rows written.
pub fn load_records(
    target: pg_sys::Oid,
    document: Document<'_>,
    mapping: Option<&str>,
    options: &Options,
) -> Result<i64, Failure> {
    run(|spi, statement| records(spi, statement, target, document, mapping, options))
}

fn records<'a>(
    spi: &Spi,
    statement: &Statement,
    target: pg_sys::Oid,
    document: Document<'a>,
    mapping: Option<&str>,
    options: &Options,
) -> Result<LoadReport, Failure> {
    let start = Instant::now();
    relation::refuse_read_only(FUNCTION);
    let mapping = mapping.map(Mapping::parse).transpose()?.unwrap_or_default();
    let mut target = Target::any(target)?;
    let resolved = resolve_for(&mapping, &target.facts)?;
    let key = find_key(spi, &mapping, &resolved, &target, options.on_conflict)?;
    target.table = table(&target, &resolved, &key);
    let parent = target.table.parent.clone();
    // With `error` the server finds out which key is there already, and which is there twice.
    let compared = options.on_conflict != OnConflict::Error && !key.is_empty();
    let ranked = compared && !key.iter().all(|(column, _)| column.is_bytes);
    let places = || key.iter().map(|(_, place)| *place).collect();
    let keys = Keys { parent, key: if compared && !ranked { places() } else { vec![] } };
    let of_others = |source: &Source| *source == Source::Others;
    let others = resolved.written.iter().position(|written| of_others(&written.source));
    let form = Arc::new(Form {
        program: Program::new(&resolved),
        table: target.table.clone(),
        others,
        keys: keys.clone(),
    });
    let repeated = options.on_conflict.repeated();
    let reader = Mapped { records: mapping.records.clone(), form, repeated, ranked };
    let prepare = |document, mode, watch: &Watch| prepare(&reader, document, mode, watch);
    let complete = |job: &mut Job, target: &mut Target, prepared: &mut Prepared<'a>| {
        let incomplete = ranked || !prepared.deferred.is_empty();
        if !prepared.deferred.is_empty() {
            let stop = options.on_error == OnError::Stop;
            job.unconverted = convert(spi, target, &keys, prepared, stop)?;
        }
        if ranked {
            rank(spi, &key, target, prepared)?;
        }
        if incomplete {
            interrupt::check();
            prepared.order = prepared.rows.order(&target.table, repeated, false)?;
        }
        let given = prepared.rows.given(target.table.columns.len());
        for (column, given) in target.table.columns.iter_mut().zip(given) {
            column.given = given;
        }
        Ok(())
    };
    let load = Load {
        spi,
        options,
        job: Job {
            resource: None,
            kind: target.table.name.clone(),
            function: FUNCTION,
            unconverted: vec![],
        },
        start,
        wish: eligible::wish(options, statement),
        on_conflict: options.on_conflict,
        makes_tables: false,
    };
    load.load(target, document, &prepare, complete)
}

/// Fits the mapping to the table.
fn resolve_for(mapping: &Mapping, facts: &TableFacts) -> Result<Resolved, Failure> {
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

/// The columns of the key, each with its place among those that are written; none if every record is a new row.
fn find_key(
    spi: &Spi,
    mapping: &Mapping,
    resolved: &Resolved,
    target: &Target,
    on_conflict: OnConflict,
) -> Result<Vec<(KeyColumn, usize)>, Failure> {
    let facts = &target.facts;
    let numbers = numbers(facts);
    let named: Option<Vec<i16>> =
        resolved.key.as_ref().map(|key| key.iter().map(|column| numbers[*column]).collect());
    let index: Option<&IndexFacts> = facts.key(named.as_deref());
    let index = match (index, &mapping.key) {
        (Some(index), _) => index,
        (None, Some(names)) => {
            return Err(MappingFault::new("$.key", Problem::NoKey(names.clone())).into());
        }
        (None, None) if on_conflict == OnConflict::Error => return Ok(vec![]),
        (None, None) => return Err(target.no_key()),
    };
    let place =
        |number: i16| resolved.written.iter().position(|written| numbers[written.column] == number);
    let columns = key::columns(spi, index.oid);
    let placed =
        columns.into_iter().map(|column| place(column.number).map(|place| (column, place)));
    // The server makes the others, so each record is a new row.
    Ok(placed.collect::<Option<Vec<_>>>().unwrap_or_default())
}

/// The numbers of the columns that are not dropped.
fn numbers(facts: &TableFacts) -> Vec<i16> {
    let columns = (1..).zip(&facts.columns);
    columns.filter(|(_, column)| !column.dropped).map(|(number, _)| number).collect()
}

/// What is written of the table.
fn table(target: &Target, resolved: &Resolved, key: &[(KeyColumn, usize)]) -> Table {
    let (facts, numbers) = (&target.facts, numbers(&target.facts));
    let column = |number: i16| {
        let facts = &facts.columns[number as usize - 1];
        let kind = ColumnType {
            oid: facts.type_oid,
            typmod: facts.typmod,
            length: facts.length,
            alignment: facts.alignment,
        };
        Column {
            name: Cow::Owned(facts.name.clone()),
            kind,
            always: false,
            identity: false,
            given: Given::Always,
        }
    };
    let written: Vec<i16> = resolved.written.iter().map(|it| numbers[it.column]).collect();
    let places = |columns: &[i16]| -> Option<Vec<usize>> {
        columns.iter().map(|number| written.iter().position(|it| it == number)).collect()
    };
    let parent = facts.foreign_keys.iter().find_map(|key| places(&key.columns));
    Table {
        columns: written.iter().map(|number| column(*number)).collect(),
        key: key
            .iter()
            .map(|(column, place)| Key {
                place: *place,
                equal: Cow::Owned(column.equal.clone()),
                collation: column.collation.clone(),
            })
            .collect(),
        parent: parent.unwrap_or_default(),
        ..target.table.clone()
    }
}

/// Gives the rows the ranks of their keys for keys.
fn rank(
    spi: &Spi,
    key: &[(KeyColumn, usize)],
    target: &Target,
    prepared: &mut Prepared<'_>,
) -> Result<(), Failure> {
    let table = &target.table;
    let columns: Vec<Column> = key.iter().map(|(_, it)| table.columns[*it].clone()).collect();
    let mut shape = positional(&columns);
    shape.push(ORDINAL);
    let name = batch_name("ranked");
    let all = prepared.rows.all();
    let mut batch = Batch::register(spi, &name, &shape, all.len());
    for rows in all.chunks(BATCH_ROWS) {
        interrupt::check();
        let mut tuples = Tuples::new(encoding::encode());
        for row in rows {
            let values: Vec<_> = tuple::values(prepared.rows.tuple(*row), &table.columns).collect();
            tuples.add(|former| {
                for ((_, place), column) in key.iter().zip(&columns) {
                    former.raw(column.kind, values[*place]);
                }
                former.int4(Some(row.ordinal as i32));
            });
        }
        if tuples.bytes().is_err() {
            interrupt::out_of_memory();
        }
        batch.append(tuples.formed().iter());
    }
    let key: Vec<&KeyColumn> = key.iter().map(|(column, _)| column).collect();
    let ranks = spi.prepare(&key::rank(&key, &name)).rows(|row| {
        let (ordinal, rank) = (row.get::<i32>(1), row.get::<i64>(2));
        (ordinal.unwrap_or_default() as u32, rank.unwrap_or_default() as u64)
    });
    prepared.rows.set_keys(&ranks.into_iter().collect::<HashMap<_, _>>())?;
    Ok(())
}
