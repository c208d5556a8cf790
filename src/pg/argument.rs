//! The document arguments: `jsonb`, `text` and `json` as datums, detoasted once and read in place.

use std::slice;

use pgrx::callconv::{Arg, ArgAbi};
use pgrx::nullable::Nullable;
use pgrx::pg_sys;
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};

use super::toast::Toasted;

/// A varlena as the caller passed it: perhaps compressed, perhaps in a TOAST table.
#[derive(Clone, Copy)]
struct Varlena(pg_sys::Datum);

impl Varlena {
    /// The value's bytes, without the header; they live as long as the function call.
    fn bytes<'call>(self) -> &'call [u8] {
        // SAFETY: the datum is a varlena, by the SQL type of the argument. The detoasted copy, if one is made, lies in
        // the memory context of the call, which outlives every use: callers keep the slice within the call.
        unsafe { detoasted(self.0) }
    }

    /// The document where it has to be fetched, to be read while it is.
    fn arriving<'call>(self) -> Option<Toasted<'call>> {
        // SAFETY: as in `bytes`.
        unsafe { Toasted::of(self.0) }
    }
}

/// A varlena's bytes, without the header. A detoasted copy, if one is made, lies in the current memory context.
///
/// SAFETY: the datum is a varlena, and it and the context outlive the bytes.
pub(super) unsafe fn detoasted<'v>(datum: pg_sys::Datum) -> &'v [u8] {
    // SAFETY: the caller's promise.
    unsafe {
        let varlena = pg_sys::pg_detoast_datum_packed(datum.cast_mut_ptr());
        let length = pgrx::varlena::varsize_any_exhdr(varlena);
        slice::from_raw_parts(pgrx::varlena::vardata_any(varlena).cast(), length)
    }
}

macro_rules! document_argument {
    ($(#[$meta:meta])* $name:ident, $sql:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy)]
        pub struct $name(Varlena);

        // SAFETY: the argument's SQL type is the one named below, a varlena.
        unsafe impl<'fcx> ArgAbi<'fcx> for $name {
            unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
                // SAFETY: the caller has checked that the argument is not null.
                let datum = unsafe { arg.unbox_arg_using_from_datum::<pg_sys::Datum>() };
                $name(Varlena(datum.unwrap_or_else(pg_sys::Datum::null)))
            }

            unsafe fn unbox_nullable_arg(arg: Arg<'_, 'fcx>) -> Nullable<Self> {
                // SAFETY: a null argument gives None.
                let datum = unsafe { arg.unbox_arg_using_from_datum::<pg_sys::Datum>() };
                datum.map(|datum| $name(Varlena(datum))).into()
            }
        }

        // SAFETY: describes the type that the implementation above takes.
        unsafe impl SqlTranslatable for $name {
            const TYPE_IDENT: &'static str = pgrx::pgrx_resolved_type!($name);
            const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
            const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> =
                Ok(SqlMappingRef::literal($sql));
            const RETURN_SQL: Result<ReturnsRef, ReturnsError> =
                Ok(ReturnsRef::One(SqlMappingRef::literal($sql)));
        }
    };
}

document_argument!(
    /// A `jsonb` argument.
    JsonbArgument,
    "jsonb"
);
document_argument!(
    /// A `json` argument: to the server a text that has been checked.
    JsonArgument,
    "json"
);
document_argument!(
    /// A `text` argument.
    TextArgument,
    "text"
);

/// A `regclass` argument.
#[derive(Clone, Copy)]
pub struct RelationArgument(pg_sys::Oid);

impl RelationArgument {
    pub fn oid(self) -> pg_sys::Oid {
        self.0
    }
}

// SAFETY: the argument's SQL type is regclass, which is passed as an OID.
unsafe impl<'fcx> ArgAbi<'fcx> for RelationArgument {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        // SAFETY: the caller has checked that the argument is not null.
        let oid = unsafe { arg.unbox_arg_using_from_datum::<pg_sys::Oid>() };
        RelationArgument(oid.unwrap_or(pg_sys::InvalidOid))
    }

    unsafe fn unbox_nullable_arg(arg: Arg<'_, 'fcx>) -> Nullable<Self> {
        // SAFETY: a null argument gives None.
        let oid = unsafe { arg.unbox_arg_using_from_datum::<pg_sys::Oid>() };
        oid.map(RelationArgument).into()
    }
}

// SAFETY: describes the type that the implementation above takes.
unsafe impl SqlTranslatable for RelationArgument {
    const TYPE_IDENT: &'static str = pgrx::pgrx_resolved_type!(RelationArgument);
    const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
    const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> =
        Ok(SqlMappingRef::literal("regclass"));
    const RETURN_SQL: Result<ReturnsRef, ReturnsError> =
        Ok(ReturnsRef::One(SqlMappingRef::literal("regclass")));
}

impl JsonArgument {
    /// The text that it is.
    pub fn text(self) -> TextArgument {
        TextArgument(self.0)
    }
}

/// A container of a jsonb as JSON text in the database's encoding, made by the server. It has no varlena header.
pub fn print(container: &[u8]) -> Vec<u8> {
    let size = container.len() + pg_sys::VARHDRSZ;
    // SAFETY: the copy has room for the header and the bytes; jsonb_out takes it and returns a C string.
    unsafe {
        let copy: *mut pg_sys::varlena = pg_sys::palloc(size).cast();
        pgrx::set_varsize_4b(copy, size as i32);
        let bytes = copy.cast::<u8>().add(pg_sys::VARHDRSZ);
        std::ptr::copy_nonoverlapping(container.as_ptr(), bytes, container.len());
        let datum = pg_sys::Datum::from(copy);
        let text = pgrx::direct_function_call_as_datum(pg_sys::jsonb_out, &[Some(datum)]);
        let text = text.unwrap_or_else(pg_sys::Datum::null).cast_mut_ptr();
        let copied = std::ffi::CStr::from_ptr(text).to_bytes().to_vec();
        pg_sys::pfree(text.cast());
        pg_sys::pfree(copy.cast());
        copied
    }
}

impl TextArgument {
    /// The value's bytes, without the varlena header, for the time of the call.
    pub fn bytes<'call>(self) -> &'call [u8] {
        self.0.bytes()
    }

    /// The document where it has to be fetched, to be read while it is.
    pub fn arriving<'call>(self) -> Option<Toasted<'call>> {
        self.0.arriving()
    }
}

impl JsonbArgument {
    /// The value's bytes, without the varlena header, for the time of the call.
    pub fn bytes<'call>(self) -> &'call [u8] {
        self.0.bytes()
    }

    /// The document where it has to be fetched, to be read while it is.
    pub fn arriving<'call>(self) -> Option<Toasted<'call>> {
        self.0.arriving()
    }

    /// The document as JSON text in the database's encoding, made by the server.
    pub fn to_text(self) -> Vec<u8> {
        // SAFETY: jsonb_out takes a jsonb and returns a C string.
        unsafe {
            let text = pgrx::direct_function_call_as_datum(pg_sys::jsonb_out, &[Some(self.0.0)]);
            let text = text.unwrap_or_else(pg_sys::Datum::null).cast_mut_ptr();
            std::ffi::CStr::from_ptr(text).to_bytes().to_vec()
        }
    }
}
