//! Records that are set aside as rows of `rejected_records`.

use std::borrow::Cow;

use super::{Reject, Rejects, Why};
use crate::document::Image;
use crate::error::{Fault, Place, RecordFault};
use crate::pg::encoding;
use crate::pg::interrupt;
use crate::record::Sink;
use crate::report::fault_sqlstate;
use crate::tuple::{Formed, Former, Tuples};

/// How many records reach `rejected_records` in one statement.
pub const BATCH: usize = 1000;

/// The same in bytes, but for one long record.
const BATCH_BYTES: usize = 4 << 20;

/// The text of a longer record is kept as a JSON string. In bytes.
const LONGEST_PARSED: usize = 256 << 10;

impl Rejects<'_> {
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
