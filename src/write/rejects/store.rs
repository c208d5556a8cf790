//! Rows into `rejected_records`.

use uuid::Uuid;

use super::form::BATCH;
use crate::pg::batch::Batch;
use crate::pg::load_rows::LoadRows;
use crate::pg::relation::{self, Lock};
use crate::pg::spi::{Plan, Spi};
use crate::pg::subtransaction;
use crate::pg::{encoding, log};
use crate::record::{Column, ColumnType};
use crate::report::Failure;
use crate::target::create::{REJECTED_RECORDS, create_table};
use crate::tuple::Formed;
use crate::write::elsewhere;
use crate::write::statement::batch_name;

const TABLE: &str = REJECTED_RECORDS;

/// Classes of the errors with which jsonb refuses a value: no JSON, too large a number; too deep, too long.
const NO_JSONB: [&str; 2] = ["22", "54"];

const COLUMNS: &[Column] = &[
    Column::new("ordinal", ColumnType::BIGINT),
    Column::new("path", ColumnType::TEXT),
    Column::new("sqlstate", ColumnType::TEXT),
    Column::new("reason", ColumnType::TEXT),
    Column::new("malformed", ColumnType::BOOLEAN),
    Column::new("container", ColumnType::JSONB),
    Column::new("source", ColumnType::TEXT),
];

/// Writes records to `rejected_records`, which is made where it is missing.
pub fn store(
    spi: &Spi,
    load_id: Uuid,
    kind: &str,
    rejects: impl IntoIterator<Item = Formed>,
) -> Result<(), Failure> {
    let mut rejects = rejects.into_iter().peekable();
    if rejects.peek().is_none() {
        return Ok(());
    }
    let find = || relation::find(TABLE, Lock::Insert).and_then(relation::qualified_name);
    let table = match find() {
        Some(table) => table,
        None => {
            create_table(spi, TABLE);
            log::notice(&format!("table {TABLE} created"));
            find().unwrap_or_default()
        }
    };
    // A table's name may be anything.
    let kind = relation::literal(&encoding::for_message(kind));
    let insert = |from: &[u8], record: &str| {
        let columns = format!(
            " (load_id, kind, ordinal, path, sqlstate, reason, record) \
             SELECT '{load_id}'::pg_catalog.uuid, "
        );
        let rest = format!(", ordinal, path, sqlstate, reason, {record} FROM ");
        [b"INSERT INTO ", &*table, columns.as_bytes(), &kind, rest.as_bytes(), from].concat()
    };
    const PARSED: &str = "coalesce(container, CASE WHEN malformed THEN pg_catalog.to_jsonb(source) ELSE source::pg_catalog.jsonb END)";
    const QUOTED: &str = "coalesce(container, pg_catalog.to_jsonb(source))";
    let name = batch_name(TABLE);
    let mut batch = Batch::register(spi, &name, COLUMNS, BATCH);
    let (mut parsed, mut quoted) = (
        spi.prepare(&insert(name.as_bytes(), PARSED)),
        spi.prepare(&insert(name.as_bytes(), QUOTED)),
    );
    let mut function = None;
    if parsed.is_planned_elsewhere() {
        let rows = LoadRows::new(COLUMNS);
        let from = elsewhere::function(spi, &rows, COLUMNS);
        (parsed, quoted) =
            (spi.prepare(&insert(&from, PARSED)), spi.prepare(&insert(&from, QUOTED)));
        function = Some(rows);
    }
    let mut execute = |plan: &Plan<'_>, tuples: &[&[u8]]| match &function {
        Some(rows) => rows.with(tuples, || plan.execute()),
        None => {
            batch.fill(tuples.iter().copied());
            plan.execute()
        }
    };
    for rejects in rejects {
        // A record may be good JSON for this program and too much for jsonb, such as a number of 200,000 digits:
        // then each of the batch is kept as it can be.
        let rejects: Vec<&[u8]> = rejects.iter().collect();
        if stored(|| execute(&parsed, &rejects))? {
            continue;
        }
        for reject in rejects {
            if !stored(|| execute(&parsed, &[reject]))? {
                execute(&quoted, &[reject]);
            }
        }
    }
    Ok(())
}

/// Executes a statement; `false` where a record is no value of jsonb.
fn stored(execute: impl FnOnce() -> u64) -> Result<bool, Failure> {
    match subtransaction::within(execute) {
        Ok(_) => Ok(true),
        Err(error) if NO_JSONB.contains(&&error.sqlstate()[..2]) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
