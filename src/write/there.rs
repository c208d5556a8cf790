//! Which rows of a document the table has, found out by one query before they are written.

use super::Refusals;
use super::elsewhere::{Joined, MOST_JOINED, MOST_JOINED_BYTES};
use super::insert::{BATCH_ROWS, Writer};
use super::statement::{Statements, batch_name};
use crate::options::OnConflict;
use crate::pg::batch::Batch;
use crate::pg::relation;
use crate::pg::spi::Row;
use crate::record::{Absent, Column, Given, Null, ORDINAL, Table, positional};
use crate::report::Failure;
use crate::rows::{RowRef, Rows};
use crate::target::{Target, is_permitted, no_permission};
use crate::tuple::Formed;

/// What the table has for a row.
#[derive(Clone, Copy, Default, PartialEq)]
enum State {
    #[default]
    Nothing,
    /// A row that would change.
    Changed,
    /// One that may then meet other rows.
    Moving,
    Unchanged,
    /// A row about another thing.
    Another,
}

/// What a row that is there is to one of the document.
pub enum Found {
    Same,
    /// It would change; and may then meet other rows ([`Target::meeting`]).
    Changed {
        moves: bool,
    },
    /// It is about another thing: the number of the column that tells, among those with ids, and the id that is there.
    Another(usize, i64),
}

/// The rows that a table has, by ordinal.
#[derive(Clone, Default)]
pub struct There {
    states: Vec<State>,
    changed: usize,
    moving: usize,
    unchanged: usize,
    /// By ordinal: of the column that tells, its number among those with ids, and the id that is there.
    another: Vec<(u32, usize, i64)>,
}

impl There {
    /// How many of the rows the table has.
    pub fn count(&self) -> usize {
        self.changed + self.unchanged + self.another.len()
    }

    /// How many it has just so.
    pub fn unchanged(&self) -> u64 {
        self.unchanged as u64
    }

    /// Whether one of the rows that would change may then meet other rows ([`Target::meeting`]).
    pub fn moves(&self) -> bool {
        self.moving > 0
    }

    /// How many are to be written.
    pub fn to_write(&self, all: usize) -> usize {
        all - self.unchanged - self.another.len()
    }

    /// Tells new rows from those that are there, and leaves out those that would change nothing.
    pub fn sort(&self, write: &[RowRef]) -> Sorted {
        if self.count() == 0 {
            return Sorted { new: write.to_vec(), ..Sorted::default() };
        }
        let pick = |wanted: State| -> Vec<RowRef> {
            write.iter().copied().filter(|row| self.state(*row) == wanted).collect()
        };
        let changes = |row: &RowRef| matches!(self.state(*row), State::Changed | State::Moving);
        let new = pick(State::Nothing);
        let changed: Vec<RowRef> = write.iter().copied().filter(changes).collect();
        let mut moving: Vec<u32> = vec![];
        if self.moving > 0 {
            moving.extend(pick(State::Moving).iter().map(|row| row.ordinal));
            moving.sort_unstable();
        }
        let another = pick(State::Another).into_iter().filter_map(|row| {
            let place = self.another.binary_search_by_key(&row.ordinal, |(ordinal, ..)| *ordinal);
            let (_, column, there) = self.another[place.ok()?];
            Some(Another { row, column, there })
        });
        let another: Vec<Another> = another.collect();
        let unchanged = (write.len() - new.len() - changed.len() - another.len()) as u64;
        Sorted { new, changed, moving, unchanged, another, ..Sorted::default() }
    }

    /// Notes what a row that is there is to one of the document.
    pub fn note(&mut self, ordinal: u32, found: Found) {
        let state = match found {
            Found::Same => State::Unchanged,
            Found::Changed { moves: true } => State::Moving,
            Found::Changed { moves: false } => State::Changed,
            Found::Another(column, id) => {
                self.another.push((ordinal, column, id));
                State::Another
            }
        };
        self.changed += usize::from(matches!(state, State::Changed | State::Moving));
        self.moving += usize::from(state == State::Moving);
        self.unchanged += usize::from(state == State::Unchanged);
        let place = ordinal as usize;
        if self.states.len() <= place {
            self.states.resize(place + 1, State::Nothing);
        }
        self.states[place] = state;
    }

    /// What has been noted, to be looked up.
    pub fn noted(mut self) -> Self {
        self.another.sort_unstable();
        self
    }

    /// Whether the table had no row of this one's key.
    pub fn is_new(&self, row: RowRef) -> bool {
        self.state(row) == State::Nothing
    }

    /// Whether it had just this row.
    pub fn is_unchanged(&self, row: RowRef) -> bool {
        self.state(row) == State::Unchanged
    }

    fn state(&self, row: RowRef) -> State {
        self.states.get(row.ordinal as usize).copied().unwrap_or_default()
    }
}

/// A row whose key the table has for another thing.
pub struct Another {
    pub row: RowRef,
    /// The number of the column that tells, among those with ids, and the id that is there.
    column: usize,
    there: i64,
}

/// Rows to be written: those that the table does not have, and those that differ from what it has.
#[derive(Default)]
pub struct Sorted {
    pub new: Vec<RowRef>,
    /// New ones whose parents have not been found: the server says what becomes of them.
    pub doubtful: Vec<RowRef>,
    pub changed: Vec<RowRef>,
    /// The ordinals of those of them that may meet other rows by what becomes of them, in order.
    pub moving: Vec<u32>,
    pub unchanged: u64,
    /// They are refused.
    pub another: Vec<Another>,
    /// Of which nobody has looked whether they are there.
    pub unseen: Vec<RowRef>,
}

impl Another {
    /// Refuses the record of this row.
    pub fn refuse(
        &self,
        rows: &Rows,
        table: &Table,
        refusals: &mut dyn Refusals,
    ) -> Result<(), Failure> {
        let Another { row, column, there } = *self;
        refusals.fault(row.ordinal, rows.another(row, table, column, there))
    }
}

impl Writer<'_> {
    /// Which of the rows the table has, and which of those differ. It may be otherwise a moment later: then a row is
    /// written in the slower way.
    pub fn look(&self, rows: &Rows, write: &[RowRef]) -> Result<There, Failure> {
        self.check_privileges(rows, write)?;
        if self.target.is_empty() {
            return Ok(There::default());
        }
        match self.compares() && !self.target.kept_elsewhere && self.may_scan(write.len()) {
            true => self.scan(rows, write),
            false => Ok(self.compare(rows, write)),
        }
    }

    /// INSERT … ON CONFLICT asks for its privileges whether or not there is a conflict; a load of new rows has no statement
    /// that does.
    pub fn check_privileges(&self, rows: &Rows, write: &[RowRef]) -> Result<(), Failure> {
        let Target { oid, table, .. } = self.target;
        if !self.compares() || is_permitted(*oid, table, self.on_conflict) {
            return Ok(());
        }
        for (absent, _) in rows.by_absent(write, Absent::clone) {
            let mut place = 0..;
            let lacks =
                |_: &Column| place.next().is_some_and(|place: u16| absent.0.contains(&place));
            let table = table.clone().without(lacks);
            if !is_permitted(*oid, &table, self.on_conflict) {
                return Err(no_permission(&table, self.on_conflict));
            }
        }
        Ok(())
    }

    /// Whether the rows are written as they are, and the INSERT finds which of them are there: where somebody else plans
    /// it, who counts them, and each record says all that a new row must have.
    pub fn writes_unseen(&self, rows: &Rows) -> bool {
        let Target { kept_elsewhere, facts, table, .. } = self.target;
        let lacks =
            |column: &Column| column.given != Given::Always && facts.must_be_given(&column.name);
        let says_all = self.on_conflict != OnConflict::Update
            || table.null == Null::Unknown
            || !rows.any_absent()
            || !table.columns.iter().any(lacks);
        *kept_elsewhere && facts.is_ordinary() && says_all
    }

    /// Whether rows that are there make a difference.
    fn compares(&self) -> bool {
        self.on_conflict != OnConflict::Error && !self.target.table.key.is_empty()
    }

    /// Those of the duplicates that are about another thing than the row that is there. They take no part in deciding
    /// which of the records with their key is written.
    pub fn others(&self, rows: &Rows, duplicates: impl Iterator<Item = RowRef>) -> Vec<Another> {
        if self.target.table.identity().next().is_none() || self.target.is_empty() {
            return vec![];
        }
        let duplicates: Vec<RowRef> = duplicates.collect();
        self.compare(rows, &duplicates).sort(&duplicates).another
    }

    /// The same of a table that may not be empty any more.
    pub fn compare(&self, rows: &Rows, write: &[RowRef]) -> There {
        self.compare_for(rows, write, self.on_conflict)
    }

    /// The same as far as a policy wants it.
    pub fn compare_for(&self, rows: &Rows, write: &[RowRef], on_conflict: OnConflict) -> There {
        let Writer { spi, target, .. } = *self;
        if !self.compares() || write.is_empty() {
            return There::default();
        }
        let name = batch_name("compared");
        let mut columns = positional(&target.table.columns);
        columns.push(ORDINAL);
        let mut there = There::default();
        // A row without a key is a new one.
        let keyed: Vec<RowRef> =
            write.iter().copied().filter(|row| !rows.key(*row).is_empty()).collect();
        let groups = rows.by_absent(&keyed, |absent| match on_conflict {
            OnConflict::Update => absent.clone(),
            OnConflict::Skip | OnConflict::Error => Absent::default(),
        });
        let (last, meeting) = (columns.len() - 1, target.meeting());
        for (absent, write) in groups {
            let (table, absent, elsewhere) = (&target.table, &absent, target.kept_elsewhere);
            let statements = Statements {
                name: &target.name,
                table,
                batch: name.as_bytes(),
                absent,
                quote: relation::quoted,
            };
            let sql = statements.compare(on_conflict, meeting.as_deref(), elsewhere);
            let is_used = |place| {
                let tells = |place| table.is_key(place) || table.columns[place].identity;
                place == last || on_conflict == OnConflict::Update || tells(place)
            };
            if !elsewhere {
                let mut batch = Batch::register(spi, &name, &columns, write.len());
                for write in write.chunks(BATCH_ROWS) {
                    batch.append(with_ordinals(rows, write).iter());
                }
                spi.prepare_for(target.oid, &sql).row(|row| there.add(row));
                continue;
            }
            for write in rows.portions(&write, MOST_JOINED, MOST_JOINED_BYTES) {
                let tuples = with_ordinals(rows, write);
                let joined = Joined::of(spi, true, &name, &columns, &tuples, is_used);
                joined.prepare(target.oid, &sql).row(|row| there.add(row));
            }
        }
        there.noted()
    }
}

fn with_ordinals(rows: &Rows, write: &[RowRef]) -> Formed {
    let mut tuples = Formed::default();
    for row in write {
        tuples.add_with_int4(rows.tuple(*row), row.ordinal as i32);
    }
    tuples
}

impl There {
    /// Adds what [`Statements::compare`] has found.
    fn add(&mut self, row: &Row) {
        let ordinals = |column| row.get::<Vec<i32>>(column).unwrap_or_default();
        for (column, moves) in [(1, false), (6, true)] {
            let changed = ordinals(column).into_iter();
            changed.for_each(|row| self.note(row as u32, Found::Changed { moves }));
        }
        ordinals(2).into_iter().for_each(|row| self.note(row as u32, Found::Same));
        let ids = row.get::<Vec<i64>>(5).unwrap_or_default();
        for ((ordinal, column), id) in ordinals(3).into_iter().zip(ordinals(4)).zip(ids) {
            self.note(ordinal as u32, Found::Another(column as usize, id));
        }
    }
}
