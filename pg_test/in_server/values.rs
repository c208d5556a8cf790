//! The values that `value` makes are those of `jsonb_populate_record`: random values of each type that is decoded, from text
//! and from jsonb, compared as images.
//!
//! `SET tests.seed = n` gives other values than those of every run; a failure names the seed.

#[pgrx::pg_schema]
mod tests {
    use std::collections::BTreeSet;

    use pgrx::prelude::*;

    use crate::document::jsonb::{Jsonb, write};
    use crate::document::text::Text;
    use crate::document::{Value, Watch};
    use crate::in_server::random_values::{TYPES, ordinary_of, strange_of};
    use crate::in_server::tests::Random;
    use crate::pg::batch::Batch;
    use crate::pg::{encoding, spi};
    use crate::record::Sink;
    use crate::tuple::Former;
    use crate::value::{Decoder, Encoding, Made};

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
}
