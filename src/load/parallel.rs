//! A load written by parallel sessions: what the leader finds out first, and how it divides the rows.

use uuid::Uuid;

use super::{Here, Outcome, duplicates, lock_catalogue, rejects_of, unlock_catalogue};
use crate::document::find::Resource;
use crate::options::Options;
use crate::pg::caller::{Identity, Statement};
use crate::pg::lock::{self, Share};
use crate::pg::progress::Progress;
use crate::pg::spi::Spi;
use crate::pg::{background, relation, subtransaction};
use crate::prepare::{Loadable, Prepared};
use crate::report::{Counts, Failure, function_of};
use crate::rows::order::Repeated;
use crate::rows::{Family, Slice};
use crate::sessions::eligible::{self, Plan, Reason, Wish};
use crate::sessions::leader;
use crate::sessions::message::Start;
use crate::sessions::part::Part;
use crate::sessions::team::{Alone, Team};
use crate::sessions::{recovery, split};
use crate::settings;
use crate::write::Refusals;
use crate::write::insert::{Writer, may_be_laid};
use crate::write::parents::Check;
use crate::write::target::{self, Target};
use crate::write::there::{Sorted, There};

/// Whether the load may go parallel, as far as can be said before the document is read. Locks nothing.
pub fn wish<'a, R: Loadable<'a>>(
    spi: &Spi,
    options: &Options,
    statement: &Statement,
) -> Result<Result<(Wish, Target), Reason>, Failure> {
    let wish = match eligible::wish(options, statement) {
        Ok(wish) => wish,
        Err(reason) => return Ok(Err(reason)),
    };
    subtransaction::undone(|| {
        let there = |table| relation::find(table, relation::Lock::Share).is_some();
        if !there("composers") && !there("works") {
            return Ok(Err("the load makes its tables".into()));
        }
        Ok(Ok((wish, target::find(spi, R::TABLE, options.on_conflict)?)))
    })?
}

/// Writes in parallel sessions; or not, where that is not to be after all, and nothing has been written.
pub fn write<'a, R: Loadable<'a>>(
    spi: &Spi,
    options: &Options,
    load_id: Uuid,
    wish: Wish,
    target: &Target,
    prepared: &Prepared<'a>,
    progress: &mut Progress,
) -> Result<Result<Outcome, Here>, Failure> {
    let write = &prepared.order.write;
    let not = |reason: Reason, there| Ok(Err(Here { reason, there }));
    if write.len() < settings::min_parallel_rows() {
        return not(eligible::too_few(write.len()), None);
    }
    recovery::resolve(spi);
    let look = || subtransaction::undone(|| look::<R>(spi, options, wish, target, prepared));
    let mut seen = look()??;
    if let Err(reason) = seen.plan {
        return not(reason, Some(seen.there));
    }
    // One at a time: two of them would wait for each other where the server cannot see it.
    if lock_catalogue::<R>(Share::Alone) {
        seen = look()??;
    }
    let not = |reason: Reason, there| {
        unlock_catalogue::<R>(Share::Alone);
        not(reason, there)
    };
    let Look { plan, there, absent } = seen;
    let plan = match plan {
        Ok(plan) => plan,
        Err(reason) => return not(reason, Some(there)),
    };
    lock::load(recovery::lock_number(load_id));
    let mut rejects = rejects_of::<R>(prepared, options)?;
    let (_, function) = function_of(R::RESOURCE);
    let team = match Team::start(&plan, function) {
        Ok(team) => team,
        Err(reason) => return not(reason, Some(there)),
    };
    let sessions = team.size();
    let parts = parts::<R>(prepared, &there, &absent, sessions)?;
    let start = |_| Start {
        identity: Identity::current(),
        query: background::client_query(),
        load_id,
        resource: R::RESOURCE,
        on_conflict: options.on_conflict,
        on_error: options.on_error,
        table: target.oid.to_u32(),
        rows: write.len(),
        sessions,
    };
    let mut work = leader::Work {
        plan: &plan,
        start: &start,
        rows: &prepared.rows,
        rejects: &mut rejects,
        progress,
    };
    let written = match team.write(&mut work, &parts, load_id) {
        Ok(written) => written,
        Err(Alone::Reason(reason)) => return not(reason, Some(there)),
        Err(Alone::Failure(failure)) => return Err(*failure),
    };
    let counts = Counts {
        unchanged: there.unchanged(),
        rejected: rejects.count(),
        duplicate: duplicates(prepared, options),
        ..Counts::default()
    };
    Ok(Ok(Outcome {
        counts: written.counts + counts,
        sessions: sessions as i32,
        sessions_reason: plan.describe(sessions),
        foreign_key_check: written.foreign_key_check,
    }))
}

/// What the leader sees before the sessions start.
struct Look {
    plan: Result<Plan, Reason>,
    there: There,
    /// With `create_composers`: for each family, whether its composer is to be made.
    absent: Vec<bool>,
}

/// Runs in a subtransaction that is rolled back, so that no lock is left.
fn look<'a, R: Loadable<'a>>(
    spi: &Spi,
    options: &Options,
    wish: Wish,
    target: &Target,
    prepared: &Prepared<'a>,
) -> Result<Look, Failure> {
    let write = &prepared.order.write;
    let found = target::find(spi, R::TABLE, options.on_conflict)?;
    if found.oid != target.oid {
        return Err(Failure::replaced(R::TABLE.name));
    }
    let writer = Writer { spi, target: &found, on_conflict: options.on_conflict, proved: false };
    let there = writer.look(&prepared.rows, write);
    let rows = write.len() - there.unchanged() as usize;
    let check = || Check::of(spi, R::RESOURCE, &found, write.len(), options.create_composers);
    let new = write.len() - there.count();
    let laid = wish.by_default() && 2 * new > rows && may_be_laid(spi, &found, new, check().as_set);
    let plan = eligible::plan(spi, wish, &found, R::RESOURCE, options, rows, laid);
    let mut absent = vec![];
    if plan.is_ok() && options.create_composers && R::RESOURCE == Resource::Works {
        let check = check().unlocked();
        let present = check.families(spi, &prepared.rows, write, &prepared.order.families);
        absent = present.into_iter().map(|present| !present).collect();
    }
    Ok(Look { plan, there, absent })
}

/// The rows in runs of families: first one for each session, then those for whoever is done.
fn parts<'a, R: Loadable<'a>>(
    prepared: &Prepared<'a>,
    there: &There,
    absent: &[bool],
    sessions: usize,
) -> Result<Vec<Part>, Failure> {
    let write = &prepared.order.write;
    let singly;
    let families = match R::RESOURCE {
        Resource::Works => &prepared.order.families,
        Resource::Composers => {
            singly = split::singly(write);
            &singly
        }
    };
    let parts: Result<Vec<Part>, Failure> =
        split::parts(write.len(), families, &split::shares(sessions))
            .into_iter()
            .map(|range| {
                let Sorted { new, changed, .. } = there.sort(&write[range.clone()]);
                let here = |family: &&Family| range.contains(&family.first);
                let parent =
                    |family: &Family| prepared.rows.parent_text(write[family.first]).to_owned();
                let parents = match R::RESOURCE {
                    Resource::Works => families.iter().filter(here).map(parent).collect(),
                    Resource::Composers => vec![],
                };
                let firsts =
                    families.iter().zip(absent).filter(|(family, absent)| **absent && here(family));
                let firsts = firsts
                    .filter_map(|(family, _)| family.of(write).iter().map(|row| row.ordinal).min())
                    .collect::<Vec<u32>>();
                let any = !firsts.is_empty();
                let composers = any.then(|| composers(prepared, &firsts)).transpose()?;
                Ok(Part { composers, parents, new, changed })
            })
            .collect();
    let mut parts = parts?;
    parts.resize_with(sessions.max(parts.len()), Part::default);
    Ok(parts)
}

/// The composers that works name, each told by the ordinal of the first of its works, in the order of their keys.
fn composers(prepared: &Prepared<'_>, firsts: &[u32]) -> Result<Slice<'static>, Failure> {
    let rows = super::named_composers(&*prepared.places, firsts)?;
    let order = rows.order(Repeated::FirstWins, false)?;
    Ok(rows.copy(&order.write, Slice::default()))
}
