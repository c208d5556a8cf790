//! PURE. Records → rows, on as many threads as the current rayon pool has, or on the caller's alone.
//!
//! A row stands at its record's ordinal. Whatever order the threads work in, the faults come out in the document's.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use rayon::prelude::*;

use crate::document::find::{Found, Record, Source};
use crate::document::{Kind, Value, Watch};
use crate::error::{Fault, LoadError};
use crate::record::composer::Composer;
use crate::record::field::FieldFault;
use crate::record::scalar::{Fields, Nested};
use crate::record::work::{self, Work};
use crate::source::{imslp, open_opus};

/// How many records a thread takes at a time, and decodes between two looks at whether it is to stop.
const SLICE: usize = 512;

/// Rows by ordinal, `None` where the record was faulty, and the faults by ordinal.
pub struct Decoded<R> {
    pub rows: Vec<Option<R>>,
    pub faults: Vec<LoadError>,
}

/// How a document is decoded.
#[derive(Clone, Copy)]
pub struct Mode {
    /// On the current rayon pool.
    pub parallel: bool,
    /// Give up what lies behind the first fault, which is then the only one.
    pub stop_at_fault: bool,
}

pub fn composers<'a, V: Value<'a>>(
    found: &Found<'a, V>,
    mode: Mode,
    watch: &Watch,
) -> Result<Decoded<Composer<'a>>, LoadError> {
    decode(found, mode, watch, |record| {
        let placed = |fault: FieldFault| (found.path(record, fault.field), fault.fault);
        match found.source {
            Source::Imslp => imslp::composer(fields(record)?).map_err(placed),
            Source::OpenOpus => open_opus::composer(fields(record)?).map_err(placed),
        }
    })
}

pub fn works<'a, V: Value<'a>>(
    found: &Found<'a, V>,
    mode: Mode,
    watch: &Watch,
) -> Result<Decoded<Work<'a>>, LoadError> {
    let parents: Vec<Result<String, FieldFault>> =
        found.composers.iter().map(|parent| parent_id(*parent)).collect();
    let mut decoded = decode(found, mode, watch, |record| {
        let placed = |fault: FieldFault| (found.path(record, fault.field), fault.fault);
        if found.source == Source::Imslp {
            return imslp::work(fields(record)?).map_err(placed);
        }
        let piece = fields(record)?;
        let parent = record.composer.and_then(|index| parents.get(index as usize));
        let parent = parent.ok_or_else(|| placed(missing("composer")))?;
        let composer_id = parent
            .as_ref()
            .map_err(|fault| (found.composer_path(record, fault.field), fault.fault.clone()))?;
        open_opus::work(piece, composer_id, found.dump).map_err(placed)
    })?;
    if found.dump {
        work::number(&mut decoded.rows);
    }
    Ok(decoded)
}

fn missing(field: &'static str) -> FieldFault {
    FieldFault { field, fault: Fault::Missing }
}

fn parent_id<'a, V: Value<'a>>(parent: V) -> Result<String, FieldFault> {
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
    open_opus::composer_id(fields)
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

fn decode<'a, V: Value<'a>, R: Send>(
    found: &Found<'a, V>,
    mode: Mode,
    watch: &Watch,
    transform: impl Fn(&Record<V>) -> Result<R, Placed> + Sync,
) -> Result<Decoded<R>, LoadError> {
    let first_fault = AtomicU32::new(u32::MAX);
    let faults = Mutex::new(vec![]);
    let row = |(index, record): (usize, &Record<V>)| {
        let ordinal = index as u32;
        if index.is_multiple_of(SLICE) && watch.check().is_err() {
            first_fault.store(0, Ordering::Relaxed);
        }
        if ordinal > first_fault.load(Ordering::Relaxed) {
            return None;
        }
        watch.advance(record.value.size() as u64);
        match transform(record) {
            Ok(row) => Some(row),
            Err((path, fault)) => {
                if mode.stop_at_fault {
                    first_fault.fetch_min(ordinal, Ordering::Relaxed);
                }
                let path = if path.is_empty() { found.path(record, "") } else { path };
                let fault = LoadError { ordinal: Some(ordinal), path, fault };
                faults.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(fault);
                None
            }
        }
    };
    let mut rows = Vec::new();
    if mode.parallel {
        let records = found.records.par_iter().enumerate().with_min_len(SLICE);
        records.map(row).collect_into_vec(&mut rows);
    } else {
        rows.extend(found.records.iter().enumerate().map(row));
    }
    watch.check().map_err(LoadError::document)?;
    let mut faults = faults.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    faults.sort_unstable_by_key(|fault| fault.ordinal);
    if mode.stop_at_fault {
        faults.truncate(1);
    }
    Ok(Decoded { rows, faults })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::find::{Resource, find};
    use crate::document::text::Text;

    fn decoded(text: &str, mode: Mode) -> Result<(Vec<Option<String>>, Vec<LoadError>), LoadError> {
        let watch = Watch::default();
        let documents = Text::documents(text, &watch).unwrap();
        let found = find(documents, Resource::Works, &watch)?;
        let decoded = works(&found, mode, &watch)?;
        let rows = decoded.rows.into_iter();
        let rows = rows.map(|row| row.map(|work| format!("{}: {}", work.composer_id, work.title)));
        Ok((rows.collect(), decoded.faults))
    }

    fn page(bad: &[usize]) -> String {
        let record = |index| match bad.contains(&index) {
            true => format!(r#"{{"intvals":{{"composer":"A","pageid":{index}}}}}"#),
            false => {
                format!(r#"{{"intvals":{{"composer":"A","worktitle":"T","pageid":{index}}}}}"#)
            }
        };
        format!("[{}]", (0..3000).map(record).collect::<Vec<_>>().join(","))
    }

    #[test]
    fn the_lowest_fault_is_the_one_reported() {
        for parallel in [false, true] {
            for _ in 0..20 {
                let mode = Mode { parallel, stop_at_fault: true };
                let (_, faults) = decoded(&page(&[2900, 1700, 600]), mode).unwrap();
                assert_eq!(faults.len(), 1);
                assert_eq!(faults[0].ordinal, Some(600));
                assert_eq!(faults[0].path, "$[600].intvals.worktitle");
            }
        }
    }

    #[test]
    fn all_faults_are_kept_where_wanted() {
        let mode = Mode { parallel: true, stop_at_fault: false };
        let (rows, faults) = decoded(&page(&[0, 1700, 2999]), mode).unwrap();
        assert_eq!(faults.iter().map(|f| f.ordinal.unwrap()).collect::<Vec<_>>(), [0, 1700, 2999]);
        assert_eq!(rows.iter().flatten().count(), 2997);
    }

    #[test]
    fn a_stopped_watch_is_an_error() {
        let watch = Watch::default();
        let text = page(&[]);
        let found = find(Text::documents(&text, &watch).unwrap(), Resource::Works, &watch).unwrap();
        watch.stop();
        let mode = Mode { parallel: true, stop_at_fault: true };
        let stopped = works(&found, mode, &watch).err().map(|error| error.fault);
        assert_eq!(stopped, Some(Fault::Stopped));
    }

    #[test]
    fn a_bad_composer_spoils_its_own_works() {
        let text = r#"{"composers":[
            {"name":"A","complete_name":"A","works":[{"title":"T"},7,{"title":null}]},
            {"name":"B","works":[{"title":"U"}]}, 5]}"#;
        let mode = Mode { parallel: false, stop_at_fault: false };
        let (rows, faults) = decoded(text, mode).unwrap();
        assert_eq!(rows, [Some("A: T".into()), None, None, None, None]);
        let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "record 1: expected an object, found a number at $.composers[0].works[1]",
                "record 2: missing value at $.composers[0].works[2].title",
                "record 3: missing value at $.composers[1].complete_name",
                "record 4: expected an object, found a number at $.composers[2]",
            ]
        );
    }
}
