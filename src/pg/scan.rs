//! The rows of a query, seen one after the other where they lie: none of them is copied.

use std::ops::Deref;
use std::slice;

use pgrx::pg_sys;
use pgrx::varlena::{varatt_is_1b, varatt_is_1b_e, varatt_is_4b_u, vardata_any, varsize_any_exhdr};

use super::relcache::attribute_of;
use super::spi::Plan;

/// A row of the result, while it is seen.
pub struct Seen<'r> {
    slot: &'r pg_sys::TupleTableSlot,
    columns: &'r [Passed],
}

/// How the server passes the values of a column: `attlen` and `attbyval`.
struct Passed {
    length: i16,
    by_value: bool,
}

/// The value of a column: of a varlena what stands behind its header.
pub enum Value<'r> {
    There(&'r [u8]),
    /// A value that the server passes in a word, and its length.
    Word([u8; 8], usize),
    /// It was compressed, or stored elsewhere.
    Detoasted(Vec<u8>),
}

impl Deref for Value<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Value::There(bytes) => bytes,
            Value::Word(bytes, length) => &bytes[..*length],
            Value::Detoasted(bytes) => bytes,
        }
    }
}

const VARLENA: i16 = -1;

impl<'r> Seen<'r> {
    /// The value of a column, counted from 0; none for a null. Its type has a length, or is a varlena.
    pub fn value(&self, column: usize) -> Option<Value<'r>> {
        // SAFETY: the slot holds a row with all its columns deformed, and the caller asks for one of them; what a datum
        // points to stays as long as the row is seen.
        unsafe {
            if *self.slot.tts_isnull.add(column) {
                return None;
            }
            let datum = *self.slot.tts_values.add(column);
            let Passed { length, by_value } = self.columns[column];
            Some(match length {
                VARLENA => varlena(datum),
                _ if by_value => word(datum, length as usize),
                _ => Value::There(slice::from_raw_parts(datum.cast_mut_ptr(), length as usize)),
            })
        }
    }
}

/// The first bytes of a word as memory has them, of a value of 1, 2, 4 or 8 bytes.
fn word<'r>(datum: pg_sys::Datum, length: usize) -> Value<'r> {
    let word = datum.value() as u64;
    let bytes = if cfg!(target_endian = "little") {
        word.to_le_bytes()
    } else {
        (word << (u64::BITS as usize - 8 * length)).to_be_bytes()
    };
    Value::Word(bytes, length)
}

/// SAFETY: the datum is a varlena that lives as long as the result is used.
unsafe fn varlena<'r>(datum: pg_sys::Datum) -> Value<'r> {
    // SAFETY: the caller's promise; a copy that detoasting makes is freed at once.
    unsafe {
        let stored: *mut pg_sys::varlena = datum.cast_mut_ptr();
        let is_short = varatt_is_1b(stored) && !varatt_is_1b_e(stored);
        if is_short || varatt_is_4b_u(stored) {
            return Value::There(content(stored));
        }
        let plain = pg_sys::pg_detoast_datum_packed(stored);
        let copy = content(plain).to_vec();
        pg_sys::pfree(plain.cast());
        Value::Detoasted(copy)
    }
}

/// SAFETY: as in `varlena`; the value is neither compressed nor stored elsewhere.
unsafe fn content<'r>(plain: *const pg_sys::varlena) -> &'r [u8] {
    // SAFETY: the caller's promise.
    unsafe { slice::from_raw_parts(vardata_any(plain).cast(), varsize_any_exhdr(plain)) }
}

/// What the server hands the rows to.
#[repr(C)]
struct Receiver<'r> {
    /// First, so that a pointer to it is one to the whole.
    public: pg_sys::DestReceiver,
    columns: Vec<Passed>,
    /// Whether to go on.
    see: &'r mut dyn FnMut(&Seen) -> bool,
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn receive(
    slot: *mut pg_sys::TupleTableSlot,
    receiver: *mut pg_sys::DestReceiver,
) -> bool {
    // SAFETY: the server hands over what `see_each` has given it, and a slot with a row of the query.
    unsafe {
        let columns = (*(*slot).tts_tupleDescriptor).natts;
        if i32::from((*slot).tts_nvalid) < columns {
            pg_sys::slot_getsomeattrs_int(slot, columns);
        }
        let receiver = &mut *receiver.cast::<Receiver>();
        (receiver.see)(&Seen { slot: &*slot, columns: &receiver.columns })
    }
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn start(
    receiver: *mut pg_sys::DestReceiver,
    _operation: std::ffi::c_int,
    shape: pg_sys::TupleDesc,
) {
    // SAFETY: as in `receive`; the shape is that of the rows.
    unsafe {
        let passed = |place| {
            let attribute = &*attribute_of(shape, place);
            Passed { length: attribute.attlen, by_value: attribute.attbyval }
        };
        (*receiver.cast::<Receiver>()).columns = (0..(*shape).natts).map(passed).collect();
    }
}

/// Nothing is to be ended.
unsafe extern "C-unwind" fn end(_: *mut pg_sys::DestReceiver) {}

impl Plan<'_> {
    /// Executes a query and shows each of its rows, up to the first one that fails.
    pub fn see_each<E>(&self, mut see: impl FnMut(&Seen) -> Result<(), E>) -> Result<(), E> {
        let mut outcome = Ok(());
        let mut see = |seen: &Seen| {
            outcome = see(seen);
            outcome.is_ok()
        };
        let public = pg_sys::DestReceiver {
            receiveSlot: Some(receive),
            rStartup: Some(start),
            rShutdown: Some(end),
            rDestroy: Some(end),
            mydest: pg_sys::CommandDest::DestNone,
        };
        let mut receiver = Receiver { public, columns: vec![], see: &mut see };
        let options =
            pg_sys::SPIExecuteOptions { dest: (&raw mut receiver).cast(), ..Default::default() };
        // SAFETY: the plan is alive as long as the connection; receiver and options outlive the call.
        self.executed(|plan| unsafe { pg_sys::SPI_execute_plan_extended(plan, &options) });
        outcome
    }
}
