//! Random values as JSON, such as documents have them for a column of a type, or nearly.

use serde_json::Value as Json;

use crate::in_server::tests::Random;

/// What is decoded here.
pub const TYPES: [&str; 32] = [
    "boolean",
    "smallint",
    "integer",
    "bigint",
    "real",
    "double precision",
    "numeric",
    "numeric(5,2)",
    "numeric(30,10)",
    "numeric(3,-2)",
    "numeric(2,4)",
    "numeric(120,60)",
    "text",
    "varchar",
    "varchar(1)",
    "varchar(5)",
    "varchar(40)",
    "character(1)",
    "character(5)",
    "character(300)",
    "bpchar",
    "bytea",
    "uuid",
    "date",
    "timestamp",
    "timestamp(0)",
    "timestamp(3)",
    "timestamptz",
    "timestamptz(0)",
    "timestamptz(4)",
    "json",
    "jsonb",
];

/// A value that must be decoded for a column of this type, or of arrays of it.
pub fn ordinary_of(random: &mut Random, scalar: &str, is_array: bool) -> String {
    if random.below(20) == 0 {
        return "null".into();
    }
    if !is_array {
        return ordinary(random, scalar);
    }
    let count = [0, 1, 3, 9, 40][random.below(5) as usize];
    let nulls = random.below(2) == 0;
    let elements: Vec<String> = (0..count)
        .map(|_| match random.below(8) {
            0 if nulls => "null".into(),
            _ => ordinary(random, scalar),
        })
        .collect();
    match elements.first() {
        // An array within: of several dimensions.
        Some(first) if first.starts_with('[') => format!("[null,{}]", elements.join(",")),
        _ => format!("[{}]", elements.join(" , ")),
    }
}

/// Any other value, or one that is nearly of the type.
pub fn strange_of(random: &mut Random, scalar: &str, is_array: bool) -> String {
    match random.below(10) {
        0 => random.json(2),
        1 => {
            let other = TYPES[random.below(TYPES.len() as u64) as usize];
            let other_array = random.below(4) == 0;
            ordinary_of(random, other, other_array)
        }
        2 | 3 if is_array => {
            let elements: Vec<String> =
                (0..=random.below(4)).map(|_| strange_of(random, scalar, false)).collect();
            format!("[{}]", elements.join(","))
        }
        2 | 3 => changed(random, scalar),
        4 => {
            let text = STRANGE_TEXTS[random.below(STRANGE_TEXTS.len() as u64) as usize];
            quoted(random, text)
        }
        5 => STRANGE_NUMBERS[random.below(STRANGE_NUMBERS.len() as u64) as usize].into(),
        6 => random.number(),
        7 => {
            let number = random.number();
            quoted(random, &number)
        }
        8 => {
            let json = random.json(1);
            quoted(random, &json)
        }
        _ if is_array => format!("[{}]", changed(random, scalar)),
        _ => changed(random, scalar),
    }
}

const STRANGE_TEXTS: [&str; 48] = [
    "",
    " ",
    "  7 ",
    "0x1F",
    "1_000",
    "0b1",
    "-0",
    "+0",
    "-0.0",
    "1e5",
    "1E-5",
    ".5",
    "5.",
    "1.e3",
    "NaN",
    "inf",
    "Infinity",
    "-infinity",
    "1e400",
    "1e-400",
    "4.9e-324",
    "2.2250738585072011e-308",
    "3.4028236e38",
    "1.17549435e-38",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "32768",
    "\\x",
    "\\xZZ",
    "\\x0",
    "a\\\\b",
    "tru",
    "of",
    "TRUE ",
    "now",
    "epoch",
    "today",
    "2000-02-30",
    "2000-01-01 BC",
    "2000-01-01T24:00:00",
    "2000-01-01T23:59:60Z",
    "1999-12-31T23:59:59.9999999Z",
    "2000-01-01T00:00:00+15:59",
    "{1,2}",
    "{}",
    "00000000-0000-0000-0000-000000000000",
    "ab   ",
];

const STRANGE_NUMBERS: [&str; 24] = [
    "0",
    "-0",
    "0.0",
    "-0.00",
    "0e9",
    "1e-7",
    "1E+2",
    "10e-1",
    "32767",
    "-32768",
    "32768",
    "2147483647",
    "-2147483649",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "1e300",
    "1e-300",
    "1e-320",
    "0.5",
    "99999.995",
    "999.995",
    "0.0000000000000000000000000000000000000000000000000000000000000000000001",
    "16777217.000000000000000000000000000001",
];

/// An ordinary value as a text, with a character of it changed, left out or added.
fn changed(random: &mut Random, scalar: &str) -> String {
    const CHARACTERS: [char; 16] =
        ['0', '9', '-', '+', '.', ':', ' ', 'T', 'Z', 'e', 'é', '\\', '{', '"', '_', '/'];
    let ordinary = ordinary(random, scalar);
    let mut text: Vec<char> = match serde_json::from_str::<Json>(&ordinary) {
        Ok(Json::String(text)) => text.chars().collect(),
        _ => ordinary.chars().collect(),
    };
    for _ in 0..=random.below(2) {
        let at = random.below(text.len() as u64 + 1) as usize;
        let character = CHARACTERS[random.below(16) as usize];
        match random.below(3) {
            0 => text.insert(at, character),
            1 if at < text.len() => text[at] = character,
            _ if at < text.len() => drop(text.remove(at)),
            _ => {}
        }
    }
    quoted(random, &text.into_iter().collect::<String>())
}

/// A string of JSON, sometimes with escapes that it does not need.
fn quoted(random: &mut Random, text: &str) -> String {
    if random.below(4) != 0 {
        return Json::from(text).to_string();
    }
    let mut units = [0; 2];
    let mut json = String::from("\"");
    for character in text.chars() {
        match random.below(3) {
            0 => character
                .encode_utf16(&mut units)
                .iter()
                .for_each(|unit| json.push_str(&format!("\\u{unit:04x}"))),
            _ => json.push_str(Json::from(character.to_string()).to_string().trim_matches('"')),
        }
        // A quote of the text itself.
        if json.ends_with('\\') && character == '"' {
            json.push('"');
        }
    }
    json.push('"');
    json
}

/// A value as documents have it for such a column: it must be decoded.
fn ordinary(random: &mut Random, scalar: &str) -> String {
    let below = |random: &mut Random, limit| random.below(limit) as i64;
    let family = scalar.split('(').next().unwrap_or(scalar);
    match family {
        "boolean" => ["true", "false", "1", "0", "\"t\"", "\"No\"", "\"off\""]
            [random.below(7) as usize]
            .into(),
        "smallint" | "integer" | "bigint" => {
            let bits = match family {
                "smallint" => 15,
                "integer" => 31,
                _ => 63,
            };
            let digits = below(random, bits + 1);
            let value = (random.below(u64::MAX) as i64) >> (63 - digits);
            in_quotes(random, value.to_string())
        }
        "real" | "double precision" => {
            let value = (below(random, 2_000_001) - 1_000_000) as f64 / 1000.0;
            let number = match random.below(3) {
                0 => format!("{value}"),
                1 => format!("{:e}", value * 1e-9),
                _ => format!("{}", value as i64),
            };
            in_quotes(random, number)
        }
        "numeric" => match scalar {
            "numeric(2,4)" => format!("0.00{:02}", random.below(100)),
            "numeric(3,-2)" => format!("{}", random.below(99_949)),
            _ => {
                let (whole, fraction) = (below(random, 1999) - 999, random.below(100));
                let number = match random.below(4) {
                    0 => format!("{whole}"),
                    1 => format!("{}.{fraction:02}", whole.clamp(-998, 998)),
                    2 => format!("{}.{fraction:02}7", whole.clamp(-998, 998)),
                    _ => format!("{fraction}e-1"),
                };
                in_quotes(random, number)
            }
        },
        "text" | "varchar" | "character" | "bpchar" => {
            let most = scalar.split(['(', ')']).nth(1).and_then(|n| n.parse().ok()).unwrap_or(200);
            let text: String = random.text().chars().take(most).collect();
            match random.below(10) {
                0 if most > 20 => random.below(1 << 30).to_string(),
                1 if most > 20 => "false".into(),
                2 if most == 200 => random.json(1),
                _ => quoted(random, &text),
            }
        }
        "bytea" => {
            let bytes = (0..random.below(40)).map(|_| random.below(256));
            let hex: String = bytes.map(|byte| format!("{byte:02x}")).collect();
            let upper = if hex.len() > 20 { hex.to_uppercase() } else { hex };
            quoted(random, &format!("\\x{upper}"))
        }
        "uuid" => {
            let words = [0; 4].map(|_| format!("{:08x}", random.below(1 << 32)));
            let hex = words.concat();
            let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
            let text = parts.join(if random.below(4) == 0 { "" } else { "-" });
            quoted(random, &text)
        }
        "date" => {
            let text = date(random);
            quoted(random, &text)
        }
        "timestamp" | "timestamptz" => {
            let zone = family == "timestamptz" || random.below(2) == 0;
            let text = timestamp(random, zone);
            quoted(random, &text)
        }
        _ => random.json(2),
    }
}

fn in_quotes(random: &mut Random, number: String) -> String {
    if random.below(3) == 0 { format!("\"{number}\"") } else { number }
}

fn date(random: &mut Random) -> String {
    let year = match random.below(4) {
        0 => 1 + random.below(9999),
        _ => 1900 + random.below(150),
    };
    let month = 1 + random.below(12);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + u64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    format!("{year:04}-{month:02}-{:02}", 1 + random.below(days))
}

fn timestamp(random: &mut Random, zone: bool) -> String {
    let date = date(random);
    let separator = ["T", " "][random.below(2) as usize];
    let time = format!("{:02}:{:02}", random.below(24), random.below(60));
    let seconds = format!(":{:02}", random.below(60));
    // Not so near to the next second that it is rounded there.
    let digits = random.below(10) as usize;
    let fraction = format!(".{:012}", random.below(999_999_000_000));
    let rest = match (random.below(5), digits) {
        (0, _) => String::new(),
        (_, 0) => seconds,
        _ => seconds + &fraction[..=digits],
    };
    let hours = random.below(16);
    let minutes = [0, 0, 30, 45][random.below(4) as usize];
    let sign = ["+", "-"][random.below(2) as usize];
    let zone = match (zone, random.below(4)) {
        (false, _) => String::new(),
        (_, 0) => "Z".into(),
        (_, 1) => format!("{sign}{hours:02}"),
        (_, 2) => format!("{sign}{hours:02}{minutes:02}"),
        _ => format!("{sign}{hours:02}:{minutes:02}"),
    };
    format!("{date}{separator}{time}{rest}{zone}")
}
