//! The server programming interface: a connection, prepared plans, and single rows of results.
//!
//! A connection is the frame that plans and batches belong to: what they allocate is freed when it ends, or when the
//! transaction that an error aborts ends.

use std::ffi::CString;
use std::ptr;

use pgrx::{FromDatum, pg_sys};

/// An open connection.
pub struct Spi(());

/// Runs `work` with a connection of its own.
pub fn connect<T>(work: impl FnOnce(&Spi) -> T) -> T {
    // SAFETY: connect and finish are paired; where `work` unwinds, the abort of the transaction closes the connection.
    unsafe {
        check(pg_sys::SPI_connect(), "SPI_connect");
        let value = work(&Spi(()));
        check(pg_sys::SPI_finish(), "SPI_finish");
        value
    }
}

/// A prepared statement, planned at its first execution.
pub struct Plan<'spi> {
    plan: pg_sys::SPIPlanPtr,
    _spi: &'spi Spi,
}

impl Spi {
    pub fn prepare(&self, sql: &str) -> Plan<'_> {
        let source = c_string(sql);
        // SAFETY: the source outlives the call, which copies it; there are no parameters.
        let plan = unsafe { pg_sys::SPI_prepare(source.as_ptr(), 0, ptr::null_mut()) };
        if plan.is_null() {
            // SAFETY: reads a variable that SPI_prepare has set.
            check(unsafe { pg_sys::SPI_result }, "SPI_prepare");
        }
        Plan { plan, _spi: self }
    }

    /// A plan that is kept from call to call, for this connection.
    pub fn of_kept(&self, plan: pg_sys::SPIPlanPtr) -> Plan<'_> {
        Plan { plan, _spi: self }
    }

    /// Runs one or more statements.
    pub fn run(&self, sql: &str) {
        let source = c_string(sql);
        // SAFETY: as in `prepare`.
        check(unsafe { pg_sys::SPI_execute(source.as_ptr(), false, 0) }, "SPI_execute");
    }

    /// The first row of a query's result, handed to `read`.
    pub fn row<T>(&self, sql: &str, read: impl FnOnce(&Row) -> T) -> Option<T> {
        self.prepare(sql).row(read)
    }
}

impl Plan<'_> {
    pub fn pointer(&self) -> pg_sys::SPIPlanPtr {
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
        // SAFETY: the plan is alive as long as the connection; it has no parameters.
        unsafe {
            let code = pg_sys::SPI_execute_plan(self.plan, ptr::null_mut(), ptr::null(), false, 0);
            check(code, "SPI_execute_plan");
            pg_sys::SPI_processed
        }
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

/// One row of a result.
pub struct Row {
    tuple: pg_sys::HeapTuple,
    descriptor: pg_sys::TupleDesc,
}

impl Row {
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

fn c_string(sql: &str) -> CString {
    // The statements of this program hold identifiers, which have no NUL, and its own text.
    CString::new(sql).unwrap_or_default()
}

fn check(code: i32, call: &str) {
    if code < 0 {
        pgrx::error!("{call} failed with code {code}");
    }
}
