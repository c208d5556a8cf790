//! PURE. Dates of lives, in the forms that sources and databases write them.
//!
//! - `YYYY`, `YYYY-MM` and `YYYY-MM-DD`, the first day standing for what is missing;
//! - MySQL's zeros for what is missing: `1685-00-00` and `1685-03-00`, and `0000-00-00` for no date;
//! - a time behind the date, as in `1685-03-31T00:00:00.000Z`: it is checked and left out, and no time zone moves the
//!   date, as in Postgres;
//! - what Postgres prints itself: `0045-01-01 BC`, years of more than four digits, `infinity` and `-infinity`.

use crate::error::{Fault, SqlType, quoted};

/// `DATEVAL_NOEND` and `DATEVAL_NOBEGIN` of Postgres's `date.h`.
const INFINITY: i32 = i32::MAX;
const MINUS_INFINITY: i32 = i32::MIN;

/// The first and the last day that a date of Postgres can be (`IS_VALID_DATE` of `timestamp.h`): 4714-11-24 BC and
/// 5874897-12-31.
const FIRST: i64 = -2_451_545;
const LAST: i64 = 2_145_031_948;

/// No year of Postgres has more digits.
const MOST_YEAR_DIGITS: usize = 7;

/// Days since 2000-01-01 in the proleptic Gregorian calendar; `None` for MySQL's `0000-00-00`.
pub fn parse(text: &str) -> Result<Option<i32>, Fault> {
    match text {
        "infinity" => return Ok(Some(INFINITY)),
        "-infinity" => return Ok(Some(MINUS_INFINITY)),
        _ => {}
    }
    let invalid = || Fault::Invalid { expected: SqlType::Date, value: quoted(text).into() };
    let none = || Fault::NoSuchDate(quoted(text).into());
    let (date, before_christ) = match text.strip_suffix(" BC") {
        Some(date) => (date, true),
        None => (text, false),
    };
    let (date, time) = match date.find(['T', ' ']) {
        Some(at) => (&date[..at], Some(&date[at + 1..])),
        None => (date, None),
    };
    let mut parts = date.split('-');
    let year_text = parts.next().unwrap_or_default();
    let (month, day) = (parts.next(), parts.next());
    let most = if day.is_some() { MOST_YEAR_DIGITS } else { 4 };
    let year = number(year_text, 4, most).ok_or_else(invalid)?;
    let part = |part: Option<&str>| part.map(|part| number(part, 2, 2)).unwrap_or(Some(0));
    let month = part(month).ok_or_else(invalid)?;
    let day_number = part(day).ok_or_else(invalid)?;
    if parts.next().is_some() || (time.is_some() && day.is_none()) {
        return Err(invalid());
    }
    match time.map(is_time) {
        Some(None) => return Err(invalid()),
        Some(Some(false)) => return Err(none()),
        Some(Some(true)) | None => {}
    }
    let (month, day) = match (month, day_number) {
        (0, 0) if year == 0 && !before_christ && day.is_some() => return Ok(None),
        (0, 0) => (1, 1),
        (month, 0) => (month, 1),
        other => other,
    };
    let astronomical = if before_christ { 1 - year } else { year };
    let exists = year > 0 && (1..=12).contains(&month);
    let exists = exists && (1..=days_of_month(astronomical, month)).contains(&day);
    let days = days_since_2000(astronomical, month, day);
    let days = i32::try_from(days).ok().filter(|_| exists && (FIRST..=LAST).contains(&days));
    days.map(Some).ok_or_else(none)
}

/// A number of so many digits, and of nothing else.
fn number(text: &str, least: usize, most: usize) -> Option<i64> {
    let digits = (least..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

/// Whether the text is a time that exists, such as `00:00:00.000Z` or `12:00+01`; `None` if it is no time at all.
fn is_time(text: &str) -> Option<bool> {
    let zone_at = text.find(['Z', '+', '-']).unwrap_or(text.len());
    let (time, zone) = (text[..zone_at].trim_end(), &text[zone_at..]);
    let mut parts = time.split(':');
    let hour = number(parts.next()?, 2, 2)?;
    let minute = number(parts.next()?, 2, 2)?;
    let seconds = parts.next().unwrap_or("00");
    if parts.next().is_some() {
        return None;
    }
    let (second, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
    let second = number(second, 2, 2)?;
    number(fraction, 1, 9)?;
    if !matches!(zone, "" | "Z") {
        let mut parts = zone[1..].split(':');
        let digits = parts.next()?;
        number(digits, 2, 4).filter(|_| digits.len() != 3)?;
        parts.try_for_each(|part| number(part, 2, 2).map(|_| ()))?;
    }
    Some(minute < 60 && second <= 60 && (hour < 24 || (hour, minute, second) == (24, 0, 0)))
}

/// How many days a month of the proleptic Gregorian calendar has.
pub fn days_of_month(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Counts days in years that begin in March, so that the leap day is the last: the well-known algorithm of
/// http://howardhinnant.github.io/date_algorithms.html (days_from_civil).
pub fn days_since_2000(year: i64, month: i64, day: i64) -> i64 {
    /// Days from 0000-03-01 to 2000-01-01.
    const SHIFT: i64 = 730_425;
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - SHIFT
}

#[cfg(test)]
mod tests {
    use jiff::civil::Date;

    use super::*;

    #[test]
    fn dates_are_days_since_2000() {
        for (text, days) in [
            ("2000-01-01", 0),
            ("2000", 0),
            ("2000-03", 60),
            ("1999-12-31", -1),
            ("1685-03-31", -114_961),
            ("1685", -115_050),
            ("0001-01-01", -730_119),
            ("9999-12-31", 2_921_939),
            // As the server has them: SELECT 'x'::date - '2000-01-01'::date.
            ("0001-12-31 BC", -730_120),
            ("0045-01-01 BC", -746_556),
            ("4714-11-24 BC", -2_451_545),
            ("10000-01-01", 2_921_940),
            ("5874897-12-31", 2_145_031_948),
            ("infinity", i32::MAX),
            ("-infinity", i32::MIN),
            ("1685-00-00", -115_050),
            ("1685-03-00", -114_991),
            ("1685-00", -115_050),
            ("1685-03-31T00:00:00.000Z", -114_961),
            ("1685-03-31 00:00:00", -114_961),
            ("1685-03-31T23:59:60+05:30", -114_961),
            ("1685-03-31 24:00", -114_961),
            ("1685-03-31 12:00:00.5 -0800", -114_961),
            ("0045-01-01 00:00:00 BC", -746_556),
        ] {
            assert_eq!(parse(text), Ok(Some(days)), "{text}");
        }
        assert_eq!(parse("0000-00-00"), Ok(None));
        assert_eq!(parse("0000-00-00 00:00:00"), Ok(None));
    }

    #[test]
    fn days_are_those_of_a_calendar() {
        let epoch = Date::constant(2000, 1, 1);
        let mut date = Date::constant(-9999, 1, 1);
        while let Ok(next) = date.checked_add(jiff::Span::new().days(97)) {
            let days = i64::from(epoch.until(date).unwrap().get_days());
            let (year, month, day) = (date.year(), date.month(), date.day());
            assert_eq!(days_since_2000(year.into(), month.into(), day.into()), days, "{date}");
            let days_of_month = days_of_month(year.into(), month.into());
            assert_eq!(days_of_month, i64::from(date.days_in_month()), "{date}");
            date = next;
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "85",
            "1685-1-1",
            "1685/01/01",
            "1685-01-01-01",
            "-1685",
            "16x5",
            "1685-",
            "",
            "16850",
            "1685T00:00",
            "1685-03T00:00:00",
            "1685-03-31T",
            "1685-03-31Tx",
            "1685-03-31T00",
            "1685-03-31T00:00:00.000Zulu",
            "1685-03-31 00:00:00+1",
            "1685-03-31 BCE",
            "Infinity ",
            " BC",
            "1685-é",
        ] {
            assert!(matches!(parse(text), Err(Fault::Invalid { .. })), "{text}");
        }
        for text in [
            "1685-13-45",
            "1685-02-29",
            "0000-01-01",
            "0000",
            "0000-00-00 BC",
            "1685-00-01",
            "1685-03-31T25:00:00",
            "4714-11-23 BC",
            "5874898-01-01",
        ] {
            assert_eq!(parse(text), Err(Fault::NoSuchDate(format!("\"{text}\"").into())));
        }
    }
}
