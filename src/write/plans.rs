//! The statements of a load, each prepared when it is first needed.
//!
//! Rows that have no value for a column leave it out of their statement: a new row gets the column's default, and one
//! that is there keeps what it has. So there is a statement for each set of columns that rows leave out.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::insert::Known;
use super::statement::Statements;
use crate::options::OnConflict;
use crate::pg::relation;
use crate::pg::spi::{Plan, Spi};
use crate::record::{Absent, Given};
use crate::rows::{RowRef, Rows};
use crate::target::Target;

/// What a statement is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Use {
    Insert,
    Update,
    Merge,
    CountedMerge,
    /// An INSERT … ON CONFLICT, or a plain one, that counts what it writes.
    Counted(OnConflict),
}

/// So many statements are kept at a time. A document whose records have all kinds of members needs more, one by one.
const MOST: usize = 32;

pub struct Plans<'w> {
    spi: &'w Spi,
    target: &'w Target,
    on_conflict: OnConflict,
    /// The batch, or what else a statement reads its rows from.
    batch: Vec<u8>,
    prepared: RefCell<HashMap<(Absent, Use), Rc<Plan<'w>>>>,
}

impl<'w> Plans<'w> {
    pub fn new(spi: &'w Spi, target: &'w Target, on_conflict: OnConflict, batch: Vec<u8>) -> Self {
        Plans { spi, target, on_conflict, batch, prepared: RefCell::default() }
    }

    /// The statement for rows that leave out these columns, and those that no row has.
    pub fn get(&self, absent: &Absent, purpose: Use) -> Rc<Plan<'w>> {
        let mut prepared = self.prepared.borrow_mut();
        if let Some(plan) = prepared.get(&(absent.clone(), purpose)) {
            return plan.clone();
        }
        if prepared.len() >= MOST {
            prepared.clear();
        }
        let oid = &self.target.oid;
        let sql = self.sql(absent, purpose, &self.batch);
        let plan = Rc::new(self.spi.prepare_for(*oid, &sql));
        prepared.insert((absent.clone(), purpose), plan.clone());
        plan
    }

    /// The same as SQL, for rows from this batch.
    pub fn sql(&self, absent: &Absent, purpose: Use, batch: &[u8]) -> Vec<u8> {
        let Target { table, name, facts, .. } = self.target;
        let never = table.columns.iter().enumerate().filter(|(_, c)| c.given == Given::Never);
        let mut all = absent.clone();
        all.0.extend(never.map(|(place, _)| place as u16));
        let statements = Statements { name, table, batch, absent: &all, quote: relation::quoted };
        match purpose {
            Use::Insert => statements.insert(),
            Use::Update => statements.update(),
            Use::Merge => statements.merge(self.on_conflict),
            Use::CountedMerge => statements.counted_merge(),
            Use::Counted(on_conflict) => statements.counted(on_conflict, facts.is_ordinary()),
        }
    }

    /// The rows by what their statements leave out, in the order given.
    pub fn groups(
        &self,
        rows: &Rows,
        write: &[RowRef],
        known: Known,
    ) -> Vec<(Absent, Vec<RowRef>)> {
        let facts = &self.target.facts;
        let columns = &self.target.table.columns;
        rows.by_absent(write, |absent| {
            absent.only(|place| {
                let column = &columns[place];
                // A null is what such a column gets in any case.
                let is_null = known == Known::New && facts.defaults_to_null(&column.name);
                column.given == Given::Sometimes && !is_null
            })
        })
    }
}
