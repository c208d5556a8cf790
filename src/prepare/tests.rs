//! PURE, tests only: whole documents, as text and as jsonb; JSON of every kind that RFC 8259 allows or forbids.

use super::*;
use crate::document::build::jsonb;
use crate::document::text::Text;
use crate::error::Fault;
use crate::tuple::as_utf8;
use crate::value::Encoding;

fn mode(stop_at_fault: bool) -> Mode {
    Mode { parallel: false, stop_at_fault, most_faults: None, encode: as_utf8 }
}

/// How many rows a document gives, and its faults, each with its record and path.
fn prepared<'a, R: Loadable<'a>>(
    document: Document<'a>,
) -> Result<(usize, Vec<LoadError>), LoadError> {
    let watch = Watch::of_document(document.size());
    let table = Table::of::<R>();
    let source = Source::into::<R>(table, Repeated::LastWins, Encoding::Utf8);
    let prepared = Recipe::Fields(source).prepare(document, mode(false), &watch)?;
    let told = |fault: &RecordFault| prepared.places.told(fault.clone());
    Ok((prepared.order.write.len(), prepared.faults.iter().map(told).collect()))
}

pub fn composers_of(document: Document<'_>) -> Result<(usize, Vec<LoadError>), LoadError> {
    prepared::<Composer>(document)
}

pub fn works_of(document: Document<'_>) -> Result<(usize, Vec<LoadError>), LoadError> {
    prepared::<Work>(document)
}

fn composers(text: &str) -> Result<(usize, Vec<LoadError>), LoadError> {
    composers_of(Document::Text(text.as_bytes()))
}

fn works(text: &str) -> Result<(usize, Vec<LoadError>), LoadError> {
    works_of(Document::Text(text.as_bytes()))
}

fn fault(result: Result<(usize, Vec<LoadError>), LoadError>) -> Option<Fault> {
    match result {
        Ok((_, faults)) => faults.into_iter().next().map(|error| error.fault),
        Err(error) => Some(error.fault),
    }
}

/// A value in a place that is read, and in one that nobody reads, at some depth.
fn in_documents(value: &str) -> [String; 4] {
    [
        format!(r#"[{{"id":"Category:A","x":{value}}}]"#),
        format!(r#"[{{"id":"Category:A","intvals":[{{"y":[{value}]}}]}}]"#),
        format!(r#"{{"0":{{"id":"Category:A"}},"metadata":{{"x":{value}}}}}"#),
        format!(
            r#"{{"composers":[{{"name":"A","complete_name":"A","x":[0,{value}]}}],"x":{value}}}"#
        ),
    ]
}

#[test]
fn values_of_every_kind_are_taken() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for value in [
        "null",
        "true",
        "false",
        "0",
        "-0",
        "-1",
        "10",
        "0.5",
        "-0.0",
        "1e1",
        "1E+2",
        "1.5e-3",
        "0e1",
        "123456789012345678901234567890",
        "1e400",
        "1e-400",
        "[]",
        "[ ]",
        "{}",
        "{ }",
        "\"\"",
        "[null]",
        "[1,\"a\",{}]",
        "[[[]]]",
        "{\"a\":{\"b\":[]}}",
        "{\"\":0}",
        "{\"a\":1,\"a\":2}",
        "\t[\n1\r,2 ]\n",
        r#""\"\\\/\b\f\n\r\t""#,
        r#""\u0041\u00e9\u20AC""#,
        r#""\ud83c\udfb5""#,
        r#""\uD83C\uDFB5x""#,
        "\"\u{7F}\u{80}é\u{2028}\u{FEFF}\u{1F3B5}\"",
        "\"'/*no comment*/\"",
        r#""\\u0000""#,
        r#""\u0001""#,
        r#"{"\u0061":"[{"}"#,
        "[1 , 2]",
        &deep,
    ] {
        for document in in_documents(value) {
            let (rows, faults) = composers(&document).unwrap();
            assert_eq!((rows, faults), (1, vec![]), "{}", &document[..document.len().min(200)]);
        }
    }
}

#[test]
fn what_is_no_json_is_malformed_wherever_it_stands() {
    let open = "[".repeat(100_000);
    for value in [
        ",",
        "nul",
        "nulll",
        "Null",
        "tru",
        "TRUE",
        "fals",
        "undefined",
        "NaN",
        "-NaN",
        "Infinity",
        "-Infinity",
        "00",
        "01",
        "-01",
        "-",
        "--1",
        "+1",
        ".5",
        "5.",
        "-.5",
        "1.e1",
        "1e",
        "1e+",
        "1e1.5",
        "0x10",
        "1_000",
        "1 2",
        "1a",
        "-a",
        "2.-3",
        "[",
        "]",
        "{",
        "}",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1,,2]",
        "[1 2]",
        "[1:2]",
        "[1}",
        "[{]",
        "{]",
        "{[}",
        "[}",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,",
        "{\"a\":1,}",
        "{,}",
        "{\"a\"}",
        "{\"a\",1}",
        "{\"a\" 1}",
        "{a:1}",
        "{'a':1}",
        "{1:1}",
        "{\"a\":1 \"b\":2}",
        "{\"a\"::1}",
        "{\"a\":1:2}",
        "{null:1}",
        "'a'",
        "\"a",
        "a\"",
        "\"\\x\"",
        "\"\\\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\\U0041\"",
        "\"\\ \"",
        "\"\\a\"",
        "\"\t\"",
        "\"\n\"",
        "\"\u{1}\"",
        "\"\u{1F}\"",
        "/*c*/1",
        "1//c",
        "#c",
        "[1]]",
        "[1]x",
        "{}}",
        "\u{A0}1",
        "\u{FEFF}1",
        "\u{B}1",
        "\u{C}1",
        "“a”",
        "<a>",
        "[\"a\" \"b\"]",
        "\\n",
        "*",
        "@",
        "&",
        "[\"",
        "{\"",
        &open,
    ] {
        for document in in_documents(value) {
            let found = fault(composers(&document));
            let shown = &document[..document.len().min(200)];
            assert!(matches!(found, Some(Fault::Malformed(_))), "{shown}: {found:?}");
        }
    }
}

#[test]
fn what_jsonb_refuses_beside_is_refused() {
    for (value, expected) in [
        (r#""\u0000""#, Fault::NullCharacter),
        (r#"{"a\u0000":1}"#, Fault::NullCharacter),
        (r#""\ud800""#, Fault::LoneSurrogate),
        (r#""\udc00\ud800""#, Fault::LoneSurrogate),
        (r#""\ud800\ud800\udc00""#, Fault::LoneSurrogate),
        (r#""\ud800\u0041""#, Fault::LoneSurrogate),
        ("1e200000", Fault::NumberOverflow),
        ("[[-1E+200000]]", Fault::NumberOverflow),
        (r#"{"a":123e-10000000}"#, Fault::NumberOverflow),
    ] {
        for document in in_documents(value) {
            assert_eq!(fault(composers(&document)), Some(expected.clone()), "{document}");
        }
    }
    let known = r#"[{"intvals":{"composer":"A","worktitle":"T","pageid":1e200000}}]"#;
    assert_eq!(fault(works(known)), Some(Fault::NumberOverflow));
    let tiny = r#"[{"intvals":{"composer":"A","worktitle":"T","pageid":1e-400}}]"#;
    assert!(matches!(fault(works(tiny)), Some(Fault::Invalid { .. })));
    let text = br#"[{"id":"Category:A","x":"1e200000"},{"id":"Category:B"}]"#;
    assert_eq!(prepared::<Composer>(Document::Text(text)), Ok((2, vec![])));
}

#[test]
fn brackets_must_match_wherever_they_are_trusted() {
    for document in [
        r#"{"composers":[{"name":"A","complete_name":"B A","works":{]}]}"#,
        r#"{"composers":[{"name":"A","complete_name":"B A","works":[}]}]}"#,
        r#"{"composers":[{"name":"A","complete_name":"B A","works":[{"title":"x"}}]}]}"#,
        r#"{"composers":[{"name":"A","complete_name":"B A","works":[]]]}"#,
        r#"{"composer":{"name":"A","complete_name":"A"},"works":{"w:1":{"id":1,"title":"a"]}}"#,
        r#"{"composer":{"name":"A","complete_name":"A"],"works":[]}"#,
        r#"{"0":{"intvals":{"composer":"A","worktitle":"T","pageid":1}],"metadata":{}}"#,
        r#"{"0":{"intvals":{"composer":"A","worktitle":"T","pageid":1}},"metadata":{]}"#,
        r#"[{"intvals":{"composer":"A","worktitle":"T","pageid":1}}}"#,
        r#"{"composer":{"name":"A"} "works":[]}"#,
        r#"{"status":{"success":"false"} "error":1}"#,
    ] {
        let found = fault(works(document));
        assert!(matches!(found, Some(Fault::Malformed(_))), "{document}: {found:?}");
    }
}

#[test]
fn a_mistake_is_told_with_its_place_in_the_document() {
    let told = |document: &str| {
        let error = match composers(document) {
            Ok((_, faults)) => faults.into_iter().next().unwrap(),
            Err(error) => error,
        };
        error.fault.detail().unwrap()
    };
    for (document, place) in [
        (
            r#"{"id":"Category:A, B",}"#,
            "Expected string, but found \"}\" at line 1, column 23 (byte 22",
        ),
        (
            "{\"status\":{\"success\":\"true\"}\n \"composers\":[]}",
            "found \"\"composers\"\" at line 2, column 2 (byte 30",
        ),
        (
            "[{\"id\":\"Category:é\"},\n{\"id\" 1}]",
            "Expected \":\", but found \"1\" at line 2, column 7 (byte 29",
        ),
        (
            "[{\"id\":\"Category:A\"}]\u{1A}",
            "Token \"\u{1A}\" is invalid at line 1, column 22 (byte 21",
        ),
        ("\u{FEFF}[1}", "found \"}\" at line 1, column 4 (byte 5"),
    ] {
        assert!(told(document).contains(place), "{}", told(document));
    }
    let array = fault(composers(r#"{"{\"id\":\"x\"}","{}"}"#));
    assert!(matches!(array, Some(Fault::Malformed(mistake)) if mistake.is_array_literal));
    let array = fault(composers(r#"{"{\"id\":\"x\"}"}"#));
    assert!(matches!(array, Some(Fault::Malformed(mistake)) if mistake.is_array_literal));
}

#[test]
fn several_documents_are_loaded_and_numbered_through() {
    let arrays = "\u{FEFF}[{\"id\":\"Category:A\"}]\n[{\"id\":\"Category:B\"},7]\n[]";
    let (rows, faults) = composers(arrays).unwrap();
    assert_eq!((rows, faults.len()), (2, 1));
    assert_eq!((faults[0].ordinal, &*faults[0].path), (Some(2), "$[1] of document 1"));
    let answers = r#"[{"composer":{"name":"A","complete_name":"B A"},"works":[{"id":1,"title":"x"}]},
        {"works":{"w:2":{"composer":{"id":"3","name":"C","complete_name":"C","birth":"1700"},"id":2,"title":"y"},
                  "w:3":{"id":3,"title":"z"}}}]"#;
    let (rows, faults) = works(answers).unwrap();
    assert_eq!((rows, faults.len()), (2, 1));
    assert_eq!(faults[0].path, "$[1].works.\"w:3\".composer");
    assert_eq!(composers(answers).unwrap(), (2, vec![]));
    let lines = "{\"id\":\"Category:\n{\"id\":\"Category:B\"}\n{\"id\":\"Category:C\"}";
    let (rows, faults) = composers(lines).unwrap();
    assert_eq!((rows, faults[0].ordinal), (2, Some(0)));
}

/// Random changes to documents of each shape. What text gives, jsonb gives too; and text takes what serde_json takes, but
/// for the few things that jsonb refuses beside.
#[test]
fn changed_documents_are_the_same_as_text_and_jsonb() {
    const SEEDS: [&str; 6] = [
        r#"[{"id":"Category:A, B","type":"1","intvals":[],"permlink":"x"},{"id":"C (D)","type":2,"x":[1.5e3,null]}]"#,
        r#"[{"intvals":{"composer":"A","worktitle":"T","pageid":12}},{"intvals":{"composer":"B","worktitle":"U"},"id":"y"}]"#,
        r#"{"0":{"intvals":{"composer":"A","worktitle":"T","pageid":"1"}},"metadata":{"start":0}}"#,
        r#"{"composers":[{"name":"A","complete_name":"B A","birth":"1685-00-00","works":[{"title":"x","popular":"1"}]}]}"#,
        r#"{"composer":{"id":1,"name":"A","complete_name":"A"},"works":{"w:1":{"id":"1","title":"T","searchterms":["a"]}}}"#,
        r#"{"works":[{"composer":{"name":"A","complete_name":"A"},"id":7,"title":"\u00e9"}]}"#,
    ];
    const PIECES: [&str; 20] = [
        "[", "]", "{", "}", ",", ":", "\"", "\\", "0", "-", "1e5", "null", "true", " ", "\"id\":",
        "\"a\"", "é", "{}", "[]", "\\u0041",
    ];
    let mut state = 1u64;
    let mut random = |below: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let mut taken = 0;
    for round in 0..20_000 {
        let mut text = SEEDS[round % SEEDS.len()].to_owned();
        for _ in 0..=random(2) {
            let places: Vec<usize> =
                (0..=text.len()).filter(|at| text.is_char_boundary(*at)).collect();
            let (a, b) = (places[random(places.len())], places[random(places.len())]);
            let (start, end) = (a.min(b), a.max(b).min(a.min(b) + random(12)));
            let end = text.ceil_char_boundary(end);
            match random(3) {
                0 => text.replace_range(start..end, ""),
                1 => text.insert_str(start, PIECES[random(PIECES.len())]),
                _ => {
                    let copy = text[start..end].to_owned();
                    text.insert_str(places[random(places.len())], &copy);
                }
            }
        }
        let json = serde_json::from_str::<serde_json::Value>(&text);
        for from_text in [composers(&text), works(&text)] {
            if json.is_err() && Text::several(&text, &Watch::default()).is_none() {
                let found = fault(from_text);
                let refused = found.as_ref().is_some_and(Fault::is_malformed);
                // A record before the mistake may have a fault of its own.
                let earlier = found.is_some() && !matches!(found, Some(Fault::UnknownShape(_)));
                assert!(refused || earlier, "{text}: {found:?}");
            }
        }
        let Ok(json) = json else { continue };
        taken += 1;
        let bytes = jsonb(&json);
        let same = |from_text, from_jsonb| assert_eq!(from_text, from_jsonb, "{text}");
        same(composers(&text), prepared::<Composer>(Document::Jsonb(&bytes)));
        same(works(&text), prepared::<Work>(Document::Jsonb(&bytes)));
    }
    assert!(taken > 2_000, "{taken}");
}

/// Rows that came out of the tables are taken as they are; what every row has must be there.
#[test]
fn rows_of_the_table_are_read() {
    let row = |more: &str| {
        format!(r#"[{{"composer_id":"A ","last_name":"A","complete_name":" A"{more}}}]"#)
    };
    assert_eq!(composers(&row(r#","birth":"1735-02-28","popular":null,"x":[1]"#)), Ok((1, vec![])));
    let bad = [
        (row(r#","complete_name":null"#), "$[0].complete_name", Fault::Missing),
        (row(r#","composer_id":null"#), "$[0].composer_id", Fault::Missing),
        (r#"[{"composer_id":"A","last_name":"A"}]"#.into(), "$[0].complete_name", Fault::Missing),
        (row(r#","x":"\u0000""#), "$[0]", Fault::NullCharacter),
    ];
    for (text, path, fault) in bad {
        let (rows, faults) = composers(&text).unwrap();
        assert_eq!((rows, faults.len()), (0, 1), "{text}");
        assert_eq!((&*faults[0].path, &faults[0].fault), (path, &fault), "{text}");
    }
}
