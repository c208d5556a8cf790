//! PURE. Records → rows, on as many threads as the current rayon pool has, or on the caller's alone.
//!
//! Rows are formed as tuples while they are still in the processor's caches. Whatever order the threads work in, the
//! faults come out in the document's.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use crate::document::find::{Found, Record, Records, Source};
use crate::document::{Kind, Value, Watch};
use crate::error::{Fault, LoadError};
use crate::record::Row;
use crate::record::composer::Composer;
use crate::record::field::FieldFault;
use crate::record::scalar::{Fields, Nested};
use crate::record::work::{self, Work};
use crate::rows::{Rows, Slice};
use crate::source::{imslp, open_opus};
use crate::tuple::Encode;

/// How many records a thread takes at a time, and decodes between two looks at whether it is to stop.
const SLICE: usize = 512;

/// The records of a document, their rows, and the faults of those that gave none, by ordinal.
pub struct Decoded<V> {
    pub records: Vec<Record<V>>,
    pub rows: Rows<'static>,
    pub faults: Vec<LoadError>,
}

/// How a document is decoded.
#[derive(Clone, Copy)]
pub struct Mode {
    /// On the current rayon pool.
    pub parallel: bool,
    /// Give up what lies behind the first fault, which is then the only one.
    pub stop_at_fault: bool,
    /// Into the database's encoding.
    pub encode: Encode,
}

pub fn composers<'a, V: Value<'a>>(
    found: &Found<'a, V>,
    records: Records<'a, V>,
    mode: Mode,
    watch: &Watch,
) -> Result<Decoded<V>, LoadError> {
    let renumber: Option<Renumber<Composer>> = None;
    decode(found, records, mode, watch, renumber, |record| {
        let placed = |fault: FieldFault| (found.path(record, fault.field), fault.fault);
        match found.source {
            Source::Imslp => imslp::composer(fields(record)?).map_err(placed),
            Source::OpenOpus => open_opus::composer(fields(record)?).map_err(placed),
        }
    })
}

pub fn works<'a, V: Value<'a>>(
    found: &Found<'a, V>,
    records: Records<'a, V>,
    mode: Mode,
    watch: &Watch,
) -> Result<Decoded<V>, LoadError> {
    let parents: Vec<Result<Composer, FieldFault>> =
        found.composers.iter().map(|composer| parent(*composer)).collect();
    let renumber: Option<Renumber<Work>> =
        found.dump.then_some(|rows| work::number(rows.iter_mut().flatten().flatten()));
    decode(found, records, mode, watch, renumber, |record| {
        let placed = |fault: FieldFault| (found.path(record, fault.field), fault.fault);
        if found.source == Source::Imslp {
            return imslp::work(fields(record)?).map_err(placed);
        }
        let piece = fields(record)?;
        let parent = record.composer.and_then(|index| parents.get(index as usize));
        let parent = parent.ok_or_else(|| placed(missing("composer")))?;
        let composer = parent
            .as_ref()
            .map_err(|fault| (found.composer_path(record, fault.field), fault.fault.clone()))?;
        open_opus::work(piece, &composer.composer_id, found.dump).map_err(placed)
    })
}

fn missing(field: &'static str) -> FieldFault {
    FieldFault { field, fault: Fault::Missing }
}

/// The composer that a work names; none where that cannot be read.
pub fn composer_of<'a, V: Value<'a>>(
    found: &Found<'a, V>,
    record: &Record<V>,
) -> Option<Composer<'static>> {
    match record.composer {
        Some(index) => parent(*found.composers.get(index as usize)?).ok(),
        None => imslp::composer_of(fields(record).ok()?).ok(),
    }
}

fn parent<'a, V: Value<'a>>(parent: V) -> Result<Composer<'static>, FieldFault> {
    let placed = |fault| FieldFault { field: "name", fault };
    // Only its own fields: works below it are checked where they stand.
    let members = match parent.kind().map_err(placed)? {
        Kind::Object => parent.members(&Watch::default()).map_err(placed)?,
        _ => return Err(missing("name")),
    };
    let mut fields = open_opus::Parent::default();
    for (key, value) in members {
        match &*key {
            "name" => fields.name = value.read().map_err(placed)?,
            "complete_name" => fields.complete_name = value.read().map_err(placed)?,
            _ => {}
        }
    }
    open_opus::composer_of(fields)
}

/// A path and what is wrong there. The path is empty where it is the record's own.
type Placed = (String, Fault);

fn fields<'a, V: Value<'a>, T: Fields<'a>>(record: &Record<V>) -> Result<T, Placed> {
    let own = |fault| (String::new(), fault);
    match record.value.kind().map_err(own)? {
        Kind::Object => match record.value.read().map_err(own)? {
            Nested::Record(fields) => Ok(fields),
            Nested::Scalar(other) => {
                Err(own(Fault::NotAnObject(other.kind().unwrap_or(Kind::Null))))
            }
        },
        kind => {
            record.value.check().map_err(own)?;
            Err(own(Fault::NotAnObject(kind)))
        }
    }
}

/// Changes rows once all are there and before they are formed.
type Renumber<R> = fn(&mut Vec<Vec<Option<R>>>);

fn decode<'a, V: Value<'a>, R: Row>(
    found: &Found<'a, V>,
    records: Records<'a, V>,
    mode: Mode,
    watch: &Watch,
    renumber: Option<Renumber<R>>,
    transform: impl Fn(&Record<V>) -> Result<R, Placed> + Sync,
) -> Result<Decoded<V>, LoadError> {
    let faults = Faults { lowest: AtomicU32::new(u32::MAX), all: Mutex::new(vec![]), mode };
    let row = |(ordinal, record): (u32, &Record<V>)| {
        if faults.behind(ordinal) {
            return None;
        }
        let placed = |(path, fault): Placed| {
            let path = if path.is_empty() { found.path(record, "") } else { path };
            faults.add(LoadError { ordinal: Some(ordinal), path, fault });
        };
        transform(record).map_err(placed).ok()
    };
    let (parts, slices): (Vec<Part<V>>, Vec<Slice>) = match renumber {
        None => {
            let form =
                |part: &Part<V>| Slice::form(part.numbered().map(&row), part.first, mode.encode);
            of_parts(records, mode, watch, form)?
        }
        Some(renumber) => {
            let rows = |part: &Part<V>| part.numbered().map(&row).collect();
            let (parts, mut rows) = of_parts(records, mode, watch, rows)?;
            renumber(&mut rows);
            let form = |(part, rows)| Slice::form(rows, part * SLICE, mode.encode);
            let slices = match mode.parallel {
                true => rows.into_par_iter().enumerate().map(form).collect(),
                false => rows.into_iter().enumerate().map(form).collect(),
            };
            (parts, slices)
        }
    };
    watch.check().map_err(LoadError::document)?;
    let records: Vec<Record<V>> = parts.into_iter().flat_map(|part| part.records).collect();
    for &ordinal in slices.iter().flat_map(|slice| &slice.unencodable) {
        let path = found.path(&records[ordinal as usize], "");
        faults.add(LoadError { ordinal: Some(ordinal), path, fault: Fault::Untranslatable });
    }
    Ok(Decoded { records, rows: Rows::new(slices), faults: faults.into_ordered() })
}

/// Records that a thread takes at a time, and the ordinal of the first of them.
struct Part<V> {
    first: usize,
    records: Vec<Record<V>>,
}

impl<V> Part<V> {
    fn numbered(&self) -> impl Iterator<Item = (u32, &Record<V>)> {
        (self.first as u32..).zip(&self.records)
    }
}

/// What becomes of the parts of the records, in their order. Some are worked on while others are still to be found.
fn of_parts<'a, V: Value<'a>, T: Send>(
    mut records: Records<'a, V>,
    mode: Mode,
    watch: &Watch,
    work: impl Fn(&Part<V>) -> T + Sync,
) -> Result<(Vec<Part<V>>, Vec<T>), LoadError> {
    let mut first = 0;
    let parts = std::iter::from_fn(|| {
        let part: Result<Vec<_>, _> = records.by_ref().take(SLICE).collect();
        if part.as_ref().is_ok_and(Vec::is_empty) {
            return None;
        }
        let part = part.map(|records| Part { first, records });
        first += SLICE;
        Some(part)
    });
    let work = |part: Result<Part<V>, Fault>| {
        watch.check()?;
        let part = part?;
        watch.advance(part.records.iter().map(|record| record.value.size() as u64).sum());
        let done = work(&part);
        Ok((part, done))
    };
    let done: Result<Vec<(Part<V>, T)>, Fault> = match mode.parallel {
        true => parts.par_bridge().map(work).collect(),
        false => parts.map(work).collect(),
    };
    let mut done = done.map_err(LoadError::document)?;
    done.sort_unstable_by_key(|(part, _)| part.first);
    Ok(done.into_iter().unzip())
}

/// The faults that the threads find.
struct Faults {
    /// The lowest ordinal so far, where no other counts.
    lowest: AtomicU32,
    all: Mutex<Vec<LoadError>>,
    mode: Mode,
}

impl Faults {
    /// Whether nobody asks for this record any more.
    fn behind(&self, ordinal: u32) -> bool {
        ordinal > self.lowest.load(Ordering::Relaxed)
    }

    fn add(&self, fault: LoadError) {
        if let (true, Some(ordinal)) = (self.mode.stop_at_fault, fault.ordinal) {
            self.lowest.fetch_min(ordinal, Ordering::Relaxed);
        }
        self.all.lock().unwrap_or_else(PoisonError::into_inner).push(fault);
    }

    fn into_ordered(self) -> Vec<LoadError> {
        let mut faults = self.all.into_inner().unwrap_or_else(PoisonError::into_inner);
        faults.sort_unstable_by_key(|fault| fault.ordinal);
        faults.truncate(if self.mode.stop_at_fault { 1 } else { usize::MAX });
        faults
    }
}

#[cfg(test)]
mod tests;
