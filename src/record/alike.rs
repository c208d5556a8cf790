//! PURE. Which keys of composers differ only in how a name is written: in accents, case, punctuation or spaces.
//!
//! Nobody is merged by it: it may be that two people have such names.

use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Marks above and below letters of Latin, Greek and Cyrillic. Those of other scripts tell one word from another.
const ACCENTS: std::ops::RangeInclusive<char> = '\u{300}'..='\u{36F}';

/// What is left of a key without accents, case, punctuation and spaces. Empty if it has no letter and no digit.
pub fn folded(key: &str) -> String {
    // ẞ is small as ß, that is SS in capitals, and these are ss.
    let small = key.nfkd().filter(|c| !ACCENTS.contains(c)).flat_map(char::to_lowercase);
    let small = small.flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfkd();
    let mut folded = String::with_capacity(key.len());
    let counts = |c: &char| c.is_alphanumeric() || is_combining_mark(*c) && !ACCENTS.contains(c);
    for c in small.filter(counts) {
        match plain(c) {
            Some(letters) => folded.push_str(letters),
            None => folded.push(c),
        }
    }
    folded
}

/// Letters with a stroke and ligatures, which Unicode does not take apart.
fn plain(c: char) -> Option<&'static str> {
    Some(match c {
        'ø' => "o",
        'ł' => "l",
        'đ' | 'ð' => "d",
        'ħ' => "h",
        'ŧ' => "t",
        'ı' => "i",
        'æ' => "ae",
        'œ' => "oe",
        _ => return None,
    })
}

/// Pairs of keys that are alike: each with the first one of its kind, in the order of these. The keys are different ones,
/// in order.
pub fn pairs(keys: &[String]) -> Vec<(&str, &str)> {
    let mut firsts: HashMap<String, &str> = HashMap::with_capacity(keys.len());
    let mut pairs = vec![];
    for key in keys {
        let folded = folded(key);
        if folded.is_empty() {
            continue;
        }
        let first = *firsts.entry(folded).or_insert(key);
        if first != key {
            pairs.push((first, &**key));
        }
    }
    pairs.sort_unstable();
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_folded() {
        for (one, other) in [
            ("Smetana,_Bedřich", "Smetana,_Bedrich"),
            ("Lalo,_Édouard", "LALO,_Edouard"),
            ("Ysaÿe,_Eugène", "Ysaye,_Eugene"),
            ("Saint-Saëns,_Camille", "Saint_Saens,_Camille"),
            ("Bach,_C.P.E.", "Bach,_C._P._E."),
            ("Lutosławski,_Witold", "Lutoslawski,_Witold"),
            ("Groß,_A", "GROSS,_A"),
            ("GROẞ,_A", "Groß,_A"),
            ("Þorsteinn_Ægir", "þorsteinn_aegir"),
            ("O’Neill,_A", "O'Neill,_A"),
            ("ΣΟΦΟΣ", "σοφός"),
            ("Dvor\u{30c}a\u{301}k", "Dvořák"),
        ] {
            assert_eq!(folded(one), folded(other), "{one} {other}");
        }
        for (one, other) in [
            ("Bach,_C.P.E.", "Bach,_J.C."),
            ("Strauss,_Johann", "Strauss,_Johann,_Jr."),
            ("がく", "かく"),
            ("राम", "रम"),
            ("Sergei", "Sergey"),
        ] {
            assert_ne!(folded(one), folded(other), "{one} {other}");
        }
        assert_eq!(folded("?, …_-"), "");
    }

    #[test]
    fn each_is_paired_with_the_first_of_its_kind() {
        let keys = ["?", "A", "B", "C", "a", "c", "Á", "Ć", "…"].map(String::from);
        let expected = [("A", "a"), ("A", "Á"), ("C", "c"), ("C", "Ć")];
        assert_eq!(pairs(&keys), expected);
        assert_eq!(pairs(&[]), []);
    }
}
