//! A running load in `pg_stat_progress_copy`: bytes decoded, rows written, rows set aside. And that of the COPY that a load
//! is part of.

use pgrx::pg_sys;

/// The row of a load in the view, or none. An ERROR takes it away, that of a subtransaction too: [`Progress::resume`] puts it
/// back.
pub struct Progress {
    relation: pg_sys::Oid,
    bytes_total: u64,
    bytes: u64,
    tuples: u64,
    /// What the view shows of them: it does not go back when rows are undone, to be written in another way.
    shown: u64,
    excluded: u64,
}

/// Runs `work` within a command that has a row in a view of progress, such as COPY, and leaves the row as it was: what is
/// undone in a subtransaction takes it away.
pub fn kept<T>(work: impl FnOnce() -> T) -> T {
    let before = Shown::now();
    let value = work();
    if let Some(before) = before {
        before.restore();
    }
    value
}

/// What a view shows of the session.
struct Shown {
    command: pg_sys::ProgressCommandType::Type,
    target: pg_sys::Oid,
    counters: [i64; pg_sys::PGSTAT_NUM_PROGRESS_PARAM as usize],
}

impl Shown {
    fn now() -> Option<Self> {
        // SAFETY: the entry is the session's own, and only the session writes to it.
        let entry = unsafe { pg_sys::MyBEEntry.as_ref() }?;
        Some(Shown {
            command: entry.st_progress_command,
            target: entry.st_progress_command_target,
            counters: entry.st_progress_param,
        })
    }

    fn restore(&self) {
        let none = pg_sys::ProgressCommandType::PROGRESS_COMMAND_INVALID;
        if self.command == none || Shown::now().is_some_and(|now| now.command == self.command) {
            return;
        }
        // SAFETY: sets counters in the session's own entry.
        unsafe {
            pg_sys::pgstat_progress_start_command(self.command, self.target);
            for (counter, value) in (0..).zip(self.counters) {
                pg_sys::pgstat_progress_update_param(counter, value);
            }
        }
    }
}

impl Progress {
    pub fn start(relation: pg_sys::Oid, bytes_total: u64) -> Self {
        let progress = Progress { bytes_total, ..Progress::of(relation) };
        progress.resume();
        progress
    }

    /// No row: another session has it.
    pub fn none() -> Self {
        Progress::of(pg_sys::InvalidOid)
    }

    fn of(relation: pg_sys::Oid) -> Self {
        Progress { relation, bytes_total: 0, bytes: 0, tuples: 0, shown: 0, excluded: 0 }
    }

    pub fn resume(&self) {
        if self.relation == pg_sys::InvalidOid {
            return;
        }
        let command = pg_sys::ProgressCommandType::PROGRESS_COMMAND_COPY;
        // SAFETY: sets counters in the session's own entry of shared memory.
        unsafe { pg_sys::pgstat_progress_start_command(command, self.relation) };
        self.set(pg_sys::PROGRESS_COPY_COMMAND, u64::from(pg_sys::PROGRESS_COPY_COMMAND_FROM));
        self.set(pg_sys::PROGRESS_COPY_TYPE, u64::from(pg_sys::PROGRESS_COPY_TYPE_CALLBACK));
        self.set(pg_sys::PROGRESS_COPY_BYTES_TOTAL, self.bytes_total);
        self.set(pg_sys::PROGRESS_COPY_BYTES_PROCESSED, self.bytes);
        self.set(pg_sys::PROGRESS_COPY_TUPLES_PROCESSED, self.shown);
        self.set(pg_sys::PROGRESS_COPY_TUPLES_EXCLUDED, self.excluded);
    }

    /// Bytes of the document decoded so far.
    pub fn bytes(&mut self, bytes: u64) {
        self.bytes = bytes.min(self.bytes_total);
        self.set(pg_sys::PROGRESS_COPY_BYTES_PROCESSED, self.bytes);
    }

    pub fn tuples(&mut self, more: u64) {
        self.tuples += more;
        self.shown = self.shown.max(self.tuples);
        self.set(pg_sys::PROGRESS_COPY_TUPLES_PROCESSED, self.shown);
    }

    pub fn written(&self) -> u64 {
        self.tuples
    }

    /// What has been written since there were so many rows is undone.
    pub fn take_back(&mut self, written: u64) {
        self.tuples = written;
        self.resume();
    }

    pub fn excluded(&mut self, more: u64) {
        self.excluded += more;
        self.set(pg_sys::PROGRESS_COPY_TUPLES_EXCLUDED, self.excluded);
    }

    pub fn end(self) {
        if self.relation != pg_sys::InvalidOid {
            // SAFETY: as in `resume`.
            unsafe { pg_sys::pgstat_progress_end_command() };
        }
    }

    fn set(&self, counter: u32, value: u64) {
        if self.relation != pg_sys::InvalidOid {
            // SAFETY: `counter` is one of the view's indexes, from progress.h.
            unsafe { pg_sys::pgstat_progress_update_param(counter as i32, value as i64) };
        }
    }
}
