//! PURE, tests only: texts that never were a path or a mapping.

use super::*;

impl Random {
    /// Signs and words of paths and mappings, in any order, and any bytes.
    fn signs(&mut self) -> String {
        const SIGNS: [&str; 32] = [
            "$",
            "$.",
            "$.a",
            "$[*]",
            "[",
            "]",
            "[*]",
            "[0]",
            "[4294967296]",
            "[-1]",
            "[last]",
            ".",
            ".*",
            ".\"",
            "\"",
            "\\",
            "\\u0061",
            "\\ud83c",
            "{",
            "}",
            ":",
            ",",
            " ",
            "lax ",
            "strict ",
            "\"records\":",
            "\"columns\":",
            "\"key\":",
            "\"others\":",
            "\"a\":",
            "?(@ > 1)",
            "é",
        ];
        let part = |random: &mut Self| match random.below(12) {
            0 => {
                let bytes: Vec<u8> =
                    (0..random.below(5)).map(|_| random.below(256) as u8).collect();
                String::from_utf8_lossy(&bytes).into_owned()
            }
            _ => random.pick(&SIGNS).to_owned(),
        };
        (0..self.below(16)).map(|_| part(self)).collect()
    }
}

#[test]
fn any_text_is_a_path_a_mapping_or_refused() {
    let mapping = |text: &str| match Mapping::parse(text).and_then(|it| resolve(&it, &columns())) {
        Ok(resolved) => assert!(resolved.written.len() <= COLUMNS.len(), "{text}"),
        Err(fault) => assert!(!fault.to_string().is_empty(), "{text}"),
    };
    for_seeds(ROUNDS, |random| {
        let text = random.signs();
        match Path::parse(&text) {
            Ok(path) => assert_eq!(Path::parse(&path.to_string()), Ok(path), "{text}"),
            Err(fault) => assert!(fault.column <= text.chars().count() + 1, "{text} {fault:?}"),
        }
        mapping(&text);
        mapping(&format!("{{{text}}}"));
        let quoted = Json::from(text);
        mapping(&format!(
            r#"{{"records": {quoted}, "columns": {{"a": [{quoted}], {quoted}: "$.a"}}}}"#
        ));
        let mut broken = random.mapping();
        (0..1 + random.below(6)).for_each(|_| broken = random.broken(&broken));
        mapping(&broken);
    });
}
