//! Texts that functions give back, in the database's encoding.

use pgrx::callconv::{BoxRet, FcInfo};
use pgrx::datum::Datum;
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};
use pgrx::{IntoDatum, pg_sys};

use super::encoding;

/// A `text` of a result.
pub struct TextResult(Vec<u8>);

impl From<&str> for TextResult {
    fn from(text: &str) -> Self {
        TextResult(encoding::for_message(text))
    }
}

impl From<String> for TextResult {
    fn from(text: String) -> Self {
        TextResult::from(&*text)
    }
}

/// A `text`, in the current memory context.
pub fn text_datum(text: &[u8]) -> pg_sys::Datum {
    // SAFETY: the text is copied.
    unsafe { pg_sys::cstring_to_text_with_len(text.as_ptr().cast(), text.len() as i32).into() }
}

impl IntoDatum for TextResult {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        let TextResult(text) = self;
        Some(text_datum(&text))
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::TEXTOID
    }
}

// SAFETY: gives the datum that the implementation above makes.
unsafe impl BoxRet for TextResult {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> Datum<'fcx> {
        let text = self.into_datum().unwrap_or_else(pg_sys::Datum::null);
        // SAFETY: the datum is a text in the memory of the call.
        unsafe { fcinfo.return_raw_datum(text) }
    }
}

// SAFETY: describes the type that these implementations make.
unsafe impl SqlTranslatable for TextResult {
    const TYPE_IDENT: &'static str = pgrx::pgrx_resolved_type!(TextResult);
    const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
    const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> = Ok(SqlMappingRef::literal("text"));
    const RETURN_SQL: Result<ReturnsRef, ReturnsError> =
        Ok(ReturnsRef::One(SqlMappingRef::literal("text")));
}
