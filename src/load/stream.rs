//! A load whose document comes in pieces, in one statement: each part of it is loaded when it is there.
//!
//! ```text
//! begin ─▶ take, take, … ─▶ end
//!            │ enough for a part: decode, compare, prove, write, as a document of its own
//!            ▼
//!          Course: what the parts have in common
//! ```
//!
//! A part is loaded as a document is, but that its records are numbered on, that the source is known from the parts
//! before it, and that a key which an earlier part has had is known ([`super::earlier`]). So where the parts are cut
//! changes nothing but the order of rows.

use std::cell::RefCell;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use pgrx::pg_sys;
use uuid::Uuid;

use super::earlier::Earlier;
use super::{records, work};
use crate::document::Watch;
use crate::document::find::Past;
use crate::document::incoming::{Incoming, Part};
use crate::options::Options;
use crate::pg::{interrupt, progress};
use crate::prepare::Document;
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
    incoming: Incoming,
    course: Course,
    past: Mutex<Past>,
    /// Something has come; and in pieces, not in lines.
    any: bool,
    in_pieces: bool,
}

/// What the parts of a document have in common.
pub struct Course {
    pub load_id: Uuid,
    start: Instant,
    /// Records of the parts that have been loaded.
    records: u64,
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
        let takes_elements = work(|running| records::check(running, &order))?;
        let course = Course {
            load_id: Uuid::new_v4(),
            start: Instant::now(),
            records: 0,
            earlier: None,
            compares: true,
            report: None,
        };
        let incoming = Incoming::new(settings::part_size(), takes_elements);
        let past = Mutex::default();
        Ok(Stream { order, incoming, course, past, any: false, in_pieces: false })
    }

    /// Takes the next line, without its newline, and loads what is there if it is enough.
    pub fn line(&mut self, line: &[u8]) -> Result<(), Failure> {
        self.any |= !line.is_empty();
        self.incoming.push(line)?;
        self.incoming.push(b"\n")?;
        self.load_full()
    }

    /// The same for the next piece, wherever it is cut.
    pub fn piece(&mut self, piece: &[u8]) -> Result<(), Failure> {
        self.any |= !piece.is_empty();
        self.in_pieces = true;
        self.incoming.push(piece)?;
        self.load_full()
    }

    /// A row without a value: an empty line, but between pieces nothing.
    pub fn nothing(&mut self) -> Result<(), Failure> {
        if self.in_pieces { Ok(()) } else { self.line(&[]) }
    }

    fn load_full(&mut self) -> Result<(), Failure> {
        while self.incoming.is_full() && self.part()? {}
        Ok(())
    }

    /// Loads the rest. What came of all of it; nothing if nothing has come.
    pub fn end(mut self) -> Result<Option<LoadReport>, Failure> {
        if !self.any {
            return Ok(None);
        }
        self.incoming.end();
        while self.part()? {}
        let past = self.past.into_inner().unwrap_or_else(PoisonError::into_inner);
        past.judge().map_err(Failure::load)?;
        let Course { start, earlier, report, .. } = self.course;
        let changed_later = earlier.map_or(0, |earlier| earlier.into_inner().changed_later);
        Ok(report.map(|mut report| {
            report.counts.unchanged = report.counts.unchanged.saturating_sub(changed_later);
            report.total_ms = milliseconds(start);
            report
        }))
    }

    /// Loads the next part; `false` if there is none yet, or none any more.
    fn part(&mut self) -> Result<bool, Failure> {
        let Stream { order, incoming, course, past, .. } = self;
        let watch = Watch::default().asking(interrupt::pending);
        let part = incoming.part(&watch, |part: Part<'_>| {
            if part.spans.is_some() {
                let earlier = || RefCell::new(Earlier::new(order.options.on_conflict));
                let earlier = course.earlier.get_or_insert_with(earlier);
                earlier.borrow_mut().goes_on = !part.is_last;
            }
            let document = Document::Part(part, course.records, past);
            let load = || work(|running| records::part(running, order, document, course));
            let report = progress::kept(load)?;
            course.add(report);
            Ok(())
        });
        interrupt::check();
        part
    }
}
