//! An operator's list in a file, one entry on each line → the entries, or what is wrong with which line. Pure. Must not
//! know: what the entries are, where the file is.
//!
//! What follows `#` or `;` is a comment, as in the lists of the world; blank lines, spaces and CRLF do not matter.

use std::fmt::{self, Display, Formatter};

/// Lines that are not entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults {
    /// The first ones, each with its number, which begins at 1.
    pub first: Vec<Fault>,
    /// How many there are besides.
    pub more: usize,
}

/// A line that is not an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub line: usize,
    /// What was found and what was expected.
    pub reason: String,
}

impl Display for Fault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

/// Reads a list. `read` returns an entry, or the reason why the text is none.
pub fn entries<T>(bytes: &[u8], read: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, Faults> {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let (mut entries, mut faults) = (Vec::new(), Faults { first: Vec::new(), more: 0 });
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        // Only what comes before a comment has to be text.
        let entry = line.split(|byte| b"#;".contains(byte)).next().unwrap_or_default().trim_ascii();
        if entry.is_empty() {
            continue;
        }
        match std::str::from_utf8(entry).map_err(|_| "is not text in UTF-8".to_owned()).and_then(&read) {
            Ok(entry) => entries.push(entry),
            Err(reason) if faults.first.len() < SHOWN => faults.first.push(Fault { line: index + 1, reason }),
            Err(_) => faults.more += 1,
        }
    }
    if faults.first.is_empty() { Ok(entries) } else { Err(faults) }
}

/// The beginning of what was found, for a reason.
pub fn found(entry: &str) -> String {
    match entry.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("found {:?}…", entry.get(..end).unwrap_or_default()),
        None => format!("found {entry:?}"),
    }
}

/// Lines that are reported one by one: every line of a file of another kind is wrong.
const SHOWN: usize = 5;
/// Characters of a line that are shown.
const LONGEST: usize = 60;
/// Of UTF-8, which some editors write.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

#[cfg(test)]
mod tests {
    use super::*;

    fn number(entry: &str) -> Result<u32, String> {
        entry.parse().map_err(|_| format!("{}, expected a number", found(entry)))
    }

    const LIST: &[u8] = b"\xef\xbb\xbf; DROP list \xe4\xf6\xfc\r\n\r\n1 ; SBL1\r\n  2\t# two\n\n#3\n4#\n5";

    #[test]
    fn comments_blank_lines_and_ends_of_lines_of_any_kind_are_no_entries() {
        assert_eq!(entries(LIST, number), Ok(vec![1, 2, 4, 5]));
        assert_eq!(entries(b"", number), Ok(Vec::new()));
        assert_eq!(entries(b"# nothing", number), Ok(Vec::new()));
    }

    #[test]
    fn every_prefix_of_a_list_is_read_line_by_line() {
        for end in 0..LIST.len() {
            let read = entries(&LIST[..end], number).unwrap_or_else(|faults| {
                // Half of a byte order mark is not text.
                assert!(end < 3, "{end}: {faults:?}");
                Vec::new()
            });
            assert!([1, 2, 4, 5].starts_with(&read), "{end}: {read:?}");
        }
    }

    #[test]
    fn the_first_wrong_lines_are_reported_and_the_others_counted() {
        let text: String = (0..100).map(|at| if at == 50 { "7\n".to_owned() } else { format!("x{at}\n") }).collect();
        let faults = entries(text.as_bytes(), number).unwrap_err();
        assert_eq!((faults.first.len(), faults.more), (5, 94));
        assert_eq!(faults.first[0].to_string(), "line 1: found \"x0\", expected a number");
        let faults = entries(b"1\n\xff\n", number).unwrap_err();
        assert_eq!(faults.first[0].to_string(), "line 2: is not text in UTF-8");
        let faults = entries("ä".repeat(70).as_bytes(), number).unwrap_err();
        assert!(faults.first[0].reason.starts_with(&format!("found {:?}…", "ä".repeat(60))));
    }
}
