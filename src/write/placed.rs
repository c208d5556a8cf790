//! Rows that are there and were seen ([`super::scan`]), changed where they lie: the server looks for no key.

use super::insert::Writer;
use super::plans::{PLACED, Plans, Use};
use super::statement::batch_name;
use crate::pg::batch::Batch;
use crate::pg::error::ServerError;
use crate::pg::scan::Place;
use crate::pg::subtransaction;
use crate::record::{Absent, Column, ColumnType, positional};
use crate::rows::{RowRef, Rows};
use crate::target::rules;
use crate::tuple::Formed;

pub struct Placed<'w> {
    batch: Batch<'w>,
    /// By ordinal.
    places: Vec<(u32, Place)>,
}

impl<'w> Placed<'w> {
    /// None where nothing has been seen, or where a trigger of the owner's could leave a row as it is: then nobody knows
    /// whether it was still in its place.
    pub fn register(writer: &'w Writer<'w>, places: Vec<(u32, Place)>) -> Option<Self> {
        if places.is_empty() || rules::has_user_triggers(&writer.target.facts) {
            return None;
        }
        let mut columns = writer.target.table.columns.clone();
        columns.push(Column::new("place", ColumnType::TID));
        // Expecting one row, the planner looks for each where it lies, and does not read the table for all.
        let batch = Batch::register(writer.spi, &batch_name(PLACED), &positional(&columns), 1);
        Some(Placed { batch, places })
    }

    /// Changes all of these rows; how many they are. None, and nothing is changed, if one has not been seen or is not in
    /// its place any more.
    pub fn update(
        &mut self,
        plans: &Plans,
        rows: &Rows,
        groups: &[(Absent, Vec<RowRef>)],
    ) -> Result<Option<u64>, ServerError> {
        subtransaction::within_unless(Option::is_none, || {
            let mut changed = 0;
            for (absent, write) in groups {
                self.fill(rows, write)?;
                let written = plans.get(absent, Use::UpdateAt).execute();
                changed += (written == write.len() as u64).then_some(written)?;
            }
            Some(changed)
        })
    }

    fn fill(&mut self, rows: &Rows, write: &[RowRef]) -> Option<()> {
        let mut tuples = Formed::default();
        for row in write {
            let place = self.places.binary_search_by_key(&row.ordinal, |(ordinal, _)| *ordinal);
            tuples.add_with(ColumnType::TID, rows.tuple(*row), &self.places[place.ok()?].1);
        }
        self.batch.fill(tuples.iter());
        Some(())
    }
}
