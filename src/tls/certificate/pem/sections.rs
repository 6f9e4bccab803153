//! Text → the sections of PEM in it (RFC 7468, RFC 1421), and what looks like a section but cannot be read.
//! Must not know: what sections hold.
//!
//! Sections are found by their marks, anywhere in a line: in two files that were joined where the first had no last line
//! break, in indented text, with line breaks of any kind. A mark that follows other text on its line counts only if a whole
//! section follows it, since it may be a comment.

use zeroize::Zeroizing;

use crate::tls::certificate::pem::error::{PassedOver, PemError};

/// The parts of a text, in its order.
#[derive(Debug)]
pub(super) enum Part {
    Section {
        line: usize,
        label: String,
        body: Body,
        /// Whether it begins its line. If not, it may be part of a comment.
        alone: bool,
    },
    Unread(PassedOver),
}

/// The text between the marks of a section.
#[derive(Debug, Default)]
pub(super) struct Body {
    /// Without blanks and line breaks, and without headers. Wiped when it is dropped, since it may be a private key.
    pub base64: Zeroizing<Vec<u8>>,
    /// Whether a header marks it as encrypted (RFC 1421 section 4.6.1.1).
    pub encrypted: bool,
}

/// The parts of a text.
pub(super) struct Parts<'a> {
    text: &'a [u8],
    /// Everything before this offset is done.
    at: usize,
    /// Where the last line begins.
    last_line: usize,
    lines: Lines<'a>,
    /// The next part to return, found together with the one before.
    pending: Option<Part>,
}

impl<'a> Parts<'a> {
    pub(super) fn of(text: &'a [u8]) -> Self {
        let last_line = text.iter().rposition(|byte| is_break(*byte)).map_or(0, |last| last + 1);
        Self { text, at: 0, last_line, lines: Lines { text, at: 0, line: 1 }, pending: None }
    }

    /// What a BEGIN mark at `begin` begins.
    fn section(&mut self, begin: usize) -> Result<Part, PemError> {
        let line = self.lines.at(begin);
        let alone = self.begins_line(begin);
        let label_at = begin + BEGIN.len();
        self.at = label_at;
        let Some(label) = label(&self.text[label_at..]) else {
            if alone && label_at >= self.last_line {
                return Err(PemError::Truncated(line, shown(beginning(&self.text[label_at..]))));
            }
            return Ok(unread(line, "a BEGIN line is malformed, and what follows it is not read"));
        };
        let body_at = label_at + label.len() + DASHES.len();
        let name = shown(label);
        let end = find(&self.text[body_at..], DASHES).map(|length| body_at + length);
        let Some(after) = end.and_then(|end| after_end(self.text, end, label)) else {
            self.at = body_at;
            return match (alone && matters(label), end.and_then(|end| other_end(self.text, end))) {
                (false, _) => Ok(unread(line, &format!("a section \"{name}\" without an end line is not read"))),
                (true, None) => Err(PemError::Truncated(line, name)),
                (true, Some(other)) => Err(PemError::Syntax(format!(
                    "line {line}: the section \"{name}\" ends with the end line of \"{other}\""
                ))),
            };
        };
        self.at = after;
        match read_body(&self.text[body_at..end.unwrap_or(body_at)]) {
            Some(body) => Ok(Part::Section { line, label: name, body, alone }),
            None if !matters(label) => Ok(Part::Section { line, label: name, body: Body::default(), alone }),
            None if alone => Err(PemError::Syntax(format!("line {line}: the section \"{name}\" is not base64"))),
            None => Ok(unread(line, &not_alone(&name))),
        }
    }

    /// Whether only blanks and non-ASCII bytes (a byte-order mark) precede it on its line.
    fn begins_line(&self, at: usize) -> bool {
        let before = self.text[self.at..at].iter().rev();
        before.take_while(|byte| !is_break(**byte)).all(|byte| is_noise(*byte))
    }

    /// Something between sections that looks like a mark but is not one, such as a mark with typographic dashes.
    fn lookalike(&mut self, from: usize, to: usize) -> Option<Part> {
        let text = &self.text[from..to];
        let marks = |at: usize| {
            let before = text[..at].trim_ascii_end().last();
            let word = text.get(at..at + 5).unwrap_or_default();
            let sectional =
                word.eq_ignore_ascii_case(b"BEGIN") || word[..word.len().min(4)].eq_ignore_ascii_case(b"END ");
            // A hyphen, or the last byte in UTF-8 of the dash that a word processor made of two hyphens (U+2010 to U+2015).
            sectional && before.is_some_and(|byte| *byte == b'-' || (0x90..=0x95).contains(byte))
        };
        let at = text.iter().enumerate().filter(|(_, byte)| matches!(byte, b'B' | b'b' | b'E' | b'e'));
        let (at, first) = at.map(|(at, first)| (at, *first)).find(|(at, _)| marks(*at))?;
        let line = self.lines.at(from + at);
        Some(match first {
            b'E' | b'e' => unread(line, "an END line without its BEGIN line: what precedes it is not read"),
            _ => unread(line, "a BEGIN line is malformed, and what follows it is not read"),
        })
    }

    /// Whether the text ends in the middle of a BEGIN mark.
    fn cut(&mut self, from: usize) -> Option<Part> {
        let rest = &self.text[from..];
        let last = rest.rsplit(|byte| is_break(*byte)).next().unwrap_or_default().trim_ascii_start();
        let is_cut = !last.is_empty() && BEGIN.starts_with(last);
        is_cut.then(|| unread(self.lines.at(self.text.len()), "the text ends in the middle of a BEGIN line"))
    }
}

impl Iterator for Parts<'_> {
    type Item = Result<Part, PemError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(part) = self.pending.take() {
            return Some(Ok(part));
        }
        let from = self.at;
        let begin = find(&self.text[from..], BEGIN).map(|length| from + length);
        let lookalike = self.lookalike(from, begin.unwrap_or(self.text.len()));
        let part = match begin {
            Some(begin) => match self.section(begin) {
                Ok(part) => Some(part),
                Err(error) => {
                    // The file cannot be used: nothing after the error is looked at.
                    self.at = self.text.len();
                    return Some(Err(error));
                }
            },
            None => {
                self.at = self.text.len();
                self.cut(from)
            }
        };
        match lookalike {
            Some(unread) => {
                self.pending = part;
                Some(Ok(unread))
            }
            None => part.map(Ok),
        }
    }
}

/// Counts lines for offsets in rising order, so that the text is counted once.
struct Lines<'a> {
    text: &'a [u8],
    at: usize,
    line: usize,
}

impl Lines<'_> {
    fn at(&mut self, at: usize) -> usize {
        let from = self.at.min(at);
        let breaks = (from..at).filter(|place| match self.text[*place] {
            b'\n' => true,
            // A carriage return alone is a line break too, as on old Macs.
            b'\r' => self.text.get(place + 1) != Some(&b'\n'),
            _ => false,
        });
        self.line += breaks.count();
        self.at = at;
        self.line
    }
}

/// The label of a BEGIN mark, up to its dashes. Only the length of the longest label is searched: in a text with a million
/// marks, each must cost little.
fn label(text: &[u8]) -> Option<&[u8]> {
    let near = text.get(..LONGEST_LABEL + DASHES.len()).unwrap_or(text);
    let line = &near[..near.iter().position(|byte| is_break(*byte)).unwrap_or(near.len())];
    find(line, DASHES).map(|length| &line[..length]).filter(|label| !label.is_empty() && label.len() <= LONGEST_LABEL)
}

/// The readable beginning of a label that has no dashes behind it. A private key may follow, and no part of it may be
/// shown.
fn beginning(text: &[u8]) -> &[u8] {
    let legible = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b' ';
    let near = text.get(..LONGEST_KNOWN).unwrap_or(text);
    &near[..near.iter().take_while(|byte| legible(byte)).count()]
}

/// The offset after the END mark with that label at `at`.
fn after_end(text: &[u8], at: usize, label: &[u8]) -> Option<usize> {
    let rest = text[at..].strip_prefix(END)?.strip_prefix(label)?.strip_prefix(DASHES)?;
    Some(text.len() - rest.len())
}

/// The label of another section's END mark.
fn other_end(text: &[u8], at: usize) -> Option<String> {
    text[at..].strip_prefix(END).and_then(label).map(shown)
}

/// A label as it can be printed.
fn shown(label: &[u8]) -> String {
    let whole = label.get(..LONGEST_LABEL).unwrap_or(label);
    String::from_utf8_lossy(whole).escape_debug().to_string()
}

/// Why a section is not read that begins in the middle of a line.
pub(super) fn not_alone(label: &str) -> String {
    format!("a section \"{label}\" that does not begin its line is not valid, and is not read")
}

/// Whether a section of that label is one that is read.
fn matters(label: &[u8]) -> bool {
    label.ends_with(b"CERTIFICATE") || label.ends_with(b"PRIVATE KEY") || label == b"X509 CRL"
}

/// Removes headers and blanks. `None` where the rest is not base64.
fn read_body(text: &[u8]) -> Option<Body> {
    let (headers, text) = split_headers(text)?;
    let mut body =
        Body { base64: Zeroizing::new(Vec::with_capacity(text.len())), encrypted: headers.is_some_and(is_encrypted) };
    for line in text.split(|byte| is_break(*byte)) {
        // As OpenSSL does: what is not visible ASCII at the end of a line is removed.
        let end = line.iter().rposition(|byte| !is_noise(*byte)).map_or(0, |last| last + 1);
        body.base64.extend(line[..end].iter().filter(|byte| **byte > b' '));
    }
    body.base64.iter().all(|byte| is_base64(*byte)).then_some(body)
}

/// Headers, if the text begins with some (RFC 1421 section 4.6): they end at the first empty line.
fn split_headers(text: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    let start = text.iter().position(|byte| *byte > b' ').unwrap_or(text.len());
    let first = text[start..].split(|byte| is_break(*byte)).next().unwrap_or_default();
    if !first.contains(&b':') {
        return Some((None, text));
    }
    let mut at = start;
    for line in text[start..].split(|byte| is_break(*byte)) {
        // Splitting at each break yields an empty line inside a CRLF.
        let in_break = line.is_empty() && text[..at].ends_with(b"\r") && text[at..].starts_with(b"\n");
        if line.iter().all(|byte| is_noise(*byte)) && !in_break {
            return Some((Some(&text[start..at]), &text[at..]));
        }
        at += line.len() + 1;
    }
    None
}

/// `Proc-Type: 4,ENCRYPTED`
fn is_encrypted(headers: &[u8]) -> bool {
    find(headers, b"ENCRYPTED").is_some()
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

fn is_break(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

/// Blanks, control characters and non-ASCII bytes.
fn is_noise(byte: u8) -> bool {
    byte <= b' ' || byte >= 0x7f
}

/// The offset of `needle`. Fast where its first byte is rare.
fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    let mut from = 0;
    while let Some(length) = text[from..].iter().position(|byte| *byte == first) {
        from += length;
        if text[from..].starts_with(needle) {
            return Some(from);
        }
        from += 1;
    }
    None
}

fn unread(line: usize, what: &str) -> Part {
    Part::Unread(PassedOver { line, what: what.to_owned() })
}

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";

/// In bytes.
const LONGEST_LABEL: usize = 64;

/// The length of `ENCRYPTED PRIVATE KEY`, the longest label that is known.
const LONGEST_KNOWN: usize = 21;
