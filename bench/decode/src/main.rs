//! Where the time of decoding goes, on one thread but where it says otherwise: usage
//!   decode WORKS.json [ROUNDS]
//! for works in IMSLP's shape. Prints a line of JSON for each step and form of the document: the median of the rounds in
//! milliseconds, and megabytes of the document a second. The modules are the extension's own, by their path: they know
//! nothing of Postgres. jsonb is built here as the server stores it.

#![allow(dead_code, unused_imports)]

#[path = "../../../src/decode/mod.rs"]
mod decode;
#[path = "../../../src/document/mod.rs"]
mod document;
#[path = "../../../src/error/mod.rs"]
mod error;
#[path = "../../../src/document/build.rs"]
mod jsonb_writer;
mod large;
#[path = "../../../src/mapping/mod.rs"]
mod mapping;
#[path = "../../../src/record/mod.rs"]
mod record;
#[path = "../../../src/rows/mod.rs"]
mod rows;
#[path = "../../../src/source/mod.rs"]
mod source;
#[path = "../../../src/tuple/mod.rs"]
mod tuple;
#[path = "../../../src/value/mod.rs"]
mod value;

use std::hint::black_box;
use std::time::Instant;

use document::find::{Resource, find};
use document::jsonb::Jsonb;
use document::text::Text;
use document::{Value, Watch};
use rayon::prelude::*;
use record::Table;
use record::scalar::Nested;
use record::work::Work;
use rows::order::Repeated;
use rows::{Rows, Slice};
use source::imslp;

/// As the load does it, on a thread a core.
const ON_ALL_CORES: &str = "read and transform, all cores";

type Failed = Box<dyn std::error::Error>;

fn main() -> Result<(), Failed> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("usage: decode WORKS.json [ROUNDS]")?;
    let rounds: usize = arguments.next().map_or(Ok(5), |rounds| rounds.parse())?;
    let bytes = std::fs::read(path)?;
    let jsonb = large::jsonb(&serde_json::from_slice::<Vec<_>>(&bytes)?);
    let watch = Watch::default();

    let mut times = Times { form: "text", size: bytes.len(), steps: vec![] };
    for round in 0..=rounds {
        times.begin(round);
        let text = times.time("UTF-8", || simdutf8::compat::from_utf8(&bytes))?;
        let documents =
            times.time("split", || Text::documents(text, true, &watch)).map_err(said)?;
        rest(&mut times, documents, &watch)?;
    }
    times.print();

    let mut times = Times { form: "jsonb", size: jsonb.len(), steps: vec![] };
    for round in 0..=rounds {
        times.begin(round);
        let document = times.time("header", || Jsonb::document(&jsonb)).map_err(said)?;
        rest(&mut times, vec![document], &watch)?;
    }
    times.print();
    Ok(())
}

/// What is done with either form.
fn rest<'a, V: Value<'a> + 'a>(
    times: &mut Times,
    documents: Vec<V>,
    watch: &Watch,
) -> Result<(), Failed> {
    let find = || {
        let (_, records) = find(documents, Resource::Works, watch).map_err(said)?;
        records.collect::<Result<Vec<_>, _>>().map_err(said)
    };
    let records = times.time("find", find)?;
    times
        .time("read", || {
            records.iter().try_for_each(|record| {
                record.value.read::<Nested<imslp::Piece>>().map(|piece| drop(black_box(piece)))
            })
        })
        .map_err(said)?;
    let work = |record: &document::find::Record<V>| {
        let Ok(Nested::Record(piece)) = record.value.read::<Nested<imslp::Piece>>() else {
            return None;
        };
        imslp::work(piece).ok()
    };
    times.time("read and transform", || {
        records.iter().map(work).for_each(|work| drop(black_box(work)));
    });
    times.time(ON_ALL_CORES, || {
        records.par_chunks(512).for_each(|some| {
            some.iter().map(work).for_each(|work| drop(black_box(work)));
        });
    });
    // Slice by slice, as the load does it.
    let form = || {
        let slices = records.chunks(512).enumerate();
        let form = |(i, some): (usize, &[document::find::Record<V>])| {
            Slice::form(some.iter().map(work), 512 * i, tuple::as_utf8)
        };
        slices.map(form).collect::<Result<_, _>>()
    };
    let slices: Vec<Slice> = times.time("read, transform and form", form).map_err(said)?;
    let rows = Rows::new(slices);
    let table = Table::of::<Work>();
    let order = || rows.order(&table, Repeated::LastWins, false);
    let order = times.time("order", order).map_err(said)?;
    if order.write.len() != records.len() {
        return Err(
            format!("{} of {} records became rows", order.write.len(), records.len()).into()
        );
    }
    Ok(())
}

fn said(fault: impl std::fmt::Debug) -> Failed {
    format!("{fault:?}").into()
}

/// Milliseconds of each step, round by round.
struct Times {
    form: &'static str,
    size: usize,
    steps: Vec<(&'static str, Vec<f64>)>,
}

impl Times {
    /// The first round is not counted: in it, malloc puts together what was freed before, which may take longer than all
    /// that is measured.
    fn begin(&mut self, round: usize) {
        if round == 1 {
            self.steps.clear();
        }
    }

    fn time<T>(&mut self, step: &'static str, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let value = black_box(work());
        let milliseconds = start.elapsed().as_secs_f64() * 1000.0;
        match self.steps.iter_mut().find(|(name, _)| *name == step) {
            Some((_, times)) => times.push(milliseconds),
            None => self.steps.push((step, vec![milliseconds])),
        }
        value
    }

    fn print(mut self) {
        for (step, times) in &mut self.steps {
            times.sort_by(f64::total_cmp);
            let median = times[times.len() / 2];
            let line = serde_json::json!({
                "form": self.form,
                "step": step,
                "milliseconds": (median * 1000.0).round() / 1000.0,
                "megabytes_per_second": (self.size as f64 / 1000.0 / median).round(),
            });
            println!("{line}");
        }
    }
}
