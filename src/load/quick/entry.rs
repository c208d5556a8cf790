//! What a session keeps of its last few loads: how records became rows, and the statements that wrote these.
//!
//! An entry holds as long as nothing that it was made of has changed. That is the table with its name, columns, indexes,
//! constraints and triggers, of which the session hears when it locks the table ([`kept`]); its columns' types, functions
//! and the names of schemas; and a few settings. The statements themselves are planned anew by the server where that is needed, and look at
//! privileges, row security and the search_path each time.

use std::cell::{Cell, RefCell};
use std::ops::Deref;
use std::sync::Arc;

use pgrx::pg_sys;

use super::MOST_ROWS;
use super::statement::Statement;
use crate::document::find::Resource;
use crate::load::outcome::Outcome;
use crate::options::{OnConflict, Options};
use crate::pg::batch::Batch;
use crate::pg::kept;
use crate::pg::parameters::Shape;
use crate::pg::relation;
use crate::pg::spi::Spi;
use crate::prepare::{Prepared, Recipe};
use crate::record::{Absent, Column, Table, positional};
use crate::settings;
use crate::target::{Target, rules};
use crate::write::convert::names;
use crate::write::statement::{Statements, TableName, batch_name};

/// Entries that a session keeps.
const MOST_KEPT: usize = 32;

/// Statements that an entry has: one for each set of columns that records have no value for.
const MOST_STATEMENTS: usize = 8;

/// More changes than there ever are.
const EXPIRED: u64 = u64::MAX;

/// A call of a load, made before it has asked for anything.
#[derive(Clone, Copy)]
pub struct Call<'c> {
    pub of: Loads<'c>,
    /// [`kept::news`] at that time.
    news: u64,
}

/// What is loaded, and by which function.
#[derive(Clone, Copy)]
pub enum Loads<'c> {
    Source(Resource),
    /// The mapping is a jsonb as it is stored.
    Records {
        target: pg_sys::Oid,
        mapping: Option<&'c [u8]>,
    },
}

/// The same, to be kept.
#[derive(PartialEq)]
enum Calls {
    Source(Resource),
    Records(Option<Box<[u8]>>),
}

pub struct Entry {
    pub table: pg_sys::Oid,
    calls: Calls,
    on_conflict: OnConflict,
    changes: Cell<u64>,
    settings: Settings,
    pub recipe: Arc<Recipe>,
    pub name: TableName,
    /// See [`Writer::writes_in_order`], but for row security, which is another caller's in the same session; defaults that
    /// show the order are those of new rows alone.
    pub in_order: bool,
    /// Of the table's rows, as a batch has them.
    pub columns: Vec<Column>,
    pub shape: Shape,
    /// The newest at the end.
    statements: Vec<Statement>,
    /// The names of the columns as keys of JSON, and the type of the table's rows: for records that are the server's.
    pub keys: Vec<String>,
    pub row_type: pg_sys::Oid,
    /// As `last_load()` has it.
    pub foreign_key_check: String,
}

/// The settings that an entry depends on.
#[derive(PartialEq)]
struct Settings {
    set_based_foreign_keys: bool,
    reads_committed: bool,
    replication_role: i32,
}

impl Settings {
    fn current() -> Self {
        Settings {
            set_based_foreign_keys: settings::set_based_foreign_keys(),
            reads_committed: relation::reads_committed(),
            replication_role: relation::replication_role(),
        }
    }
}

impl<'c> Call<'c> {
    pub fn of(of: Loads<'c>) -> Self {
        Call { of, news: kept::news() }
    }

    fn is(&self, calls: &Calls) -> bool {
        match (self.of, calls) {
            (Loads::Source(one), Calls::Source(other)) => one == *other,
            (Loads::Records { mapping, .. }, Calls::Records(other)) => mapping == other.as_deref(),
            _ => false,
        }
    }

    fn to_keep(self) -> Calls {
        match self.of {
            Loads::Source(resource) => Calls::Source(resource),
            Loads::Records { mapping, .. } => Calls::Records(mapping.map(Into::into)),
        }
    }
}

thread_local! {
    /// The newest at the end. What is taken out and put back is moved as a pointer.
    #[expect(clippy::vec_box, reason = "an entry is large")]
    static KEPT: RefCell<Vec<Box<Entry>>> = const { RefCell::new(vec![]) };
}

/// An entry that is in use. It goes back to the others whatever happens: an error of the server unwinds past it.
pub struct Lent(Option<Box<Entry>>);

impl Deref for Lent {
    type Target = Entry;

    fn deref(&self) -> &Entry {
        match &self.0 {
            Some(entry) => entry,
            None => unreachable!("it is there until it is dropped"),
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        KEPT.with_borrow_mut(|all| all.extend(self.0.take()));
    }
}

/// Whether there is an entry for the table, whatever has become of it.
pub fn is_known(table: pg_sys::Oid) -> bool {
    KEPT.with_borrow(|all| all.iter().any(|entry| entry.table == table))
}

/// Takes the entry out, if there is one that still holds: while it is used the list may change. The transaction has locked
/// the table.
pub fn take(call: &Call, table: pg_sys::Oid, on_conflict: OnConflict) -> Option<Lent> {
    let changes = kept::changes();
    let is_stale = |entry: &mut Box<Entry>| entry.changes.get() != changes;
    let stale: Vec<_> = KEPT.with_borrow_mut(|all| all.extract_if(.., is_stale).collect());
    stale.into_iter().for_each(|entry| entry.free());
    let settings = Settings::current();
    let wanted = |entry: &Entry| {
        (entry.table, entry.on_conflict) == (table, on_conflict)
            && call.is(&entry.calls)
            && entry.settings == settings
    };
    KEPT.with_borrow_mut(|all| {
        let place = all.iter().position(|entry| wanted(entry))?;
        Some(Lent(Some(all.remove(place))))
    })
}

/// Keeps what a load of few rows has found out, for the next ones; the transaction has locked the table.
pub fn remember(
    spi: &Spi,
    call: &Call,
    target: &Target,
    recipe: Arc<Recipe>,
    (options, prepared, outcome): (&Options, &Prepared<'_>, &Outcome),
) {
    let (rows, write, on_conflict) = (&prepared.rows, &prepared.order.write, options.on_conflict);
    let Some(first) = write.first().filter(|_| write.len() < MOST_ROWS) else { return };
    let absent = rows.absent(*first);
    let alike = write.iter().all(|row| rows.absent(*row) == absent);
    // Triggers are to see the rows that are written, and no others.
    let silent = !rules::has_user_triggers(&target.facts) && !target.facts.any_rules;
    let has_key = !recipe.table().key.is_empty() && !recipe.keys().is_unknown(absent);
    let policy = if has_key { on_conflict } else { OnConflict::Error };
    let fits = alike && target.facts.is_ordinary() && silent;
    if !fits
        || policy != OnConflict::Error && !rules::may_propose(&target.facts, recipe.table(), absent)
    {
        return;
    }
    kept::watch(target.oid, target.facts.columns.iter().map(|column| column.type_oid));
    let mut lent = take(call, target.oid, on_conflict);
    if lent.as_ref().is_some_and(|entry| entry.statement(absent).is_some()) {
        return;
    }
    if !inserts_only(spi, target, recipe.table(), absent) {
        return;
    }
    // What has changed meanwhile, the load may have seen in part.
    if kept::news() != call.news {
        return;
    }
    let new = || {
        Box::new(Entry {
            table: target.oid,
            calls: call.to_keep(),
            on_conflict,
            changes: Cell::new(kept::changes()),
            settings: Settings::current(),
            name: target.name.clone(),
            in_order: on_conflict == OnConflict::Error
                || target.keeps_order()
                || rules::asks_volatile(&target.facts),
            columns: positional(&recipe.table().columns),
            shape: Shape::of(&recipe.table().columns),
            keys: names(recipe.table()),
            recipe,
            statements: vec![],
            row_type: relation::row_type(target.oid),
            foreign_key_check: outcome.foreign_key_check.clone(),
        })
    };
    let mut entry = lent.as_mut().and_then(|lent| lent.0.take()).unwrap_or_else(new);
    entry.add(Statement::new(absent.clone(), policy));
    put_back(entry);
}

/// Whether an INSERT into the table does nothing else: no rule rewrites it, no extension has put something in its place.
fn inserts_only(spi: &Spi, target: &Target, table: &Table, absent: &Absent) -> bool {
    let name = batch_name(table.batch());
    let _shape = Batch::register(spi, &name, &positional(&table.columns), MOST_ROWS);
    let batch = name.as_bytes();
    let (name, quote) = (&target.name, relation::quoted);
    let statements = Statements { name, table, batch, absent, quote };
    spi.prepare(&statements.insert()).only_inserts_into(target.oid)
}

/// Puts an entry behind the others; the first one goes where they are too many.
fn put_back(entry: Box<Entry>) {
    let oldest = KEPT.with_borrow_mut(|all| {
        all.push(entry);
        (all.len() > MOST_KEPT).then(|| all.remove(0))
    });
    if let Some(entry) = oldest {
        entry.free();
    }
}

impl Entry {
    /// The statement for rows that have no value for these columns.
    pub fn statement(&self, absent: &Absent) -> Option<&Statement> {
        self.statements.iter().find(|statement| statement.is_for(absent))
    }

    /// Whether only the server can compare the keys of rows.
    pub fn is_ranked(&self) -> bool {
        let has_key = self.on_conflict != OnConflict::Error && !self.recipe.table().key.is_empty();
        has_key && self.recipe.keys().key.is_empty()
    }

    /// The statement does not fit the table any more: nobody takes the entry again.
    pub fn expire(&self) {
        self.changes.set(EXPIRED);
    }

    fn add(&mut self, statement: Statement) {
        self.statements.push(statement);
        if self.statements.len() > MOST_STATEMENTS {
            self.statements.remove(0).free();
        }
    }

    fn free(self) {
        self.statements.into_iter().for_each(Statement::free);
        self.shape.free();
    }
}
