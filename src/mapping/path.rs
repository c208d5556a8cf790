//! PURE. SQL/JSON paths, as many of them as a mapping may have.
//!
//! `$`, then any number of steps: `.name`, `."any \u0041 name"`, `[n]`; and, where a path leads to records, `[*]` as the
//! last. `lax` may stand in front. Blanks may stand between any two of these, as in Postgres's jsonpath. A name without
//! quotes has letters, digits, `_` and what is not ASCII, and no digit in front. In quotes, the escapes are JSON's.
//! Whatever else jsonpath has (`strict`, `.*`, `[last]`, `[0 to 2]`, filters, methods, arithmetic, comments) is refused:
//! a path that is accepted means what it means to Postgres.
//!
//! **Meaning.** That of jsonpath's lax mode, the server's default:
//!
//! - a member of an array is that member of each of its elements that is an object; arrays within the array are not
//!   opened;
//! - `[0]` of what is no array is that value itself, and so is `[*]`;
//! - a member that an object does not have, or of a scalar, and an element that an array does not have, is nothing: the
//!   path is not there. A null is there.
//!
//! What a path leads to in more than one place is no single value: `JSON_VALUE(… ERROR ON ERROR)` refuses it with 22034,
//! and so does [`super::program`].

use std::fmt;

/// As many steps as a path may have: walks take room for each on the stack.
const MOST_STEPS: usize = 100;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    pub steps: Vec<Step>,
    /// Whether it ends in `[*]`.
    pub each: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Member(String),
    /// Counted from 0.
    Element(u32),
}

/// Why a text is no path, and at which of its characters, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathFault {
    pub reason: &'static str,
    pub column: usize,
}

impl Path {
    /// The whole of the record.
    pub const WHOLE: Path = Path { steps: vec![], each: false };

    pub fn parse(text: &str) -> Result<Path, PathFault> {
        let mut reader = Reader { text, at: 0 };
        reader
            .path()
            .map_err(|reason| PathFault { reason, column: 1 + text[..reader.at].chars().count() })
    }

    /// To the member of a record with this name.
    pub fn to_member(name: &str) -> Path {
        Path { steps: vec![Step::Member(name.to_owned())], each: false }
    }

    /// Without its `$`.
    pub fn within(&self) -> String {
        let mut text = String::new();
        self.steps.iter().for_each(|step| text += &step.to_string());
        if self.each {
            text += "[*]";
        }
        text
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${}", self.within())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Element(index) => write!(f, "[{index}]"),
            Step::Member(name) if is_plain(name) => write!(f, ".{name}"),
            Step::Member(name) => {
                let quoted = serde_json::to_string(name).unwrap_or_default();
                write!(f, ".{quoted}")
            }
        }
    }
}

/// The member's step of a path, in quotes where it needs them.
pub fn member(name: &str) -> String {
    Step::Member(name.to_owned()).to_string()
}

fn is_plain(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(is_of_name)
}

/// Whether the character may stand in a name without quotes.
fn is_of_name(c: char) -> bool {
    c == '_' || c.is_ascii_alphanumeric() || !(c.is_ascii() || c.is_whitespace() || c.is_control())
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0C')
}

/// A path's text, read from its beginning; `at` stays where a mistake is.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn path(&mut self) -> Result<Path, &'static str> {
        self.blanks();
        let start = self.at;
        match self.name() {
            "" | "lax" => self.blanks(),
            "strict" => {
                self.at = start;
                return Err("strict paths are not supported");
            }
            _ => {
                self.at = start;
                return Err("a path begins with \"$\"");
            }
        }
        if self.peek() != Some('$') {
            return Err("a path begins with \"$\"");
        }
        self.at += 1;
        if self.peek().is_some_and(is_of_name) {
            return Err("variables are not supported");
        }
        let mut path = Path::WHOLE;
        loop {
            self.blanks();
            let start = self.at;
            let Some(sign) = self.peek() else { return Ok(path) };
            if path.each {
                return Err("\"[*]\" must be the last step");
            }
            if path.steps.len() == MOST_STEPS {
                return Err("the path has too many steps");
            }
            match sign {
                '.' => {
                    self.at += 1;
                    path.steps.push(Step::Member(self.member()?));
                }
                '[' => {
                    self.at += 1;
                    match self.element()? {
                        Some(index) => path.steps.push(Step::Element(index)),
                        None => path.each = true,
                    }
                }
                '(' => return Err("methods are not supported"),
                '?' => return Err("filters are not supported"),
                _ => {
                    self.at = start;
                    return Err("expected \".\", \"[\" or the end of the path");
                }
            }
        }
    }

    fn member(&mut self) -> Result<String, &'static str> {
        self.blanks();
        match self.peek() {
            Some('"') => self.quoted(),
            Some('*') => Err("wildcards of members are not supported"),
            Some(c) if c.is_ascii_digit() => {
                Err("a name that begins with a digit must be in double quotes")
            }
            _ => match self.name() {
                "" => Err(
                    "expected the name of a member; names with other characters than letters, digits and \"_\" must be in double quotes",
                ),
                name => Ok(name.to_owned()),
            },
        }
    }

    /// What stands behind a bracket; `None` for `*`.
    fn element(&mut self) -> Result<Option<u32>, &'static str> {
        self.blanks();
        let index = match self.peek() {
            Some('*') => {
                self.at += 1;
                None
            }
            Some('0'..='9') => Some(self.number()?),
            _ => return Err("expected the number of an element or \"*\""),
        };
        self.blanks();
        if self.peek() != Some(']') {
            return Err("expected \"]\"");
        }
        self.at += 1;
        Ok(index)
    }

    fn number(&mut self) -> Result<u32, &'static str> {
        let rest = &self.text[self.at..];
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let number = &rest[..digits];
        if number.len() > 1 && number.starts_with('0') {
            return Err("a number does not begin with 0");
        }
        // Postgres takes no greater one either.
        let index = number.parse::<i32>().map_err(|_| "the number of the element is too great")?;
        self.at += digits;
        if self.peek().is_some_and(is_of_name) {
            return Err("expected \"]\"");
        }
        Ok(index.unsigned_abs())
    }

    fn quoted(&mut self) -> Result<String, &'static str> {
        self.at += 1;
        let mut name = String::new();
        loop {
            let c = self.peek().ok_or("the quote has no end")?;
            match c {
                '"' => {
                    self.at += 1;
                    return Ok(name);
                }
                '\\' => name.push(self.escaped()?),
                '\0' => return Err("a name has no NUL character"),
                _ => {
                    self.at += c.len_utf8();
                    name.push(c);
                }
            }
        }
    }

    /// The character that an escape stands for.
    fn escaped(&mut self) -> Result<char, &'static str> {
        const NO_CHARACTER: &str = "the escape stands for no character";
        let sign = self.text[self.at + 1..].chars().next().ok_or("the quote has no end")?;
        let c = match sign {
            '"' | '\\' | '/' => sign,
            'b' => '\x08',
            'f' => '\x0C',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let high = self.unit(self.at)?;
                let (length, code) = match high {
                    0xD800..=0xDBFF => match self.unit(self.at + UNIT)? {
                        low @ 0xDC00..=0xDFFF => {
                            (2 * UNIT, 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))
                        }
                        _ => return Err(NO_CHARACTER),
                    },
                    _ => (UNIT, high),
                };
                let c = char::from_u32(code).filter(|c| *c != '\0').ok_or(NO_CHARACTER)?;
                self.at += length;
                return Ok(c);
            }
            _ => return Err("this escape is not supported"),
        };
        self.at += 2;
        Ok(c)
    }

    /// The number in the `\uXXXX` that stands there.
    fn unit(&self, at: usize) -> Result<u32, &'static str> {
        let digits = self.text.get(at..at + UNIT).and_then(|unit| unit.strip_prefix("\\u"));
        digits
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
            .ok_or("expected \"\\u\" and four hexadecimal digits")
    }

    fn name(&mut self) -> &'a str {
        let rest = &self.text[self.at..];
        let end = rest.find(|c| !is_of_name(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn blanks(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start_matches(is_blank).len();
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }
}

/// The bytes of an escape `\uXXXX`.
const UNIT: usize = 6;

#[cfg(test)]
mod tests;
