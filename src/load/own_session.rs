//! A load that the caller's session writes, in the caller's transaction.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashSet;
use std::mem::swap;

use uuid::Uuid;

use super::Job;
use super::earlier::{Again, Earlier, Past};
use super::outcome::{
    Outcome, describe, named_composers, rejects_of, set_duplicates_aside, tellers, with_composer_id,
};
use crate::document::find::Resource;
use crate::options::{OnConflict, OnError, Options};
use crate::pg::progress::Progress;
use crate::pg::spi::Spi;
use crate::pg::subtransaction;
use crate::prepare::{Places, Prepared};
use crate::record::composer::Composer;
use crate::record::work::Work;
use crate::record::{Null, Row, Table};
use crate::report::{Counts, Failure};
use crate::rows::order::Repeated;
use crate::rows::{Fields, RowRef, Rows};
use crate::sessions::fault;
use crate::target::{self, Target, create};
use crate::write::Refusals;
use crate::write::bulk::MIN_BULK_ROWS;
use crate::write::composers::{Stranger, strangers};
use crate::write::elsewhere;
use crate::write::insert::{Method, Writer, is_about_rows};
use crate::write::parents::Check;
use crate::write::proof::Locked;
use crate::write::rejects::{self, Rejects};
use crate::write::there::{Sorted, There};

/// What is written, and for whom.
#[derive(Clone, Copy)]
pub struct Writing<'s, 'a> {
    pub spi: &'s Spi,
    pub job: &'s Job,
    pub options: &'s Options,
    pub load_id: Uuid,
    pub prepared: &'s Prepared<'a>,
    /// What earlier parts of the document have had, if it comes in parts.
    pub earlier: Option<&'s RefCell<Earlier>>,
}

impl Writing<'_, '_> {
    /// Writes into tables that the load has made, and that nobody else knows of: the indexes of many works are built
    /// when the rows are there. If the server refuses a row because of an index, all of it is undone and the rows meet
    /// the indexes one by one.
    pub fn write_first(
        &self,
        target: &Target,
        progress: &mut Progress,
    ) -> Result<Outcome, Failure> {
        let works = self.job.resource == Some(Resource::Works);
        if works && self.prepared.order.write.len() >= MIN_BULK_ROWS {
            let before = progress.written();
            let written = subtransaction::within(|| {
                let outcome = self.write(target, OnConflict::Error, None, progress)?;
                create::create_indexes(self.spi);
                Ok(outcome)
            });
            match written {
                Ok(outcome) => return outcome,
                Err(error) if is_about_rows(&error) => progress.take_back(before),
                Err(error) => return Err(error.into()),
            }
        }
        create::create_indexes(self.spi);
        let target = target::find(&target.table, self.options.on_conflict)?;
        self.write(&target, self.options.on_conflict, None, progress)
    }

    /// Writes the document's rows, under this policy for those that are there.
    ///
    /// Of several records with one key one is written. If the server refuses it, or the row that is there is about
    /// another thing, it takes no part in deciding who wins the key, and the next of them has its turn.
    pub fn write(
        &self,
        target: &Target,
        on_conflict: OnConflict,
        mut there: Option<There>,
        progress: &mut Progress,
    ) -> Result<Outcome, Failure> {
        let Writing { spi, job, options, load_id, prepared, earlier } = *self;
        let table = &target.table;
        let (rows, places) = (&prepared.rows, &*prepared.places);
        let rejects = rejects_of(job, prepared, options)?;
        let written = None;
        let mut stage = Stage { spi, options, rows, places, rejects, progress, written };
        if target.kept_elsewhere && options.create_composers {
            // Behind a look at works that are on several servers, an extension may refuse to write composers.
            let write = prepared.order.write.clone();
            stage.with_parents(&Check::of(job.resource, target, write.len(), true), write)?;
        }
        let mut duplicates = prepared.order.duplicates.clone();
        let repeated = options.on_conflict.repeated();
        let mut write = Cow::Borrowed(&prepared.order.write);
        let mut late = vec![];
        let writer = Writer { spi, target, on_conflict, proved: &[] };
        if let Some(earlier) = earlier {
            let look = |seen: &[RowRef]| writer.look(rows, seen);
            let in_time = earlier.borrow().late(rows, &write, look, &mut duplicates, &mut late)?;
            if let Some(in_time) = in_time {
                (write, there) = (Cow::Owned(in_time), None);
            }
        }
        let another = writer.others(rows, duplicates.iter().map(|duplicate| duplicate.row));
        for another in &another {
            another.refuse(rows, table, &mut stage.rejects)?;
        }
        let another = another.iter().map(|another| another.row.ordinal).collect();
        if let Some(others) = rows.without(&write, &mut duplicates, table, repeated, &another) {
            (write, there) = (Cow::Owned(others), None);
        }
        let mut again = vec![];
        if let Some(earlier) = earlier
            && let Some((new, others)) = earlier.borrow().again(rows, &write)
        {
            (write, again, there) = (Cow::Owned(new), others, None);
        }
        if options.on_error == OnError::Stop {
            let rejects = &mut stage.rejects;
            set_duplicates_aside(table, rows, &duplicates, options.on_conflict, rejects)?;
        }
        let goes_on = earlier.is_some_and(|earlier| earlier.borrow().goes_on);
        stage.written = goes_on.then(Vec::new);
        let mut late = stage.late(target, &late)?;
        if let Some(earlier) = earlier {
            // What the table had shows what will have become of the rows.
            let owns_table = earlier.borrow().owns_table;
            there = Some(match there {
                Some(there) => there,
                None if owns_table => {
                    writer.check_privileges(rows, &write)?;
                    There::default()
                }
                None => writer.look(rows, &write)?,
            });
        }
        let mut outcome = stage.write(job.resource, target, on_conflict, &write, there)?;
        let mut write_again = |stage: &mut Stage, again: Again| {
            let mut counts = Counts::default();
            for (past, mut again) in again {
                again.retain(|row| stage.rejects.matters(row.ordinal));
                let more = stage.again(job.resource, target, past, &again)?;
                let more = earlier.map(|earlier| earlier.borrow_mut().count(past, more));
                counts = counts + more.unwrap_or_default();
            }
            late += counts.duplicate;
            Ok::<Counts, Failure>(counts)
        };
        outcome.counts = outcome.counts + write_again(&mut stage, again)?;
        let mut turns = prepared.order.later.iter();
        loop {
            // Those whose record before them has been set aside come first.
            let rejects = &stage.rejects;
            let mut next = rows
                .superseded(&mut duplicates, table, repeated, |ordinal| rejects.contains(ordinal));
            next.retain(|row| rejects.matters(row.ordinal));
            let turn = next.is_empty().then(|| turns.next());
            let (next, again) = match turn {
                None => {
                    let next = rows.sorted(next);
                    let met = earlier.and_then(|earlier| earlier.borrow().again(rows, &next));
                    met.unwrap_or((next, vec![]))
                }
                Some(Some(turn)) => {
                    let matters = |row: &&RowRef| rejects.matters(row.ordinal);
                    (rows.sorted(turn.iter().filter(matters).copied().collect()), vec![])
                }
                Some(None) => break,
            };
            // What has been written before is there.
            let there = writer.compare(rows, &next);
            let more = stage.write(job.resource, target, on_conflict, &next, Some(there))?;
            outcome.counts = outcome.counts + more.counts + write_again(&mut stage, again)?;
        }
        fault::point("written", fault::LEADER);
        let mut rejects = stage.rejects;
        self.advise(target, &mut rejects);
        rejects.raise()?;
        let duplicate = match options.on_error {
            OnError::Stop => match options.on_conflict {
                OnConflict::Error => 0,
                OnConflict::Update | OnConflict::Skip => duplicates.len() as u64,
            },
            OnError::Ignore => {
                set_duplicates_aside(table, rows, &duplicates, options.on_conflict, &mut rejects)?
            }
        };
        for (written, there) in stage.written.iter().flatten() {
            let aside = |ordinal| rejects.contains(ordinal);
            let noted = earlier.map(|it| it.borrow_mut().note(rows, written, there, aside));
            noted.transpose()?;
        }
        rejects::store(spi, load_id, &job.kind, rejects.formed())?;
        outcome.counts.rejected = rejects.count();
        outcome.counts.duplicate = duplicate + late;
        Ok(outcome)
    }

    /// Finds out what is to be told of the record that ends the load.
    pub fn advise(&self, target: &Target, rejects: &mut Rejects<'_>) {
        let rows = &self.prepared.rows;
        let Some((ordinal, key)) = rejects.orphan() else { return };
        let work = rows.all().into_iter().find(|row| row.ordinal == ordinal);
        let is_orphan = |work| Check::lacks_composer(self.spi, target, rows, work, key);
        if self.job.resource == Some(Resource::Works) && work.is_some_and(is_orphan) {
            rejects.lacks_composer();
        }
    }
}

/// Composers as far as their table has columns for them.
pub fn written_of(target: &Target, composers: Rows<'static>) -> Result<Rows<'static>, Failure> {
    if target.left_out.is_empty() {
        return Ok(composers);
    }
    let kept = &*target.table.fields::<Composer>();
    let fields = Fields { columns: Composer::COLUMNS, kept, keys: None };
    Ok(composers.project(&fields, false)?)
}

/// What the rounds of writing share.
struct Stage<'s> {
    spi: &'s Spi,
    options: &'s Options,
    rows: &'s Rows<'s>,
    places: &'s dyn Places,
    rejects: Rejects<'s>,
    progress: &'s mut Progress,
    /// What has been written, and what the table had for it; kept if other parts are to come.
    written: Option<Vec<(Vec<RowRef>, There)>>,
}

impl Stage<'_> {
    /// Writes ordered rows of which no two have the same key.
    fn write(
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
        let Sorted { mut new, mut changed, unchanged, another, .. } = there.sort(write);
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
        let (mut proved, doubtful) =
            check.prove(spi, rows, &target.table, &mut new, &mut Locked::default());
        proved.extend(check.proves);
        writer.proved = &proved;
        let mut sorted = Sorted { new, doubtful, changed, unchanged, another, unseen: vec![] };
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
    fn late(&mut self, target: &Target, late: &[RowRef]) -> Result<u64, Failure> {
        let (spi, rows) = (self.spi, self.rows);
        let writer = Writer { spi, target, on_conflict: OnConflict::Skip, proved: &[] };
        let another = writer.others(rows, late.iter().copied());
        for another in &another {
            another.refuse(rows, &target.table, &mut self.rejects)?;
        }
        Ok((late.len() - another.len()) as u64)
    }

    /// Rows whose keys earlier parts of the document have written, or have found as they are.
    fn again(
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
    fn with_parents(&mut self, check: &Check, write: Vec<RowRef>) -> Result<Vec<RowRef>, Failure> {
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
