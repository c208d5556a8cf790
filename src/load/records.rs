//! `load_records`: a document into any table, by a mapping.

mod fit;

use std::sync::Arc;
use std::time::Instant;

use pgrx::PgSqlErrorCode::ERRCODE_OBJECT_IN_USE;
use pgrx::pg_sys;

use self::fit::{add_key, field, find_key, resolve_for, table};
use super::ahead::Ready;
use super::quick;
use super::stream::{Course, Order};
use super::{Job, Load, Running, run};
use crate::decode::mapped::Form;
use crate::document::find::Resource;
use crate::mapping::Mapping;
use crate::mapping::path::Path;
use crate::mapping::program::Program;
use crate::mapping::resolve::{Resolved, Source};
use crate::options::{OnConflict, Options};
use crate::pg::argument::JsonbArgument;
use crate::pg::progress::Progress;
use crate::pg::spi::Spi;
use crate::pg::{encoding, relation};
use crate::prepare::mapped::Mapped;
use crate::prepare::{self, Document, Recipe};
use crate::record::composer::Composer;
use crate::record::work::Work;
use crate::record::{Column, Row, Table};
use crate::report::{Failure, LoadReport};
use crate::rows::keys::Keys;
use crate::sessions::{eligible, fault};
use crate::target::facts::Identity;
use crate::target::key::KeyColumn;
use crate::target::{Target, rules};
use crate::value::Decoder;

const FUNCTION: &str = "load_records";
const INBOX: &str = "inbox";

/// Loads a document into a table; the number of rows written.
pub fn load_records(
    target: pg_sys::Oid,
    document: Document<'_>,
    mapping: Option<JsonbArgument>,
    options: &Options,
) -> Result<i64, Failure> {
    run(|call| records(call, target, document, mapping, options))
}

fn records(
    running: Running,
    target: pg_sys::Oid,
    document: Document<'_>,
    mapping: Option<JsonbArgument>,
    options: &Options,
) -> Result<LoadReport, Failure> {
    let start = Instant::now();
    relation::refuse_read_only(&format!("{FUNCTION}()"), || Some(target));
    let loads = quick::Loads::Records { target, mapping: mapping.map(JsonbArgument::bytes) };
    let call = quick::Call::of(loads);
    if let Some(report) = quick::load(running.spi, running.statement, &call, document, options)? {
        return Ok(report);
    }
    let fitted = fit(running.spi, target, mapping.map(text_of).as_deref(), options)?;
    fitted.target.tell_left_out();
    let wish = eligible::wish(options, running.statement);
    let call = fitted.target.left_out.is_empty().then_some(call);
    let (load, recipe) = (fitted.load(running, options), Arc::new(fitted.recipe(options)));
    let Fitted { target, key, ranked, .. } = fitted;
    let load = Load { start, wish, call, ..load };
    load.load(target, document, recipe, ranked.then_some(&key))
}

/// A mapping as text.
pub fn text_of(mapping: JsonbArgument) -> String {
    encoding::of_message(&mapping.to_text())
}

/// What the records of a load become, if the mapping fits the target of the order. Tells which fields of a source are left
/// out.
pub fn recipe(running: Running, order: &Order) -> Result<Recipe, Failure> {
    let Order { target, mapping, options } = order;
    relation::refuse_read_only(&format!("{INBOX}()"), || Some(*target));
    let fitted = fit(running.spi, *target, mapping.as_deref(), options)?;
    fitted.target.tell_left_out();
    Ok(fitted.recipe(options))
}

/// Loads a part of a document, for which the session has waited from `start` on.
pub fn part(
    running: Running,
    order: &Order,
    (ready, start): (&mut Ready, Instant),
    course: &mut Course,
) -> Result<LoadReport, Failure> {
    let Order { target, mapping, options } = order;
    let mut fitted = fit(running.spi, *target, mapping.as_deref(), options)?;
    let decoded_by = ready.task().recipe.clone();
    fitted.order_by(&decoded_by.table().parent);
    if fitted.recipe(options) != *decoded_by {
        return Err(altered(&fitted.target));
    }
    fault::point("located", fault::LEADER);
    let load = fitted.load(running, options);
    let Fitted { target, key, ranked, .. } = fitted;
    let job = Job { function: INBOX, ..load.job };
    let load = Load { start, job, course: Some(course.of_keys(!ranked)), ..load };
    let (ranked, progress) = (ranked.then_some(&key), &mut Progress::none());
    ready.with(|decoded| load.load_decoded(target, decoded, decoded_by, ranked, progress))
}

/// The table is no longer what records have been decoded for: as if an INSERT were under way.
fn altered(target: &Target) -> Failure {
    Failure::Refused {
        code: ERRCODE_OBJECT_IN_USE,
        message: format!(
            "\"{}\" was altered while a load into it was under way",
            target.table.name
        ),
        hint: None,
    }
}

/// A mapping and the target that it fits.
struct Fitted {
    target: Target,
    parsed: Mapping,
    resolved: Resolved,
    key: Vec<(KeyColumn, usize)>,
    /// Only the server can tell whether two keys are equal.
    ranked: bool,
    keys: Keys,
}

fn fit(
    spi: &Spi,
    target: pg_sys::Oid,
    mapping: Option<&str>,
    options: &Options,
) -> Result<Fitted, Failure> {
    let parsed = mapping.map(Mapping::parse).transpose()?.unwrap_or_default();
    let mut target = Target::any(target, options.on_conflict)?;
    let mut resolved = resolve_for(&parsed, &target.facts)?;
    let fields = parsed.fields_of.map(columns_of);
    if let Some(fields) = fields {
        resolved.written.sort_by_key(|written| field(fields, &written.source));
        target.left_out = resolved.left_out.iter().map(|field| (*field).to_owned()).collect();
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
    Ok(Fitted { target, parsed, resolved, key, ranked, keys })
}

impl Fitted {
    /// A load in this session, of a document that comes at once.
    fn load<'l>(&self, Running { spi, advice, .. }: Running<'l>, options: &'l Options) -> Load<'l> {
        Load {
            spi,
            advice,
            options,
            job: Job {
                resource: None,
                kind: self.target.table.name.clone(),
                function: FUNCTION,
                unconverted: vec![],
                rejected_before: 0,
            },
            start: Instant::now(),
            wish: Err("the document comes in parts".into()),
            on_conflict: options.on_conflict,
            makes_tables: false,
            call: None,
            course: None,
        }
    }

    /// Keeps the order of rows that a load has begun with: an index may have been made meanwhile.
    fn order_by(&mut self, parent: &[usize]) {
        for place in [&mut self.target.table.parent, &mut self.keys.parent] {
            parent.clone_into(place);
        }
    }

    fn recipe(&self, options: &Options) -> Recipe {
        let Fitted { target, parsed, resolved, ranked, keys, .. } = self;
        let keys = keys.clone();
        match parsed.fields_of {
            Some(resource) => of_fields(resource, target, resolved, keys, options),
            None => of_paths(target, resolved, parsed.records.clone(), keys, *ranked, options),
        }
    }
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
