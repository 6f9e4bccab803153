//! Rows of words → a table for a terminal, or one in Markdown. Must not know: what is in it.

use std::fmt::Write;

/// A table with a head. Every row has as many cells as the head, or fewer: then the last one takes the place of those that
/// are missing.
pub(super) struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(head: &[&'static str]) -> Self {
        Self { head: head.to_vec(), rows: Vec::new() }
    }

    pub(super) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// With columns, and the head above them.
    pub(super) fn text(&self) -> String {
        let mut widths: Vec<usize> = self.head.iter().map(|cell| cell.chars().count()).collect();
        for row in &self.rows {
            let whole = row.len() == self.head.len();
            // A cell that spans others does not widen its own column.
            for (width, cell) in
                widths.iter_mut().zip(row).take(if whole { row.len() } else { row.len().saturating_sub(1) })
            {
                *width = (*width).max(cell.chars().count());
            }
        }
        let full = widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1);
        let gap = if full > WIDTH { 1 } else { 2 };
        let mut text = String::new();
        let head: Vec<String> = self.head.iter().map(|cell| (*cell).to_owned()).collect();
        for row in std::iter::once(&head).chain(&self.rows) {
            let mut line = String::new();
            for (at, cell) in row.iter().enumerate() {
                let width = if at + 1 == row.len() { 0 } else { widths.get(at).copied().unwrap_or(0) + gap };
                // Writing to a String cannot fail.
                let _ = write!(line, "{cell:width$}");
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    /// As GitHub's Markdown has it.
    pub(super) fn markdown(&self) -> String {
        let line = |cells: &mut dyn Iterator<Item = String>| format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "));
        let mut text = line(&mut self.head.iter().map(|cell| (*cell).to_owned()));
        text += &line(&mut self.head.iter().map(|_| "---".to_owned()));
        for row in &self.rows {
            let missing = self.head.len().saturating_sub(row.len());
            let cells = row.iter().map(|cell| escaped(cell));
            text += &line(&mut cells.chain(std::iter::repeat_n(String::new(), missing)));
        }
        text
    }
}

/// Words with that joint between them, broken into lines. The first line begins after `first` columns, the others after
/// `indent` spaces.
pub(super) fn wrapped<T: AsRef<str>>(words: &[T], joint: &str, first: usize, indent: usize) -> String {
    let (mut text, mut at) = (String::new(), first);
    for (number, word) in words.iter().enumerate() {
        let word = word.as_ref();
        let joint = if number + 1 < words.len() { joint.trim_end() } else { "" };
        let length = word.chars().count() + joint.len();
        if number > 0 && at + 1 + length > WIDTH {
            text.push('\n');
            text.push_str(&" ".repeat(indent));
            at = indent;
        } else if number > 0 {
            text.push(' ');
            at += 1;
        }
        text.push_str(word);
        text.push_str(joint);
        at += length;
    }
    text
}

/// A text as itself in Markdown, on one line. What comes from a server must not end a cell, nor be a link, HTML, emphasis or a
/// mention. GitHub makes links of addresses without any mark, too.
pub(super) fn escaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut before = None;
    for (at, letter) in text.char_indices() {
        let rest = text.get(at + letter.len_utf8()..).unwrap_or_default();
        let is_www = || text.get(at.saturating_sub(3)..at).is_some_and(|word| word.eq_ignore_ascii_case("www"));
        // Within a word it is itself, as in most names of suites.
        let is_within = || [before, rest.chars().next()].iter().all(|next| next.is_some_and(char::is_alphanumeric));
        match letter {
            '\n' => plain.push(' '),
            '<' => plain.push_str("&lt;"),
            '&' => plain.push_str("&amp;"),
            '@' => plain.push_str("&#64;"),
            ':' if rest.starts_with("//") => plain.push_str("&#58;"),
            '.' if is_www() => plain.push_str("&#46;"),
            '_' if is_within() => plain.push(letter),
            '\\' | '|' | '[' | '`' | '*' | '_' | '~' => plain.extend(['\\', letter]),
            _ => plain.push(letter),
        }
        before = Some(letter);
    }
    plain
}

/// In columns of a terminal.
const WIDTH: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_cells_and_a_short_row_does_not_widen_them() {
        let mut table = Table::new(&["one", "two", "three"]);
        table.row(["a", "bbbb", "c"].map(str::to_owned).to_vec());
        table.row(["d", "refused: something long"].map(str::to_owned).to_vec());
        assert_eq!(table.text(), "one  two   three\na    bbbb  c\nd    refused: something long\n");
        let markdown =
            "| one | two | three |\n| --- | --- | --- |\n| a | bbbb | c |\n| d | refused: something long |  |\n";
        assert_eq!(table.markdown(), markdown);
    }

    #[test]
    fn no_cell_ends_itself() {
        let mut table = Table::new(&["one"]);
        table.row(vec!["a|b\nc<d\\[e](f)".to_owned()]);
        assert_eq!(table.markdown().lines().last(), Some("| a\\|b c&lt;d\\\\\\[e](f) |"));
    }

    #[test]
    fn what_a_server_says_is_no_link_no_mention_and_no_emphasis() {
        for (text, expected) in [
            ("https://a.test, WWW.a.test", "https&#58;//a.test, WWW&#46;a.test"),
            ("@team a@b.test &#64;team", "&#64;team a&#64;b.test &amp;#64;team"),
            ("*.a.test ~~b~~ _c_", "\\*.a.test \\~\\~b\\~\\~ \\_c\\_"),
            ("TLS_AES_128_GCM_SHA256 a.test:443", "TLS_AES_128_GCM_SHA256 a.test:443"),
        ] {
            assert_eq!(escaped(text), expected);
        }
    }

    #[test]
    fn a_long_list_is_broken_between_its_words() {
        let words: Vec<String> = (0..30).map(|number| format!("word{number}")).collect();
        let text = wrapped(&words, ", ", 10, 4);
        assert!(text.lines().count() > 1 && text.lines().all(|line| line.len() <= WIDTH));
        assert_eq!(text.replace("\n    ", " "), words.join(", "));
    }
}
