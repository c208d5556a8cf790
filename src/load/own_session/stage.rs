//! A round of writing: rows of which no two have the same key.

use std::collections::HashSet;
use std::mem::swap;

use super::written_of;
use crate::document::find::Resource;
use crate::load::earlier::Past;
use crate::load::outcome::{Outcome, describe, named_composers, tellers, with_composer_id};
use crate::options::{OnConflict, Options};
use crate::pg::progress::Progress;
use crate::pg::spi::Spi;
use crate::prepare::Places;
use crate::record::composer::Composer;
use crate::record::work::Work;
use crate::record::{Null, Table};
use crate::report::{Counts, Failure};
use crate::rows::order::Repeated;
use crate::rows::{RowRef, Rows};
use crate::sessions::fault;
use crate::target::{self, Target};
use crate::write::Refusals;
use crate::write::composers::{Stranger, strangers};
use crate::write::elsewhere;
use crate::write::insert::{Method, Writer};
use crate::write::parents::Check;
use crate::write::proof::Locked;
use crate::write::rejects::Rejects;
use crate::write::there::{Sorted, There};

/// What the rounds of writing share.
pub struct Stage<'s> {
    pub spi: &'s Spi,
    pub options: &'s Options,
    pub rows: &'s Rows<'s>,
    pub places: &'s dyn Places,
    pub rejects: Rejects<'s>,
    pub progress: &'s mut Progress,
    /// What has been written, and what the table had for it; kept if other parts are to come.
    pub written: Option<Vec<(Vec<RowRef>, There)>>,
}

impl Stage<'_> {
    /// Writes ordered rows of which no two have the same key.
    pub fn write(
        &mut self,
        resource: Option<Resource>,
        target: &Target,
        on_conflict: OnConflict,
        write: &[RowRef],
        there: Option<There>,
    ) -> Result<Outcome, Failure> {
        let (spi, rows) = (self.spi, self.rows);
        let mut writer = Writer { spi, target, on_conflict, proved: &[] };
        let unseen = there.is_none() && writer.writes_unseen(rows);
        let there = match there {
            Some(there) => there,
            None if unseen => There::default(),
            None => writer.look(rows, write)?,
        };
        fault::point("compared", fault::LEADER);
        if let Some(written) = &mut self.written {
            written.push((write.to_vec(), there.clone()));
        }
        let Sorted { mut new, mut changed, moving, unchanged, another, .. } = there.sort(write);
        let create = self.options.create_composers;
        let check = Check::of(resource, target, new.len(), create);
        // A row that changes is checked by the server; its composer is made all the same, before the parents of new
        // rows are proved: making it may run anybody's code.
        if create {
            changed = self.with_parents(&check, changed)?;
        }
        new = self.with_parents(&check, new)?;
        if create && resource == Some(Resource::Works) {
            self.refuse_strangers(target, [&mut changed, &mut new])?;
        }
        let (locked, in_order) = (&mut Locked::default(), writer.writes_in_order(rows));
        let (mut proved, doubtful) =
            check.prove(spi, rows, &target.table, &mut new, locked, in_order);
        proved.extend(check.proves);
        writer.proved = &proved;
        let mut sorted =
            Sorted { new, doubtful, changed, moving, unchanged, another, unseen: vec![] };
        if unseen {
            swap(&mut sorted.new, &mut sorted.unseen);
        }
        let (counts, method) = writer.write(rows, sorted, &mut self.rejects, self.progress)?;
        let (write_method, foreign_key_check) =
            describe(&method, !proved.is_empty(), check.description);
        Ok(Outcome {
            counts,
            sessions: 0,
            sessions_reason: String::new(),
            foreign_key_check,
            write_method,
        })
    }

    /// Rows whose keys earlier parts of the document have had, and which are not written: how many of them are duplicates.
    pub fn late(&mut self, target: &Target, late: &[RowRef]) -> Result<u64, Failure> {
        let (spi, rows) = (self.spi, self.rows);
        let writer = Writer { spi, target, on_conflict: OnConflict::Skip, proved: &[] };
        let another = writer.others(rows, late.iter().copied());
        for another in &another {
            another.refuse(rows, &target.table, &mut self.rejects)?;
        }
        Ok((late.len() - another.len()) as u64)
    }

    /// Rows whose keys earlier parts of the document have written, or have found as they are.
    pub fn again(
        &mut self,
        resource: Option<Resource>,
        target: &Target,
        past: Past,
        again: &[RowRef],
    ) -> Result<Counts, Failure> {
        let (spi, rows, on_conflict) = (self.spi, self.rows, OnConflict::Update);
        // Nothing stays of the earlier record, where that has made the row.
        let replaces = past.made && target.table.null == Null::Unknown;
        let replaced = replaces.then(|| Target {
            table: Table { null: Null::Value, ..target.table.clone() },
            oid: target.oid,
            name: target.name.clone(),
            facts: target.facts.clone(),
            left_out: vec![],
            kept_elsewhere: target.kept_elsewhere,
        });
        let target = replaced.as_ref().unwrap_or(target);
        let there = Writer { spi, target, on_conflict, proved: &[] }.compare(rows, again);
        let outcome = self.write(resource, target, on_conflict, again, Some(there))?;
        Ok(outcome.counts)
    }

    /// Those of the rows whose parent is there, or is made now.
    pub fn with_parents(
        &mut self,
        check: &Check,
        write: Vec<RowRef>,
    ) -> Result<Vec<RowRef>, Failure> {
        if !check.looks_up || write.is_empty() {
            return Ok(write);
        }
        let families = self.rows.families(&write)?;
        let mut present = check.families(self.spi, self.rows, &write, &families);
        if self.options.create_composers && present.contains(&false) {
            let absent = families.iter().zip(&present).filter(|(_, present)| !**present);
            let absent = absent.map(|(family, _)| family);
            let tellers = tellers(&with_composer_id(self.places), &write, absent);
            self.create_composers(&tellers)?;
            present = check.families(self.spi, self.rows, &write, &families);
        }
        check.known(self.rows, write, &families, &present, &mut self.rejects)
    }

    /// Takes out the works of another composer than the one who has the name, after composers were made: another session
    /// may have made one of them meanwhile, with another id.
    fn refuse_strangers(
        &mut self,
        target: &Target,
        works: [&mut Vec<RowRef>; 2],
    ) -> Result<(), Failure> {
        let fields = target.table.fields::<Work>();
        let all: Vec<RowRef> = works.iter().flat_map(|some| some.iter().copied()).collect();
        let strangers = strangers(self.spi, target, self.places, (self.rows, &all), &fields, true);
        let ordinals: HashSet<u32> = strangers.iter().map(|stranger| stranger.ordinal).collect();
        for Stranger { ordinal, fault } in strangers {
            self.rejects.fault(ordinal, fault)?;
        }
        for some in works {
            some.retain(|row| !ordinals.contains(&row.ordinal));
        }
        Ok(())
    }

    /// Makes the composers that these works name.
    fn create_composers(&mut self, tellers: &[u32]) -> Result<(), Failure> {
        let mut target = target::find(&Table::of::<Composer>(), OnConflict::Skip)?;
        target.kept_elsewhere = elsewhere::plans_insert(self.spi, &target);
        let rows = named_composers(self.places, tellers)?;
        let rows = written_of(&target, rows)?;
        let order = rows.order(&target.table, Repeated::FirstWins, false)?;
        let writer =
            Writer { spi: self.spi, target: &target, on_conflict: OnConflict::Skip, proved: &[] };
        let sorted = match writer.writes_unseen(&rows) {
            true => Sorted { unseen: order.write, ..Sorted::default() },
            false => writer.look(&rows, &order.write)?.sort(&order.write),
        };
        let written: Result<(Counts, Method), Failure> =
            writer.write(&rows, sorted, &mut self.rejects, self.progress);
        written.map(|_| ())
    }
}
