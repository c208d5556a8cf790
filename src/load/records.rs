//! `load_records`: a document into any table, by a mapping.

mod fit;

use std::sync::Arc;
use std::time::Instant;

use pgrx::pg_sys;

use self::fit::{add_key, field, find_key, resolve_for, table};
use super::{Job, Load, Running, quick, run};
use crate::decode::mapped::Form;
use crate::document::find::Resource;
use crate::mapping::Mapping;
use crate::mapping::path::Path;
use crate::mapping::program::Program;
use crate::mapping::resolve::{Resolved, Source};
use crate::options::{OnConflict, Options};
use crate::pg::argument::JsonbArgument;
use crate::pg::{encoding, relation};
use crate::prepare::mapped::Mapped;
use crate::prepare::{self, Document, Recipe};
use crate::record::composer::Composer;
use crate::record::work::Work;
use crate::record::{Column, Row, Table};
use crate::report::{Failure, LoadReport};
use crate::rows::keys::Keys;
use crate::sessions::eligible;
use crate::target::facts::Identity;
use crate::target::{Target, rules};
use crate::value::Decoder;

const FUNCTION: &str = "load_records";

/// Loads a document into a table; the number of rows written.
pub fn load_records(
    target: pg_sys::Oid,
    document: Document<'_>,
    mapping: Option<JsonbArgument>,
    options: &Options,
) -> Result<i64, Failure> {
    run(|call| records(call, target, document, mapping, options))
}

fn records<'a>(
    Running { spi, statement, advice }: Running,
    target: pg_sys::Oid,
    document: Document<'a>,
    mapping: Option<JsonbArgument>,
    options: &Options,
) -> Result<LoadReport, Failure> {
    let start = Instant::now();
    relation::refuse_read_only(FUNCTION);
    let loads = quick::Loads::Records { target, mapping: mapping.map(JsonbArgument::bytes) };
    let call = quick::Call::of(loads);
    if let Some(report) = quick::load(spi, statement, &call, document, options)? {
        return Ok(report);
    }
    let parsed = match mapping {
        Some(mapping) => Mapping::parse(&encoding::of_message(&mapping.to_text()))?,
        None => Mapping::default(),
    };
    let mut target = Target::any(target, options.on_conflict)?;
    let mut resolved = resolve_for(&parsed, &target.facts)?;
    let fields = parsed.fields_of.map(columns_of);
    if let Some(fields) = fields {
        resolved.written.sort_by_key(|written| field(fields, &written.source));
        target.left_out = resolved.left_out.iter().map(|field| (*field).to_owned()).collect();
        target.tell_left_out();
    }
    if fields.is_none() {
        add_key(&mut resolved, &target.facts);
    }
    let (key, nulls_equal) = find_key(spi, &parsed, &resolved, &target, options.on_conflict)?;
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
        advice,
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
        call: target.left_out.is_empty().then_some(call),
    };
    let recipe = match parsed.fields_of {
        Some(resource) => of_fields(resource, &target, &resolved, keys, options),
        None => of_paths(&target, &resolved, parsed.records, keys, ranked, options),
    };
    load.load(target, document, recipe, ranked.then_some(&key))
}

/// The columns are at paths of the records.
fn of_paths(
    target: &Target,
    resolved: &Resolved,
    records: Vec<Path>,
    keys: Keys,
    ranked: bool,
    options: &Options,
) -> Recipe {
    let of_others = |source: &Source| *source == Source::Others;
    let others = resolved.written.iter().position(|written| of_others(&written.source));
    let encoding = encoding::of_decoders();
    let decoder = |column: &Column| Decoder::of(column.kind.oid, column.kind.typmod, encoding);
    let is_no_domain = |column: &Column| {
        target.facts.column_facts(&column.name).is_some_and(|facts| !facts.is_domain)
    };
    let form = Arc::new(Form {
        program: Program::new(resolved),
        decoders: target.table.columns.iter().map(decoder).collect(),
        takes_null: target.table.columns.iter().map(is_no_domain).collect(),
        table: target.table.clone(),
        others,
        keys,
    });
    Recipe::Paths(Mapped { records, form, repeated: options.on_conflict.repeated(), ranked })
}

/// The columns are fields of a source's records.
fn of_fields(
    resource: Resource,
    target: &Target,
    resolved: &Resolved,
    keys: Keys,
    options: &Options,
) -> Recipe {
    let columns = columns_of(resource);
    let written = |place: usize| {
        let is_it = |source: &Source| field(columns, source) == Some(place);
        resolved.written.iter().any(|written| is_it(&written.source))
    };
    Recipe::Fields(prepare::source::Source {
        resource,
        table: target.table.clone(),
        repeated: options.on_conflict.repeated(),
        fields: (0..columns.len()).map(written).collect(),
        keys: Some(keys),
        encoding: encoding::of_decoders(),
    })
}

fn columns_of(resource: Resource) -> &'static [Column] {
    match resource {
        Resource::Composers => Composer::COLUMNS,
        Resource::Works => Work::COLUMNS,
    }
}
