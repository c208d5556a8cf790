//! The database's encoding and UTF-8, in which the loader reads and writes.

use std::borrow::Cow;

use pgrx::{PgSqlErrorCode, pg_sys};

use super::interrupt;
use crate::tuple::{Encode, as_utf8};
use crate::value::Encoding;

const UTF8: i32 = pg_sys::pg_enc::PG_UTF8 as i32;
const SQL_ASCII: i32 = pg_sys::pg_enc::PG_SQL_ASCII as i32;

/// The most bytes of another encoding that one byte becomes (`MAX_CONVERSION_GROWTH` of `pg_wchar.h`).
const MAX_CONVERSION_GROWTH: usize = 4;

fn database() -> i32 {
    // SAFETY: reads a setting of the backend.
    unsafe { pg_sys::GetDatabaseEncoding() }
}

/// Whether texts go to the database as they are. SQL_ASCII takes any bytes.
pub fn is_utf8() -> bool {
    matches!(database(), UTF8 | SQL_ASCII)
}

/// How many bytes are converted between two looks for interrupts.
const PIECE: usize = 4 << 20;

/// A text of the database as UTF-8; raises the server's own error if that cannot be, and acts on interrupts.
pub fn to_utf8(text: &[u8]) -> Cow<'_, [u8]> {
    if is_utf8() || text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let mut converted = vec![];
    let mut rest = text;
    while !rest.is_empty() {
        if rest.len() > PIECE {
            interrupt::check();
        }
        let (piece, behind) = rest.split_at(first_characters(rest));
        append_utf8(piece, &mut converted);
        rest = behind;
    }
    Cow::Owned(converted)
}

/// How many bytes the characters take that end within the first [`PIECE`] bytes.
fn first_characters(text: &[u8]) -> usize {
    if text.len() <= PIECE {
        return text.len();
    }
    // SAFETY: reads no more than the first PIECE bytes, and text has more.
    let end = unsafe { pg_sys::pg_mbcliplen(text.as_ptr().cast(), PIECE as i32, PIECE as i32) };
    // A text that begins with no character of the encoding is left to the conversion, which says so.
    usize::try_from(end).ok().filter(|end| (1..=PIECE).contains(end)).unwrap_or(PIECE)
}

fn append_utf8(piece: &[u8], converted: &mut Vec<u8>) {
    // SAFETY: the source is `piece.len()` bytes of the database's encoding, no more than PIECE. The result is the source
    // itself, if nothing changes, or a new string with a terminator, which is copied before it is freed.
    unsafe {
        let source = piece.as_ptr().cast_mut();
        let target =
            pg_sys::pg_do_encoding_conversion(source, piece.len() as i32, database(), UTF8);
        let bytes = match target == source {
            true => piece,
            false => std::ffi::CStr::from_ptr(target.cast()).to_bytes(),
        };
        if converted.try_reserve(bytes.len()).is_err() {
            pgrx::ereport!(ERROR, PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY, "out of memory");
        }
        converted.extend_from_slice(bytes);
        if target != source {
            pg_sys::pfree(target.cast());
        }
    }
}

/// For those who decode values on any thread.
pub fn of_decoders() -> Encoding {
    if database() == UTF8 { Encoding::Utf8 } else { Encoding::Other }
}

/// How texts become the database's. Outside UTF-8 the server converts them: on this thread only.
pub fn encode() -> Encode {
    if is_utf8() { as_utf8 } else { to_database }
}

/// A UTF-8 text in the database's encoding; `None` where a character has no equivalent there.
fn to_database(text: &str) -> Option<Cow<'_, [u8]>> {
    if is_utf8() || text.is_ascii() {
        return Some(Cow::Borrowed(text.as_bytes()));
    }
    let mut converted = vec![0u8; text.len() * MAX_CONVERSION_GROWTH + 1];
    // SAFETY: source and target are slices of the lengths given, and the target has room for the longest conversion.
    // With `noError` the function returns how many bytes of the source it took.
    let taken = unsafe {
        let procedure = pg_sys::FindDefaultConversionProc(UTF8, database());
        if procedure == pg_sys::InvalidOid {
            return None;
        }
        pg_sys::pg_do_encoding_conversion_buf(
            procedure,
            UTF8,
            database(),
            text.as_ptr().cast_mut(),
            text.len() as i32,
            converted.as_mut_ptr(),
            converted.len() as i32,
            true,
        )
    };
    if usize::try_from(taken) != Ok(text.len()) {
        return None;
    }
    let length = converted.iter().position(|&byte| byte == 0).unwrap_or(converted.len());
    converted.truncate(length);
    Some(Cow::Owned(converted))
}

/// A text for a message to the client, in the database's encoding; characters that it lacks are escaped.
pub fn for_message(text: &str) -> Vec<u8> {
    let text = escaped(text);
    to_database(&text).map(Cow::into_owned).unwrap_or_default()
}

/// A text whose characters all are in the database's encoding: those that it lacks are escaped as in JSON.
pub fn escaped(text: &str) -> Cow<'_, str> {
    if to_database(text).is_some() {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if to_database(character.encode_utf8(&mut [0; 4])).is_some() {
            escaped.push(character);
        } else {
            let units = character.encode_utf16(&mut [0; 2]).to_vec();
            escaped.extend(units.into_iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    Cow::Owned(escaped)
}

/// A message of the server as UTF-8.
pub fn of_message(text: &[u8]) -> String {
    String::from_utf8_lossy(&to_utf8(text)).into_owned()
}
