//! A load written by parallel sessions: what the leader finds out first, and how it divides the rows.

use std::collections::HashSet;

use super::Job;
use super::outcome::{
    FellBack, Outcome, describe, named_composers, rejects_of, set_duplicates_aside, tellers,
    try_lock_catalogue, unlock_catalogue, with_composer_id,
};
use super::own_session::Writing;
use crate::document::find::Resource;
use crate::options::{OnConflict, OnError};
use crate::pg::caller::Identity;
use crate::pg::progress::Progress;
use crate::pg::{background, lock, transaction};
use crate::prepare::Prepared;
use crate::record::Table;
use crate::record::composer::Composer;
use crate::report::{Counts, Failure};
use crate::rows::order::{Duplicate, Repeated};
use crate::rows::{Family, Slice};
use crate::sessions::eligible::{self, Plan, Reason, Wish};
use crate::sessions::leader;
use crate::sessions::message::Start;
use crate::sessions::part::Part;
use crate::sessions::team::{Alone, Team};
use crate::sessions::{fault, recovery, split};
use crate::target::Target;
use crate::write::Refusals;
use crate::write::elsewhere;
use crate::write::insert::{MEET, Writer};
use crate::write::parents::Check;
use crate::write::rejects::Rejects;
use crate::write::there::{Sorted, There};

/// Writes the rows in parallel sessions. If the load turns out not to qualify, writes nothing and returns [`FellBack`].
/// The caller holds the target's lock, so what is compared here stays true of the table until the end.
pub fn write(
    writing: &Writing<'_, '_>,
    wish: Wish,
    target: &Target,
    progress: &mut Progress,
) -> Result<Result<Outcome, FellBack>, Failure> {
    let Writing { spi, options, prepared, .. } = *writing;
    let fell_back = |reason: Reason, there| Ok(Err(FellBack { reason, there }));
    let ready = prepared.order.write.len();
    if target.kept_elsewhere {
        return fell_back(elsewhere::REASON.into(), None);
    }
    if ready < wish.fewest_rows {
        return fell_back(eligible::too_few(ready, &wish), None);
    }
    if !prepared.order.later.is_empty() {
        return fell_back("several records have one key, and add to one another".into(), None);
    }
    recovery::resolve(spi);
    // One at a time: two of them would wait for each other where the server cannot see it.
    if !try_lock_catalogue(target, options) {
        return fell_back("another load is writing, or has not ended its transaction".into(), None);
    }
    let outcome = write_alone(writing, wish, target, progress)?;
    if outcome.is_err() {
        // Nothing is written. Who waits for this load may hold what the caller's session will wait for.
        unlock_catalogue(target, options);
    }
    Ok(outcome)
}

/// [`write`], beside no other load.
fn write_alone(
    writing: &Writing<'_, '_>,
    wish: Wish,
    target: &Target,
    progress: &mut Progress,
) -> Result<Result<Outcome, FellBack>, Failure> {
    let Writing { spi, job, options, load_id, prepared, .. } = *writing;
    let fell_back = |reason: Reason, there| Ok(Err(FellBack { reason, there }));
    let Look { plan, there, absent } = look(writing, wish, target)?;
    fault::point("compared", fault::LEADER);
    let plan = match plan {
        Ok(plan) => plan,
        Err(reason) => return fell_back(reason, Some(there)),
    };
    lock::load(recovery::lock_number(load_id));
    let mut rejects = rejects_of(job, prepared, options)?;
    let duplicates = &prepared.order.duplicates;
    let set_aside = |rejects: &mut Rejects<'_>| {
        set_duplicates_aside(
            &target.table,
            &prepared.rows,
            duplicates,
            options.on_conflict,
            rejects,
        )
    };
    let mut duplicate = match options.on_error {
        OnError::Stop => set_aside(&mut rejects)?,
        OnError::Ignore => 0,
    };
    let another = there.sort(&prepared.order.write).another;
    for another in &another {
        another.refuse(&prepared.rows, &target.table, &mut rejects)?;
    }
    // Which record is the first bad one, and which have their turn now, is found out row by row.
    let others_too = || duplicates.iter().any(|duplicate| rejects.contains(duplicate.kept));
    let decides = options.on_error == OnError::Stop || others_too();
    let writer = Writer { spi, target, on_conflict: options.on_conflict, proved: &[] };
    if !another.is_empty() && decides
        || !writer.others(&prepared.rows, duplicates.iter().map(|it| it.row)).is_empty()
    {
        return fell_back("a record has the key of another composer or work".into(), Some(there));
    }
    if !duplicates.is_empty() && writer.may_drop() {
        return fell_back("triggers may take a record whose key others have".into(), Some(there));
    }
    let team = match Team::start(&plan, job.function) {
        Ok(team) => team,
        Err(reason) => return fell_back(reason, Some(there)),
    };
    let sessions = team.size();
    let parts = parts(job, prepared, &there, &absent, sessions)?;
    let new = prepared.order.write.len() - there.count();
    let check = Check::of(job.resource, target, new, options.create_composers);
    let start = |_| Start {
        identity: Identity::current(),
        query: background::client_query(),
        load_id,
        resource: job.resource,
        kind: job.kind.clone(),
        on_conflict: options.on_conflict,
        on_error: options.on_error,
        oid: target.oid.to_u32(),
        table: target.table.clone(),
        rows: new,
        sessions,
    };
    // Of several records with one key another has its turn if the one that was to be written is refused: not here.
    let is_next = |duplicate: &Duplicate, rejects: &Rejects<'_>| {
        rejects.contains(duplicate.kept) && rejects.matters(duplicate.row.ordinal)
    };
    let mut settle = |rejects: &mut Rejects<'_>| {
        if duplicates.iter().any(|duplicate| is_next(duplicate, rejects)) {
            return Ok(false);
        }
        // Rows that meet come in the document's order: not here. With `error` nobody has compared the keys of the records.
        let may_meet = options.on_conflict == OnConflict::Error || target.has_other_keys();
        if may_meet && rejects.has_met() {
            return Ok(false);
        }
        if options.on_error == OnError::Ignore {
            duplicate = set_aside(rejects)?;
        }
        writing.advise(target, rejects);
        Ok(true)
    };
    let mut work = leader::Work {
        plan: &plan,
        start: &start,
        rows: &prepared.rows,
        rejects: &mut rejects,
        settle: &mut settle,
        progress,
    };
    let written = match team.write(&mut work, &parts, load_id) {
        Ok(written) => written,
        Err(Alone::Reason(reason)) => return fell_back(reason, Some(there)),
        Err(Alone::Failure(failure)) => return Err(*failure),
    };
    // What the sessions have committed stays: nothing behind this statement may roll it back.
    transaction::commit_at_once();
    let counts = Counts {
        unchanged: there.unchanged(),
        rejected: rejects.count(),
        duplicate,
        ..Counts::default()
    };
    let (write_method, foreign_key_check) =
        describe(&written.method, check.proved().next().is_some(), written.foreign_key_check);
    Ok(Ok(Outcome {
        counts: written.counts + counts,
        sessions: sessions as i32,
        sessions_reason: plan.describe(sessions),
        foreign_key_check,
        write_method,
    }))
}

/// What the leader sees before the sessions start.
struct Look {
    plan: Result<Plan, Reason>,
    there: There,
    /// With `create_composers`: for each family, whether its composer is to be made.
    absent: Vec<bool>,
}

/// Reads the tables; the locks that this takes are held to the end.
fn look(writing: &Writing<'_, '_>, wish: Wish, target: &Target) -> Result<Look, Failure> {
    let Writing { spi, job, options, prepared, .. } = *writing;
    let write = &prepared.order.write;
    let writer = Writer { spi, target, on_conflict: options.on_conflict, proved: &[] };
    let there = writer.look(&prepared.rows, write)?;
    let rows = there.to_write(write.len());
    let plan = match there.moves() {
        // They come in the document's order.
        true => Err(MEET.into()),
        false => eligible::plan(spi, wish, target, job.resource, options, rows),
    };
    let mut absent = vec![];
    if plan.is_ok() && options.create_composers && job.resource == Some(Resource::Works) {
        let check = Check::of(job.resource, target, write.len(), true).unlocked();
        let present = check.families(spi, &prepared.rows, write, &prepared.order.families);
        absent = present.into_iter().map(|present| !present).collect();
    }
    Ok(Look { plan, there, absent })
}

/// The rows in runs of families: first one for each session, then those for whoever is done.
fn parts(
    job: &Job,
    prepared: &Prepared<'_>,
    there: &There,
    absent: &[bool],
    sessions: usize,
) -> Result<Vec<Part>, Failure> {
    let write = &prepared.order.write;
    let singly;
    let families = match job.resource {
        Some(Resource::Works) | None => &prepared.order.families,
        Some(Resource::Composers) => {
            singly = split::singly(write);
            &singly
        }
    };
    let with_id = match absent.contains(&true) {
        true => with_composer_id(&*prepared.places),
        false => HashSet::new(),
    };
    let parts: Result<Vec<Part>, Failure> =
        split::parts(write.len(), families, &split::shares(sessions))
            .into_iter()
            .map(|range| {
                let Sorted { new, changed, .. } = there.sort(&write[range.clone()]);
                let here = |family: &&Family| range.contains(&family.first);
                let parent =
                    |family: &Family| prepared.rows.parent_text(write[family.first]).to_owned();
                let parents = match job.resource {
                    Some(Resource::Works) => families.iter().filter(here).map(parent).collect(),
                    Some(Resource::Composers) | None => vec![],
                };
                let absent =
                    families.iter().zip(absent).filter(|(family, absent)| **absent && here(family));
                let tellers = tellers(&with_id, write, absent.map(|(family, _)| family));
                let any = !tellers.is_empty();
                let composers = any.then(|| composers(prepared, &tellers)).transpose()?;
                Ok(Part { composers, parents, new, changed })
            })
            .collect();
    let mut parts = parts?;
    parts.resize_with(sessions.max(parts.len()), Part::default);
    Ok(parts)
}

/// The composers of these works, in the order of their keys.
fn composers(prepared: &Prepared<'_>, works: &[u32]) -> Result<Slice<'static>, Failure> {
    let rows = named_composers(&*prepared.places, works)?;
    let order = rows.order(&Table::of::<Composer>(), Repeated::FirstWins, false)?;
    Ok(rows.copy(&order.write, Slice::default()))
}
