//! Records set aside: counted against the limit while the load runs, stored in `rejected_records` at its end.

mod form;
mod store;

use std::collections::HashSet;

pub use self::store::store;
use super::Refusals;
use super::convert::Unconverted;
use crate::error::{Fault, LoadError, Place, RecordFault};
use crate::options::{OnError, Options};
use crate::pg::encoding;
use crate::pg::error::ServerError;
use crate::prepare::Places;
use crate::report::{Failure, UNKNOWN_COMPOSER_HINT, about};

const FOREIGN_KEY_VIOLATION: &str = "23503";
const UNIQUE_VIOLATION: &str = "23505";
const EXCLUSION_VIOLATION: &str = "23P01";

/// A record and why it is set aside. The texts of most are made when the record is stored.
struct Reject {
    ordinal: u32,
    why: Why,
}

enum Why {
    /// The program refuses the record.
    Fault(Place, Fault),
    /// The server does.
    Server { path: Option<String>, sqlstate: String, reason: String },
}

/// The records set aside by one load, or, under `on_error => 'stop'`, the way to its error.
pub struct Rejects<'a> {
    function: &'static str,
    places: &'a dyn Places,
    on_error: OnError,
    limit: u64,
    /// Records that earlier parts of the document have set aside.
    before: u64,
    /// By ordinal: those that the document itself shows.
    decoded: &'a [RecordFault],
    /// The others.
    rejects: Vec<Reject>,
    ordinals: HashSet<u32>,
    /// Records of which others have the key.
    contested: HashSet<u32>,
    /// Those that were not written, and not refused.
    dropped: HashSet<u32>,
    /// Under `stop`: the lowest bad record so far, and what is wrong with it.
    stop: Option<(u32, Failure)>,
}

impl<'a> Rejects<'a> {
    /// Under `stop`: the lowest bad record, if a foreign key refuses it, and the name of that one.
    pub fn orphan(&self) -> Option<(u32, Option<&[u8]>)> {
        match &self.stop {
            Some((ordinal, Failure::Server { error, .. }))
                if error.sqlstate() == FOREIGN_KEY_VIOLATION && error.hint.is_none() =>
            {
                Some((*ordinal, error.constraint.as_deref()))
            }
            _ => None,
        }
    }

    /// Whether the server has refused a row for another one with the same key.
    pub fn has_met(&self) -> bool {
        let is_key = |sqlstate: &str| [UNIQUE_VIOLATION, EXCLUSION_VIOLATION].contains(&sqlstate);
        let met = |reject: &Reject| matches!(&reject.why, Why::Server { sqlstate, .. } if is_key(sqlstate));
        let stop = self.stop.as_ref().map(|(_, failure)| failure.sqlstate());
        stop.is_some_and(|sqlstate| is_key(&sqlstate)) || self.rejects.iter().any(met)
    }

    /// It is a work whose composer is missing.
    pub fn lacks_composer(&mut self) {
        if let Some((_, Failure::Server { error, .. })) = &mut self.stop {
            error.hint = Some(UNKNOWN_COMPOSER_HINT.into());
        }
    }

    /// A record of which the server can make no row, for the value at a path from it.
    pub fn unconverted(&mut self, refused: &Unconverted) -> Result<(), Failure> {
        let Unconverted { ordinal, within, error } = refused;
        let path = self.places.path_to(*ordinal, within);
        if self.on_error == OnError::Stop {
            let about = Some(about(self.function, self.places, *ordinal, &path));
            self.stop_at(*ordinal, Failure::Server { error: error.clone(), about });
            return Ok(());
        }
        let (sqlstate, reason) = (error.sqlstate(), encoding::of_message(&error.message));
        let why = Why::Server { path: Some(path), sqlstate, reason };
        self.add(Reject { ordinal: *ordinal, why })
    }

    /// Whether a record has been set aside, or would end the load.
    pub fn contains(&self, ordinal: u32) -> bool {
        self.ordinals.contains(&ordinal)
            || self.stop.as_ref().is_some_and(|(stop, _)| *stop == ordinal)
    }

    /// Whether a record takes no part in deciding who wins its key: it has been set aside, or was not written.
    pub fn is_out(&self, ordinal: u32) -> bool {
        self.contains(ordinal) || self.dropped.contains(&ordinal)
    }

    /// The records of which others have the key.
    pub fn contest(&mut self, ordinals: impl Iterator<Item = u32>) {
        self.contested = ordinals.collect();
    }

    pub fn new(
        function: &'static str,
        places: &'a dyn Places,
        options: &Options,
        before: u64,
    ) -> Self {
        let limit = options.reject_limit.unwrap_or(u64::MAX);
        Rejects {
            function,
            places,
            on_error: options.on_error,
            limit,
            before,
            decoded: &[],
            rejects: vec![],
            ordinals: HashSet::new(),
            contested: HashSet::new(),
            dropped: HashSet::new(),
            stop: None,
        }
    }

    /// The records that decoding refuses, by ordinal.
    pub fn decoded(&mut self, faults: &'a [RecordFault]) -> Result<(), Failure> {
        if self.on_error == OnError::Stop {
            let lowest = faults.first().cloned();
            lowest.into_iter().for_each(|fault| {
                self.stop_at(fault.ordinal, Failure::load(self.places.told(fault)));
            });
            return Ok(());
        }
        self.decoded = faults;
        self.within_limit()
    }

    /// Under `stop`: the load will end with this failure, unless a record before this one fails too.
    fn stop_at(&mut self, ordinal: u32, failure: Failure) {
        if self.matters(ordinal) {
            self.stop = Some((ordinal, failure));
        }
    }

    /// Ends the load under `stop` with the failure of the lowest bad record, once all before it have been tried.
    pub fn raise(&mut self) -> Result<(), Failure> {
        let Some((ordinal, failure)) = self.stop.take() else { return Ok(()) };
        Err(match failure {
            Failure::Load { error, .. } => {
                Failure::Load { error, record: self.places.excerpt(ordinal) }
            }
            Failure::Server { error, about: None } => {
                let path = self.places.path(ordinal);
                let about = Some(about(self.function, self.places, ordinal, &path));
                Failure::Server { error, about }
            }
            other => other,
        })
    }

    fn add(&mut self, reject: Reject) -> Result<(), Failure> {
        // The first thing found wrong with a record is the one that counts.
        let known = |fault: &RecordFault| fault.ordinal.cmp(&reject.ordinal);
        if self.decoded.binary_search_by(known).is_err() && self.ordinals.insert(reject.ordinal) {
            self.rejects.push(reject);
        }
        self.within_limit()
    }

    fn within_limit(&self) -> Result<(), Failure> {
        if self.before + self.count() <= self.limit {
            return Ok(());
        }
        let fault = Fault::TooManyRejected { limit: self.limit };
        Err(Failure::load(LoadError::document(fault)))
    }
}

impl Refusals for Rejects<'_> {
    fn fault(&mut self, ordinal: u32, fault: Fault) -> Result<(), Failure> {
        let place = Place::Field("");
        if self.on_error == OnError::Stop {
            let fault = RecordFault { ordinal, place, fault };
            self.stop_at(ordinal, Failure::load(self.places.told(fault)));
            return Ok(());
        }
        self.add(Reject { ordinal, why: Why::Fault(place, fault) })
    }

    fn refusal(&mut self, ordinal: u32, error: ServerError) -> Result<(), Failure> {
        if self.on_error == OnError::Stop {
            self.stop_at(ordinal, error.into());
            return Ok(());
        }
        let (sqlstate, reason) = (error.sqlstate(), encoding::of_message(&error.message));
        self.add(Reject { ordinal, why: Why::Server { path: None, sqlstate, reason } })
    }

    fn matters(&self, ordinal: u32) -> bool {
        self.stop.as_ref().is_none_or(|(stop, _)| ordinal < *stop)
    }

    fn count(&self) -> u64 {
        (self.decoded.len() + self.rejects.len()) as u64
    }

    fn is_contested(&self, ordinal: u32) -> bool {
        self.contested.contains(&ordinal)
    }

    fn dropped(&mut self, ordinal: u32) {
        self.dropped.insert(ordinal);
    }
}
