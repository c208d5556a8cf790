//! PURE. Dates of lives: `YYYY`, `YYYY-MM` or `YYYY-MM-DD`, the first day standing for what is missing.

use jiff::civil::Date;

use crate::error::{Fault, SqlType, quoted};

/// What Postgres counts days from.
const EPOCH: Date = Date::constant(2000, 1, 1);

/// Days since 2000-01-01 of a date of the proleptic Gregorian calendar, years 1 to 9999.
pub fn parse(text: &str) -> Result<i32, Fault> {
    let invalid = || Fault::Invalid { expected: SqlType::Date, value: quoted(text).into() };
    let number = |part: Option<&str>, digits: usize| match part {
        None => Ok(1),
        Some(part) if part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit()) => {
            part.parse::<i16>().map_err(|_| invalid())
        }
        Some(_) => Err(invalid()),
    };
    let mut parts = text.split('-');
    let year = number(parts.next(), 4)?;
    let month = number(parts.next(), 2)?;
    let day = number(parts.next(), 2)?;
    if parts.next().is_some() {
        return Err(invalid());
    }
    // Both have two digits: they fit.
    let date = Date::new(year, month as i8, day as i8);
    match date.ok().filter(|_| year > 0).map(|date| EPOCH.until(date)) {
        Some(Ok(span)) => Ok(span.get_days()),
        _ => Err(Fault::NoSuchDate(quoted(text).into())),
    }
}

#[cfg(test)]
mod tests {
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
        ] {
            assert_eq!(parse(text), Ok(days), "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["85", "1685-1-1", "1685/01/01", "1685-01-01-01", "-1685", "16x5", "1685-", ""]
        {
            assert!(matches!(parse(text), Err(Fault::Invalid { .. })), "{text}");
        }
        for text in ["1685-13-45", "1685-02-29", "0000-01-01", "1685-00-01"] {
            assert_eq!(parse(text), Err(Fault::NoSuchDate(format!("\"{text}\"").into())));
        }
    }
}
