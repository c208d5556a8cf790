//! A load that the caller's session writes, in the caller's transaction.

use uuid::Uuid;

use super::{Outcome, duplicates, named_composers, rejects_of};
use crate::document::find::Resource;
use crate::options::{OnConflict, Options};
use crate::pg::progress::Progress;
use crate::pg::spi::Spi;
use crate::pg::subtransaction;
use crate::prepare::{Loadable, Places, Prepared};
use crate::record::Row;
use crate::record::composer::Composer;
use crate::report::{Counts, Failure, function_of};
use crate::rows::order::Repeated;
use crate::rows::{Family, RowRef, Rows};
use crate::write::Refusals;
use crate::write::insert::{FEWEST_LAID, Writer, is_about_rows};
use crate::write::parents::Check;
use crate::write::rejects::{self, Rejects};
use crate::write::target::{self, Target};
use crate::write::there::There;

pub struct OwnSession<'s, 'a> {
    pub spi: &'s Spi,
    pub options: &'s Options,
    pub load_id: Uuid,
    pub prepared: &'s Prepared<'a>,
}

impl<'a> OwnSession<'_, 'a> {
    /// Writes into tables that the load has made, and that nobody else knows of: the indexes of many works are built
    /// when the rows are there. Where the server refuses a row for the sake of an index, all of it is undone and the
    /// rows meet the indexes one by one.
    pub fn write_first<R: Loadable<'a>>(
        &self,
        target: &Target,
        progress: &mut Progress,
    ) -> Result<Outcome, Failure> {
        let works = R::RESOURCE == Resource::Works;
        if works && self.prepared.order.write.len() >= FEWEST_LAID {
            let before = progress.written();
            let written = subtransaction::within(|| {
                let outcome = self.write::<R>(target, OnConflict::Error, None, progress)?;
                target::create_indexes(self.spi);
                Ok(outcome)
            });
            match written {
                Ok(outcome) => return outcome,
                Err(error) if is_about_rows(&error) => progress.take_back(before),
                Err(error) => return Err(error.into()),
            }
        }
        target::create_indexes(self.spi);
        self.write::<R>(target, self.options.on_conflict, None, progress)
    }

    /// Writes rows of which no two have the same key, under this policy for those that are there.
    pub fn write<R: Loadable<'a>>(
        &self,
        target: &Target,
        on_conflict: OnConflict,
        there: Option<There>,
        progress: &mut Progress,
    ) -> Result<Outcome, Failure> {
        let OwnSession { spi, options, load_id, prepared } = *self;
        let rejects = rejects_of::<R>(prepared, options)?;
        let (rows, places) = (&prepared.rows, &*prepared.places);
        let mut stage = Stage { spi, options, rows, places, rejects, progress };
        let write = &prepared.order.write;
        let check = Check::of(spi, R::RESOURCE, target, write.len(), options.create_composers);
        let write = stage.with_parents(&check, write.clone(), &prepared.order.families)?;
        let counts = stage.write(target, on_conflict, check.as_set, rows, &write, there)?;
        let mut rejects = stage.rejects;
        rejects.raise()?;
        let (kind, _) = function_of(R::RESOURCE);
        rejects::store(spi, load_id, kind, rejects.formed())?;
        let rejected = rejects.count();
        let counts = Counts { rejected, duplicate: duplicates(prepared, options), ..counts };
        Ok(Outcome {
            counts,
            sessions: 0,
            sessions_reason: String::new(),
            foreign_key_check: check.description,
        })
    }
}

/// Steps 4 and 5: what they share.
struct Stage<'s> {
    spi: &'s Spi,
    options: &'s Options,
    rows: &'s Rows<'s>,
    places: &'s dyn Places,
    rejects: Rejects<'s>,
    progress: &'s mut Progress,
}

impl Stage<'_> {
    /// Those of the rows whose parent is there, or is made now.
    fn with_parents(
        &mut self,
        check: &Check,
        write: Vec<RowRef>,
        families: &[Family],
    ) -> Result<Vec<RowRef>, Failure> {
        if !check.looks_up {
            return Ok(write);
        }
        let mut present = check.families(self.spi, self.rows, &write, families);
        if self.options.create_composers && present.contains(&false) {
            let absent = families.iter().zip(&present).filter(|(_, present)| !**present);
            let firsts: Vec<u32> = absent
                .filter_map(|(family, _)| family.of(&write).iter().map(|row| row.ordinal).min())
                .collect();
            self.create_composers(&firsts)?;
            present = check.families(self.spi, self.rows, &write, families);
        }
        Check::known(self.rows, write, families, &present, &mut self.rejects)
    }

    /// Makes the composers that works name, each told by the ordinal of the first of its works.
    fn create_composers(&mut self, firsts: &[u32]) -> Result<(), Failure> {
        let target = target::find(self.spi, Composer::TABLE, OnConflict::Skip)?;
        let rows = named_composers(self.places, firsts)?;
        let order = rows.order(Repeated::FirstWins, false)?;
        self.write(&target, OnConflict::Skip, false, &rows, &order.write, None).map(|_| ())
    }

    fn write(
        &mut self,
        target: &Target,
        on_conflict: OnConflict,
        proved: bool,
        rows: &Rows,
        write: &[RowRef],
        there: Option<There>,
    ) -> Result<Counts, Failure> {
        let writer = Writer { spi: self.spi, target, on_conflict, proved };
        let there = there.unwrap_or_else(|| writer.look(rows, write));
        writer.write(rows, write, there, &mut self.rejects, self.progress)
    }
}
