//! The text of haproxy.cfg → sections of lines of words. Must not know: what the words mean.

use crate::convert::list::{Line, List};

/// A line, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) line: Line,
    pub(super) words: Vec<String>,
}

/// A section: its kind, its name, and the lines in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) kind: String,
    pub(super) name: String,
    /// The defaults that it takes over.
    pub(super) from: Option<String>,
    pub(super) line: Line,
    pub(super) lines: Vec<Words>,
}

impl Words {
    /// The word at that place; empty if there is none.
    pub(super) fn at(&self, index: usize) -> &str {
        self.words.get(index).map_or("", String::as_str)
    }

    /// The words from that place on.
    pub(super) fn after(&self, index: usize) -> &[String] {
        self.words.get(index..).unwrap_or_default()
    }

    /// As it is written, for the list.
    pub(super) fn shown(&self) -> String {
        self.words.join(" ")
    }
}

/// All sections. Lines under a condition (`.if`) are not read, and listed.
pub(super) fn sections(text: &str, list: &mut List) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    let mut conditions: usize = 0;
    for (number, line) in text.lines().enumerate() {
        let words = words(line);
        let line = Line::new(number + 1);
        let Some(first) = words.first().cloned() else { continue };
        match &*first {
            ".if" => {
                if conditions == 0 {
                    list.lost(
                        &line,
                        words.join(" "),
                        "conditions of the text are not followed: what is within it is left out",
                    );
                }
                conditions += 1;
                continue;
            }
            ".endif" => {
                conditions = conditions.saturating_sub(1);
                continue;
            }
            _ if conditions > 0 => continue,
            other if other.starts_with('.') => {
                list.note(&line, words.join(" "), "it is for HAProxy itself");
                continue;
            }
            _ => {}
        }
        if KINDS.contains(&&*first) {
            let second = words.get(1).cloned().unwrap_or_default();
            let from = words.iter().position(|word| word == "from").and_then(|at| words.get(at + 1)).cloned();
            let name = if second == "from" { String::new() } else { second };
            sections.push(Section { kind: first, name, from, line, lines: Vec::new() });
            continue;
        }
        let words = Words { line, words };
        if words.words.iter().any(|word| word.contains("${")) {
            list.lost(&words.line, words.shown(), "variables of the environment are not put in");
        }
        match sections.last_mut() {
            Some(section) => section.lines.push(words),
            None => list.lost(&words.line, words.shown(), "it is in no section"),
        }
    }
    sections
}

/// Lists a rule for HTTP. Some of them protect.
pub(super) fn of_http(words: &Words, list: &mut List) {
    let guards = ["deny", "reject", "tarpit", "auth", "silent-drop"].contains(&words.at(1));
    let why = "tlsgate does not read HTTP";
    if guards { list.security(&words.line, words.shown(), why) } else { list.lost(&words.line, words.shown(), why) }
}

/// HAProxy's quoting: `\` before any letter, `"…"` with `\` in it, `'…'` without, `#` to the end of the line.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut has_word) = (Vec::new(), String::new(), false);
    let mut letters = line.chars();
    let mut quote = None;
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            ('"' | '\'', None) => (quote, has_word) = (Some(letter), true),
            (letter, Some(open)) if letter == open => quote = None,
            ('\\', None | Some('"')) => {
                word.extend(letters.next());
                has_word = true;
            }
            ('#', None) => break,
            (letter, None) if letter.is_whitespace() => {
                if has_word {
                    words.push(std::mem::take(&mut word));
                }
                has_word = false;
            }
            (letter, _) => {
                word.push(letter);
                has_word = true;
            }
        }
    }
    if has_word {
        words.push(word);
    }
    words
}

/// The words that begin a section.
const KINDS: &[&str] = &[
    "acme",
    "backend",
    "cache",
    "crt-store",
    "defaults",
    "fcgi-app",
    "frontend",
    "global",
    "http-errors",
    "listen",
    "log-forward",
    "log-profile",
    "mailers",
    "peers",
    "program",
    "resolvers",
    "ring",
    "traces",
    "userlist",
];
