//! Records set aside: counted against the limit while the load runs, stored in `rejected_records` at its end.

use std::borrow::Cow;
use std::collections::HashSet;

use uuid::Uuid;

use super::Refusals;
use super::convert::Unconverted;
use super::elsewhere;
use super::statement::batch_name;
use crate::document::Image;
use crate::error::{Fault, LoadError, Place, RecordFault};
use crate::options::{OnError, Options};
use crate::pg::batch::Batch;
use crate::pg::error::ServerError;
use crate::pg::interrupt;
use crate::pg::load_rows::LoadRows;
use crate::pg::relation::{self, Lock};
use crate::pg::spi::{Plan, Spi};
use crate::pg::subtransaction;
use crate::pg::{encoding, log};
use crate::prepare::Places;
use crate::record::{Column, ColumnType, Sink};
use crate::report::{Failure, UNKNOWN_COMPOSER_HINT, about, fault_sqlstate};
use crate::target::create::{REJECTED_RECORDS, create_table};
use crate::tuple::{Formed, Former, Tuples};

const TABLE: &str = REJECTED_RECORDS;

/// How many records reach `rejected_records` in one statement.
const BATCH: usize = 1000;

/// The same in bytes, but for one long record.
const BATCH_BYTES: usize = 4 << 20;

/// The text of a longer record is kept as a JSON string. In bytes.
const LONGEST_PARSED: usize = 256 << 10;

/// Classes of the errors with which jsonb refuses a value: no JSON, too large a number; too deep, too long.
const NO_JSONB: [&str; 2] = ["22", "54"];

const FOREIGN_KEY_VIOLATION: &str = "23503";
const UNIQUE_VIOLATION: &str = "23505";
const EXCLUSION_VIOLATION: &str = "23P01";

/// A record and why it is set aside. The texts of most are made when the record is stored.
struct Reject {
    ordinal: u32,
    why: Why,
}

enum Why {
    /// The program refuses the record.
    Fault(Place, Fault),
    /// The server does.
    Server { path: Option<String>, sqlstate: String, reason: String },
}

/// The records set aside by one load, or, under `on_error => 'stop'`, the way to its error.
pub struct Rejects<'a> {
    function: &'static str,
    places: &'a dyn Places,
    on_error: OnError,
    limit: u64,
    /// Records that earlier parts of the document have set aside.
    before: u64,
    /// By ordinal: those that the document itself shows.
    decoded: &'a [RecordFault],
    /// The others.
    rejects: Vec<Reject>,
    ordinals: HashSet<u32>,
    /// Under `stop`: the lowest bad record so far, and what is wrong with it.
    stop: Option<(u32, Failure)>,
}

impl<'a> Rejects<'a> {
    /// Under `stop`: the lowest bad record, if a foreign key refuses it, and the name of that one.
    pub fn orphan(&self) -> Option<(u32, Option<&[u8]>)> {
        match &self.stop {
            Some((ordinal, Failure::Server { error, .. }))
                if error.sqlstate() == FOREIGN_KEY_VIOLATION && error.hint.is_none() =>
            {
                Some((*ordinal, error.constraint.as_deref()))
            }
            _ => None,
        }
    }

    /// Whether the server has refused a row for another one with the same key.
    pub fn has_met(&self) -> bool {
        let is_key = |sqlstate: &str| [UNIQUE_VIOLATION, EXCLUSION_VIOLATION].contains(&sqlstate);
        let met = |reject: &Reject| matches!(&reject.why, Why::Server { sqlstate, .. } if is_key(sqlstate));
        let stop = self.stop.as_ref().map(|(_, failure)| failure.sqlstate());
        stop.is_some_and(|sqlstate| is_key(&sqlstate)) || self.rejects.iter().any(met)
    }

    /// It is a work whose composer is missing.
    pub fn lacks_composer(&mut self) {
        if let Some((_, Failure::Server { error, .. })) = &mut self.stop {
            error.hint = Some(UNKNOWN_COMPOSER_HINT.into());
        }
    }

    /// A record of which the server can make no row, for the value at a path from it.
    pub fn unconverted(&mut self, refused: &Unconverted) -> Result<(), Failure> {
        let Unconverted { ordinal, within, error } = refused;
        let path = self.places.path_to(*ordinal, within);
        if self.on_error == OnError::Stop {
            let about = Some(about(self.function, self.places, *ordinal, &path));
            self.stop_at(*ordinal, Failure::Server { error: error.clone(), about });
            return Ok(());
        }
        let (sqlstate, reason) = (error.sqlstate(), encoding::of_message(&error.message));
        let why = Why::Server { path: Some(path), sqlstate, reason };
        self.add(Reject { ordinal: *ordinal, why })
    }

    /// Whether a record has been set aside, or would end the load.
    pub fn contains(&self, ordinal: u32) -> bool {
        self.ordinals.contains(&ordinal)
            || self.stop.as_ref().is_some_and(|(stop, _)| *stop == ordinal)
    }

    pub fn new(
        function: &'static str,
        places: &'a dyn Places,
        options: &Options,
        before: u64,
    ) -> Self {
        let limit = options.reject_limit.unwrap_or(u64::MAX);
        Rejects {
            function,
            places,
            on_error: options.on_error,
            limit,
            before,
            decoded: &[],
            rejects: vec![],
            ordinals: HashSet::new(),
            stop: None,
        }
    }

    /// The records that decoding refuses, by ordinal.
    pub fn decoded(&mut self, faults: &'a [RecordFault]) -> Result<(), Failure> {
        if self.on_error == OnError::Stop {
            let lowest = faults.first().cloned();
            lowest.into_iter().for_each(|fault| {
                self.stop_at(fault.ordinal, Failure::load(self.places.told(fault)));
            });
            return Ok(());
        }
        self.decoded = faults;
        self.within_limit()
    }

    /// Under `stop`: the load will end with this failure, unless a record before this one fails too.
    fn stop_at(&mut self, ordinal: u32, failure: Failure) {
        if self.matters(ordinal) {
            self.stop = Some((ordinal, failure));
        }
    }

    /// Ends the load under `stop` with the failure of the lowest bad record, once all before it have been tried.
    pub fn raise(&mut self) -> Result<(), Failure> {
        let Some((ordinal, failure)) = self.stop.take() else { return Ok(()) };
        Err(match failure {
            Failure::Load { error, .. } => {
                Failure::Load { error, record: self.places.excerpt(ordinal) }
            }
            Failure::Server { error, about: None } => {
                let path = self.places.path(ordinal);
                let about = Some(about(self.function, self.places, ordinal, &path));
                Failure::Server { error, about }
            }
            other => other,
        })
    }

    fn add(&mut self, reject: Reject) -> Result<(), Failure> {
        // The first thing found wrong with a record is the one that counts.
        let known = |fault: &RecordFault| fault.ordinal.cmp(&reject.ordinal);
        if self.decoded.binary_search_by(known).is_err() && self.ordinals.insert(reject.ordinal) {
            self.rejects.push(reject);
        }
        self.within_limit()
    }

    fn within_limit(&self) -> Result<(), Failure> {
        if self.before + self.count() <= self.limit {
            return Ok(());
        }
        let fault = Fault::TooManyRejected { limit: self.limit };
        Err(Failure::load(LoadError::document(fault)))
    }

    /// The records as rows of `rejected_records`, by ordinal. Some are formed at a time, when they are asked for.
    pub fn formed(&mut self) -> impl Iterator<Item = Formed> {
        self.rejects.sort_unstable_by_key(|reject| reject.ordinal);
        let all: &Self = self;
        let (mut decoded, mut others) = (all.decoded.iter().peekable(), all.rejects.iter());
        let mut other = others.next();
        let mut next = move || {
            let before = |fault: &&RecordFault| other.is_none_or(|o| fault.ordinal < o.ordinal);
            match decoded.next_if(before) {
                Some(fault) => Some(Known::Decoded(fault)),
                None => std::mem::replace(&mut other, others.next()).map(Known::Other),
            }
        };
        std::iter::from_fn(move || all.form(&mut next))
    }

    /// The next of the rejects, as many as one statement takes; none behind the last.
    fn form<'r>(&self, next: &mut dyn FnMut() -> Option<Known<'r>>) -> Option<Formed> {
        interrupt::check();
        let mut tuples = Tuples::new(encoding::encode());
        let mut count = 0;
        while count < BATCH
            && tuples.bytes().is_ok_and(|bytes| bytes < BATCH_BYTES)
            && let Some(reject) = next()
        {
            count += 1;
            let told = self.tell(&reject);
            if !tuples.add(|row| self.put(&told, false, row)) {
                // With a character that the database's encoding lacks: jsonb cannot have it, a text that names it can.
                tuples.add(|row| self.put(&told, true, row));
            }
        }
        if tuples.bytes().is_err() {
            interrupt::out_of_memory();
        }
        (count > 0).then(|| tuples.formed())
    }

    fn tell(&self, reject: &Known<'_>) -> Told {
        let fault = |ordinal: u32, place: Place, fault: &Fault| {
            let record = RecordFault { ordinal, place, fault: fault.clone() };
            let told = self.places.told(record);
            let detail = told.fault.detail().map(|detail| format!(": {detail}"));
            Told {
                ordinal,
                path: told.path,
                sqlstate: fault_sqlstate(&told.fault),
                reason: format!("{}{}", told.fault, detail.unwrap_or_default()),
                malformed: told.fault.is_malformed(),
            }
        };
        match reject {
            Known::Decoded(known) => fault(known.ordinal, known.place.clone(), &known.fault),
            Known::Other(Reject { ordinal, why: Why::Fault(place, known) }) => {
                fault(*ordinal, place.clone(), known)
            }
            Known::Other(Reject { ordinal, why: Why::Server { path, sqlstate, reason } }) => Told {
                ordinal: *ordinal,
                path: path.clone().unwrap_or_else(|| self.places.path(*ordinal)),
                sqlstate: sqlstate.clone(),
                reason: reason.clone(),
                malformed: false,
            },
        }
    }

    fn put(&self, reject: &Told, escape: bool, row: &mut Former) {
        let clean = |text| match escape {
            true => encoding::escaped(text),
            false => Cow::Borrowed(text),
        };
        row.int8(Some(self.places.number(reject.ordinal) as i64));
        row.text(Some(&clean(&reject.path)));
        row.text(Some(&reject.sqlstate));
        row.text(Some(&clean(&reject.reason)));
        row.boolean(Some(reject.malformed || escape));
        match self.places.image(reject.ordinal) {
            // The server takes twenty times the memory of a text, or more, to make a jsonb of it.
            Some(Image::Text(text)) if text.len() > LONGEST_PARSED => {
                match row.jsonb_string(&clean(&text)) {
                    true => row.text(None),
                    false => {
                        row.jsonb(None);
                        row.text(Some(&clean(&text)));
                    }
                }
            }
            Some(Image::Container(bytes)) => {
                row.jsonb(Some(bytes));
                row.text(None);
            }
            Some(Image::Text(text)) => {
                row.jsonb(None);
                row.text(Some(&clean(&text)));
            }
            None => {
                row.jsonb(None);
                row.text(None);
            }
        }
    }
}

/// A record that is set aside, whoever refused it.
enum Known<'r> {
    Decoded(&'r RecordFault),
    Other(&'r Reject),
}

/// A record that is set aside, as it is stored.
struct Told {
    ordinal: u32,
    path: String,
    sqlstate: String,
    reason: String,
    /// The record is no JSON: only its text can be kept.
    malformed: bool,
}

/// Writes records to `rejected_records`, which is made where it is missing.
pub fn store(
    spi: &Spi,
    load_id: Uuid,
    kind: &str,
    rejects: impl IntoIterator<Item = Formed>,
) -> Result<(), Failure> {
    let mut rejects = rejects.into_iter().peekable();
    if rejects.peek().is_none() {
        return Ok(());
    }
    let find = || relation::find(TABLE, Lock::Insert).and_then(relation::qualified_name);
    let table = match find() {
        Some(table) => table,
        None => {
            create_table(spi, TABLE);
            log::notice(&format!("table {TABLE} created"));
            find().unwrap_or_default()
        }
    };
    // A table's name may be anything.
    let kind = relation::literal(&encoding::for_message(kind));
    let insert = |from: &[u8], record: &str| {
        let columns = format!(
            " (load_id, kind, ordinal, path, sqlstate, reason, record) \
             SELECT '{load_id}'::pg_catalog.uuid, "
        );
        let rest = format!(", ordinal, path, sqlstate, reason, {record} FROM ");
        [b"INSERT INTO ", &*table, columns.as_bytes(), &kind, rest.as_bytes(), from].concat()
    };
    const PARSED: &str = "coalesce(container, CASE WHEN malformed THEN pg_catalog.to_jsonb(source) ELSE source::pg_catalog.jsonb END)";
    const QUOTED: &str = "coalesce(container, pg_catalog.to_jsonb(source))";
    let name = batch_name(TABLE);
    let mut batch = Batch::register(spi, &name, COLUMNS, BATCH);
    let (mut parsed, mut quoted) = (
        spi.prepare(&insert(name.as_bytes(), PARSED)),
        spi.prepare(&insert(name.as_bytes(), QUOTED)),
    );
    let mut function = None;
    if parsed.is_planned_elsewhere() {
        let rows = LoadRows::new(COLUMNS);
        let from = elsewhere::function(spi, &rows, COLUMNS);
        (parsed, quoted) =
            (spi.prepare(&insert(&from, PARSED)), spi.prepare(&insert(&from, QUOTED)));
        function = Some(rows);
    }
    let mut execute = |plan: &Plan<'_>, tuples: &[&[u8]]| match &function {
        Some(rows) => rows.with(tuples, || plan.execute()),
        None => {
            batch.fill(tuples.iter().copied());
            plan.execute()
        }
    };
    for rejects in rejects {
        // A record may be good JSON for this program and too much for jsonb, such as a number of 200,000 digits:
        // then each of the batch is kept as it can be.
        let rejects: Vec<&[u8]> = rejects.iter().collect();
        if stored(|| execute(&parsed, &rejects))? {
            continue;
        }
        for reject in rejects {
            if !stored(|| execute(&parsed, &[reject]))? {
                execute(&quoted, &[reject]);
            }
        }
    }
    Ok(())
}

/// Executes a statement; `false` where a record is no value of jsonb.
fn stored(execute: impl FnOnce() -> u64) -> Result<bool, Failure> {
    match subtransaction::within(execute) {
        Ok(_) => Ok(true),
        Err(error) if NO_JSONB.contains(&&error.sqlstate()[..2]) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

impl Refusals for Rejects<'_> {
    fn fault(&mut self, ordinal: u32, fault: Fault) -> Result<(), Failure> {
        let place = Place::Field("");
        if self.on_error == OnError::Stop {
            let fault = RecordFault { ordinal, place, fault };
            self.stop_at(ordinal, Failure::load(self.places.told(fault)));
            return Ok(());
        }
        self.add(Reject { ordinal, why: Why::Fault(place, fault) })
    }

    fn refusal(&mut self, ordinal: u32, error: ServerError) -> Result<(), Failure> {
        if self.on_error == OnError::Stop {
            self.stop_at(ordinal, error.into());
            return Ok(());
        }
        let (sqlstate, reason) = (error.sqlstate(), encoding::of_message(&error.message));
        self.add(Reject { ordinal, why: Why::Server { path: None, sqlstate, reason } })
    }

    fn matters(&self, ordinal: u32) -> bool {
        self.stop.as_ref().is_none_or(|(stop, _)| ordinal < *stop)
    }

    fn count(&self) -> u64 {
        (self.decoded.len() + self.rejects.len()) as u64
    }
}

const COLUMNS: &[Column] = &[
    Column::new("ordinal", ColumnType::BIGINT),
    Column::new("path", ColumnType::TEXT),
    Column::new("sqlstate", ColumnType::TEXT),
    Column::new("reason", ColumnType::TEXT),
    Column::new("malformed", ColumnType::BOOLEAN),
    Column::new("container", ColumnType::JSONB),
    Column::new("source", ColumnType::TEXT),
];
