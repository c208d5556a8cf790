//! PURE. The faults that the threads find.
//!
//! No more of them are kept than somebody will ask for: under `stop` the lowest one, else as many as the caller allows.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use super::Mode;
use crate::document::{Watch, push};
use crate::error::{Fault, RecordFault};

pub struct Faults<'w> {
    pub mode: Mode,
    watch: &'w Watch,
    /// The lowest ordinal so far, if no other counts.
    lowest: AtomicU32,
    /// Whether [`Found::end`] is there.
    ended: AtomicBool,
    found: Mutex<Found>,
}

#[derive(Default)]
struct Found {
    faults: Vec<RecordFault>,
    /// Why no others are taken: there are too many, or there is no memory for them.
    end: Option<Fault>,
}

impl<'w> Faults<'w> {
    pub fn new(mode: Mode, watch: &'w Watch) -> Self {
        Faults {
            mode,
            watch,
            lowest: AtomicU32::new(u32::MAX),
            ended: AtomicBool::new(false),
            found: Mutex::default(),
        }
    }

    /// Whether nobody asks for this record any more.
    pub fn behind(&self, ordinal: u32) -> bool {
        ordinal > self.lowest.load(Ordering::Relaxed) || self.ended.load(Ordering::Relaxed)
    }

    /// A fault if the load ends for the number of those that were found.
    pub fn check(&self) -> Result<(), Fault> {
        if !self.ended.load(Ordering::Relaxed) {
            return Ok(());
        }
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.end.clone().map_or(Ok(()), Err)
    }

    pub fn add(&self, fault: RecordFault) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if found.end.is_some() {
            return;
        }
        if self.mode.stop_at_fault {
            let lowest = self.lowest.fetch_min(fault.ordinal, Ordering::Relaxed);
            if fault.ordinal < lowest {
                found.faults.clear();
                found.faults.push(fault);
            }
            return;
        }
        let kept = self.watch.take(size_of::<RecordFault>() + fault.fault.heap());
        let kept = kept.and_then(|()| push(&mut found.faults, fault));
        found.end = match (kept, self.mode.most_faults) {
            (Err(end), _) => Some(end),
            (_, Some(limit)) if found.faults.len() as u64 > limit => {
                Some(Fault::TooManyRejected { limit })
            }
            _ => None,
        };
        if found.end.is_some() {
            self.ended.store(true, Ordering::Relaxed);
        }
    }

    /// The faults by ordinal.
    pub fn into_ordered(self) -> Result<Vec<RecordFault>, Fault> {
        let found = self.found.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(end) = found.end {
            return Err(end);
        }
        let mut faults = found.faults;
        faults.sort_unstable_by_key(|fault| fault.ordinal);
        Ok(faults)
    }
}
