//! What `last_load()` tells: the counts of a load, and how its rows were written.

use std::cell::RefCell;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How `write_method` begins where no row is new, and where new rows were inserted by statements.
pub const NO_ROW: &str = "none";
pub const INSERT: &str = "insert";

/// What `last_load()` tells.
#[derive(Clone, Debug)]
pub struct LoadReport {
    /// None until somebody asks, if nothing else has it.
    pub load_id: Option<Uuid>,
    /// The name of the table.
    pub kind: String,
    pub source: &'static str,
    pub received: u64,
    pub counts: Counts,
    pub sessions: i32,
    pub sessions_reason: String,
    pub decode_threads: i32,
    pub foreign_key_check: String,
    pub write_method: String,
    pub decode_ms: f64,
    pub write_ms: f64,
    pub total_ms: f64,
}

/// What became of the records; with `received`, the sum of all.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Counts {
    pub inserted: u64,
    pub updated: u64,
    pub unchanged: u64,
    pub duplicate: u64,
    pub rejected: u64,
}

impl std::ops::Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Counts {
            inserted: self.inserted + other.inserted,
            updated: self.updated + other.updated,
            unchanged: self.unchanged + other.unchanged,
            duplicate: self.duplicate + other.duplicate,
            rejected: self.rejected + other.rejected,
        }
    }
}

thread_local! {
    static LAST: RefCell<Option<LoadReport>> = const { RefCell::new(None) };
}

impl LoadReport {
    /// Of a document in two parts: the counts of both, and the slower way of writing where they differ.
    pub fn and(self, next: LoadReport) -> Self {
        let slower = |this: String, next: String| match () {
            () if this.starts_with(NO_ROW) || next.starts_with(INSERT) => next,
            () => this,
        };
        LoadReport {
            // Records before it may have shown nothing.
            source: next.source,
            received: self.received + next.received,
            counts: self.counts + next.counts,
            decode_threads: self.decode_threads.max(next.decode_threads),
            decode_ms: self.decode_ms + next.decode_ms,
            write_ms: self.write_ms + next.write_ms,
            total_ms: self.total_ms + next.total_ms,
            foreign_key_check: next.foreign_key_check,
            write_method: slower(self.write_method, next.write_method),
            ..self
        }
    }

    /// Makes this the session's last load; the number of rows written.
    pub fn keep(self) -> i64 {
        let written = self.counts.inserted + self.counts.updated;
        LAST.with(|last| last.replace(Some(self)));
        written as i64
    }

    /// A load begins: whatever becomes of it, the one before is not the last.
    pub fn forget() {
        LAST.with(|last| last.replace(None));
    }

    /// The last load of this session, if it came to its end.
    pub fn last() -> Option<Self> {
        LAST.with_borrow_mut(|last| {
            let load = last.as_mut()?;
            load.load_id.get_or_insert_with(Uuid::new_v4);
            Some(load.clone())
        })
    }
}

/// Milliseconds since `start`, in microseconds' steps.
pub fn milliseconds(start: Instant) -> f64 {
    start.elapsed().as_micros() as f64 / 1000.0
}
