//! PURE. A document in each of its forms, and how its records are found.

use std::ops::Range;
use std::sync::Mutex;

use super::malformed::{again, may_be_malformed};
use super::{Around, PartValues, Prepared, Reader};
use crate::decode::Mode;
use crate::document::find::{Before, Past};
use crate::document::incoming::{Part, Spans};
use crate::document::jsonb::{self, Jsonb};
use crate::document::text::arriving::Arriving;
use crate::document::text::{Text, utf8};
use crate::document::{Arrival, Watch};
use crate::error::{Fault, LoadError};

/// A document in the caller's form.
#[derive(Clone, Copy)]
pub enum Document<'a> {
    /// JSON text in UTF-8.
    Text(&'a [u8]),
    /// JSON text in UTF-8, of which the end is still to come.
    Arriving(&'a dyn Arrival<'a>),
    /// jsonb as stored, without its varlena header.
    Jsonb(&'a [u8]),
    /// The same, of which the end is still to come.
    ArrivingJsonb(&'a dyn Arrival<'a>),
    /// A part of a text in UTF-8 that comes in pieces; with the number of records before it, and what they have shown.
    Part(&'a Part, u64, &'a Mutex<Past>),
}

impl Document<'_> {
    /// In bytes.
    pub fn size(self) -> usize {
        match self {
            Document::Text(bytes) | Document::Jsonb(bytes) => bytes.len(),
            Document::Arriving(arrival) | Document::ArrivingJsonb(arrival) => arrival.size(),
            Document::Part(part, ..) => part.text.len(),
        }
    }
}

pub(super) fn prepare<'a>(
    reader: &impl Reader<'a>,
    document: Document<'a>,
    mode: Mode,
    watch: &Watch,
) -> Result<Prepared<'a>, LoadError> {
    match document {
        Document::Text(bytes) => prepare_text(reader, bytes, mode, watch),
        Document::Arriving(arrival) => {
            let all = || arrival.wait(arrival.size()).map_err(LoadError::document);
            if !reader.takes_elements() {
                return prepare_text(reader, all()?, mode, watch);
            }
            let elements = match Arriving::array(arrival) {
                Ok(Some(elements)) => elements,
                // The whole text says better what it is.
                Ok(None) | Err(Fault::Malformed(_)) => {
                    return prepare_text(reader, all()?, mode, watch);
                }
                Err(fault) => return Err(LoadError::document(fault)),
            };
            let whole = || arrival.wait(arrival.size()).unwrap_or_default();
            let around = || Around::whole(whole());
            let found = reader.find_in_array(Box::new(elements), watch);
            let prepared = found.and_then(|found| reader.prepare(found, &around, mode, watch));
            match prepared {
                Err(error) if may_be_malformed(&error) => {
                    again(reader, around(), error, mode, watch)
                }
                prepared => prepared,
            }
        }
        Document::Jsonb(bytes) => prepare_jsonb(reader, bytes, mode, watch),
        Document::ArrivingJsonb(arrival) => {
            let elements = match reader.takes_elements() {
                true => jsonb::Arriving::array(arrival).map_err(LoadError::document)?,
                false => None,
            };
            let Some(elements) = elements else {
                let all = arrival.wait(arrival.size()).map_err(LoadError::document)?;
                return prepare_jsonb(reader, all, mode, watch);
            };
            let found = reader.find_in_array(Box::new(elements), watch)?;
            reader.prepare(found, &Around::default, mode, watch)
        }
        Document::Part(part, records, past) => {
            prepare_part(reader, part, records, past, mode, watch)
        }
    }
}

/// Of a text that comes in pieces.
fn prepare_part<'a>(
    reader: &impl Reader<'a>,
    part: &'a Part,
    records: u64,
    past: &'a Mutex<Past>,
    mode: Mode,
    watch: &Watch,
) -> Result<Prepared<'a>, LoadError> {
    let Part { text: bytes, spans, start, documents, elements, .. } = part;
    let (start, documents, elements) = (*start, *documents, *elements);
    let around = Around { text: bytes, start: Some(start), records };
    let Some(spans) = spans else {
        return prepare_around(reader, around, mode, watch);
    };
    let located = |error: LoadError| {
        let fault = error.fault.located_behind(bytes, start);
        LoadError { fault, ..error }
    };
    let text = utf8(bytes).map_err(|fault| located(LoadError::document(fault)))?;
    let value = |span: &Range<usize>| Text::span(&text[span.clone()]);
    let values = match spans {
        Spans::Documents(spans) => PartValues::Documents(spans.iter().map(value).collect()),
        Spans::Elements(spans) => {
            PartValues::Elements(Box::new(spans.iter().map(move |span| Ok(value(span)))))
        }
    };
    let before = Before { documents, elements, past: Some(past) };
    let found = reader.find_behind(values, &before, watch);
    let prepared = found.and_then(|found| reader.prepare(found, &|| around, mode, watch));
    prepared.map_err(located)
}

fn prepare_jsonb<'a>(
    reader: &impl Reader<'a>,
    bytes: &'a [u8],
    mode: Mode,
    watch: &Watch,
) -> Result<Prepared<'a>, LoadError> {
    let document = Jsonb::document(bytes).map_err(LoadError::document)?;
    reader.prepare(reader.find(vec![document], watch)?, &Around::default, mode, watch)
}

fn prepare_text<'a>(
    reader: &impl Reader<'a>,
    bytes: &'a [u8],
    mode: Mode,
    watch: &Watch,
) -> Result<Prepared<'a>, LoadError> {
    prepare_around(reader, Around::whole(bytes), mode, watch)
}

fn prepare_around<'a>(
    reader: &impl Reader<'a>,
    around: Around<'a>,
    mode: Mode,
    watch: &Watch,
) -> Result<Prepared<'a>, LoadError> {
    let bytes = around.text;
    let documents =
        utf8(bytes).and_then(|text| Text::documents(text, reader.takes_elements(), watch));
    let documents = documents.map_err(LoadError::document);
    // One of several that is malformed is a bad record, and decides nothing where those are set aside.
    let one_decides =
        mode.stop_at_fault || documents.as_ref().map_or(true, |documents| documents.len() == 1);
    let found = documents.and_then(|documents| reader.find(documents, watch));
    match found.and_then(|found| reader.prepare(found, &|| around, mode, watch)) {
        Err(error) if may_be_malformed(&error) && (one_decides || error.fault.is_malformed()) => {
            again(reader, around, error, mode, watch)
        }
        prepared => prepared,
    }
}
