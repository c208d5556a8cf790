//! PURE. Records → rows, on as many threads as the current rayon pool has, or on the caller's alone.
//!
//! Rows are formed as tuples while they are still in the processor's caches. Whatever order the threads work in, the
//! faults come out in the document's ([`faults`]). Records of a mapping: [`mapped`].

mod faults;
pub mod mapped;

use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use crate::document::find::{Found, Holder, Record, Records, Source};
use crate::document::{Kind, Value, Watch, push, with_room};
use crate::error::{Fault, LoadError, Place, RecordFault};
use crate::record::Row;
use crate::record::composer::Composer;
use crate::record::field::FieldFault;
use crate::record::scalar::{Fields, Nested};
use crate::record::work::{self, Work};
use crate::rows::{Rows, Slice};
use crate::source::{imslp, open_opus};
use crate::tuple::Encode;

use self::faults::Faults;

/// How many records a thread takes at a time, and decodes between two looks at whether it is to stop.
const SLICE: usize = 512;

/// Records of so many bytes and more are read only where there is memory for their texts, so many times their size.
const LARGE: usize = 256 << 10;
const READING: usize = 2;

/// The records of a document, their rows, and the faults of those that gave none, by ordinal.
pub struct Decoded<V> {
    pub records: Kept<V>,
    pub rows: Rows<'static>,
    pub faults: Vec<RecordFault>,
}

/// The records of a document, as they were decoded together. Under [`Mode::stop_at_fault`] those behind the lowest fault
/// are not kept.
pub struct Kept<V> {
    parts: Vec<Vec<Record<V>>>,
    /// Of all, kept or not.
    pub count: usize,
}

impl<V> Kept<V> {
    pub fn get(&self, ordinal: u32) -> Option<&Record<V>> {
        let ordinal = ordinal as usize;
        self.parts.get(ordinal / SLICE)?.get(ordinal % SLICE)
    }
}

/// How a document is decoded.
#[derive(Clone, Copy)]
pub struct Mode {
    /// On the current rayon pool.
    pub parallel: bool,
    /// Give up what lies behind the first fault, which is then the only one.
    pub stop_at_fault: bool,
    /// More faults than this are an error at once.
    pub most_faults: Option<u64>,
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
    // Rows of tables, and records that a mapping has found, have no fields, and do not come here.
    decode(records, mode, watch, renumber, |record| match found.source {
        Source::Imslp | Source::TableRows | Source::Mapping => {
            imslp::composer(fields(record)?).map_err(in_record)
        }
        Source::OpenOpus => open_opus::composer(fields(record)?).map_err(in_record),
    })
}

pub fn works<'a, V: Value<'a>>(
    found: &Found<'a, V>,
    records: Records<'a, V>,
    mode: Mode,
    watch: &Watch,
) -> Result<Decoded<V>, LoadError> {
    let parents: Vec<Option<Result<Composer, FieldFault>>> = found
        .holders
        .iter()
        .map(|holder| holder.composer.as_ref().map(|(composer, _)| parent(*composer)))
        .collect();
    let dump = found.holders.iter().any(|holder| holder.dump);
    let renumber: Option<Renumber<Work>> =
        dump.then_some(|rows| work::number(rows.iter_mut().flatten().flatten()));
    decode(records, mode, watch, renumber, |record| {
        if found.source == Source::Imslp {
            return imslp::work(fields(record)?).map_err(in_record);
        }
        let piece: open_opus::Piece = fields(record)?;
        let holder = record.holder as usize;
        let dump = found.holders.get(holder).is_some_and(|holder| holder.dump);
        let composer_id = match parents.get(holder) {
            Some(Some(Ok(composer))) => composer.composer_id.clone(),
            Some(Some(Err(fault))) => {
                return Err((Place::Composer(fault.field), fault.fault.clone()));
            }
            _ => open_opus::composer_within(&piece).map_err(in_record)?.composer_id,
        };
        open_opus::work(piece, composer_id, dump).map_err(in_record)
    })
}

/// The composer that a work names; none where that cannot be read.
pub fn composer_of<'a, V: Value<'a>>(
    found: &Found<'a, V>,
    record: &Record<V>,
) -> Option<Composer<'static>> {
    if found.source == Source::Imslp {
        return imslp::composer_of(fields(record).ok()?).ok();
    }
    match &found.holders.get(record.holder as usize)?.composer {
        Some((composer, _)) => parent(*composer).ok(),
        None => open_opus::composer_within(&fields(record).ok()?).ok(),
    }
}

/// The ids of the composers that works name, with the works' ordinals: Open Opus has such ids.
pub fn composer_ids<'a, V: Value<'a>>(found: &Found<'a, V>, records: &Kept<V>) -> Vec<(u32, i32)> {
    if found.source != Source::OpenOpus {
        return vec![];
    }
    let of_holder = |holder: &Holder<V>| holder.composer.as_ref().map(|(it, _)| parent(*it));
    let of_holders: Vec<_> = found.holders.iter().map(of_holder).collect();
    let tells = |(ordinal, record): (u32, &Record<V>)| {
        let id = match of_holders.get(record.holder as usize) {
            Some(Some(composer)) => composer.as_ref().ok()?.openopus_id,
            _ => open_opus::composer_within(&fields(record).ok()?).ok()?.openopus_id,
        };
        Some((ordinal, id?))
    };
    let parts = (0..).step_by(SLICE).zip(&records.parts);
    parts.flat_map(|(first, part)| (first..).zip(part)).filter_map(tells).collect()
}

/// The composer that works belong to, with all that the document says of it.
fn parent<'a, V: Value<'a>>(parent: V) -> Result<Composer<'static>, FieldFault> {
    let placed = |fault| FieldFault { field: "name", fault };
    // Only its own fields: works below it are checked where they stand.
    let members = match parent.kind().map_err(placed)? {
        Kind::Object => parent.members(&Watch::default()).map_err(placed)?,
        _ => return Err(FieldFault { field: "name", fault: Fault::Missing }),
    };
    let mut person = open_opus::Person::default();
    for (key, value) in members {
        let field = match &*key {
            "id" => &mut person.id,
            "name" => &mut person.name,
            "complete_name" => &mut person.complete_name,
            "birth" => &mut person.birth,
            "death" => &mut person.death,
            "epoch" => &mut person.epoch,
            "portrait" => &mut person.portrait,
            "popular" => &mut person.popular,
            "recommended" => &mut person.recommended,
            _ => continue,
        };
        *field = value.read().map_err(placed)?;
    }
    open_opus::composer_of(person)
}

/// A place and what is wrong there.
type Placed = (Place, Fault);

fn in_record(fault: FieldFault) -> Placed {
    (Place::Field(fault.field), fault.fault)
}

fn fields<'a, V: Value<'a>, T: Fields<'a>>(record: &Record<V>) -> Result<T, Placed> {
    let own = |fault| (Place::Field(""), fault);
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
type Renumber<R> = fn(&mut Vec<Vec<Option<R>>>) -> Result<(), Fault>;

fn decode<'a, V: Value<'a>, R: Row>(
    records: Records<'a, V>,
    mode: Mode,
    watch: &Watch,
    renumber: Option<Renumber<R>>,
    transform: impl Fn(&Record<V>) -> Result<R, Placed> + Sync,
) -> Result<Decoded<V>, LoadError> {
    let faults = Faults::new(mode, watch);
    let row = |(ordinal, record): (u32, &Record<V>)| {
        if faults.behind(ordinal) {
            return None;
        }
        let placed = |(place, fault): Placed| faults.add(RecordFault { ordinal, place, fault });
        transform(record).map_err(placed).ok()
    };
    let form = |rows: &mut dyn Iterator<Item = Option<R>>, first: usize| {
        let slice = Slice::form(rows, first, mode.encode)?;
        watch.take(slice.bytes())?;
        Ok(slice)
    };
    let (records, slices): (Kept<V>, Vec<Slice>) = match renumber {
        None => of_parts(records, &faults, watch, |part| {
            form(&mut part.numbered().map(&row), part.first)
        })?,
        Some(renumber) => {
            let rows = |part: &Part<V>| {
                watch.take(part.records.len() * size_of::<R>())?;
                let mut rows = with_room(part.records.len())?;
                rows.extend(part.numbered().map(&row));
                Ok(rows)
            };
            let (records, mut rows) = of_parts(records, &faults, watch, rows)?;
            renumber(&mut rows).map_err(LoadError::document)?;
            let form = |(part, rows): (usize, Vec<Option<R>>)| {
                watch.check()?;
                let taken = rows.len() * size_of::<R>();
                let slice = form(&mut rows.into_iter(), part * SLICE)?;
                watch.give(taken);
                Ok(slice)
            };
            let slices: Result<_, Fault> = match mode.parallel {
                true => rows.into_par_iter().enumerate().map(form).collect(),
                false => rows.into_iter().enumerate().map(form).collect(),
            };
            (records, slices.map_err(LoadError::document)?)
        }
    };
    watch.check().map_err(LoadError::document)?;
    for &ordinal in slices.iter().flat_map(|slice| &slice.unencodable) {
        let (place, fault) = (Place::Field(""), Fault::Untranslatable);
        faults.add(RecordFault { ordinal, place, fault });
    }
    let faults = faults.into_ordered().map_err(LoadError::document)?;
    Ok(Decoded { records, rows: Rows::new(slices), faults })
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
    faults: &Faults<'_>,
    watch: &Watch,
    work: impl Fn(&Part<V>) -> Result<T, Fault> + Sync,
) -> Result<(Kept<V>, Vec<T>), LoadError> {
    let mut count = 0;
    let all: Mutex<Vec<(Part<V>, T)>> = Mutex::default();
    let parts = std::iter::from_fn(|| {
        let mut part = Part { first: count, records: vec![] };
        for record in records.by_ref().take(SLICE) {
            if let Err(fault) = record.and_then(|record| push(&mut part.records, record)) {
                return Some(Err(fault));
            }
        }
        count += part.records.len();
        (!part.records.is_empty()).then_some(Ok(part))
    });
    let work = |part: Result<Part<V>, Fault>| {
        watch.check()?;
        let mut part = part?;
        let sizes = || part.records.iter().map(|record| record.value.size());
        watch.advance(sizes().sum::<usize>() as u64);
        if let Some(largest) = sizes().max().filter(|size| *size > LARGE) {
            watch.room_for(largest * READING)?;
        }
        let done = work(&part)?;
        faults.check()?;
        if faults.behind(part.first as u32) {
            part.records = vec![];
        }
        watch.take(size_of::<(Part<V>, T)>() + part.records.len() * size_of::<Record<V>>())?;
        push(&mut *all.lock().unwrap_or_else(PoisonError::into_inner), (part, done))
    };
    let worked = match faults.mode.parallel {
        true => parts.par_bridge().try_for_each(work),
        false => parts.into_iter().try_for_each(work),
    };
    worked.map_err(LoadError::document)?;
    let mut all = all.into_inner().unwrap_or_else(PoisonError::into_inner);
    all.sort_unstable_by_key(|(part, _)| part.first);
    let room = with_room(all.len()).and_then(|parts| Ok((parts, with_room(all.len())?)));
    let (mut parts, mut done) = room.map_err(LoadError::document)?;
    for (part, of_part) in all {
        parts.push(part.records);
        done.push(of_part);
    }
    Ok((Kept { parts, count }, done))
}

#[cfg(test)]
mod tests;
