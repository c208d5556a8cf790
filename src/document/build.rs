//! PURE, tests only. Documents as jsonb, and documents that arrive, so that the readers are tested without a server.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::document::jsonb::write;
use crate::document::text::Text;
use crate::document::{Arrival, Value as _};
use crate::error::Fault;

/// The bytes behind the varlena header of `document` as jsonb.
pub fn jsonb(document: &Value) -> Vec<u8> {
    let text = document.to_string();
    let mut bytes = vec![];
    let written = match document {
        Value::Array(_) | Value::Object(_) => write::append(&text, &mut bytes),
        _ => write::append_scalar(&Text::span(&text).content().unwrap(), &mut bytes),
    };
    assert_eq!(written, Ok(true));
    bytes
}

/// A document that comes a few bytes at a time, whenever it is waited for.
pub struct Slowly<'a> {
    bytes: &'a [u8],
    step: usize,
    arrived: AtomicUsize,
}

impl<'a> Slowly<'a> {
    pub fn new(bytes: &'a [u8], step: usize) -> Self {
        Slowly { bytes, step, arrived: AtomicUsize::new(0) }
    }
}

impl<'a> Arrival<'a> for Slowly<'a> {
    fn size(&self) -> usize {
        self.bytes.len()
    }

    fn wait(&self, least: usize) -> Result<&'a [u8], Fault> {
        let arrived = self.arrived.load(Ordering::Relaxed).max(least);
        let arrived = arrived.next_multiple_of(self.step).min(self.bytes.len());
        self.arrived.store(arrived, Ordering::Relaxed);
        Ok(&self.bytes[..arrived])
    }

    fn fetch(&self) -> bool {
        false
    }

    fn stop(&self) {}
}
