//! PURE. What is wrong with a text that is no JSON, in the server's words, and where.
//!
//! Runs only when something is known to be wrong, or before a document is said to be no catalogue. It follows RFC 8259
//! as the server's parser does (`jsonapi.c` of PostgreSQL), keeps its own stack, and stops at the first mistake.

use super::spans::{is_blank, skip_blanks, string_end};
use crate::document::Watch;
use crate::error::{Fault, Malformed, excerpt};

/// The most bytes of a token that a reason shows.
const LONGEST_TOKEN: usize = 40;

/// How many tokens are read between two looks for a stop.
const TOKENS_BETWEEN_CHECKS: u32 = 1 << 16;

/// What may come next.
#[derive(Clone, Copy, PartialEq)]
enum Next {
    Value,
    FirstElement,
    FirstKey,
    Key,
    Colon,
    /// Behind a value: a comma or the bracket that ends what holds it.
    Behind,
}

/// The first mistake in a text that should be one value, or several one behind another; `Ok(None)` if there is none.
pub fn mistake(text: &str, several: bool, watch: &Watch) -> Result<Option<Malformed>, Fault> {
    mistake_behind(text, vec![], Next::Value, several, watch)
}

/// The same in a text that begins behind an element of an array.
pub fn mistake_within_array(text: &str, watch: &Watch) -> Result<Option<Malformed>, Fault> {
    mistake_behind(text, vec![false], Next::Behind, true, watch)
}

/// The same behind what has opened these brackets: true for an object, false for an array.
fn mistake_behind(
    text: &str,
    mut open: Vec<bool>,
    mut next: Next,
    several: bool,
    watch: &Watch,
) -> Result<Option<Malformed>, Fault> {
    let mut at = skip_blanks(text, 0);
    let mut tokens = 0u32;
    let mut values = 0;
    let bytes = text.as_bytes();
    loop {
        tokens = tokens.wrapping_add(1);
        if tokens.is_multiple_of(TOKENS_BETWEEN_CHECKS) {
            watch.check()?;
        }
        if open.is_empty() && next == Next::Behind {
            values += 1;
            if at == text.len() {
                return Ok(None);
            }
            if !several || !matches!(bytes[at], b'{' | b'[') {
                return Ok(Some(expected("end of input", text, at)));
            }
            next = Next::Value;
        }
        let Some(&byte) = bytes.get(at) else {
            return Ok(Some(ended(text)));
        };
        let end = match (next, byte) {
            (Next::FirstElement, b']') | (Next::FirstKey, b'}') => {
                open.pop();
                next = Next::Behind;
                at + 1
            }
            (Next::Value | Next::FirstElement, b'[' | b'{') => {
                open.try_reserve(1).map_err(|_| Fault::OutOfMemory)?;
                open.push(byte == b'{');
                next = if byte == b'{' { Next::FirstKey } else { Next::FirstElement };
                at + 1
            }
            (Next::Value | Next::FirstElement, _) => match scalar(text, at) {
                Ok(Some(end)) => {
                    next = Next::Behind;
                    end
                }
                Ok(None) if next == Next::Value => {
                    return Ok(Some(expected("JSON value", text, at)));
                }
                Ok(None) => return Ok(Some(expected("array element or \"]\"", text, at))),
                Err(mistake) => return Ok(Some(mistake)),
            },
            (Next::FirstKey | Next::Key, b'"') => match string(text, at) {
                Ok(end) => {
                    next = Next::Colon;
                    end
                }
                Err(mistake) => return Ok(Some(mistake)),
            },
            (Next::FirstKey, _) => return Ok(Some(expected("string or \"}\"", text, at))),
            (Next::Key, _) => return Ok(Some(expected("string", text, at))),
            (Next::Colon, b':') => {
                next = Next::Value;
                at + 1
            }
            (Next::Colon, _) => {
                let mut mistake = expected("\":\"", text, at);
                // `{"…","…"}` at the beginning is no object: it is how Postgres writes an array.
                mistake.is_array_literal =
                    values == 0 && open.len() == 1 && tokens == 3 && matches!(byte, b',' | b'}');
                return Ok(Some(mistake));
            }
            (Next::Behind, b',') => {
                next = if open.last() == Some(&true) { Next::Key } else { Next::Value };
                at + 1
            }
            (Next::Behind, b']') if open.last() == Some(&false) => {
                open.pop();
                at + 1
            }
            (Next::Behind, b'}') if open.last() == Some(&true) => {
                open.pop();
                at + 1
            }
            (Next::Behind, _) => {
                let end =
                    if open.last() == Some(&true) { "\",\" or \"}\"" } else { "\",\" or \"]\"" };
                return Ok(Some(expected(end, text, at)));
            }
        };
        at = skip_blanks(text, end);
    }
}

/// The mistake that something stands here where the text should end; none at its end.
pub fn more(text: &str, here: usize) -> Option<Malformed> {
    (here < text.len()).then(|| expected("end of input", text, here))
}

fn at(text: &str, at: usize, reason: String) -> Malformed {
    Malformed::new(reason, text.as_ptr() as usize + at)
}

fn ended(text: &str) -> Malformed {
    at(text, text.len(), "The input string ended unexpectedly".into())
}

fn expected(what: &str, text: &str, here: usize) -> Malformed {
    if here == text.len() {
        return ended(text);
    }
    let token = token(text, here);
    let is_word =
        token.starts_with(|c: char| !matches!(c, '"' | ',' | ':' | '[' | ']' | '{' | '}'));
    if is_word && !is_value(token) {
        return at(text, here, format!("Token \"{}\" is invalid", cut(token)));
    }
    at(text, here, format!("Expected {what}, but found \"{}\"", cut(token)))
}

/// The token that starts here: a string, a bracket or sign, a word or number.
fn token(text: &str, here: usize) -> &str {
    let bytes = text.as_bytes();
    let end = match bytes[here] {
        b'"' => string_end(bytes, here).unwrap_or(text.len()),
        b',' | b':' | b'[' | b']' | b'{' | b'}' => here + 1,
        _ => {
            let ends =
                |c: char| is_blank(c) || matches!(c, '"' | ',' | ':' | '[' | ']' | '{' | '}');
            here + text[here..].find(ends).unwrap_or(text.len() - here)
        }
    };
    &text[here..end]
}

fn is_value(token: &str) -> bool {
    matches!(token, "true" | "false" | "null") || number(token, 0) == Some(token.len())
}

fn cut(token: &str) -> String {
    if token.len() <= LONGEST_TOKEN {
        return token.to_owned();
    }
    format!("{}...", &token[..token.floor_char_boundary(LONGEST_TOKEN)])
}

/// Where the scalar that starts here ends; `None` if none starts here.
fn scalar(text: &str, here: usize) -> Result<Option<usize>, Malformed> {
    let byte = text.as_bytes()[here];
    if byte == b'"' {
        return string(text, here).map(Some);
    }
    if matches!(byte, b',' | b':' | b'[' | b']' | b'{' | b'}') {
        return Ok(None);
    }
    let token = token(text, here);
    match is_value(token) {
        true => Ok(Some(here + token.len())),
        false => Err(at(text, here, format!("Token \"{}\" is invalid", cut(token)))),
    }
}

/// Where the number that starts here ends, if it is one (RFC 8259 section 6).
pub fn number(text: &str, here: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let digits = |at: usize| at + bytes[at..].iter().take_while(|b| b.is_ascii_digit()).count();
    let mut end = here + usize::from(bytes.get(here) == Some(&b'-'));
    let whole = end;
    end = digits(end);
    if end == whole || (bytes[whole] == b'0' && end > whole + 1) {
        return None;
    }
    if bytes.get(end) == Some(&b'.') {
        let fraction = end + 1;
        end = digits(fraction);
        if end == fraction {
            return None;
        }
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let exponent = end + 1 + usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        end = digits(exponent);
        if end == exponent {
            return None;
        }
    }
    Some(end)
}

/// Where the string whose quote stands here ends.
fn string(text: &str, here: usize) -> Result<usize, Malformed> {
    let bytes = text.as_bytes();
    let mut place = here + 1;
    loop {
        match bytes.get(place) {
            None => return Err(ended(text)),
            Some(b'"') => return Ok(place + 1),
            Some(b'\\') => match bytes.get(place + 1) {
                None => return Err(ended(text)),
                Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => place += 2,
                Some(b'u') => {
                    let digits = bytes.get(place + 2..place + 6);
                    if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
                        let reason = "\"\\u\" must be followed by four hexadecimal digits";
                        return Err(at(text, place, reason.into()));
                    }
                    place += 6;
                }
                Some(_) => {
                    let escaped = text[place + 1..].chars().next().unwrap_or_default();
                    let reason = format!("Escape sequence \"\\{escaped}\" is invalid");
                    return Err(at(text, place, reason));
                }
            },
            Some(&byte) if byte < 0x20 => {
                let reason = format!("Character with value 0x{byte:02x} must be escaped");
                return Err(at(text, place, reason));
            }
            Some(_) => place += 1,
        }
    }
}

/// The fault of a text that a reader has refused, for a reason of its own if nothing else is found.
pub fn fault(text: &str, reason: &str) -> Fault {
    match mistake(text, false, &Watch::default()) {
        Ok(Some(mistake)) => Fault::Malformed(Box::new(mistake)),
        Ok(None) => Fault::Malformed(Box::new(at(text, 0, excerpt(reason).into_owned()))),
        Err(fault) => fault,
    }
}

/// The first mistake in a text of which it was seen in passing that something is wrong; else what was seen.
pub fn told(text: &str, seen: Fault, watch: &Watch) -> Fault {
    if !matches!(seen, Fault::Malformed(_)) {
        return seen;
    }
    match mistake(text, true, watch) {
        Ok(Some(mistake)) => Fault::Malformed(Box::new(mistake)),
        Ok(None) => seen,
        Err(fault) => fault,
    }
}

/// The fault of a value that is not there.
pub fn missing(text: &str) -> Fault {
    Fault::Malformed(Box::new(at(text, 0, "Expected JSON value, but found none".into())))
}
