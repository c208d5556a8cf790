//! What the writing of a load came to, and what all ways of writing share.

use std::collections::HashSet;

use super::Job;
use crate::error::Fault;
use crate::options::{OnConflict, Options};
use crate::pg::lock::{self, Share};
use crate::pg::{encoding, log, relation};
use crate::prepare::{Places, Prepared};
use crate::record::composer::Composer;
use crate::record::{Row, Table};
use crate::report::{Counts, Failure};
use crate::rows::order::Duplicate;
use crate::rows::{Family, RowRef, Rows, Slice};
use crate::target::Target;
use crate::write::Refusals;
use crate::write::insert::Method;
use crate::write::rejects::Rejects;
use crate::write::there::There;

/// What the writing came to, in whatever sessions.
pub struct Outcome {
    pub counts: Counts,
    pub sessions: i32,
    pub sessions_reason: String,
    pub foreign_key_check: String,
    pub write_method: String,
}

/// Why the caller's session writes, and what is known of the rows by then.
pub struct FellBack {
    pub reason: String,
    pub there: Option<There>,
}

/// What `last_load()` says of how new rows were written, and of how their parents were checked: by the server, unless
/// they were written in bulk.
pub fn describe(method: &Method, proved: bool, check: String) -> (String, String) {
    match method {
        Method::None => ("none: no row is new".into(), check),
        Method::Bulk => ("bulk insert".into(), check),
        Method::Insert(reason) if proved => {
            (format!("insert: {reason}"), "row by row: new rows were inserted".into())
        }
        Method::Insert(reason) => (format!("insert: {reason}"), check),
    }
}

pub fn announce(schema: &str) {
    log::notice(&format!(
        "tables composers, works and rejected_records created in schema \"{schema}\""
    ));
}

/// The tables by which loads lock each other out, in the order in which all loads take them: those that are written.
fn catalogue(target: &Target, options: &Options) -> Vec<pgrx::pg_sys::Oid> {
    let composers =
        options.create_composers.then(|| relation::find(Composer::NAME, relation::Lock::No));
    // Only who may write to a table may lock it.
    let composers = composers.flatten().filter(|composers| relation::may_insert(*composers));
    let mut tables: Vec<_> = composers.into_iter().collect();
    if !tables.contains(&target.oid) {
        tables.push(target.oid);
    }
    tables
}

/// A parallel load that is under way comes first: its sessions cannot wait for this one. Whether that took a wait.
pub fn lock_catalogue(target: &Target, options: &Options, share: Share) -> bool {
    let mut waited = false;
    for table in catalogue(target, options) {
        if !lock::catalogue_at_once(table, share) {
            lock::catalogue(table, share);
            waited = true;
        }
    }
    waited
}

/// The same for one load alone, where that takes no wait; whether it did.
pub fn try_lock_catalogue(target: &Target, options: &Options) -> bool {
    let tables = catalogue(target, options);
    let mut locked = vec![];
    for table in tables {
        if !lock::catalogue_at_once(table, Share::Alone) {
            locked.into_iter().for_each(|table| lock::release_catalogue(table, Share::Alone));
            return false;
        }
        locked.push(table);
    }
    true
}

/// Gives back what [`try_lock_catalogue`] has taken.
pub fn unlock_catalogue(target: &Target, options: &Options) {
    let tables = catalogue(target, options).into_iter();
    tables.for_each(|table| lock::release_catalogue(table, Share::Alone));
}

/// What is known to be wrong before anything is written.
pub fn rejects_of<'p>(
    job: &'p Job,
    prepared: &'p Prepared<'_>,
    options: &Options,
) -> Result<Rejects<'p>, Failure> {
    let mut rejects = Rejects::new(job.function, &*prepared.places, options);
    rejects.decoded(&prepared.faults)?;
    job.unconverted.iter().try_for_each(|refused| rejects.unconverted(refused))?;
    Ok(rejects)
}

/// Records whose key another record of the document has: those about another thing are refused, with `error` all are,
/// and the others are counted.
pub fn set_duplicates_aside(
    table: &Table,
    rows: &Rows,
    duplicates: &[Duplicate],
    on_conflict: OnConflict,
    rejects: &mut Rejects<'_>,
) -> Result<u64, Failure> {
    let mut counted = 0;
    for &Duplicate { row, kept, unlike } in duplicates {
        let fault = match (on_conflict, unlike) {
            (OnConflict::Error, _) => {
                Fault::Duplicate { key: rows.key_text(row, table).into(), first: kept }
            }
            (OnConflict::Update | OnConflict::Skip, Some(other)) => rows.unlike(row, other, table),
            (OnConflict::Update | OnConflict::Skip, None) => {
                counted += 1;
                continue;
            }
        };
        rejects.fault(row.ordinal, fault)?;
    }
    Ok(counted)
}

/// Works that tell the id of their composer, by their ordinals.
pub fn with_composer_id(places: &dyn Places) -> HashSet<u32> {
    places.composer_ids().into_iter().map(|(work, _)| work).collect()
}

/// For each of these families of works the ordinal of the one that tells of the composer: the first with the composer's id,
/// or the first.
pub fn tellers<'f>(
    with_id: &HashSet<u32>,
    works: &[RowRef],
    families: impl Iterator<Item = &'f Family>,
) -> Vec<u32> {
    let teller = |family: &Family| {
        let ordinals = family.of(works).iter().map(|work| work.ordinal);
        ordinals.min_by_key(|work| (!with_id.contains(work), *work))
    };
    families.filter_map(teller).collect()
}

/// The composers of these works, each with the ordinal of its work.
pub fn named_composers(places: &dyn Places, works: &[u32]) -> Result<Rows<'static>, Failure> {
    let slices = works.iter().map(|&work| {
        let composer = places.composer(work);
        Slice::form([composer], work as usize, encoding::encode())
    });
    Ok(Rows::new(slices.collect::<Result<_, _>>()?))
}
