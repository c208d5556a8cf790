//! What only the server can do for rows before they are written: it makes those of deferred records, and compares keys.

use std::collections::HashMap;

use super::Job;
use crate::options::{OnError, Options};
use crate::pg::batch::Batch;
use crate::pg::spi::Spi;
use crate::pg::{encoding, interrupt};
use crate::prepare::Prepared;
use crate::record::{Column, ORDINAL, Sink, positional};
use crate::report::Failure;
use crate::rows::keys::Keys;
use crate::target::Target;
use crate::target::key::{self, KeyColumn};
use crate::tuple::{self, Tuples};
use crate::write::convert::convert;
use crate::write::insert::BATCH_ROWS;
use crate::write::statement::batch_name;

/// Does what only the server can do for the rows before they are written: makes those of deferred records, and ranks their
/// keys where bytes do not compare them. Then they are put in order, and the columns told which rows have
/// values for them.
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
