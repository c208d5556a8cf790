//! PURE. A value of a document by its kind, with the scalar that it is.

use std::borrow::Cow;

use super::decimal::Decimal;
use super::text::is_plain;

/// A JSON value. Containers are read by [`super::Value::elements`] and [`super::Value::image`].
#[derive(Clone, Debug, PartialEq)]
pub enum Content<'a> {
    Null,
    Boolean(bool),
    Number(Number<'a>),
    /// Owned only if the document has it with escapes.
    String(Cow<'a, str>),
    /// An array or an object. Nobody has looked at what it holds.
    Container,
}

/// A number that jsonb can hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number<'a> {
    /// As RFC 8259 section 6 writes it.
    Text(&'a str),
    /// A numeric as stored, without its varlena header.
    Numeric(&'a [u8]),
}

impl Content<'_> {
    /// Gives `read` the text of a scalar, as the server gives it to the input function of a type: a string without its
    /// quotes, a number as `numeric_out` writes it. `None` if there is no such text, or the number is long.
    pub fn with_text<T>(&self, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        match self {
            Content::String(text) => read(text),
            Content::Boolean(true) => read("true"),
            Content::Boolean(false) => read("false"),
            Content::Number(Number::Text(text)) if is_plain(text) => read(text),
            Content::Number(number) => read(number.decimal()?.plain().text()),
            Content::Null | Content::Container => None,
        }
    }
}

impl Number<'_> {
    /// `None` for long numbers.
    pub fn decimal(&self) -> Option<Decimal> {
        match self {
            Number::Text(text) => Decimal::from_text(text),
            Number::Numeric(bytes) => Decimal::from_numeric(bytes),
        }
    }
}
