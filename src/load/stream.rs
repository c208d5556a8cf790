//! A load whose document comes in pieces, in one statement: each part of it is loaded when it is there.
//!
//! ```text
//! begin ─▶ take, take, … ─▶ end
//!            │ enough for a part: decode ([`super::ahead`]), then compare, prove, write, as a document of its own
//!            ▼
//!          Course: what the parts have in common
//! ```
//!
//! A part is decoded while the next one comes, and written once it has been: at the latest when the next one is there. It is
//! loaded as a document is, but that its records are numbered on, that the source is known from the parts before it, and
//! that a key which an earlier part has had is known ([`super::earlier`]). So where the parts are cut changes nothing but
//! the order of rows.

use std::cell::RefCell;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use pgrx::pg_sys;
use uuid::Uuid;

use super::ahead::{Ahead, Task};
use super::decode::mode;
use super::earlier::Earlier;
use super::{records, work};
use crate::document::Watch;
use crate::document::find::{self, Past};
use crate::document::incoming::Incoming;
use crate::options::Options;
use crate::pg::{interrupt, progress};
use crate::prepare::Recipe;
use crate::report::{Failure, LoadReport, milliseconds};
use crate::settings;

/// What to load, and how.
#[derive(Clone)]
pub struct Order {
    pub target: pg_sys::Oid,
    pub mapping: Option<String>,
    pub options: Options,
}

/// A load that is under way.
pub struct Stream {
    order: Order,
    recipe: Arc<Recipe>,
    incoming: Incoming,
    course: Course,
    /// The part that has left last, and is not yet loaded.
    ahead: Option<Ahead>,
    /// Something has come; and in pieces, not in lines.
    any: bool,
    in_pieces: bool,
}

/// What the parts of a document have in common.
pub struct Course {
    pub load_id: Uuid,
    start: Instant,
    /// Records of the parts that have been loaded, and what they have shown.
    records: u64,
    past: Arc<Mutex<Past>>,
    /// None where the document is no longer than one part.
    earlier: Option<RefCell<Earlier>>,
    /// Keys of different parts can be compared.
    compares: bool,
    report: Option<LoadReport>,
}

impl Course {
    pub fn rejected(&self) -> u64 {
        self.report.as_ref().map_or(0, |report| report.counts.rejected)
    }

    /// What earlier parts have had, for one that finds its target empty, or not.
    pub fn earlier(&self, is_empty: bool) -> Option<&RefCell<Earlier>> {
        let earlier = self.earlier.as_ref().filter(|_| self.compares)?;
        if is_empty && self.records == 0 {
            earlier.borrow_mut().owns_table = true;
        }
        Some(earlier)
    }

    pub fn of_keys(&mut self, compares: bool) -> &mut Self {
        self.compares = compares;
        self
    }

    fn add(&mut self, part: LoadReport) {
        self.records += part.received;
        self.report = Some(match self.report.take() {
            Some(report) => report.and(part),
            None => part,
        });
    }
}

impl Stream {
    /// Begins a load, once it is known that the mapping fits the target.
    pub fn begin(order: Order) -> Result<Self, Failure> {
        LoadReport::forget();
        let recipe = work(|running| records::recipe(running, &order))?;
        let course = Course {
            load_id: Uuid::new_v4(),
            start: Instant::now(),
            records: 0,
            past: Arc::default(),
            earlier: None,
            compares: true,
            report: None,
        };
        let incoming = Incoming::new(settings::part_size(), recipe.takes_elements());
        let recipe = Arc::new(recipe);
        Ok(Stream { order, recipe, incoming, course, ahead: None, any: false, in_pieces: false })
    }

    /// Takes the next line, without its newline, and loads what is there if it is enough.
    pub fn line(&mut self, line: &[u8]) -> Result<(), Failure> {
        self.any |= !line.is_empty();
        self.take(line)?;
        self.take(b"\n")
    }

    /// The same for the next piece, wherever it is cut.
    pub fn piece(&mut self, piece: &[u8]) -> Result<(), Failure> {
        self.any |= !piece.is_empty();
        self.in_pieces = true;
        self.take(piece)
    }

    /// A row without a value: an empty line, but between pieces nothing.
    pub fn nothing(&mut self) -> Result<(), Failure> {
        if self.in_pieces { Ok(()) } else { self.line(&[]) }
    }

    /// Takes what makes a part full, and loads that; then what makes the next one full.
    fn take(&mut self, mut bytes: &[u8]) -> Result<(), Failure> {
        while !bytes.is_empty() {
            let (first, rest) = bytes.split_at(self.incoming.missing().min(bytes.len()));
            self.incoming.push(first)?;
            while self.incoming.is_full() && self.next_part()? {}
            bytes = rest;
        }
        match &self.ahead {
            Some(ahead) if ahead.is_decoded() => self.load_ahead(),
            _ => Ok(()),
        }
    }

    /// Loads the rest. What came of all of it; nothing if nothing has come.
    pub fn end(mut self) -> Result<Option<LoadReport>, Failure> {
        if !self.any {
            return Ok(None);
        }
        self.incoming.end();
        while self.next_part()? {}
        find::judge(&self.course.past).map_err(Failure::load)?;
        let Course { start, earlier, report, .. } = self.course;
        let changed_later = earlier.map_or(0, |earlier| earlier.into_inner().changed_later);
        Ok(report.map(|mut report| {
            report.counts.unchanged = report.counts.unchanged.saturating_sub(changed_later);
            report.total_ms = milliseconds(start);
            report
        }))
    }

    /// Takes the next part, once the one before it is loaded; `false` if there is none yet, or none any more.
    fn next_part(&mut self) -> Result<bool, Failure> {
        let watch = Watch::default().asking(interrupt::pending);
        let part = self.incoming.part(&watch);
        // What is wrong with a part before it is told first.
        self.load_ahead()?;
        interrupt::check();
        let Some(part) = part? else { return Ok(false) };
        let beside = !part.is_last;
        let Stream { order, recipe, course, .. } = self;
        let task = Task {
            part,
            recipe: recipe.clone(),
            mode: mode(&order.options, false),
            records: course.records,
            past: course.past.clone(),
        };
        self.ahead = Some(Ahead::begin(task, beside)?);
        Ok(true)
    }

    /// Loads the part that is being decoded, if there is one.
    fn load_ahead(&mut self) -> Result<(), Failure> {
        let Some(ahead) = self.ahead.take() else { return Ok(()) };
        let start = Instant::now();
        let mut ready = ahead.finish()?;
        let Stream { order, course, .. } = self;
        let part = &ready.task().part;
        if part.spans.is_some() {
            let earlier = || RefCell::new(Earlier::new(order.options.on_conflict));
            course.earlier.get_or_insert_with(earlier).get_mut().goes_on = !part.is_last;
        }
        let load = || work(|running| records::part(running, order, (&mut ready, start), course));
        let report = progress::kept(load)?;
        course.add(report);
        self.incoming.reuse(ready.into_text());
        Ok(())
    }
}
