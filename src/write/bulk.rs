//! New rows written as COPY writes them, if the table allows it: all of them or, where that cannot be, none.

use super::insert::BATCH_ROWS;
use crate::pg::batch::type_oid;
use crate::pg::bulk::BulkInsert;
use crate::pg::progress::Progress;
use crate::pg::spi::Plan;
use crate::pg::wal;
use crate::rows::{RowRef, Rows};
use crate::sessions::fault;
use crate::settings;
use crate::target::Target;
use crate::target::rules::{self, Reason};

/// Fewer new rows are inserted sooner than the bulk insert is set up.
pub const MIN_BULK_ROWS: usize = 200;

/// Whether so many new rows may be written so, as far as the table says.
pub fn allows(target: &Target, rows: usize) -> Result<(), Reason> {
    let columns = target.table.columns;
    let types: Vec<u32> = columns.iter().map(|column| type_oid(column.kind).to_u32()).collect();
    rules::bulk_insert(&target.facts, columns, &types)?;
    if !settings::bulk_insert() {
        return Err("pg_opus.bulk_insert is off");
    }
    if rows < MIN_BULK_ROWS { Err("too few rows") } else { Ok(()) }
}

/// [`allows`], and whether the server's own plan of the INSERT does no more than to write to the table itself. An
/// extension that keeps the rows elsewhere plans something else.
pub fn qualifies<'p, 's: 'p>(
    target: &Target,
    rows: usize,
    insert: impl FnOnce() -> &'p Plan<'s>,
) -> Result<(), Reason> {
    allows(target, rows)?;
    if insert().only_inserts_into(target.oid) {
        Ok(())
    } else {
        Err("an extension plans its INSERT")
    }
}

/// Opens the statement. `proved` is the foreign key whose parents are locked.
pub fn open(target: &Target, proved: Option<u32>) -> BulkInsert {
    BulkInsert::open(&target.facts, target.table.columns, proved)
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
        bulk.insert(batch.iter().map(|row| rows.tuple(*row)), |written| {
            progress.tuples(written as u64);
            fault::point("bulk", session);
        });
        wal::write_behind();
    }
}
