//! Keeps a record one line, whatever names and texts from outside are in it. Must not know: what a record is.

use std::io::{self, Write};

/// Whether the character could end a line or control a terminal.
fn is_harmful(c: char) -> bool {
    // U+2028 and U+2029 are no control characters, but many readers of logs break lines at them.
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// The text, with every harmful character escaped.
pub fn escaped(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match is_harmful(c) {
            true => line.extend(c.escape_default()),
            false => line.push(c),
        }
    }
    line
}

/// Writes complete records, each with one call and a line break at its end.
#[derive(Debug)]
pub(super) struct Lines<W> {
    pub(super) inner: W,
    /// The records contain escape codes for colours; other ones are escaped before they get here.
    pub(super) coloured: bool,
}

impl<W: Write> Write for Lines<W> {
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(record);
        // Only the line break at the end is the record's own.
        let line = text.strip_suffix('\n').unwrap_or(&text);
        if line.chars().any(|c| is_harmful(c) && !(self.coloured && c == ESCAPE)) {
            let line = match self.coloured {
                true => line.split(ESCAPE).map(escaped).collect::<Vec<_>>().join("\u{1b}"),
                false => escaped(line),
            };
            self.inner.write_all(format!("{line}\n").as_bytes())?;
        } else {
            self.inner.write_all(record)?;
        }
        Ok(record.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

const ESCAPE: char = '\u{1b}';

#[cfg(test)]
mod tests {
    use super::*;

    fn written(record: &str, coloured: bool) -> String {
        let mut lines = Lines { inner: Vec::new(), coloured };
        lines.write_all(record.as_bytes()).unwrap();
        String::from_utf8(lines.inner).unwrap()
    }

    #[test]
    fn what_would_be_another_line_is_escaped_and_the_end_of_the_record_is_not() {
        assert_eq!(written("INFO a\n", false), "INFO a\n");
        assert_eq!(written("WARN a\nERROR b\r\u{1b}[2J\u{2028}\n", false), "WARN a\\nERROR b\\r\\u{1b}[2J\\u{2028}\n");
        assert_eq!(written("\u{1b}[33mWARN\u{1b}[0m a\nb ä\n", true), "\u{1b}[33mWARN\u{1b}[0m a\\nb ä\n");
    }
}
