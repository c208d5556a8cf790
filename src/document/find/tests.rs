//! PURE, tests only: find.

use super::*;
use crate::document::build::jsonb;
use crate::document::jsonb::Jsonb;
use crate::document::text::Text;
use crate::error::Place;

/// Source and paths of all records, which must be the same for text and jsonb.
fn paths(resource: Resource, text: &str) -> Result<(Source, Vec<String>), Fault> {
    let watch = Watch::default();
    fn told<'a, V: Value<'a>>(
        (found, records): Search<'a, V>,
    ) -> Result<(Source, Vec<String>), Fault> {
        let paths =
            (0..).zip(records).map(|(n, it)| it.map(|it| found.path(&it, n, Place::Field(""))));
        Ok((found.source, paths.collect::<Result<_, _>>()?))
    }
    let from_text = Text::documents(text, true, &watch)
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
    let expected = ["$.\"0\"", "$.\"2\"", "$.\"x\"", "$.\"10\""];
    assert_eq!(works(page), expect(Source::Imslp, &expected));
    assert_eq!(works(r#"{"metadata":{}}"#), expect(Source::Imslp, &[]));
    assert_eq!(works(r#"{"id":"x","intvals":{}}"#), expect(Source::Imslp, &["$"]));
    let lines = "{\"id\":\"x\"}\n{\"id\":\"Category:y\"}";
    assert_eq!(works(lines), expect(Source::Imslp, &["$", "$"]));
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

/// Whatever else they have: columns of the owner's may have the names of a source's members.
#[test]
fn rows_of_our_own_tables() {
    let people =
        r#"[{"composer_id":"A","last_name":"A","complete_name":"A","type":"1","intvals":{}},{}]"#;
    assert_eq!(composers(people), expect(Source::TableRows, &["$[0]", "$[1]"]));
    let pieces = r#"[null,{"work_id":null,"composer_id":"A","composer":{},"title":"T"}]"#;
    assert_eq!(works(pieces), expect(Source::TableRows, &["$[0]", "$[1]"]));
    let lines = "{\"work_id\":1,\"composer_id\":2}\n{}";
    assert_eq!(works(lines), expect(Source::TableRows, &["$", "$"]));
    let wrong = |what: &str| Err(Fault::UnknownShape(format!("the document has {what}").into()));
    assert_eq!(works(people), wrong("composers and no works"));
    assert_eq!(composers(pieces), wrong("works and no composers"));
    let other = r#"[{"composer_id":"87","complete_name":"A B","name":"B"}]"#;
    assert_eq!(composers(other), expect(Source::OpenOpus, &["$[0]"]));
}

#[test]
fn several_documents_are_read_through() {
    let pages = r#"{"0":{"type":"1"},"metadata":{}} {"1":{},"x":{}} {"metadata":{"moreresultsavailable":false}}"#;
    let expected = ["$.\"0\"", "$.\"1\" of document 1", "$.\"x\" of document 1"];
    assert_eq!(composers(pages), expect(Source::Imslp, &expected));
    let pages = r#"[{"0":{},"metadata":{}},{"1":{}},7,{"metadata":{}}]"#;
    let expected = ["$[0].\"0\"", "$[1].\"1\"", "$[2]"];
    assert_eq!(composers(pages), expect(Source::Imslp, &expected));
    let records = "{\"id\":\"Category:A\"}\n[{\"id\":\"Category:B\"},{\"0\":{}}]\n[{}\n{\"0\":{}}";
    // What has the number of its record needs no other.
    let expected = ["$", "$[0] of document 1", "$[1] of document 1", "$ of document 2"];
    let expected = [&expected[..], &["$ of document 3"]].concat();
    assert_eq!(composers(records), expect(Source::Imslp, &expected), "the first decides");
    let answers =
        r#"[{"composer":{},"works":[{},{}]},{"composers":[{"complete_name":"A","works":[{}]}]}]"#;
    let expected = ["$[0].works[0]", "$[0].works[1]", "$[1].composers[0].works[0]"];
    assert_eq!(works(answers), expect(Source::OpenOpus, &expected));
    let answers = r#"{"composer":{},"works":[{}]} {"composer":{},"works":[]}"#;
    assert_eq!(works(answers), expect(Source::OpenOpus, &["$.works[0]"]));
    let expected = ["$.composer", "$.composer of document 1"];
    assert_eq!(composers(answers), expect(Source::OpenOpus, &expected));
}

#[test]
fn composers_within_works() {
    let keyed = r#"{"status":{},"works":{"w:7":{"composer":{"id":1},"id":"7","title":"a"},
        "w:8":{"composer":{"id":1},"title":"b"},"w:9":{"composer":{"id":2},"title":"c"}}}"#;
    let expected = ["$.works.\"w:7\"", "$.works.\"w:8\"", "$.works.\"w:9\""];
    assert_eq!(works(keyed), expect(Source::OpenOpus, &expected));
    let expected = ["$.works.\"w:7\".composer", "$.works.\"w:9\".composer"];
    assert_eq!(composers(keyed), expect(Source::OpenOpus, &expected), "each composer once");
    let listed = r#"{"works":[{"composer":{},"title":"a"},{"title":"b"}]}"#;
    assert_eq!(works(listed), expect(Source::OpenOpus, &["$.works[0]", "$.works[1]"]));
    let bare = r#"[{"composer":{},"id":1,"title":"a"},5]"#;
    assert_eq!(works(bare), expect(Source::OpenOpus, &["$[0]", "$[1]"]));
    assert_eq!(composers(bare), expect(Source::OpenOpus, &["$[0].composer", "$[1]"]));
    let detail = r#"{"composer":{"id":1},"work":{"id":7,"title":"a"}}"#;
    assert_eq!(works(detail), expect(Source::OpenOpus, &["$.work"]));
    assert_eq!(composers(detail), expect(Source::OpenOpus, &["$.composer"]));
    let search =
        r#"{"results":[{"composer":{"id":1},"work":null},{"composer":{"id":1},"work":{}}]}"#;
    assert_eq!(works(search), expect(Source::OpenOpus, &["$.results[1].work"]));
    assert_eq!(composers(search), expect(Source::OpenOpus, &["$.results[0].composer"]));
}

#[test]
fn the_first_record_that_fits_decides() {
    let late = r#"[{"id":"87","name":"A"},3,{"id":"88","name":"B","complete_name":"A B"}]"#;
    assert_eq!(composers(late), expect(Source::OpenOpus, &["$[0]", "$[1]", "$[2]"]));
    let late = "{\"x\":1}\n{\"complete_name\":\"A\"}\n{\"type\":1}";
    assert_eq!(composers(late), expect(Source::OpenOpus, &["$", "$", "$"]));
    for (document, found) in [
        (
            r#"[{"id":"15091","title":"T"}]"#,
            "an array whose first object is an object with the members id, title",
        ),
        (r#"{"error":{"code":"x"},"id":"req-77"}"#, "an object with the members id, error"),
        (r#"{"metadata":{},"data":[{"intvals":{}}]}"#, "an object with the members data, metadata"),
        ("{}", "an object without members"),
        (r#"{"name":"A"} {}"#, "an object with the member name"),
    ] {
        let Err(Fault::UnknownShape(told)) = works(document) else { panic!("{document}") };
        assert!(told.ends_with(found), "{told}");
        assert!(matches!(composers(document), Err(Fault::UnknownShape(_))), "{document}");
    }
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
