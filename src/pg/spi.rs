//! The server programming interface: a connection, prepared plans, and single rows of results.
//!
//! A connection is the frame that plans and batches belong to: what they allocate is freed when it ends, or when the
//! transaction that an error aborts ends.

mod look;

use std::ffi::CString;

use pgrx::{FromDatum, pg_sys};

use super::memory_context;
use super::parameters::Parameters;

/// An open connection.
pub struct Spi {
    /// Where statements are executed, emptied before each. What is copied of an error that is caught stays there, and would
    /// stay for as long as the connection.
    scratch: pg_sys::MemoryContext,
}

/// Runs `work` with a connection of its own.
pub fn connect<T>(work: impl FnOnce(&Spi) -> T) -> T {
    // SAFETY: connect and finish are paired; where `work` unwinds, the abort of the transaction closes the connection.
    unsafe {
        check(pg_sys::SPI_connect(), "SPI_connect");
        let scratch = memory_context::child(pg_sys::CurrentMemoryContext, c"pg_opus statement");
        let value = work(&Spi { scratch });
        check(pg_sys::SPI_finish(), "SPI_finish");
        value
    }
}

/// A prepared statement, planned at its first execution.
pub struct Plan<'spi> {
    plan: pg_sys::SPIPlanPtr,
    /// It outlives the connection, and so do its references to what is cached.
    kept: bool,
    /// It is planned for the values of its parameters, at each execution.
    custom: bool,
    /// A table that the statement must be about.
    relation: Option<pg_sys::Oid>,
    parameters: Parameters,
    spi: &'spi Spi,
}

impl Spi {
    /// `sql` is in the database's encoding: names in it may have any of its characters.
    pub fn prepare(&self, sql: &(impl AsRef<[u8]> + ?Sized)) -> Plan<'_> {
        self.prepare_of(sql.as_ref(), &[])
    }

    /// The same with one parameter, a row of this type that has null in all its columns.
    pub fn prepare_with_empty_row(&self, sql: &[u8], row_type: pg_sys::Oid) -> Plan<'_> {
        self.prepare_of(sql, &[row_type]).with(Parameters::empty_row(row_type))
    }

    /// The same with parameters of these types, planned once for all their values.
    pub fn prepare_of(&self, sql: &[u8], types: &[pg_sys::Oid]) -> Plan<'_> {
        self.prepare_with(sql, types, pg_sys::CURSOR_OPT_GENERIC_PLAN)
    }

    fn prepare_with(&self, sql: &[u8], types: &[pg_sys::Oid], options: u32) -> Plan<'_> {
        let custom = options & pg_sys::CURSOR_OPT_CUSTOM_PLAN != 0;
        let source = c_string(sql);
        let (count, types) = (types.len() as i32, types.as_ptr().cast_mut());
        let options = options as i32;
        // SAFETY: source and types outlive the call, which copies them.
        let plan = unsafe { pg_sys::SPI_prepare_cursor(source.as_ptr(), count, types, options) };
        if plan.is_null() {
            // SAFETY: reads a variable that SPI_prepare has set.
            check(unsafe { pg_sys::SPI_result }, "SPI_prepare");
        }
        let parameters = Parameters::default();
        Plan { plan, kept: false, custom, relation: None, parameters, spi: self }
    }

    /// A plan that is kept from call to call, for this connection.
    pub fn of_kept(&self, plan: pg_sys::SPIPlanPtr, relation: pg_sys::Oid) -> Plan<'_> {
        let relation = Some(relation);
        Plan {
            plan,
            kept: true,
            custom: false,
            relation,
            parameters: Parameters::default(),
            spi: self,
        }
    }

    /// A statement about a table that the load has locked. The table's name in it may come to stand for another one:
    /// who renames a schema asks for no lock. Then the statement fails, before or after it is executed.
    pub fn prepare_for(&self, relation: pg_sys::Oid, sql: &[u8]) -> Plan<'_> {
        let mut plan = self.prepare(sql);
        plan.relation = Some(relation);
        plan
    }

    /// The same with parameters of these types, planned for their values: what plans for several servers has to know them.
    pub fn prepare_for_values(
        &self,
        relation: pg_sys::Oid,
        sql: &[u8],
        types: &[pg_sys::Oid],
    ) -> Plan<'_> {
        let mut plan = self.prepare_with(sql, types, pg_sys::CURSOR_OPT_CUSTOM_PLAN);
        plan.relation = Some(relation);
        plan
    }

    /// Runs one or more statements.
    pub fn run(&self, sql: &str) {
        let source = c_string(sql.as_bytes());
        // SAFETY: as in `prepare`.
        check(unsafe { pg_sys::SPI_execute(source.as_ptr(), false, 0) }, "SPI_execute");
    }

    /// The first row of a query's result, handed to `read`.
    pub fn row<T>(
        &self,
        sql: &(impl AsRef<[u8]> + ?Sized),
        read: impl FnOnce(&Row) -> T,
    ) -> Option<T> {
        self.prepare(sql).row(read)
    }
}

impl Plan<'_> {
    pub fn with(mut self, parameters: Parameters) -> Self {
        self.parameters = parameters;
        self
    }

    /// The plan, for an owner that keeps it.
    pub fn into_pointer(mut self) -> pg_sys::SPIPlanPtr {
        self.kept = true;
        self.plan
    }

    /// Executes a query and hands each of its rows to `read`.
    pub fn rows<T>(&self, mut read: impl FnMut(&Row) -> T) -> Vec<T> {
        let count = self.execute() as usize;
        // SAFETY: as in `row`, and the table has as many rows as the statement has given; none where it gives none.
        unsafe {
            let table = pg_sys::SPI_tuptable;
            if table.is_null() {
                return vec![];
            }
            let row =
                |place| Row { tuple: *(*table).vals.add(place), descriptor: (*table).tupdesc };
            let values = (0..count).map(|place| read(&row(place))).collect();
            pg_sys::SPI_freetuptable(table);
            values
        }
    }

    /// Executes the statement; the number of rows it wrote.
    pub fn execute(&self) -> u64 {
        let (values, nulls) = self.parameters.pointers();
        // SAFETY: the plan is alive as long as the connection; it has these parameters.
        self.executed(|plan| unsafe { pg_sys::SPI_execute_plan(plan, values, nulls, false, 0) })
    }

    /// What `execute` does with the plan: the number of rows.
    pub(super) fn executed(&self, execute: impl FnOnce(pg_sys::SPIPlanPtr) -> i32) -> u64 {
        // What a statement that is kept stands for, its owner has looked at.
        if !self.kept {
            self.check_relation();
        }
        // SAFETY: the context is the connection's, and nothing of the statement before is in use.
        let code = unsafe {
            pg_sys::MemoryContextReset(self.spi.scratch);
            let before = pg_sys::MemoryContextSwitchTo(self.spi.scratch);
            let code = execute(self.plan);
            pg_sys::MemoryContextSwitchTo(before);
            code
        };
        check(code, "SPI_execute_plan");
        // SAFETY: reads a variable that the execution has set.
        let processed = unsafe { pg_sys::SPI_processed };
        // The execution may have planned it anew.
        self.check_relation();
        processed
    }

    /// Executes a query and hands its first row to `read`.
    pub fn row<T>(&self, read: impl FnOnce(&Row) -> T) -> Option<T> {
        if self.execute() == 0 {
            return None;
        }
        // SAFETY: a query that gave rows has left its table in SPI_tuptable; it is freed here and nowhere else.
        unsafe {
            let table = pg_sys::SPI_tuptable;
            let row = Row { tuple: *(*table).vals, descriptor: (*table).tupdesc };
            let value = read(&row);
            pg_sys::SPI_freetuptable(table);
            Some(value)
        }
    }
}

impl Drop for Plan<'_> {
    fn drop(&mut self) {
        // Where an error unwinds, the end of the connection frees what belongs to it.
        if !self.kept && !std::thread::panicking() {
            // SAFETY: the plan is this one's own, and none of its executions is under way.
            unsafe { pg_sys::SPI_freeplan(self.plan) };
        }
    }
}

/// One row of a result.
pub struct Row {
    tuple: pg_sys::HeapTuple,
    descriptor: pg_sys::TupleDesc,
}

impl Row {
    /// The whole row, as a tuple of the result's columns.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the tuple belongs to a live result.
        unsafe {
            let tuple = &*self.tuple;
            std::slice::from_raw_parts(tuple.t_data.cast(), tuple.t_len as usize)
        }
    }

    /// The value of a column, counted from 1, or none where it is null.
    ///
    /// `T` must be the Rust counterpart of the column's type; it owns what it holds.
    pub fn get<T: FromDatum + 'static>(&self, column: i32) -> Option<T> {
        let mut is_null = false;
        // SAFETY: tuple and descriptor belong to a live result. The statements of this program cast their columns, so
        // that the type is the one that T reads.
        unsafe {
            let datum = pg_sys::SPI_getbinval(self.tuple, self.descriptor, column, &mut is_null);
            T::from_datum(datum, is_null)
        }
    }
}

fn c_string(sql: &[u8]) -> CString {
    // The statements of this program hold identifiers, which have no NUL, and its own text.
    CString::new(sql).unwrap_or_default()
}

fn check(code: i32, call: &str) {
    if code < 0 {
        pgrx::error!("{call} failed with code {code}");
    }
}
