//! `load_records`: a document into any table, by a mapping.

use std::borrow::Cow;
use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Instant;

use pgrx::PgSqlErrorCode::ERRCODE_T_R_SERIALIZATION_FAILURE;
use pgrx::pg_sys;

use super::{Job, Load, run};
use crate::decode::mapped::Form;
use crate::document::Watch;
use crate::document::find::Resource;
use crate::mapping::Mapping;
use crate::mapping::fault::{MappingFault, Problem};
use crate::mapping::path::Path;
use crate::mapping::program::Program;
use crate::mapping::resolve::{ColumnInfo, Resolved, Source, Written, resolve};
use crate::options::{OnConflict, OnError, Options};
use crate::pg::batch::Batch;
use crate::pg::caller::Statement;
use crate::pg::spi::Spi;
use crate::pg::{encoding, interrupt, relation};
use crate::prepare::mapped::Mapped;
use crate::prepare::{self, Document, Loadable, Prepared, prepare};
use crate::record::composer::Composer;
use crate::record::work::Work;
use crate::record::{Column, ColumnType, Given, Key, Null, ORDINAL, Row, Sink, Table, positional};
use crate::report::{Failure, LoadReport};
use crate::rows::keys::Keys;
use crate::sessions::eligible;
use crate::target::facts::{ColumnFacts, Generated, Identity, IndexFacts, TableFacts};
use crate::target::key::{self, KeyColumn};
use crate::target::{Target, rules};
use crate::tuple::{self, Tuples};
use crate::value::Decoder;
use crate::write::convert::convert;
use crate::write::insert::BATCH_ROWS;
use crate::write::statement::batch_name;

const FUNCTION: &str = "load_records";

/// smallint, integer and bigint (`pg_type.dat`).
const INTEGERS: [u32; 3] = [20, 21, 23];

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
    let mut resolved = resolve_for(&mapping, &target.facts)?;
    let fields = mapping.fields_of.map(|resource| match resource {
        Resource::Composers => Composer::COLUMNS,
        Resource::Works => Work::COLUMNS,
    });
    if let Some(fields) = fields {
        resolved.written.sort_by_key(|written| field(fields, &written.source));
        target.left_out = resolved.left_out.iter().map(|field| (*field).to_owned()).collect();
        target.tell_left_out();
    }
    if fields.is_none() {
        add_key(&mut resolved, &target.facts);
    }
    let (key, nulls_equal) = find_key(spi, &mapping, &resolved, &target, options.on_conflict)?;
    target.table = Table { nulls_equal, ..table(&target, &resolved, fields, &key) };
    // With `error` the server finds out which key is there already, and which is there twice.
    let compared = options.on_conflict != OnConflict::Error && !key.is_empty();
    let ranked = compared && !rules::key_is_bytes(&target.facts, &target.table);
    let has_default = |place: usize| {
        let facts = target.facts.column_facts(&target.table.columns[place].name);
        facts.is_none_or(|it| it.default.is_some() || it.identity != Identity::No)
    };
    let of_key = key.iter().map(|(_, place)| *place).collect();
    let keys = Keys {
        parent: target.table.parent.clone(),
        key: if compared && !ranked { of_key } else { vec![] },
        defaults: key.iter().map(|(_, place)| *place).filter(|it| has_default(*it)).collect(),
        nulls_equal: target.table.nulls_equal,
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
        keeps_statement: false,
    };
    let mapped = MappedLoad { load, document, resolved, key, ranked, keys };
    match mapping.fields_of {
        None => mapped.of_paths(target, mapping.records),
        Some(Resource::Composers) => mapped.of_fields::<Composer>(target),
        Some(Resource::Works) => mapped.of_fields::<Work>(target),
    }
}

/// A load whose mapping fits its target.
struct MappedLoad<'l, 'a> {
    load: Load<'l>,
    document: Document<'a>,
    resolved: Resolved,
    key: Vec<(KeyColumn, usize)>,
    /// Only the server can tell whether two keys are equal.
    ranked: bool,
    keys: Keys,
}

impl<'a> MappedLoad<'_, 'a> {
    /// The columns are at paths of the records.
    fn of_paths(self, target: Target, records: Vec<Path>) -> Result<LoadReport, Failure> {
        let MappedLoad { load, document, resolved, key, ranked, keys } = self;
        let (spi, options) = (load.spi, load.options);
        let of_others = |source: &Source| *source == Source::Others;
        let others = resolved.written.iter().position(|written| of_others(&written.source));
        let encoding = encoding::of_decoders();
        let decoder = |column: &Column| Decoder::of(column.kind.oid, column.kind.typmod, encoding);
        let is_no_domain = |column: &Column| {
            target.facts.column_facts(&column.name).is_some_and(|facts| !facts.is_domain)
        };
        let form = Arc::new(Form {
            program: Program::new(&resolved),
            decoders: target.table.columns.iter().map(decoder).collect(),
            takes_null: target.table.columns.iter().map(is_no_domain).collect(),
            table: target.table.clone(),
            others,
            keys: keys.clone(),
        });
        let repeated = options.on_conflict.repeated();
        let reader = Mapped { records, form, repeated, ranked };
        let prepare = |document, mode, watch: &Watch| prepare(&reader, document, mode, watch);
        load.load(target, document, &prepare, |job, target, prepared| {
            complete(spi, options, &keys, ranked.then_some(&key), (job, target, prepared))
        })
    }

    /// The columns are fields of a source's records.
    fn of_fields<R: Loadable<'a>>(self, target: Target) -> Result<LoadReport, Failure> {
        let MappedLoad { load, document, resolved, key, ranked, keys } = self;
        let (spi, options) = (load.spi, load.options);
        let repeated = options.on_conflict.repeated();
        let written = |place: usize| {
            let is_it = |source: &Source| field(R::COLUMNS, source) == Some(place);
            resolved.written.iter().any(|written| is_it(&written.source))
        };
        let table = target.table.clone();
        let reader = prepare::Source::<R> {
            table: &table,
            repeated,
            fields: (0..R::COLUMNS.len()).map(written).collect(),
            keys: Some(keys.clone()),
            encoding: encoding::of_decoders(),
            row: PhantomData,
        };
        let prepare = |document, mode, watch: &Watch| prepare(&reader, document, mode, watch);
        load.load(target, document, &prepare, |job, target, prepared| {
            complete(spi, options, &keys, ranked.then_some(&key), (job, target, prepared))
        })
    }
}

/// Does what only the server can do for the rows before they are written: makes those of deferred records, and ranks their
/// keys where bytes do not compare them. Then they are put in order, and the columns told which rows have values for them.
pub fn complete(
    spi: &Spi,
    options: &Options,
    keys: &Keys,
    ranked: Option<&Vec<(KeyColumn, usize)>>,
    (job, target, prepared): (&mut Job, &mut Target, &mut Prepared<'_>),
) -> Result<(), Failure> {
    let deferred = !prepared.deferred.is_empty();
    if deferred {
        let enough = match options.on_error {
            OnError::Stop => 1,
            OnError::Ignore => options.reject_limit.map_or(u64::MAX, |limit| limit + 1),
        };
        job.unconverted = convert(spi, target, keys, prepared, enough)?;
    }
    if let Some(key) = ranked {
        rank(spi, key, keys, target, prepared)?;
    }
    if deferred || ranked.is_some() {
        interrupt::check();
        let repeated = options.on_conflict.repeated();
        prepared.order = prepared.rows.order(&target.table, repeated, false)?;
    }
    let columns = &mut target.table.columns;
    let (given, always) = (prepared.rows.given(columns.len()), prepared.rows.always(columns.len()));
    for (column, (given, always)) in columns.iter_mut().zip(given.into_iter().zip(always)) {
        column.given = given;
        column.always |= always;
    }
    Ok(())
}

/// The place of a field among those of its source.
fn field(fields: &[Column], source: &Source) -> Option<usize> {
    match source {
        Source::Field(name) => fields.iter().position(|field| field.name_text() == *name),
        Source::Paths(_) | Source::Others => None,
    }
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

/// The columns of the key, each with its place among those that are written, and whether nulls in it are equal; no columns
/// if every record is a new row.
fn find_key(
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
fn add_key(resolved: &mut Resolved, facts: &TableFacts) {
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
fn table(
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
                identity: field.identity && INTEGERS.contains(&facts.type_oid),
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

/// Gives the rows the ranks of their keys for keys.
fn rank(
    spi: &Spi,
    key: &[(KeyColumn, usize)],
    keys: &Keys,
    target: &Target,
    prepared: &mut Prepared<'_>,
) -> Result<(), Failure> {
    let table = &target.table;
    let columns: Vec<Column> = key.iter().map(|(_, it)| table.columns[*it].clone()).collect();
    let casts: Vec<_> = columns.iter().map(|column| column.cast.clone()).collect();
    let mut shape = positional(&columns);
    shape.push(ORDINAL);
    let name = batch_name("ranked");
    let mut all = prepared.rows.all();
    all.retain(|row| !keys.is_unknown(prepared.rows.absent(*row)));
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
    let ranks = spi.prepare(&key::rank(&key, &casts, table.nulls_equal, &name)).rows(|row| {
        let (ordinal, rank) = (row.get::<i32>(1), row.get::<i64>(2));
        (ordinal.unwrap_or_default() as u32, rank.unwrap_or_default() as u64)
    });
    prepared.rows.set_keys(&ranks.into_iter().collect::<HashMap<_, _>>())?;
    Ok(())
}
