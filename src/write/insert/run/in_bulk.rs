//! New rows as COPY writes them.

use std::mem::replace;

use super::{Bulk, Run};
use crate::pg::progress::Progress;
use crate::pg::subtransaction;
use crate::record::Absent;
use crate::report::Failure;
use crate::rows::{RowRef, Rows};
use crate::sessions::fault;
use crate::target::rules;
use crate::write::bulk;
use crate::write::insert::{Method, Writer};
use crate::write::parents::Check;
use crate::write::plans::Use;

impl Run<'_> {
    /// Writes new rows as COPY does: all of them or, where that cannot be, none.
    pub(in crate::write::insert) fn bulk_all(
        &self,
        rows: &Rows,
        new: &[RowRef],
        progress: &mut Progress,
    ) -> Result<Method, Failure> {
        let Writer { target, proved, .. } = *self.writer;
        let before = progress.written();
        let written = subtransaction::within(|| {
            let insert = || self.plans.get(&Absent::default(), Use::Insert);
            let mut bulk = match bulk::open(target, proved, new.len(), insert) {
                Ok(bulk) => bulk,
                Err(reason) => return Method::Insert(reason.into()),
            };
            bulk::put(&mut bulk, rows, new, fault::LEADER, progress);
            bulk.finish(0.0);
            Method::Bulk
        });
        match written {
            Ok(method) => Ok(method),
            Err(error) if self.writer.is_about_rows(&error) => {
                progress.take_back(before);
                Ok(Method::Insert("the database refuses a row".into()))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Whether a worker writes its new rows in bulk: where the table allows it and `all` are enough. Before anything else is
    /// written, and at the end, comes [`Run::finish_bulk`].
    pub fn opens_bulk(&mut self, all: usize) -> bool {
        if matches!(self.bulk, Bulk::Undecided) {
            let Writer { target, proved, .. } = self.writer;
            let refuses = rules::may_refuse_rows(&target.facts, &target.table, proved);
            let insert = || self.plans.get(&Absent::default(), Use::Insert);
            let opened = match refuses {
                true => Err("the database may refuse single rows"),
                false => bulk::open(target, proved, all, insert),
            };
            self.bulk = match opened {
                Ok(bulk) => {
                    self.method = Method::Bulk;
                    Bulk::Open(Box::new(bulk))
                }
                Err(reason) => {
                    self.method = Method::Insert(reason.into());
                    Bulk::No
                }
            };
        }
        matches!(self.bulk, Bulk::Open(_))
    }

    /// Writes a batch of new rows in bulk, which is open. In no subtransaction: an error is the end of the transaction.
    pub fn bulk(&mut self, rows: &Rows, batch: &[RowRef], session: usize) {
        let Bulk::Open(bulk) = &mut self.bulk else { return };
        bulk::put(bulk, rows, batch, session, &mut Progress::none());
        self.counts.inserted += batch.len() as u64;
    }

    /// [`Check::prove`] for a batch that is to be written in bulk: the rows that the server is to check. Of all batches, a
    /// parent is looked up once.
    pub fn prove(&mut self, check: &Check, rows: &Rows, new: &mut Vec<RowRef>) -> Vec<RowRef> {
        let Writer { spi, target, .. } = self.writer;
        let in_order = self.writer.writes_in_order(rows);
        check.prove(spi, rows, &target.table, new, &mut self.locked, in_order).1
    }

    /// Ends the statement of the rows that have been written in bulk; other rows may open another one. For `share` see
    /// [`BulkInsert::finish`].
    pub fn finish_bulk(&mut self, share: f64) {
        self.locked.forget();
        if let Bulk::Open(_) = self.bulk
            && let Bulk::Open(bulk) = replace(&mut self.bulk, Bulk::Undecided)
        {
            bulk.finish(share);
        }
    }
}
