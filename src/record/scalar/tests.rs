//! PURE, tests only: scalars, lists and objects of sources.

use super::*;

record! {
    pub struct Sample<'a> {
        "id" => id: Scalar<'a>,
        "terms" => terms: List<'a>,
    }
}

fn read(text: &str) -> Nested<'_, Sample<'_>> {
    serde_json::from_str(text).unwrap()
}

#[test]
fn any_type_is_kept() {
    for (json, scalar) in [
        ("null", Scalar::Null),
        ("true", Scalar::Boolean(true)),
        ("1.5e1", Scalar::Number("15".into())),
        (r#""x""#, Scalar::String("x".into())),
        (r#""\u00e9""#, Scalar::String("é".into())),
        ("[1,[2]]", Scalar::Array),
        (r#"{"a":{"b":1},"c":2}"#, Scalar::Object),
        ("{}", Scalar::Object),
    ] {
        assert_eq!(serde_json::from_str::<Scalar>(json).unwrap(), scalar, "{json}");
    }
}

#[test]
fn the_last_of_repeated_keys_wins_and_unknown_ones_are_skipped() {
    let Nested::Record(sample) = read(r#"{"id":1,"x":{"id":[7]},"id":"2","terms":["a",3]}"#) else {
        panic!()
    };
    assert_eq!(sample.id, Scalar::String("2".into()));
    let terms = vec![Scalar::String("a".into()), Scalar::Number("3".into())];
    assert_eq!(sample.terms, List::Elements(terms));
}

#[test]
fn no_name_of_a_users_is_special() {
    use crate::document::Value;
    use crate::document::build::jsonb;
    use crate::document::jsonb::Jsonb;
    use serde_json::{Map, Value as Json, json};

    for token in ["$serde_json::private::Number", "$serde_json::private::RawValue"] {
        for value in [json!("7"), json!(7), json!(null), json!([1, "x"]), json!({"y": [1]})] {
            let object = Json::Object(Map::from_iter([(token.to_string(), value.clone())]));
            let mut record = Map::from_iter([(token.to_string(), value.clone())]);
            record.insert("id".into(), object.clone());
            record.insert("terms".into(), object.clone());
            record.insert("zz".into(), json!([object.clone()]));
            let terms = List::Scalar(Scalar::Object);
            let sample = Sample { id: Scalar::Object, terms };
            let record = Json::Object(record);
            for text in [record.to_string(), record.to_string().replace('$', "\\u0024")] {
                assert_eq!(read(&text), Nested::Record(sample.clone()), "{text}");
            }
            let bytes = jsonb(&record);
            let value: Result<Nested<Sample>, _> = Jsonb::document(&bytes).unwrap().read();
            assert_eq!(value, Ok(Nested::Record(sample.clone())));
            assert_eq!(serde_json::from_str(&object.to_string()).ok(), Some(Scalar::Object));
        }
    }
    // First, last, and a number before and behind.
    let text = r#"{"$serde_json::private::Number":"1","id":5,"terms":6}"#;
    let terms = List::Scalar(Scalar::Number("6".into()));
    let sample = Sample { id: Scalar::Number("5".into()), terms };
    assert_eq!(read(text), Nested::Record(sample));
}

#[test]
fn a_record_that_is_none_is_kept_as_what_it_is() {
    assert_eq!(read("[]"), Nested::Scalar(Scalar::Array));
    assert_eq!(read("{}"), Nested::Record(Sample::default()));
}
