//! PURE. Composers' names in the two forms that sources use, and the key made of them.
//!
//! The key, `composer_id`, is `last, first` with spaces as underscores: `Bach,_Johann_Sebastian`. IMSLP's
//! "Bach, Johann Sebastian" and Open Opus's "Bach" + "Johann Sebastian Bach" give the same one. It is made of composed
//! text (NFC) without invisible characters, so that two names that look the same have the same key.

use std::borrow::Cow;

use unicode_normalization::char::is_combining_mark;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use super::field::clean;

/// A name in two parts; a single name has no first.
#[derive(Clone, Debug, PartialEq)]
pub struct Name<'a> {
    pub last: Cow<'a, str>,
    pub first: Option<Cow<'a, str>>,
}

impl<'a> Name<'a> {
    /// IMSLP's form: `Last, First`, split at the first comma: "Burr, Willard, Jr." has the first name "Willard, Jr.".
    pub fn inverted(text: &'a str) -> Self {
        let comma = memchr::memchr(b',', text.as_bytes());
        let (last, first) = comma.map_or((text, ""), |at| (&text[..at], &text[at + 1..]));
        let part = |part: &'a str| clean(Cow::Borrowed(part.trim()));
        Name { last: part(last), first: Some(part(first)).filter(|first| !first.is_empty()) }
    }

    /// Open Opus's form: the name it is listed by, and the complete one.
    ///
    /// The listed name is the end of the complete one, or else (5 of its 220 composers) an initialled form of it,
    /// `Bach, C.P.E.`, or one without its accents, `Janacek`; the complete name decides. Where nothing of this holds,
    /// the complete name is the first name, so that two people never share a key.
    pub fn listed(name: &str, complete: &str) -> Name<'static> {
        let surname = name.split(',').next().unwrap_or(name).trim();
        let start = |last: &str| {
            let start = complete.len().checked_sub(last.len())?;
            let whole_words = start == 0 || complete.as_bytes()[start - 1] == b' ';
            (complete.is_char_boundary(start) && whole_words).then_some(start)
        };
        let ends_with = |last: &&str| complete.ends_with(*last) && start(last).is_some();
        let words = surname.split(' ').count();
        let last_words = complete.rmatch_indices(' ').nth(words - 1).map_or(0, |(at, _)| at + 1);
        let last_words = &complete[last_words..];
        let last = [name, surname].into_iter().find(ends_with).map(str::to_owned);
        let last =
            last.or_else(|| (fold(last_words) == fold(surname)).then(|| last_words.to_owned()));
        match last {
            Some(last) => {
                let first = complete[..complete.len() - last.len()].trim().to_owned();
                Name {
                    last: last.into(),
                    first: Some(first.into()).filter(|f: &Cow<str>| !f.is_empty()),
                }
            }
            None => Name { last: name.to_owned().into(), first: Some(complete.to_owned().into()) },
        }
    }

    /// The same name, borrowing nothing.
    pub fn into_owned(self) -> Name<'static> {
        Name {
            last: Cow::Owned(self.last.into_owned()),
            first: self.first.map(|first| Cow::Owned(first.into_owned())),
        }
    }

    pub fn key(&self) -> String {
        let last = visible(&self.last);
        let first = visible(self.first.as_deref().unwrap_or_default());
        let separator = if first.is_empty() { "" } else { ", " };
        [&last, separator, &first].concat().replace(' ', "_")
    }

    /// Whether there is no name that one could see.
    pub fn is_empty(&self) -> bool {
        visible(&self.last).is_empty()
    }

    /// As one reads it: "Johann Sebastian Bach", "Willard Burr, Jr.".
    pub fn complete(&self) -> String {
        match self.first.as_deref().map(|first| first.split_once(", ").unwrap_or((first, ""))) {
            None => self.last.to_string(),
            Some((given, "")) => format!("{given} {}", self.last),
            Some((given, suffix)) => format!("{given} {}, {suffix}", self.last),
        }
    }
}

/// What keys are made of: composed text without invisible characters, and clean.
pub fn visible(text: &str) -> Cow<'_, str> {
    // Nearly all names have characters below U+0300 alone, all of which are composed; of these U+00AD, which begins with
    // the byte 0xC2, is invisible.
    if text.bytes().all(|byte| byte < 0xCC && byte != 0xC2) {
        return Cow::Borrowed(text);
    }
    let is_composed = || is_nfc_quick(text.chars()) == IsNormalized::Yes;
    if !text.contains(is_invisible) && is_composed() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(clean(text.chars().filter(|c| !is_invisible(*c)).nfc().collect()).into_owned())
}

/// Characters that format or join others and are not seen themselves: those of Unicode's category Cf that have no
/// glyph, but for the tags of flags, and the combining grapheme joiner.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{AD}'
            | '\u{34F}'
            | '\u{61C}'
            | '\u{180E}'
            | '\u{200B}'..='\u{200F}'
            | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{2064}'
            | '\u{2066}'..='\u{206F}'
            | '\u{FEFF}'
    )
}

/// Without accents and case, for comparing.
fn fold(text: &str) -> String {
    text.nfd().filter(|&c| !is_combining_mark(c)).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(name: &Name<'_>) -> (String, Option<String>, String, String) {
        let first = name.first.as_deref().map(str::to_owned);
        (name.last.to_string(), first, name.key(), name.complete())
    }

    fn expect(
        last: &str,
        first: Option<&str>,
        key: &str,
        complete: &str,
    ) -> (String, Option<String>, String, String) {
        (last.into(), first.map(str::to_owned), key.into(), complete.into())
    }

    #[test]
    fn imslp_names() {
        for (text, last, first, key, complete) in [
            (
                "Bach, Johann Sebastian",
                "Bach",
                Some("Johann Sebastian"),
                "Bach,_Johann_Sebastian",
                "Johann Sebastian Bach",
            ),
            ("Anonymous", "Anonymous", None, "Anonymous", "Anonymous"),
            (
                "Burr, Willard, Jr.",
                "Burr",
                Some("Willard, Jr."),
                "Burr,_Willard,_Jr.",
                "Willard Burr, Jr.",
            ),
            ("Bach ,  J.  S.", "Bach", Some("J. S."), "Bach,_J._S.", "J. S. Bach"),
            ("Various,", "Various", None, "Various", "Various"),
        ] {
            assert_eq!(parts(&Name::inverted(text)), expect(last, first, key, complete), "{text}");
        }
    }

    /// The last five are all of Open Opus's that are not simply the end of the complete name.
    #[test]
    fn open_opus_names() {
        for (name, complete, key) in [
            ("Bach", "Johann Sebastian Bach", "Bach,_Johann_Sebastian"),
            ("Hildegard von Bingen", "Hildegard von Bingen", "Hildegard_von_Bingen"),
            ("de Falla", "Manuel de Falla", "de_Falla,_Manuel"),
            ("Bach, C.P.E.", "Carl Philipp Emanuel Bach", "Bach,_Carl_Philipp_Emanuel"),
            ("Bach, J.C.", "Johann Christian Bach", "Bach,_Johann_Christian"),
            ("Janacek", "Leoš Janáček", "Janáček,_Leoš"),
            ("Marcello, A.", "Alessandro Marcello", "Marcello,_Alessandro"),
            ("Scarlatti, A.", "Alessandro Scarlatti", "Scarlatti,_Alessandro"),
        ] {
            assert_eq!(Name::listed(name, complete).key(), key);
        }
    }

    #[test]
    fn names_that_look_the_same_have_one_key() {
        let key = Name::inverted("Dvořák, Antonín").key();
        for name in [
            "Dvor\u{30C}a\u{301}k, Antoni\u{301}n",
            "\u{FEFF}Dvořák,\u{200B} Antonín",
            "Dvo\u{AD}řák, \u{200E}Antonín\u{200F} ",
            "Dvořák , \u{2060} Antonín",
        ] {
            assert_eq!(Name::inverted(name).key(), key, "{name:?}");
        }
        let joined = Name::inverted("\u{645}\u{6CC}\u{200C}\u{646}");
        assert_eq!(joined.key(), "\u{645}\u{6CC}\u{646}");
        assert!(joined.last.contains('\u{200C}'));
        assert!(Name::inverted("\u{200B}\u{FEFF}, X").is_empty());
        assert!(!Name::inverted("X").is_empty());
    }

    #[test]
    fn names_that_do_not_fit_stay_apart() {
        assert_eq!(Name::listed("Bach", "Johann Offenbach").key(), "Bach,_Johann_Offenbach");
        assert_eq!(Name::listed("Adès", "Somebody Else").key(), "Adès,_Somebody_Else");
        assert_eq!(Name::listed("É", "Á").key(), "É,_Á");
        assert_eq!(Name::listed("A long name", "Short").key(), "A_long_name,_Short");
    }
}
