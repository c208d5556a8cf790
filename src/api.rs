//! The SQL functions: arguments in, a load, its result out.

use pgrx::Internal;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use crate::alike;
use crate::inbox;
use crate::load::stream::Order;
use crate::load::{load_records, load_source, text_of};
use crate::options::Options;
use crate::pg::argument::{JsonArgument, JsonbArgument, RelationArgument, TextArgument};
use crate::pg::caller::Statement;
use crate::pg::result::TextResult;
use crate::pg::{encoding, error, relation, spi, transaction, version};
use crate::prepare::Document;
use crate::record::composer::Composer;
use crate::record::work::Work;
use crate::report::{BadArgument, Failure, LoadReport};
use crate::sessions::recovery;
use crate::target;

#[pg_extern(name = "load_composers")]
fn load_composers_jsonb(
    data: Option<JsonbArgument>,
    on_conflict: default!(Option<TextArgument>, "'update'"),
    on_error: default!(Option<TextArgument>, "'stop'"),
    reject_limit: default!(Option<i64>, "NULL"),
    workers: default!(Option<i32>, "NULL"),
) -> Result<Option<i64>, ErrorReport> {
    let options = options(on_conflict, on_error, reject_limit, workers, Some(false))?;
    with_jsonb(data, |document| load_source::<Composer>(document, &options))
}

#[pg_extern(name = "load_composers")]
fn load_composers_text(
    document: Option<TextArgument>,
    on_conflict: default!(Option<TextArgument>, "'update'"),
    on_error: default!(Option<TextArgument>, "'stop'"),
    reject_limit: default!(Option<i64>, "NULL"),
    workers: default!(Option<i32>, "NULL"),
) -> Result<Option<i64>, ErrorReport> {
    let options = options(on_conflict, on_error, reject_limit, workers, Some(false))?;
    with_text(document, |document| load_source::<Composer>(document, &options))
}

#[pg_extern(name = "load_composers")]
fn load_composers_json(
    document: Option<JsonArgument>,
    on_conflict: default!(Option<TextArgument>, "'update'"),
    on_error: default!(Option<TextArgument>, "'stop'"),
    reject_limit: default!(Option<i64>, "NULL"),
    workers: default!(Option<i32>, "NULL"),
) -> Result<Option<i64>, ErrorReport> {
    let options = options(on_conflict, on_error, reject_limit, workers, Some(false))?;
    with_text(document.map(JsonArgument::text), |document| {
        load_source::<Composer>(document, &options)
    })
}

#[pg_extern(name = "load_works")]
fn load_works_jsonb(
    data: Option<JsonbArgument>,
    on_conflict: default!(Option<TextArgument>, "'update'"),
    on_error: default!(Option<TextArgument>, "'stop'"),
    reject_limit: default!(Option<i64>, "NULL"),
    workers: default!(Option<i32>, "NULL"),
    create_composers: default!(Option<bool>, "false"),
) -> Result<Option<i64>, ErrorReport> {
    let options = options(on_conflict, on_error, reject_limit, workers, create_composers)?;
    with_jsonb(data, |document| load_source::<Work>(document, &options))
}

#[pg_extern(name = "load_works")]
fn load_works_text(
    document: Option<TextArgument>,
    on_conflict: default!(Option<TextArgument>, "'update'"),
    on_error: default!(Option<TextArgument>, "'stop'"),
    reject_limit: default!(Option<i64>, "NULL"),
    workers: default!(Option<i32>, "NULL"),
    create_composers: default!(Option<bool>, "false"),
) -> Result<Option<i64>, ErrorReport> {
    let options = options(on_conflict, on_error, reject_limit, workers, create_composers)?;
    with_text(document, |document| load_source::<Work>(document, &options))
}

#[pg_extern(name = "load_works")]
fn load_works_json(
    document: Option<JsonArgument>,
    on_conflict: default!(Option<TextArgument>, "'update'"),
    on_error: default!(Option<TextArgument>, "'stop'"),
    reject_limit: default!(Option<i64>, "NULL"),
    workers: default!(Option<i32>, "NULL"),
    create_composers: default!(Option<bool>, "false"),
) -> Result<Option<i64>, ErrorReport> {
    let options = options(on_conflict, on_error, reject_limit, workers, create_composers)?;
    with_text(document.map(JsonArgument::text), |document| load_source::<Work>(document, &options))
}

#[pg_extern(name = "load_records")]
fn load_records_jsonb(
    target: Option<RelationArgument>,
    data: Option<JsonbArgument>,
    mapping: default!(Option<JsonbArgument>, "NULL"),
    on_conflict: default!(Option<TextArgument>, "'update'"),
    on_error: default!(Option<TextArgument>, "'stop'"),
    reject_limit: default!(Option<i64>, "NULL"),
    workers: default!(Option<i32>, "NULL"),
) -> Result<Option<i64>, ErrorReport> {
    let options = options(on_conflict, on_error, reject_limit, workers, Some(false))?;
    let target = oid_of(target)?;
    with_jsonb(data, |document| load_records(target, document, mapping, &options))
}

#[pg_extern(name = "load_records")]
fn load_records_text(
    target: Option<RelationArgument>,
    document: Option<TextArgument>,
    mapping: default!(Option<JsonbArgument>, "NULL"),
    on_conflict: default!(Option<TextArgument>, "'update'"),
    on_error: default!(Option<TextArgument>, "'stop'"),
    reject_limit: default!(Option<i64>, "NULL"),
    workers: default!(Option<i32>, "NULL"),
) -> Result<Option<i64>, ErrorReport> {
    let options = options(on_conflict, on_error, reject_limit, workers, Some(false))?;
    let target = oid_of(target)?;
    with_text(document, |document| load_records(target, document, mapping, &options))
}

#[pg_extern(name = "load_records")]
fn load_records_json(
    target: Option<RelationArgument>,
    document: Option<JsonArgument>,
    mapping: default!(Option<JsonbArgument>, "NULL"),
    on_conflict: default!(Option<TextArgument>, "'update'"),
    on_error: default!(Option<TextArgument>, "'stop'"),
    reject_limit: default!(Option<i64>, "NULL"),
    workers: default!(Option<i32>, "NULL"),
) -> Result<Option<i64>, ErrorReport> {
    let options = options(on_conflict, on_error, reject_limit, workers, Some(false))?;
    let target = oid_of(target)?;
    with_text(document.map(JsonArgument::text), |document| {
        load_records(target, document, mapping, &options)
    })
}

fn options(
    on_conflict: Option<TextArgument>,
    on_error: Option<TextArgument>,
    reject_limit: Option<i64>,
    workers: Option<i32>,
    create_composers: Option<bool>,
) -> Result<Options, Failure> {
    version::check()?;
    let (on_conflict, on_error) = (on_conflict.map(text), on_error.map(text));
    let (on_conflict, on_error) = (on_conflict.as_deref(), on_error.as_deref());
    Options::new(on_conflict, on_error, reject_limit, workers, create_composers)
}

/// A word or a name, of which the server has made a text of the database.
fn text(argument: TextArgument) -> String {
    encoding::of_message(argument.bytes())
}

fn oid_of(target: Option<RelationArgument>) -> Result<pg_sys::Oid, Failure> {
    let target = target.ok_or_else(|| Failure::argument("target", BadArgument::Null))?;
    Ok(target.oid())
}

/// NULL in, NULL out. Outside UTF-8 the server writes the document out, and the text is converted and read.
fn with_jsonb(
    data: Option<JsonbArgument>,
    load: impl FnOnce(Document<'_>) -> Result<i64, Failure>,
) -> Result<Option<i64>, ErrorReport> {
    let Some(data) = data else { return Ok(None) };
    if !encoding::is_utf8() {
        return Ok(Some(load(Document::Text(&encoding::to_utf8(&data.to_text())))?));
    }
    Ok(Some(match &data.arriving() {
        Some(arriving) => load(Document::ArrivingJsonb(arriving))?,
        None => load(Document::Jsonb(data.bytes()))?,
    }))
}

fn with_text(
    document: Option<TextArgument>,
    load: impl FnOnce(Document<'_>) -> Result<i64, Failure>,
) -> Result<Option<i64>, ErrorReport> {
    let Some(document) = document else { return Ok(None) };
    let arriving = if encoding::is_utf8() { document.arriving() } else { None };
    Ok(Some(match &arriving {
        Some(arriving) => load(Document::Arriving(arriving))?,
        None => load(Document::Text(&encoding::to_utf8(document.bytes())))?,
    }))
}

/// Makes a view that takes a document through COPY, in lines or in pieces, and loads it into the target.
#[pg_extern]
fn create_inbox(
    name: Option<TextArgument>,
    target: Option<RelationArgument>,
    mapping: default!(Option<JsonbArgument>, "NULL"),
    on_conflict: default!(Option<TextArgument>, "'update'"),
    on_error: default!(Option<TextArgument>, "'stop'"),
    reject_limit: default!(Option<i64>, "NULL"),
) -> Result<(), ErrorReport> {
    let options = options(on_conflict, on_error, reject_limit, Some(0), Some(false))?;
    let (target, mapping) = (oid_of(target)?, mapping.map(text_of));
    let name = name.ok_or_else(|| Failure::argument("name", BadArgument::Null))?;
    let words = inbox::Words {
        name: &text(name),
        on_conflict: &on_conflict.map(text).unwrap_or_default(),
        on_error: &on_error.map(text).unwrap_or_default(),
        reject_limit,
    };
    let create = || {
        relation::refuse_read_only("create_inbox()", || None);
        spi::connect(|spi| inbox::create(spi, &words, Order { target, mapping, options }))
    };
    Ok(error::catch(create).unwrap_or_else(|error| Err(error.into()))?)
}

/// The planner support function that the loads of version 0.1.0 name: it helps with nothing. Until ALTER EXTENSION …
/// UPDATE the catalogue still has it.
#[pg_extern(immutable, strict, parallel_safe, sql = false)]
fn load_support(_request: Internal) -> Internal {
    Internal::from(Some(pgrx::pg_sys::Datum::null()))
}

#[pg_extern]
fn create_catalogue() -> Result<(), ErrorReport> {
    version::check()?;
    let create = || {
        relation::refuse_read_only("create_catalogue()", || None);
        spi::connect(target::create::create_tables);
    };
    Ok(error::catch(create).map_err(Failure::from)?)
}

/// Pairs of composers whose names differ only in how they are written.
#[allow(clippy::type_complexity)]
#[pg_extern(stable)]
fn likely_same_composers() -> Result<
    TableIterator<'static, (name!(composer_id, TextResult), name!(likely_same_as, TextResult))>,
    ErrorReport,
> {
    version::check()?;
    let pairs =
        error::catch(alike::likely_same_composers).unwrap_or_else(|error| Err(error.into()));
    Ok(TableIterator::new(pairs?.into_iter().map(|(one, other)| (one.into(), other.into()))))
}

/// Finishes what parallel loads left prepared that lost their leader in a crash; how many transactions.
#[pg_extern]
fn resolve_loads() -> Result<i64, ErrorReport> {
    version::check()?;
    let nested = Statement::current().nested;
    let resolve = || {
        relation::refuse_read_only("resolve_loads()", || None);
        // What it finishes stays, whatever becomes of this transaction.
        transaction::prevent_in_block(nested, c"resolve_loads()");
        spi::connect(recovery::resolve)
    };
    Ok(error::catch(resolve).map(|resolved| resolved as i64).map_err(Failure::from)?)
}

#[allow(clippy::type_complexity)]
#[pg_extern]
fn last_load() -> Result<
    TableIterator<
        'static,
        (
            name!(load_id, Option<pgrx::Uuid>),
            name!(kind, Option<TextResult>),
            name!(source, Option<TextResult>),
            name!(received, Option<i64>),
            name!(inserted, Option<i64>),
            name!(updated, Option<i64>),
            name!(unchanged, Option<i64>),
            name!(duplicate, Option<i64>),
            name!(rejected, Option<i64>),
            name!(sessions, Option<i32>),
            name!(sessions_reason, Option<TextResult>),
            name!(decode_threads, Option<i32>),
            name!(decode_ms, Option<f64>),
            name!(write_ms, Option<f64>),
            name!(total_ms, Option<f64>),
            name!(foreign_key_check, Option<TextResult>),
            name!(write_method, Option<TextResult>),
        ),
    >,
    ErrorReport,
> {
    version::check()?;
    let row = LoadReport::last().map(|load| {
        let counts = load.counts;
        let count = |count: u64| Some(count as i64);
        (
            load.load_id.map(|id| pgrx::Uuid::from_bytes(id.into_bytes())),
            Some(load.kind.into()),
            Some(load.source.into()),
            count(load.received),
            count(counts.inserted),
            count(counts.updated),
            count(counts.unchanged),
            count(counts.duplicate),
            count(counts.rejected),
            Some(load.sessions),
            Some(load.sessions_reason.into()),
            Some(load.decode_threads),
            Some(load.decode_ms),
            Some(load.write_ms),
            Some(load.total_ms),
            Some(load.foreign_key_check.into()),
            Some(load.write_method.into()),
        )
    });
    Ok(TableIterator::new(row))
}
