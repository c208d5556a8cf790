//! PURE. `date`, `timestamp` and `timestamptz` in the forms of ISO 8601 that no setting changes the meaning of:
//! `YYYY-MM-DD`, and a time behind it after `T` or a blank: `HH:MM`, `HH:MM:SS`, `HH:MM:SS.f…`, with or without a zone: `Z`,
//! `±HH`, `±HHMM`, `±HH:MM`.
//!
//! A zone is needed for `timestamptz`: without one, the session's would count. `date` and `timestamp` pass over it, as
//! the server does. Source: `datetime.c` (DecodeDateTime, DecodeTimezone) and `timestamp.c` (AdjustTimestampForTypmod).
//!
//! `Z` is what the server's own lists of abbreviations say it is; a list of a user's own (`timezone_abbreviations`) that
//! gives it another meaning is not followed.

use super::NO_TYPMOD;
use crate::document::content::Content;
use crate::record::date::{days_of_month, days_since_2000};

const MICROSECONDS: i64 = 1_000_000;
const SECONDS_A_DAY: i64 = 86_400;

/// The server rounds what is behind the sixth digit of a second through a binary number; up to here it is computed the
/// same way.
const MOST_FRACTION_DIGITS: usize = 12;

/// No zone is farther from Greenwich, in hours (`MAX_TZDISP_HOUR`).
const FARTHEST_ZONE: i64 = 15;

/// How many digits of a second `timestamp(p)` keeps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Digits(u32);

impl Digits {
    const MOST: u32 = 6;

    pub fn of(typmod: i32) -> Option<Self> {
        match typmod {
            NO_TYPMOD => Some(Digits(Self::MOST)),
            _ => u32::try_from(typmod).ok().filter(|digits| *digits <= Self::MOST).map(Digits),
        }
    }

    /// Rounds microseconds: half away from zero.
    fn round(self, time: i64) -> i64 {
        let unit = 10i64.pow(Self::MOST - self.0);
        let rounded = (time.abs() + unit / 2) / unit * unit;
        if time < 0 { -rounded } else { rounded }
    }
}

/// What such a text says.
struct DateTime {
    /// Since 2000-01-01.
    days: i64,
    /// Since midnight, in microseconds.
    time: i64,
    /// East of Greenwich, in seconds.
    zone: Option<i64>,
}

pub fn date(scalar: &Content<'_>) -> Option<i32> {
    scalar.with_text(parse).and_then(|value| i32::try_from(value.days).ok())
}

/// In microseconds since 2000-01-01.
pub fn timestamp(scalar: &Content<'_>, digits: Digits) -> Option<i64> {
    scalar.with_text(parse).map(|value| digits.round(value.local()))
}

pub fn timestamptz(scalar: &Content<'_>, digits: Digits) -> Option<i64> {
    let value = scalar.with_text(parse)?;
    let zone = value.zone?;
    Some(digits.round(value.local() - zone * MICROSECONDS))
}

impl DateTime {
    fn local(&self) -> i64 {
        self.days * SECONDS_A_DAY * MICROSECONDS + self.time
    }
}

fn parse(text: &str) -> Option<DateTime> {
    let text = text.as_bytes();
    let (date, rest) = text.split_first_chunk::<10>()?;
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *date else { return None };
    let year = 100 * number([y1, y2])? + number([y3, y4])?;
    let (month, day) = (number([m1, m2])?, number([d1, d2])?);
    let exists =
        year > 0 && (1..=12).contains(&month) && (1..=days_of_month(year, month)).contains(&day);
    if !exists {
        return None;
    }
    let days = days_since_2000(year, month, day);
    let (time, zone) = match rest {
        [] => (0, None),
        [b'T' | b' ', rest @ ..] => {
            let (time, rest) = time(rest)?;
            (time, zone(rest)?)
        }
        _ => return None,
    };
    Some(DateTime { days, time, zone })
}

fn number(digits: [u8; 2]) -> Option<i64> {
    let [tens, ones] = digits.map(|digit| digit.wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| i64::from(10 * tens + ones))
}

/// The time at the beginning of a text, and what follows.
fn time(text: &[u8]) -> Option<(i64, &[u8])> {
    let [h1, h2, b':', m1, m2, rest @ ..] = text else { return None };
    let (hour, minute) = (number([*h1, *h2])?, number([*m1, *m2])?);
    let (second, fraction, rest) = match rest {
        [b':', s1, s2, b'.', rest @ ..] => {
            let (fraction, rest) = fraction(rest)?;
            (number([*s1, *s2])?, fraction, rest)
        }
        [b':', s1, s2, rest @ ..] => (number([*s1, *s2])?, 0, rest),
        _ => (0, 0, rest),
    };
    // 24:00:00 and leap seconds are rare.
    let exists = hour < 24 && minute < 60 && second < 60;
    exists.then_some((((hour * 60 + minute) * 60 + second) * MICROSECONDS + fraction, rest))
}

/// The digits behind the point of a second, in microseconds, and what follows.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !(1..=MOST_FRACTION_DIGITS).contains(&count) {
        return None;
    }
    let (digits, rest) = text.split_at(count);
    let value = digits.iter().fold(0, |value, digit| 10 * value + i64::from(digit - b'0'));
    let exact = u32::try_from(count).ok().and_then(|count| Digits::MOST.checked_sub(count));
    let fraction = match exact {
        Some(missing) => value * 10i64.pow(missing),
        // ParseFractionalSecond: rint(strtod(…) * 1000000). Both numbers of the quotient are exact, so that it is the
        // nearest to the text, as strtod's is.
        None => {
            let fraction = value as f64 / 10i64.pow(count as u32) as f64;
            (fraction * MICROSECONDS as f64).round_ties_even() as i64
        }
    };
    (fraction < MICROSECONDS).then_some((fraction, rest))
}

/// What a text says about the zone, in seconds east of Greenwich; `None` if it is no zone.
fn zone(text: &[u8]) -> Option<Option<i64>> {
    let (sign, hour, minute) = match *text {
        [] => return Some(None),
        [b'Z'] => return Some(Some(0)),
        [sign, h1, h2] => (sign, number([h1, h2])?, 0),
        [sign, h1, h2, m1, m2] | [sign, h1, h2, b':', m1, m2] => {
            (sign, number([h1, h2])?, number([m1, m2])?)
        }
        _ => return None,
    };
    let seconds = 60 * (60 * hour + minute);
    let exists = hour <= FARTHEST_ZONE && minute < 60;
    match sign {
        b'+' if exists => Some(Some(seconds)),
        b'-' if exists => Some(Some(-seconds)),
        _ => None,
    }
}
