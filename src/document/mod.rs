//! PURE. A document and its values, the same for JSON text and for jsonb in its on-disk form.
//!
//! [`Value`] is what the rest of the program sees of either: kinds, elements, members, and `read`, which
//! deserializes a record through serde. Both give the same answer for the same document; where they could differ
//! (the order of members, repeated keys), jsonb's rule holds for text too.
//!
//! Memory: what a load keeps of a document (records, rows, faults, the order of rows) is counted by a [`Watch`], and may
//! be no more than 48 MB and three times the document, which is an error else. With what the process takes for the
//! threads and for the record at hand, a load takes no more than 64 MB and three times the document, beside the document
//! itself, whatever it holds. Lists that grow with the document are asked for, so that none of it ends the process.
//!
//! - [`find`]: which source a document is of, and where its records are;
//! - [`incoming`]: a text that comes in pieces, in parts; [`split`] finds where to cut it;
//! - [`jsonb`]: the on-disk format, read in place;
//! - [`text`]: spans of JSON text, read by serde_json;
//! - [`content`]: what a value is, for those who make columns of it;
//! - [`decimal`]: decimal numbers, exact;
//! - [`number`]: decimal numbers as Postgres prints them.

#[cfg(test)]
pub mod build;
pub mod content;
pub mod decimal;
pub mod find;
pub mod incoming;
pub mod jsonb;
pub mod number;
pub mod split;
pub mod text;

use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde::Deserialize;

use self::content::Content;
use crate::error::Fault;

/// The six kinds of JSON value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Null,
    Boolean,
    Number,
    String,
    Array,
    Object,
}

/// The memory that records, rows and faults of a document may take: as much as small documents never need, and a
/// multiple of the document's size. IMSLP's works take 0.9 times their size, its people 2.1 times.
const SMALLEST_BUDGET: u64 = 48 << 20;
const BUDGET_A_BYTE: u64 = 3;

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Null => "null",
            Kind::Boolean => "a boolean",
            Kind::Number => "a number",
            Kind::String => "a string",
            Kind::Array => "an array",
            Kind::Object => "an object",
        })
    }
}

/// One value of a document. Copies are cheap: a value borrows the document's bytes.
pub trait Value<'a>: Copy + Send + Sync {
    fn kind(self) -> Result<Kind, Fault>;

    /// The value, if it is a scalar. A scalar is checked, a container is not.
    fn content(self) -> Result<Content<'a>, Fault>;

    /// The elements of an array, in order.
    fn elements(self) -> Result<Elements<'a, Self>, Fault>;

    /// The members of an object as jsonb keeps them: ordered by the key's length, then bytes, the last of equal keys.
    fn members(self, watch: &Watch) -> Result<Vec<(Cow<'a, str>, Self)>, Fault>;

    /// Deserializes the value, after checking all of it, ignored keys included.
    fn read<T: Deserialize<'a>>(self) -> Result<T, Fault>;

    /// How many bytes of the document the value takes.
    fn size(self) -> usize;

    /// The value as it is, for those who set it aside.
    fn image(self) -> Image<'a>;

    /// The beginning of the value as JSON text, for a message. Takes time and memory for no more than that.
    fn excerpt(self) -> Option<String>;

    /// Checks a value that nobody reads.
    fn check(self) -> Result<(), Fault> {
        self.read::<serde::de::IgnoredAny>().map(|_| ())
    }
}

/// The elements of an array, found one after the other. There is none behind a fault.
pub type Elements<'a, V> = Box<dyn Iterator<Item = Result<V, Fault>> + Send + 'a>;

/// A document that another thread brings, from its beginning on.
pub trait Arrival<'a>: Sync {
    /// Of the whole document, in bytes.
    fn size(&self) -> usize;

    /// All that has arrived: so many bytes at least, which are waited for, or the whole document. A fault where it has been
    /// stopped before.
    fn wait(&self, least: usize) -> Result<&'a [u8], Fault>;

    /// Brings the next piece; whether there are others. For the one thread that can.
    fn fetch(&self) -> bool;

    /// Nothing more will be brought.
    fn stop(&self);
}

/// A value set aside, in the form it had: JSON text, or a jsonb container as stored, without the varlena header.
#[derive(Clone, Debug, PartialEq)]
pub enum Image<'a> {
    Text(Cow<'a, str>),
    Container(&'a [u8]),
}

/// What the system says of the memory of the process.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    pub is_short: fn() -> bool,
    pub can_have: fn(usize) -> bool,
}

/// Shared by the threads that decode and the one that waits: asks them to stop, tells how far they are, and counts the
/// memory that they take.
#[derive(Debug)]
pub struct Watch {
    stop: AtomicBool,
    /// Asked by the thread that decodes, when no other thread can stop it.
    interrupted: Option<fn() -> bool>,
    /// Whether the process has run short of memory, and whether it can have so much more.
    memory: Memory,
    /// Bytes of the document decoded so far.
    bytes: AtomicU64,
    /// Bytes of memory that records, rows and faults take, and the most that they may take.
    taken: AtomicU64,
    most: u64,
}

impl Default for Watch {
    /// Without a limit on memory.
    fn default() -> Self {
        Watch {
            stop: AtomicBool::new(false),
            interrupted: None,
            memory: Memory { is_short: || false, can_have: |_| true },
            bytes: AtomicU64::new(0),
            taken: AtomicU64::new(0),
            most: u64::MAX,
        }
    }
}

impl Watch {
    /// For a document of so many bytes.
    pub fn of_document(size: usize) -> Self {
        Watch { most: SMALLEST_BUDGET + BUDGET_A_BYTE * size as u64, ..Watch::default() }
    }

    /// With a question that [`Watch::check`] asks: whether the thread is to stop.
    pub fn asking(self, interrupted: fn() -> bool) -> Self {
        Watch { interrupted: Some(interrupted), ..self }
    }

    /// With the memory of a process that ends where an allocation fails.
    pub fn of_memory(self, memory: Memory) -> Self {
        Watch { memory, ..self }
    }

    /// A fault if so many bytes more, which are not kept, are more than the document may take, or than there are.
    pub fn room_for(&self, bytes: usize) -> Result<(), Fault> {
        if self.taken.load(Ordering::Relaxed) + bytes as u64 > self.most {
            return Err(Fault::OverBudget { most: self.most });
        }
        if (self.memory.can_have)(bytes) { Ok(()) } else { Err(Fault::OutOfMemory) }
    }

    /// Counts memory that is no longer kept.
    pub fn give(&self, bytes: usize) {
        self.taken.fetch_sub(bytes as u64, Ordering::Relaxed);
    }

    /// Counts memory that is kept until the document is loaded. A fault if it is more than the document may take.
    pub fn take(&self, bytes: usize) -> Result<(), Fault> {
        let taken = self.taken.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64;
        if taken > self.most { Err(Fault::OverBudget { most: self.most }) } else { Ok(()) }
    }

    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    #[cfg(test)]
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    pub fn advance(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// A fault once somebody has called [`Watch::stop`], or the question is answered by yes, or memory is short.
    pub fn check(&self) -> Result<(), Fault> {
        if (self.memory.is_short)() {
            return Err(Fault::OutOfMemory);
        }
        let stopped =
            self.stop.load(Ordering::Relaxed) || self.interrupted.is_some_and(|ask| ask());
        if stopped { Err(Fault::Stopped) } else { Ok(()) }
    }
}

/// Adds an item to a list that grows with the document.
pub fn push<T>(list: &mut Vec<T>, item: T) -> Result<(), Fault> {
    if list.len() == list.capacity() {
        list.try_reserve(1).map_err(|_| Fault::OutOfMemory)?;
    }
    list.push(item);
    Ok(())
}

/// An empty list with room for so many items.
pub fn with_room<T>(items: usize) -> Result<Vec<T>, Fault> {
    let mut list = vec![];
    list.try_reserve_exact(items).map_err(|_| Fault::OutOfMemory)?;
    Ok(list)
}

/// A walk that took room for each level would end the test's process here.
#[cfg(test)]
pub fn on_a_small_stack(test: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(128 << 10);
        thread.spawn_scoped(scope, test).unwrap().join().unwrap();
    });
}
