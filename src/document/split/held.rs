//! PURE. What the holder of a text asks while it is split, and tells: that a part of it has gone.

use super::open::Open;
use super::{Lines, Span, Splitter, State};

impl Splitter {
    /// Whether documents that have ended are documents for certain.
    pub fn is_settled(&self) -> bool {
        matches!(self.lines, Lines::Yes | Lines::No)
    }

    /// Whether all that is held are blanks between documents, or the end of one.
    pub fn holds_blanks(&self, text: &[u8]) -> bool {
        let units = [&self.documents, &self.elements].into_iter().chain(&self.last_elements);
        matches!(self.state, State::Between)
            && self.is_at_end(text)
            && self.broken.is_empty()
            && units.into_iter().all(|units| units.spans.is_empty())
    }

    /// Whether there is one document, and nothing behind it in all of the text.
    pub fn is_at_second(&self, text: &[u8]) -> bool {
        self.documents.spans.len() == 1
            && matches!(self.state, State::Between)
            && self.is_at_end(text)
    }

    /// Whether there is enough to be taken away.
    pub(super) fn has_enough(&self) -> bool {
        self.is_settled() && self.documents.objects + self.elements.objects >= self.most
    }

    /// Whether all of the text has been looked at.
    pub fn is_at_end(&self, text: &[u8]) -> bool {
        self.at == text.len()
    }

    /// Where the brackets do not match, or the text has ended within a document: it is no record that could say so.
    pub fn mistake(&self) -> Option<usize> {
        match &self.state {
            State::Mistake(at) => Some(*at),
            _ => None,
        }
    }

    /// Elements of the open array are taken away.
    pub fn cut_array(&mut self) {
        if let State::Within(Open { array: Some(array), .. }) = &mut self.state {
            array.cut = true;
        }
    }

    /// The text is held from this byte on.
    pub fn forget(&mut self, gone: usize) {
        let back = |place: &mut usize| *place = place.saturating_sub(gone);
        let shift = |span: &mut Span| (span.start, span.end) = (span.start - gone, span.end - gone);
        back(&mut self.at);
        match &mut self.state {
            State::Within(open) => {
                back(&mut open.start);
                open.line_end.as_mut().map(back);
                if let Some(array) = &mut open.array {
                    array.element = array.element.saturating_sub(gone);
                }
                open.inner.iter_mut().for_each(|line| back(&mut line.start));
            }
            State::Behind(span, _) => shift(span),
            State::Stray(at) | State::Mistake(at) => back(at),
            State::Begin | State::Between => {}
        }
        let kept =
            [&mut self.documents, &mut self.elements].into_iter().chain(&mut self.last_elements);
        kept.flat_map(|units| &mut units.spans).for_each(shift);
        self.broken.retain(|line| line.start >= gone);
        self.broken.iter_mut().for_each(|line| line.start -= gone);
    }
}
