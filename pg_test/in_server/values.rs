//! The values that `value` makes are those of `jsonb_populate_record`: random values of each type that is decoded, from text
//! and from jsonb, compared as images.
//!
//! `SET tests.seed = n` gives other values than those of every run; a failure names the seed.

#[pgrx::pg_schema]
mod tests {
    use std::collections::BTreeSet;

    use pgrx::prelude::*;
    use serde_json::Value as Json;

    use crate::document::jsonb::{Jsonb, write};
    use crate::document::text::Text;
    use crate::document::{Value, Watch};
    use crate::in_server::tests::Random;
    use crate::pg::batch::Batch;
    use crate::pg::{encoding, spi};
    use crate::record::Sink;
    use crate::tuple::Former;
    use crate::value::{Decoder, Encoding, Made};

    const TYPES: [&str; 32] = [
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

    /// None of them changes the meaning of what is decoded.
    const SETTINGS: [&str; 4] = [
        "SET LOCAL datestyle = 'ISO, MDY'; SET LOCAL timezone = 'UTC'",
        "SET LOCAL datestyle = 'SQL, DMY'; SET LOCAL timezone = 'America/New_York';
         SET LOCAL bytea_output = 'escape'; SET LOCAL extra_float_digits = -5",
        "SET LOCAL datestyle = 'German, YMD'; SET LOCAL timezone = 'Asia/Kathmandu';
         SET LOCAL intervalstyle = 'sql_standard'; SET LOCAL timezone_abbreviations = 'India'",
        "SET LOCAL datestyle = 'Postgres, MDY'; SET LOCAL timezone = 'Europe/Dublin';
         SET LOCAL bytea_output = 'hex'; SET LOCAL timezone_abbreviations = 'Australia'",
    ];

    const ORDINARY: usize = 150;
    const STRANGE: usize = 450;

    #[pg_test]
    fn values_are_those_that_the_server_makes() {
        let seed = Spi::get_one::<i64>("SELECT current_setting('tests.seed', true)::bigint");
        let seed = seed.ok().flatten().unwrap_or(1);
        let mut random = Random(seed as u64);
        let (mut made, mut left) = (0, 0);
        let arrays = TYPES.iter().map(|scalar| (*scalar, true));
        for (scalar, is_array) in TYPES.iter().map(|scalar| (*scalar, false)).chain(arrays) {
            let settings = SETTINGS[random.below(SETTINGS.len() as u64) as usize];
            let mut values: Vec<String> = vec![];
            for _ in 0..ORDINARY {
                values.push(ordinary_of(&mut random, scalar, is_array));
            }
            for _ in 0..STRANGE {
                values.push(strange_of(&mut random, scalar, is_array));
            }
            spi::connect(|spi| spi.run(settings));
            let kind = format!("{scalar}{}", if is_array { "[]" } else { "" });
            let found =
                compare(&kind, &values).unwrap_or_else(|error| panic!("{error} (seed {seed})"));
            for (value, form) in &found.left {
                let is_ordinary = values[..ORDINARY].contains(value);
                assert!(!is_ordinary, "{value} as {kind} of {form} is not decoded (seed {seed})");
            }
            made += found.made;
            left += found.left.len();
        }
        // The strange values were worth it.
        let strange = 2 * TYPES.len() * 2 * STRANGE;
        assert!(left > strange / 10 && made > strange / 10, "{made} made, {left} left");
    }

    struct Compared {
        /// How many values, or nulls, are made.
        made: usize,
        /// The values that are left to the server, with their form.
        left: BTreeSet<(String, &'static str)>,
    }

    /// Decodes the values for a column of the type, and asks the server for its own.
    fn compare(kind: &str, values: &[String]) -> Result<Compared, String> {
        spi::connect(|spi| {
            spi.run("DROP TABLE IF EXISTS pg_temp.one");
            spi.run(&format!("CREATE TEMP TABLE one (c {kind})"));
            let column = spi.row(
                "SELECT atttypid::oid, atttypmod FROM pg_attribute
                 WHERE attrelid = 'pg_temp.one'::regclass AND attnum = 1",
                |row| (row.get::<pg_sys::Oid>(1), row.get::<i32>(2)),
            );
            let Some((Some(type_oid), Some(typmod))) = column else { return Err("no type".into()) };
            let decoder = Decoder::of(type_oid.to_u32(), typmod, Encoding::Utf8)
                .ok_or_else(|| format!("no decoder for {kind}"))?;
            let mut found = Compared { made: 0, left: BTreeSet::new() };
            let mut former = Former::new(encoding::encode());
            let mut tuples: Vec<Vec<u8>> = vec![];
            for value in values {
                let document = format!("{{\"c\":{value}}}");
                let mut image = vec![];
                let has_image =
                    write::append(&document, &mut image).map_err(|fault| fault.to_string())?;
                for form in ["text", "jsonb"] {
                    former.text(Some(form));
                    former.text(Some(&document));
                    former.jsonb(has_image.then_some(image.as_slice()));
                    let made = match form {
                        "text" => decoder.put(Text::span(value), &mut former),
                        _ if has_image => put_member(decoder, &image, &mut former),
                        _ => Ok(Made::Server),
                    };
                    let made = made.map_err(|fault| format!("{value} as {kind}: {fault}"))?;
                    if made == Made::Server {
                        found.left.insert((value.clone(), form));
                        former.clear();
                        continue;
                    }
                    found.made += 1;
                    let mut tuple = vec![];
                    former.finish(&mut tuple);
                    tuples.push(tuple);
                }
            }
            let columns = [
                ("form", pg_sys::TEXTOID.to_u32(), -1),
                ("document", pg_sys::TEXTOID.to_u32(), -1),
                ("image", pg_sys::JSONBOID.to_u32(), -1),
                ("c", type_oid.to_u32(), typmod),
            ];
            let mut batch = Batch::of_types(spi, "pg_opus_made", &columns);
            batch.fill(tuples.iter().map(Vec::as_slice));
            let different = spi.row(
                "SELECT format('%s of %s: %s, not %s', document, form, c, of_server)
                 FROM pg_opus_made,
                      LATERAL (SELECT document::jsonb AS of_document) AS read,
                      LATERAL (SELECT (jsonb_populate_record(NULL::pg_temp.one, of_document)).c AS of_server) AS made
                 WHERE NOT record_image_eq(ROW (c), ROW (of_server))
                    OR NOT record_image_eq(ROW (image), ROW (of_document)) AND image IS NOT NULL",
                |row| row.get::<String>(1).unwrap_or_default(),
            );
            match different {
                Some(different) => Err(format!("{kind}: {different}")),
                None => Ok(found),
            }
        })
    }

    /// Puts the member of a document that is jsonb.
    fn put_member(
        decoder: Decoder,
        document: &[u8],
        former: &mut Former,
    ) -> Result<Made, crate::error::Fault> {
        let members = Jsonb::document(document)?.members(&Watch::default())?;
        match members.first() {
            Some((_, value)) => decoder.put(*value, former),
            None => Ok(Made::Server),
        }
    }

    fn ordinary_of(random: &mut Random, scalar: &str, is_array: bool) -> String {
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
    fn strange_of(random: &mut Random, scalar: &str, is_array: bool) -> String {
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
                let most =
                    scalar.split(['(', ')']).nth(1).and_then(|n| n.parse().ok()).unwrap_or(200);
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
}
