//! A load that the caller's session writes, in the caller's transaction.

mod stage;

use std::borrow::Cow;
use std::cell::RefCell;

use uuid::Uuid;

use self::stage::Stage;
use super::Job;
use super::earlier::{Earlier, Rounds};
use super::outcome::{Outcome, rejects_of, set_duplicates_aside};
use crate::document::find::Resource;
use crate::options::{OnConflict, OnError, Options};
use crate::pg::progress::Progress;
use crate::pg::spi::Spi;
use crate::pg::subtransaction;
use crate::prepare::Prepared;
use crate::record::composer::Composer;
use crate::record::{Null, Row};
use crate::report::{Counts, Failure};
use crate::rows::order::Order;
use crate::rows::{Fields, RowRef, Rows};
use crate::sessions::fault;
use crate::target::{self, Target, create};
use crate::write::Refusals;
use crate::write::bulk::MIN_BULK_ROWS;
use crate::write::insert::{Writer, is_about_rows};
use crate::write::parents::Check;
use crate::write::rejects::{self, Rejects};
use crate::write::there::There;

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
        let Order { write, later, .. } = &prepared.order;
        let in_order = match later.is_empty() || !target.keeps_order() || earlier.is_some() {
            true => None,
            // Rows that meet or refer to one another come in the document's order, those of one key in turns.
            false => Some(rows.turns(write, later)?),
        };
        let (write, later) = match &in_order {
            Some((first, later)) => (first, later),
            None => (write, later),
        };
        let mut write = Cow::Borrowed(write);
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
        let rounds = |write: &[RowRef]| {
            let earlier = earlier?.borrow();
            let mut rounds = earlier.rounds(rows, write, false)?;
            let again = rounds.iter().filter(|(past, _)| past.is_some());
            let again: Vec<RowRef> = again.flat_map(|(_, again)| again).copied().collect();
            // A row that keeps what others could want comes before or behind them. What takes the place of a composer or a
            // work leaves nothing of it.
            let moves = |again| {
                table.null == Null::Unknown || writer.compare(rows, &rows.sorted(again)).moves()
            };
            if target.keeps_order() && !again.is_empty() && moves(again) {
                rounds = earlier.rounds(rows, write, true)?;
            }
            let begins = matches!(rounds.first(), Some((None, _)));
            let first = if begins { rounds.remove(0).1 } else { vec![] };
            Some((first, rounds))
        };
        let mut again = vec![];
        if let Some((first, others)) = rounds(&write) {
            (write, again, there) = (Cow::Owned(first), others, None);
        }
        if options.on_error == OnError::Stop {
            let rejects = &mut stage.rejects;
            set_duplicates_aside(table, rows, &duplicates, options.on_conflict, rejects)?;
        }
        stage.rejects.contest(duplicates.iter().map(|duplicate| duplicate.kept));
        let goes_on = earlier.is_some_and(|earlier| earlier.borrow().goes_on);
        stage.written = goes_on.then(Vec::new);
        let mut late = stage.late(target, &late)?;
        // What the table had shows what will have become of the rows.
        let look = |write: &[RowRef]| match earlier {
            Some(earlier) if earlier.borrow().owns_table => {
                writer.check_privileges(rows, write)?;
                Ok(There::default())
            }
            _ => writer.look(rows, write),
        };
        if earlier.is_some() && there.is_none() {
            there = Some(look(&write)?);
        }
        let mut outcome = stage.write(job.resource, target, on_conflict, &write, there)?;
        let mut write_again = |stage: &mut Stage, again: Rounds| {
            let mut counts = Counts::default();
            for (past, mut again) in again {
                again.retain(|row| stage.rejects.matters(row.ordinal));
                let more = match past {
                    Some(past) => {
                        let more = stage.again(job.resource, target, past, &again)?;
                        earlier.map(|it| it.borrow_mut().count(past, more)).unwrap_or_default()
                    }
                    None => {
                        let there = look(&again)?;
                        stage.write(job.resource, target, on_conflict, &again, Some(there))?.counts
                    }
                };
                counts = counts + more;
            }
            late += counts.duplicate;
            Ok::<Counts, Failure>(counts)
        };
        outcome.counts = outcome.counts + write_again(&mut stage, again)?;
        let mut turns = later.iter();
        loop {
            // Those whose record before them has been set aside come first.
            let rejects = &stage.rejects;
            let mut next = rows
                .superseded(&mut duplicates, table, repeated, |ordinal| rejects.is_out(ordinal));
            stage.rejects.contest(duplicates.iter().map(|duplicate| duplicate.kept));
            let rejects = &stage.rejects;
            next.retain(|row| rejects.matters(row.ordinal));
            let turn = next.is_empty().then(|| turns.next());
            let (next, again) = match turn {
                None => {
                    let next = rows.sorted(next);
                    rounds(&next).unwrap_or((next, vec![]))
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
            let aside = |ordinal| rejects.is_out(ordinal);
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
