//! PURE, tests only: find.

use super::*;
use crate::document::build::jsonb;
use crate::document::jsonb::Jsonb;
use crate::document::text::Text;

/// Source and paths of all records, which must be the same for text and jsonb.
fn paths(resource: Resource, text: &str) -> Result<(Source, Vec<String>), Fault> {
    let watch = Watch::default();
    fn told<'a, V: Value<'a>>(
        (found, records): Search<'a, V>,
    ) -> Result<(Source, Vec<String>), Fault> {
        let paths =
            records.map(|record| record.map(|record| found.path(&record, Place::Field(""))));
        Ok((found.source, paths.collect::<Result<_, _>>()?))
    }
    let from_text = Text::documents(text, &watch)
        .and_then(|documents| find_in(documents, resource, &watch))
        .and_then(told);
    // What no jsonb can hold has no jsonb to be compared with.
    let json = serde_json::from_str(text).ok().filter(|_| !text.contains("\\u0000"));
    if let Some(json) = json {
        let bytes = jsonb(&json);
        let document = Jsonb::document(&bytes).unwrap();
        let from_jsonb = find_in(vec![document], resource, &watch).and_then(told);
        assert_eq!(from_text, from_jsonb, "{text}");
    }
    from_text
}

fn composers(text: &str) -> Result<(Source, Vec<String>), Fault> {
    paths(Resource::Composers, text)
}

fn works(text: &str) -> Result<(Source, Vec<String>), Fault> {
    paths(Resource::Works, text)
}

fn expect(source: Source, paths: &[&str]) -> Result<(Source, Vec<String>), Fault> {
    Ok((source, paths.iter().map(|path| path.to_string()).collect()))
}

#[test]
fn imslp_shapes() {
    let array = r#"[{"id":"Category:A"},{"id":"Category:B"}]"#;
    assert_eq!(composers(array), expect(Source::Imslp, &["$[0]", "$[1]"]));
    assert_eq!(works("[]"), expect(Source::Imslp, &[]));
    let page = r#"{"10":{},"2":{},"0":{},"metadata":{"start":0},"x":1}"#;
    assert_eq!(works(page), expect(Source::Imslp, &["$.\"0\"", "$.\"2\"", "$.\"10\""]));
    assert_eq!(works(r#"{"metadata":{}}"#), expect(Source::Imslp, &[]));
    assert_eq!(works(r#"{"id":"x","intvals":{}}"#), expect(Source::Imslp, &["$"]));
    assert_eq!(works("{\"id\":\"x\"}\n{\"id\":\"y\"}"), expect(Source::Imslp, &["$", "$"]));
}

#[test]
fn open_opus_shapes() {
    let list = r#"{"status":{"success":"true"},"composers":[{"complete_name":"A"}]}"#;
    assert_eq!(composers(list), expect(Source::OpenOpus, &["$.composers[0]"]));
    let listed = r#"{"composer":{},"works":[{},{}]}"#;
    assert_eq!(works(listed), expect(Source::OpenOpus, &["$.works[0]", "$.works[1]"]));
    let keyed = r#"{"composer":{},"works":{"w:20":{},"w:3":{}}}"#;
    let expected = ["$.works.\"w:3\"", "$.works.\"w:20\""];
    assert_eq!(works(keyed), expect(Source::OpenOpus, &expected));
    let dump = r#"{"composers":[{"works":[{},{}]},{"works":[]},{"works":[{}]}]}"#;
    let expected =
        ["$.composers[0].works[0]", "$.composers[0].works[1]", "$.composers[2].works[0]"];
    assert_eq!(works(dump), expect(Source::OpenOpus, &expected));
    let array = r#"[{"complete_name":"A","works":[{}]}]"#;
    assert_eq!(works(array), expect(Source::OpenOpus, &["$[0].works[0]"]));
    assert_eq!(composers(array), expect(Source::OpenOpus, &["$[0]"]));
}

#[test]
fn what_is_no_catalogue_is_refused() {
    let error = r#"{"status":{"success":"false","error":"No composers found"}}"#;
    assert_eq!(composers(error), Err(Fault::SourceError("No composers found".into())));
    for shape in ["1", "\"x\"", "null", "{}", r#"{"a":1}"#, r#"{"composers":[{"name":"x"}]}"#] {
        assert!(matches!(works(shape), Err(Fault::UnknownShape(_))), "{shape}");
    }
    assert!(matches!(works("[1"), Err(Fault::Malformed(_))));
    assert_eq!(works(r#"{"metadata":{"x":"\u0000"}}"#), Err(Fault::NullCharacter));
}
