//! PURE. What the parts of a document have shown, for those behind: where they are cut changes nothing.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use super::{Before, Resource, Source};
use crate::error::{Fault, LoadError};

/// What the first records of a document have shown it to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decided {
    /// What stands where records stand, or in an array there, is a record of this source.
    Records(Source),
    /// Records stand within what stands there.
    Within(Source),
}

impl Decided {
    pub fn source(self) -> Source {
        match self {
            Decided::Records(source) | Decided::Within(source) => source,
        }
    }
}

#[derive(Debug, Default)]
pub struct Past {
    decided: Option<Decided>,
    /// The composers within works that are records already, as they are written.
    pub composers: HashSet<Vec<u8>>,
    /// How many works of each name there have been that have no id: see [`crate::record::work::number`].
    pub equal_works: HashMap<Uuid, u32>,
    pub beside: Beside,
    /// What is wrong if nothing else comes.
    pub lacks: Option<Fault>,
}

/// What there was of the one resource and of the other.
#[derive(Clone, Copy, Debug, Default)]
pub struct Beside {
    pub composers_without_works: bool,
    pub works_without_composer: bool,
    pub owned_works: bool,
    pub any_works: bool,
}

impl Beside {
    /// A document in which there is only the other resource is an error.
    pub fn judge(self, resource: Resource) -> Result<(), Fault> {
        let none = |what: &str| Err(Fault::UnknownShape(format!("the document has {what}").into()));
        if self.works_without_composer && !self.owned_works {
            return none(match resource {
                Resource::Composers => "works and no composers",
                Resource::Works => "works and no composer",
            });
        }
        if self.composers_without_works && !self.any_works {
            return none("composers and no works");
        }
        Ok(())
    }
}

/// The same at the end of a document that came in parts.
pub fn judge(past: &Mutex<Past>) -> Result<(), LoadError> {
    open(past).lacks.take().map_or(Ok(()), |fault| Err(LoadError::document(fault)))
}

impl Before<'_> {
    /// What the parts before have shown, or else what `look` finds in this one. What says nothing is a list of records.
    pub fn decided(
        &self,
        look: impl FnOnce() -> Result<Option<Decided>, Fault>,
    ) -> Result<Decided, Fault> {
        let known = self.past.and_then(|past| open(past).decided);
        let decided = match known {
            Some(known) => Some(known),
            None => look()?,
        };
        if let Some(past) = self.past {
            open(past).decided = decided;
        }
        Ok(decided.unwrap_or(Decided::Records(Source::Imslp)))
    }
}

/// One part is read at a time: nobody waits, and a panic has ended the load.
pub fn open(past: &Mutex<Past>) -> MutexGuard<'_, Past> {
    past.lock().unwrap_or_else(PoisonError::into_inner)
}
