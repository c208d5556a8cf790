//! PURE, tests only: paths.

use super::*;

fn shown(text: &str) -> String {
    Path::parse(text).map_or_else(
        |fault| format!("{} at {}", fault.reason, fault.column),
        |path| path.to_string(),
    )
}

#[test]
fn paths_are_shown_as_they_are_read() {
    for (text, canonical) in [
        ("$", "$"),
        ("  lax\t$\n", "$"),
        ("lax$.a", "$.a"),
        ("$.a.b", "$.a.b"),
        ("$ . a [ 0 ] . b", "$.a[0].b"),
        ("$[12][0]", "$[12][0]"),
        ("$.a[*]", "$.a[*]"),
        ("$[ * ]", "$[*]"),
        (r#"$."a b""#, r#"$."a b""#),
        (r#"$."plain"."0"."""#, r#"$.plain."0"."""#),
        (r#"$."\u0041\n\"\\\/\ud83d\ude00é""#, "$.\"A\\n\\\"\\\\/😀é\""),
        ("$.é_1.名", "$.é_1.名"),
        ("$.lax.strict.null.to", "$.lax.strict.null.to"),
        ("$._", "$._"),
        ("$[2147483647]", "$[2147483647]"),
    ] {
        assert_eq!(shown(text), canonical, "{text}");
        assert_eq!(shown(canonical), canonical);
    }
}

#[test]
fn what_is_no_path_is_refused_where_it_is_wrong() {
    for (text, column) in [
        ("", 1),
        ("a", 1),
        ("strict $", 1),
        ("laxx $", 1),
        ("lax", 4),
        ("$$", 2),
        ("$a", 2),
        ("$.", 3),
        ("$.1", 3),
        ("$.*", 3),
        ("$.**", 3),
        ("$..a", 3),
        ("$.a$b", 4),
        ("$.a-b", 4),
        ("$.a b", 5),
        ("$.\"a", 5),
        (r#"$."\x41""#, 4),
        (r#"$."\u00""#, 4),
        (r#"$."\u0000""#, 4),
        ("$.\"a\0\"", 5),
        (r#"$."\ud800""#, 4),
        (r#"$."\udc00""#, 4),
        ("$[", 3),
        ("$[]", 3),
        ("$[-1]", 3),
        ("$[01]", 3),
        ("$[1.5]", 4),
        ("$[1x]", 4),
        ("$[0,1]", 4),
        ("$[0 to 1]", 5),
        ("$[last]", 3),
        ("$[2147483648]", 3),
        ("$[*].a", 5),
        ("$.a ? (@ > 1)", 5),
        ("$.a.size()", 9),
        ("$.a + 1", 5),
        ("$.é.", 5),
        ("$ /* why */", 3),
    ] {
        let fault = Path::parse(text).expect_err(text);
        assert_eq!(fault.column, column, "{text}: {}", fault.reason);
    }
    assert!(Path::parse(&format!("${}", ".a".repeat(100))).is_ok());
    assert!(Path::parse(&format!("${}", ".a".repeat(101))).is_err());
}
