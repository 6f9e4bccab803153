//! Offsets in a text → line and column. The text is counted once, so that a place costs the same wherever it is.
//! Must not know: what the text means.

use crate::config::located::{Position, Text};

/// Where lines begin in a text, and how many characters come before every block of it.
#[derive(Debug)]
pub(super) struct Places<'t> {
    text: &'t [u8],
    of: Text,
    /// The offsets at which lines begin, in order. The first is 0.
    lines: Vec<usize>,
    /// The characters before each whole block: a long line does not have to be counted from its beginning.
    characters: Vec<usize>,
    /// How many bytes were counted, for the test that limits it.
    #[cfg(test)]
    counted: std::cell::Cell<usize>,
}

impl<'t> Places<'t> {
    pub(super) fn new(of: Text, text: &'t str) -> Self {
        let text = text.as_bytes();
        let after = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(offset, _)| offset + 1);
        let blocks = text.chunks(BLOCK).scan(0, |before, block| {
            let here = *before;
            *before += characters(block);
            Some(here)
        });
        Self {
            text,
            of,
            lines: std::iter::once(0).chain(after).collect(),
            characters: blocks.collect(),
            #[cfg(test)]
            counted: text.len().into(),
        }
    }

    /// The place at an offset; the end of the text for one beyond it.
    pub(super) fn at(&self, offset: usize) -> Position {
        let offset = offset.min(self.text.len());
        let line = self.lines.partition_point(|start| *start <= offset);
        let start = self.lines.get(line.saturating_sub(1)).copied().unwrap_or_default();
        Position { text: self.of, line, column: self.before(offset) - self.before(start) + 1 }
    }

    /// How many characters begin before an offset.
    fn before(&self, offset: usize) -> usize {
        let block = offset / BLOCK;
        match self.characters.get(block) {
            Some(before) => {
                let rest = &self.text[block * BLOCK..offset];
                #[cfg(test)]
                self.counted.set(self.counted.get() + rest.len());
                before + characters(rest)
            }
            // At the end of a text of whole blocks, or of an empty one.
            None => block.checked_sub(1).map_or(0, |last| {
                let rest = self.text.get(last * BLOCK..).unwrap_or_default();
                self.characters.get(last).copied().unwrap_or_default() + characters(rest)
            }),
        }
    }

    #[cfg(test)]
    pub(super) fn counted(&self) -> usize {
        self.counted.get()
    }
}

/// Every byte that does not continue a character of UTF-8 begins one (RFC 3629 section 3).
fn characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0b1100_0000 != 0b1000_0000).count()
}

/// A place costs at most two of them. Smaller ones cost memory, a number for each.
const BLOCK: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    /// By the definition: lines and characters from the beginning.
    fn counted_from_the_beginning(text: &str, offset: usize) -> Position {
        let before = &text[..offset];
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let (line, column) = (before.matches('\n').count() + 1, before[start..].chars().count() + 1);
        Position { text: Text::Configuration, line, column }
    }

    #[test]
    fn every_offset_of_every_text_has_the_place_that_counting_gives_it() {
        let long = "é".repeat(BLOCK) + "\n" + &"🦀x".repeat(BLOCK);
        let whole = "x".repeat(BLOCK);
        let texts = ["", "\n", "a", "a\n", "\n\n", "a = 1\r\nbä = \"ß\"\r\n", &long, &whole, &whole.repeat(2)];
        for text in texts {
            let places = Places::new(Text::Configuration, text);
            for offset in (0..=text.len()).filter(|offset| text.is_char_boundary(*offset)) {
                assert_eq!(places.at(offset), counted_from_the_beginning(text, offset), "{offset} of {text:?}");
            }
            assert_eq!(places.at(usize::MAX), places.at(text.len()), "{text:?}");
        }
    }

    #[test]
    fn a_place_far_back_costs_no_more_than_one_in_front() {
        // Many lines, and everything in one line.
        for text in ["key = \"value\"\n".repeat(100_000), "\"value\", ".repeat(100_000)] {
            let places = Places::new(Text::Configuration, &text);
            let before = places.counted();
            assert_eq!(before, text.len());
            for offset in (0..text.len()).step_by(7) {
                let counted = places.counted();
                places.at(offset);
                assert!(places.counted() - counted < 2 * BLOCK, "{offset}");
            }
        }
    }
}
