//! A running load in `pg_stat_progress_copy`: bytes decoded, rows written, rows set aside.

use pgrx::pg_sys;

/// The row of a load in the view. An ERROR takes it away, that of a subtransaction too: [`Progress::resume`] puts it
/// back.
pub struct Progress {
    relation: pg_sys::Oid,
    bytes_total: u64,
    bytes: u64,
    tuples: u64,
    excluded: u64,
}

impl Progress {
    pub fn start(relation: pg_sys::Oid, bytes_total: u64) -> Self {
        let progress = Progress { relation, bytes_total, bytes: 0, tuples: 0, excluded: 0 };
        progress.resume();
        progress
    }

    pub fn resume(&self) {
        let command = pg_sys::ProgressCommandType::PROGRESS_COMMAND_COPY;
        // SAFETY: sets counters in the session's own entry of shared memory.
        unsafe { pg_sys::pgstat_progress_start_command(command, self.relation) };
        set(pg_sys::PROGRESS_COPY_COMMAND, u64::from(pg_sys::PROGRESS_COPY_COMMAND_FROM));
        set(pg_sys::PROGRESS_COPY_TYPE, u64::from(pg_sys::PROGRESS_COPY_TYPE_CALLBACK));
        set(pg_sys::PROGRESS_COPY_BYTES_TOTAL, self.bytes_total);
        set(pg_sys::PROGRESS_COPY_BYTES_PROCESSED, self.bytes);
        set(pg_sys::PROGRESS_COPY_TUPLES_PROCESSED, self.tuples);
        set(pg_sys::PROGRESS_COPY_TUPLES_EXCLUDED, self.excluded);
    }

    /// Bytes of the document decoded so far.
    pub fn bytes(&mut self, bytes: u64) {
        self.bytes = bytes.min(self.bytes_total);
        set(pg_sys::PROGRESS_COPY_BYTES_PROCESSED, self.bytes);
    }

    pub fn tuples(&mut self, more: u64) {
        self.tuples += more;
        set(pg_sys::PROGRESS_COPY_TUPLES_PROCESSED, self.tuples);
    }

    pub fn excluded(&mut self, more: u64) {
        self.excluded += more;
        set(pg_sys::PROGRESS_COPY_TUPLES_EXCLUDED, self.excluded);
    }

    pub fn end(self) {
        // SAFETY: as in `resume`.
        unsafe { pg_sys::pgstat_progress_end_command() };
    }
}

fn set(counter: u32, value: u64) {
    // SAFETY: `counter` is one of the view's indexes, from progress.h.
    unsafe { pg_sys::pgstat_progress_update_param(counter as i32, value as i64) };
}
