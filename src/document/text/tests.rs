//! PURE, tests only: text.

use super::*;
use crate::document::on_a_small_stack;
use serde_json::{Value as Json, json};

fn documents(text: &str) -> Result<Vec<&str>, Fault> {
    documents_of(text, true)
}

fn documents_of(text: &str, takes_elements: bool) -> Result<Vec<&str>, Fault> {
    let documents = Text::documents(text, takes_elements, &Watch::default())?;
    Ok(documents.into_iter().map(|value| value.0).collect())
}

fn elements(text: &str) -> Result<Vec<&str>, Fault> {
    Text(text).elements()?.map(|element| element.map(|value| value.0)).collect()
}

fn members(text: &str) -> Result<Vec<(String, &str)>, Fault> {
    let members = Text(text).members(&Watch::default())?;
    Ok(members.into_iter().map(|(key, value)| (key.into_owned(), value.0)).collect())
}

fn read(text: &str) -> Result<Json, Fault> {
    Text(text).read()
}

#[test]
fn elements_are_split_at_the_commas_between_them() {
    assert_eq!(elements("[]"), Ok(vec![]));
    assert_eq!(elements("[ \n ]"), Ok(vec![]));
    assert_eq!(
        elements(r#"[ {"a":[1,2]} , "],[" ,-1e5, null,"\"" ]"#),
        Ok(vec![r#"{"a":[1,2]}"#, r#""],[""#, "-1e5", "null", r#""\"""#])
    );
    assert_eq!(elements("[1,,2]"), Ok(vec!["1", "", "2"]));
    assert_eq!(elements("[1,]"), Ok(vec!["1", ""]));
    assert_eq!(elements("[{} {}, 3]"), Ok(vec!["{} {}", "3"]));
    assert_eq!(elements("[1 2]"), Ok(vec!["1 2"]));
}

#[test]
fn members_are_those_of_jsonb() {
    assert_eq!(
        members(r#"{"bb": 1, "a":2, "a" : [3], "\u0061b":4}"#),
        Ok(vec![("a".into(), "[3]"), ("ab".into(), "4"), ("bb".into(), "1")])
    );
    assert_eq!(members("{}"), Ok(vec![]));
    assert!(members(r#"{"a" 1}"#).is_err());
    assert!(members(r#"{a: 1}"#).is_err());
    assert!(members(r#"{"a":"\ud800","a":1}"#).is_err(), "a superseded value is checked too");
}

#[test]
fn documents_follow_one_another() {
    assert_eq!(documents(" [1] "), Ok(vec!["[1]"]));
    assert_eq!(documents("{\"a\":1}\n{\"b\":2}\n"), Ok(vec!["{\"a\":1}", "{\"b\":2}"]));
    assert_eq!(documents("{\n\"a\":1\n}{\"b\":2}"), Ok(vec!["{\n\"a\":1\n}", "{\"b\":2}"]));
    assert!(documents("").is_err());
    assert!(documents(" \n").is_err());
    assert_eq!(documents(" 7 "), Ok(vec!["7"]));
    assert!(documents("not json").is_err());
    assert!(documents("7 8").is_err());
    assert_eq!(documents("7\n{}\n{}"), Ok(vec!["7", "{}", "{}"]));
    assert!(documents("{").is_err());
    assert_eq!(documents("\u{FEFF}{\"a\":1} [2]"), Ok(vec!["{\"a\":1}", "[2]"]));
    let several = |text| {
        let values = Text::several(text, &Watch::default())?;
        Some(values.into_iter().map(|value| value.0).collect::<Vec<_>>())
    };
    assert_eq!(several("\u{FEFF}[1]\n[{}]{}"), Some(vec!["[1]", "[{}]", "{}"]));
    assert_eq!(several("[1] 2"), None);
    assert_eq!(several("[1]"), None);
    // Who does not take the elements one by one has all documents at once, and no half of one.
    let whole = |text| documents_of(text, false);
    assert_eq!(whole("[1]\n[{}]{}"), Ok(vec!["[1]", "[{}]", "{}"]));
    assert_eq!(whole("[1]"), Ok(vec!["[1]"]));
    assert!(whole("[1] 2").is_err());
    assert!(whole("[1}").is_err());
}

#[test]
fn a_broken_line_stays_alone() {
    let broken = "{\"a\":1}\n{\"b\":\"cut off\n{\"c\":3}";
    assert_eq!(documents(broken), Ok(vec!["{\"a\":1}", "{\"b\":\"cut off", "{\"c\":3}"]));
    let broken = "{\"a\":1}\n{\"b\":[2\n{\"c\":3}";
    assert_eq!(documents(broken), Ok(vec!["{\"a\":1}", "{\"b\":[2", "{\"c\":3}"]));
    for first in ["{\"a\":", "# a comment", "\"b\":2}"] {
        let broken = format!("{first}\n{{\"c\":3}}\n");
        assert_eq!(documents(&broken), Ok(vec![first, "{\"c\":3}"]), "{broken}");
    }
    assert!(documents("{\n\"a\":\n1,\n{}\n").is_err(), "one document of several lines");
    let broken = "{\"a\":1}\nno JSON\n{\"c\":3}";
    assert_eq!(documents(broken), Ok(vec!["{\"a\":1}", "no JSON", "{\"c\":3}"]));
    assert!(elements("[{\"a\":1},\n{\"b\":2}").is_err(), "an array is no set of lines");
    assert!(elements("[1").is_err());
    assert!(elements("[").is_err());
    assert!(elements("[1]]").is_err());
    assert!(elements("[1] [2]").is_err());
}

#[test]
fn what_jsonb_refuses_is_refused_at_any_depth() {
    assert_eq!(read(r#"{"x":[{"y":"a\u0000"}]}"#), Err(Fault::NullCharacter));
    assert_eq!(read(r#"{"x\u0000":1}"#), Err(Fault::NullCharacter));
    assert_eq!(read(r#"["\ud83c"]"#), Err(Fault::LoneSurrogate));
    assert_eq!(read(r#"["\ud83cx"]"#), Err(Fault::LoneSurrogate));
    assert_eq!(read(r#"["\udfb5"]"#), Err(Fault::LoneSurrogate));
    assert_eq!(read(r#"["\ud83c\udfb5"]"#), Ok(json!(["🎵"])));
    assert_eq!(read(r#"["\\u0000"]"#), Ok(json!(["\\u0000"])));
    for malformed in ["", "{", "tru", "[01]", "[+1]", "[\"\t\"]", "{\"a\":1,}", "[1]x", "\"\\x\""] {
        assert!(matches!(read(malformed), Err(Fault::Malformed(_))), "{malformed}");
        assert!(Text(malformed).check().is_err(), "{malformed}");
    }
}

#[test]
fn depth_and_size_of_ignored_values_do_not_matter() {
    let deep = format!("{}1{}", "[".repeat(5000), "]".repeat(5000));
    assert_eq!(Text(&deep).check(), Ok(()));
    assert_eq!(Text("1e400").check(), Ok(()));
}

#[test]
fn depth_takes_no_stack() {
    use crate::document::find::{Resource, find};
    use crate::record::scalar::{List, Nested, Scalar};
    use crate::source::{imslp, open_opus};

    const DEPTH: usize = 2_000_000;
    let arrays = format!("{}1{}", "[".repeat(DEPTH), "]".repeat(DEPTH));
    let objects = format!("{}1{}", "{\"intvals\":".repeat(DEPTH), "}".repeat(DEPTH));
    let ignored = format!("[{{\"id\":\"Category:A\",\"ignored\":{arrays}}}]");
    let terms = format!("{{\"searchterms\":{arrays},\"title\":{objects}}}");
    let broken = "[".repeat(DEPTH);
    on_a_small_stack(|| {
        for text in [&arrays, &objects, &ignored, &terms, &broken] {
            let value = Text(text);
            assert_eq!(value.check().is_ok(), *text != broken);
            let _ = value.read::<Scalar>();
            let _ = value.read::<List>();
            let _ = value.read::<Nested<imslp::Person>>();
            let _ = value.read::<Nested<imslp::Piece>>();
            let _ = value.read::<Nested<open_opus::Piece>>();
            let watch = Watch::default();
            let Ok(documents) = Text::documents(text, true, &watch) else { continue };
            for resource in [Resource::Composers, Resource::Works] {
                if let Ok((_, records)) = find(documents.clone(), resource, &watch) {
                    records.for_each(|record| drop(record.map(|record| record.value.excerpt())));
                }
            }
        }
    });
}

#[test]
fn any_cut_of_a_document_is_a_value_or_an_error() {
    let text = r#"{"works":[{"title":"\u00e9 \"A\"","n":[1,{"x":null}]}, 5],"k":{}}"#;
    for end in 0..text.len() {
        let Ok(values) = Text::documents(&text[..end], true, &Watch::default()) else { continue };
        for value in values {
            let _ = value.check();
            let _ = value.kind();
        }
    }
}

#[test]
fn an_error_shows_where() {
    for (text, told) in [
        (
            "{\"a\": 1,\n\"é\": oops}",
            r#"Token "oops" is invalid at line 2, column 6 (byte 15, counted from 0)."#,
        ),
        (
            r#"{"a":1,}"#,
            r#"Expected string, but found "}" at line 1, column 8 (byte 7, counted from 0)."#,
        ),
        (
            r#"{"a":1"#,
            "The input string ended unexpectedly at line 1, column 7 (byte 6, counted from 0).",
        ),
        (
            r#"{"a",1}"#,
            r#"Expected ":", but found "," at line 1, column 5 (byte 4, counted from 0)."#,
        ),
        (r#"{a:1}"#, r#"Token "a" is invalid at line 1, column 2 (byte 1, counted from 0)."#),
        (
            "[1]]",
            r#"Expected end of input, but found "]" at line 1, column 4 (byte 3, counted from 0)."#,
        ),
        (
            "[1}",
            r#"Expected "," or "]", but found "}" at line 1, column 3 (byte 2, counted from 0)."#,
        ),
        ("[01]", r#"Token "01" is invalid at line 1, column 2 (byte 1, counted from 0)."#),
        (
            "[\"\t\"]",
            "Character with value 0x09 must be escaped at line 1, column 3 (byte 2, counted from 0).",
        ),
        (
            r#"["\x"]"#,
            r#"Escape sequence "\x" is invalid at line 1, column 3 (byte 2, counted from 0)."#,
        ),
        (
            "[,1]",
            r#"Expected array element or "]", but found "," at line 1, column 2 (byte 1, counted from 0)."#,
        ),
    ] {
        let fault = read(text).unwrap_err().located(text.as_bytes());
        assert_eq!(fault.detail().as_deref(), Some(told));
    }
}
