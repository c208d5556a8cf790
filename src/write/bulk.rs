//! New rows written as COPY writes them, if the table allows it: all of them or, where that cannot be, none.

use std::rc::Rc;

use super::insert::BATCH_ROWS;
use crate::pg::bulk::BulkInsert;
use crate::pg::progress::Progress;
use crate::pg::spi::Plan;
use crate::pg::{relcache, wal};
use crate::record::Column;
use crate::rows::{RowRef, Rows};
use crate::sessions::fault;
use crate::settings;
use crate::target::Target;
use crate::target::facts::{ForeignKeyFacts, TableFacts};
use crate::target::rules::{self, Reason};

/// Fewer new rows are inserted sooner than the bulk insert is set up.
pub const MIN_BULK_ROWS: usize = 200;

/// Whether so many new rows may be written so, as far as the table says.
pub fn allows(facts: &TableFacts, columns: &[Column], rows: usize) -> Result<(), Reason> {
    rules::bulk_insert(facts, columns)?;
    if !settings::bulk_insert() {
        return Err("pg_opus.bulk_insert is off");
    }
    if rows < MIN_BULK_ROWS { Err("too few rows") } else { Ok(()) }
}

/// Opens the statement, or says why not: what [`allows`] is asked again of the table as it is now, since a trigger on
/// another table may have changed it; and the server's own plan of the INSERT does no more than to write to the table
/// itself. An extension that keeps the rows elsewhere plans something else.
///
/// `proved` are the foreign keys whose parents are locked. They are checked by the server all the same if the table has
/// come to run code that could delete one of them.
pub fn open<'s>(
    target: &Target,
    proved: &[u32],
    rows: usize,
    insert: impl FnOnce() -> Rc<Plan<'s>>,
) -> Result<BulkInsert, Reason> {
    allows(&target.facts, &target.table.columns, rows)?;
    if !insert().only_inserts_into(target.oid) {
        return Err("an extension plans its INSERT");
    }
    let (facts, columns) = (relcache::facts(target.oid), &*target.table.columns);
    allows(&facts, columns, rows)?;
    let is_proved = |key: &&ForeignKeyFacts| {
        proved.contains(&key.constraint) && rules::set_based_key(&facts, columns, key, None).is_ok()
    };
    let proved = facts.foreign_keys.iter().filter(is_proved).map(|key| key.constraint);
    Ok(BulkInsert::open(&facts, columns, &proved.collect::<Vec<_>>()))
}

/// Writes a batch of rows; `session` is whose stop points are met.
pub fn put(
    bulk: &mut BulkInsert,
    rows: &Rows,
    batch: &[RowRef],
    session: usize,
    progress: &mut Progress,
) {
    for batch in batch.chunks(BATCH_ROWS) {
        bulk.insert(batch.iter().map(|row| (rows.tuple(*row), rows.absent(*row))), |written| {
            progress.tuples(written as u64);
            fault::point("bulk", session);
        });
        wal::write_behind();
    }
}
