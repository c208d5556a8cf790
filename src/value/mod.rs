//! PURE. JSON values as values of columns: what `jsonb_populate_record(NULL::target, record)` makes of a member, for the
//! server's own types that matter.
//!
//! A decoder makes a datum only where it knows the one that the server makes, to the byte. All else is the server's: what
//! it refuses, what depends on a setting (DateStyle, TimeZone …), what is rare. So no decoder says that a value is wrong,
//! and the only faults here are those of the document.
//!
//! Source of the rules: `populate_record_field` of `jsonfuncs.c`: a scalar goes through its type's input function as text,
//! `json` and `jsonb` take the value itself, an array of JSON becomes one of SQL.
//!
//! - [`boolean`], [`integer`], [`float`], [`numeric`], [`text`], [`bytea`], [`uuid`], [`datetime`], [`json`]: a type or a
//!   family of types each;
//! - [`array`]: arrays of one dimension of these;
//! - [`key`]: values of keys as bytes that compare.
//!
//! Another type is one file here and a line in [`Scalar::of`] and [`Scalar::put`].

mod array;
mod boolean;
mod bytea;
mod datetime;
mod float;
mod integer;
mod json;
pub mod key;
mod numeric;
mod text;
mod uuid;

use crate::document::Value;
use crate::document::content::Content;
use crate::error::Fault;
use crate::tuple::Former;

/// What has become of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// The column has its value.
    Value,
    /// The column is null.
    Null,
    /// Nothing is put: the server makes something of the value, or refuses it.
    Server,
}

/// Makes the values of a column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decoder {
    scalar: Scalar,
    is_array: bool,
    encoding: Encoding,
}

/// The database's encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Utf8,
    /// Only texts of ASCII, which all encodings have in common, are decoded. SQL_ASCII is one of these: it counts bytes
    /// where others count characters.
    Other,
}

/// The types of which values are made, with what their modifiers say.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Scalar {
    Boolean,
    Smallint,
    Integer,
    Bigint,
    Real,
    DoublePrecision,
    Numeric(Option<numeric::Precision>),
    Text(text::Length),
    Bytea,
    Uuid,
    Date,
    Timestamp(datetime::Digits),
    Timestamptz(datetime::Digits),
    Json,
    Jsonb,
}

/// The types, with those of their arrays (`pg_type.dat`).
mod oid {
    pub const BOOLEAN: u32 = 16;
    pub const BYTEA: u32 = 17;
    pub const BIGINT: u32 = 20;
    pub const SMALLINT: u32 = 21;
    pub const INTEGER: u32 = 23;
    pub const TEXT: u32 = 25;
    pub const JSON: u32 = 114;
    pub const REAL: u32 = 700;
    pub const DOUBLE_PRECISION: u32 = 701;
    pub const BPCHAR: u32 = 1042;
    pub const VARCHAR: u32 = 1043;
    pub const DATE: u32 = 1082;
    pub const TIMESTAMP: u32 = 1114;
    pub const TIMESTAMPTZ: u32 = 1184;
    pub const NUMERIC: u32 = 1700;
    pub const UUID: u32 = 2950;
    pub const JSONB: u32 = 3802;

    pub const ARRAYS: [(u32, u32); 17] = [
        (199, JSON),
        (1000, BOOLEAN),
        (1001, BYTEA),
        (1005, SMALLINT),
        (1007, INTEGER),
        (1009, TEXT),
        (1014, BPCHAR),
        (1015, VARCHAR),
        (1016, BIGINT),
        (1021, REAL),
        (1022, DOUBLE_PRECISION),
        (1115, TIMESTAMP),
        (1182, DATE),
        (1185, TIMESTAMPTZ),
        (1231, NUMERIC),
        (2951, UUID),
        (3807, JSONB),
    ];
}

/// The longest varlena that is made, without its header: half of what the server takes, so that no buffer of its
/// functions is ever too small.
const LONGEST: usize = 0x1FFF_FFFF;

/// The largest array or object that is read, in bytes of the document: the work and the memory for a value have a bound.
/// Larger ones are the server's, but for a container of jsonb that is copied as it is.
const LARGE: usize = 1 << 20;

impl Decoder {
    /// For a column of the type (`atttypid`) with the modifier (`atttypmod`); `None` if all its values are the server's.
    pub fn of(type_oid: u32, typmod: i32, encoding: Encoding) -> Option<Self> {
        let array = oid::ARRAYS.iter().find(|(array, _)| *array == type_oid);
        let scalar = Scalar::of(array.map_or(type_oid, |(_, element)| *element), typmod)?;
        Some(Decoder { scalar, is_array: array.is_some(), encoding })
    }

    /// Puts a value as the next column of a tuple; nothing if it is the server's. A fault is one of the document.
    pub fn put<'a, V: Value<'a>>(self, value: V, former: &mut Former) -> Result<Made, Fault> {
        if self.is_array {
            array::put(self.scalar, self.encoding, value, former)
        } else {
            self.scalar.put(self.encoding, value, former)
        }
    }
}

/// Where a datum goes: into a tuple, or into an array.
trait Place {
    fn null(&mut self);

    fn fixed(&mut self, bytes: &[u8], alignment: usize);

    /// A varlena that begins at a multiple of 4, of what stands behind its header.
    fn varlena(&mut self, bytes: &[u8]);
}

impl Place for Former {
    fn null(&mut self) {
        Former::null(self);
    }

    fn fixed(&mut self, bytes: &[u8], alignment: usize) {
        self.fixed_bytes(bytes, alignment);
    }

    fn varlena(&mut self, bytes: &[u8]) {
        self.varlena_bytes(bytes, 4);
    }
}

impl Scalar {
    fn of(type_oid: u32, typmod: i32) -> Option<Self> {
        let scalar = match type_oid {
            oid::BOOLEAN => Scalar::Boolean,
            oid::BYTEA => Scalar::Bytea,
            oid::BIGINT => Scalar::Bigint,
            oid::SMALLINT => Scalar::Smallint,
            oid::INTEGER => Scalar::Integer,
            oid::TEXT => Scalar::Text(text::Length::Any),
            oid::JSON => Scalar::Json,
            oid::REAL => Scalar::Real,
            oid::DOUBLE_PRECISION => Scalar::DoublePrecision,
            oid::DATE => Scalar::Date,
            oid::UUID => Scalar::Uuid,
            oid::JSONB => Scalar::Jsonb,
            oid::BPCHAR => return text::Length::blank_padded(typmod).map(Scalar::Text),
            oid::VARCHAR => return text::Length::varying(typmod).map(Scalar::Text),
            oid::TIMESTAMP => return datetime::Digits::of(typmod).map(Scalar::Timestamp),
            oid::TIMESTAMPTZ => return datetime::Digits::of(typmod).map(Scalar::Timestamptz),
            oid::NUMERIC if typmod == NO_TYPMOD => Scalar::Numeric(None),
            oid::NUMERIC => return numeric::Precision::of(typmod).map(Some).map(Scalar::Numeric),
            _ => return None,
        };
        // The other types have no modifiers.
        (typmod == NO_TYPMOD || type_oid == oid::NUMERIC).then_some(scalar)
    }

    /// The type's own oid.
    fn oid(self) -> u32 {
        match self {
            Scalar::Boolean => oid::BOOLEAN,
            Scalar::Smallint => oid::SMALLINT,
            Scalar::Integer => oid::INTEGER,
            Scalar::Bigint => oid::BIGINT,
            Scalar::Real => oid::REAL,
            Scalar::DoublePrecision => oid::DOUBLE_PRECISION,
            Scalar::Numeric(_) => oid::NUMERIC,
            Scalar::Text(text::Length::Any) => oid::TEXT,
            Scalar::Text(text::Length::Varying(_)) => oid::VARCHAR,
            Scalar::Text(text::Length::BlankPadded(_)) => oid::BPCHAR,
            Scalar::Bytea => oid::BYTEA,
            Scalar::Uuid => oid::UUID,
            Scalar::Date => oid::DATE,
            Scalar::Timestamp(_) => oid::TIMESTAMP,
            Scalar::Timestamptz(_) => oid::TIMESTAMPTZ,
            Scalar::Json => oid::JSON,
            Scalar::Jsonb => oid::JSONB,
        }
    }

    /// Where a datum begins, `typalign`: at a multiple of so many bytes.
    fn alignment(self) -> usize {
        match self {
            Scalar::Boolean | Scalar::Uuid => 1,
            Scalar::Smallint => 2,
            Scalar::Bigint
            | Scalar::DoublePrecision
            | Scalar::Timestamp(_)
            | Scalar::Timestamptz(_) => 8,
            _ => 4,
        }
    }

    fn put<'a, V: Value<'a>>(
        self,
        encoding: Encoding,
        value: V,
        place: &mut impl Place,
    ) -> Result<Made, Fault> {
        let content = value.content()?;
        if matches!(content, Content::Null) {
            place.null();
            return Ok(Made::Null);
        }
        let mut fixed = |bytes: &[u8]| place.fixed(bytes, self.alignment());
        let put = match self {
            Scalar::Boolean => boolean::decode(&content).map(|value| fixed(&[u8::from(value)])),
            Scalar::Smallint => {
                integer::decode::<i16>(&content).map(|value| fixed(&value.to_ne_bytes()))
            }
            Scalar::Integer => {
                integer::decode::<i32>(&content).map(|value| fixed(&value.to_ne_bytes()))
            }
            Scalar::Bigint => {
                integer::decode::<i64>(&content).map(|value| fixed(&value.to_ne_bytes()))
            }
            Scalar::Real => float::decode::<f32>(&content).map(|value| fixed(&value.to_ne_bytes())),
            Scalar::DoublePrecision => {
                float::decode::<f64>(&content).map(|value| fixed(&value.to_ne_bytes()))
            }
            Scalar::Numeric(precision) => {
                numeric::decode(&content, precision).map(|value| place.varlena(value.bytes()))
            }
            Scalar::Uuid => uuid::decode(&content).map(|value| fixed(&value)),
            Scalar::Date => datetime::date(&content).map(|value| fixed(&value.to_ne_bytes())),
            Scalar::Timestamp(digits) => {
                datetime::timestamp(&content, digits).map(|value| fixed(&value.to_ne_bytes()))
            }
            Scalar::Timestamptz(digits) => {
                datetime::timestamptz(&content, digits).map(|value| fixed(&value.to_ne_bytes()))
            }
            Scalar::Bytea => bytea::decode(&content, encoding).and_then(|b| varlena(place, &b)),
            Scalar::Text(length) => {
                let text = text::decode(value, &content, length, encoding)?;
                text.and_then(|text| varlena(place, &text))
            }
            Scalar::Json => {
                json::text(value, &content, encoding)?.and_then(|json| varlena(place, &json))
            }
            Scalar::Jsonb => {
                json::image(value, &content, encoding)?.and_then(|jsonb| varlena(place, &jsonb))
            }
        };
        Ok(if put.is_some() { Made::Value } else { Made::Server })
    }
}

/// Puts a varlena that may be long; `None`, and nothing is put, if it is too long.
fn varlena(place: &mut impl Place, bytes: &[u8]) -> Option<()> {
    (bytes.len() <= LONGEST).then(|| place.varlena(bytes))
}

/// No modifier: in SQL there is none in brackets behind the type.
const NO_TYPMOD: i32 = -1;

/// What modifiers of varlena types count in addition (`VARHDRSZ`).
const VARLENA_HEADER: i32 = 4;

#[cfg(test)]
mod tests;
