//! The list of what a conversion did not take over. Must not know: the peers.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

/// A line of the configuration that is converted, or of a file that it includes.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Line {
    /// The included file; `None` for the configuration itself.
    pub file: Option<Arc<str>>,
    /// From 1.
    pub number: usize,
}

impl Line {
    pub(super) fn new(number: usize) -> Self {
        Self { file: None, number }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{file}, line {}", self.number),
            None => write!(f, "line {}", self.number),
        }
    }
}

/// How much it matters that something was not taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Weight {
    /// It decides who may connect, whom is trusted, or how traffic is protected.
    Security,
    /// Clients or operators may notice the difference.
    Lost,
    /// tlsgate does without it, or it is only to be known: the exit code does not count it.
    Note,
}

impl Weight {
    /// The word in front of each line of the list.
    pub fn word(self) -> &'static str {
        match self {
            Self::Security => "security",
            Self::Lost => "not taken over",
            Self::Note => "note",
        }
    }
}

/// Something that was not taken over.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Left {
    pub weight: Weight,
    pub line: Line,
    /// As it is written there.
    pub text: String,
    /// The reason.
    pub why: String,
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { weight, line, text, why } = self;
        match text.is_empty() {
            true => write!(f, "{line}: {}: {why}", weight.word()),
            false => write!(f, "{line}: {}: {text}: {why}", weight.word()),
        }
    }
}

/// The list, while it is made.
#[derive(Debug, Default)]
pub(super) struct List {
    all: Vec<Left>,
    // Lines of defaults are read once for each section that uses them, and listed once.
    seen: HashSet<Left>,
}

impl List {
    pub(super) fn security(&mut self, line: &Line, text: impl Into<String>, why: impl Into<String>) {
        self.add(Weight::Security, line, text.into(), why.into());
    }

    pub(super) fn lost(&mut self, line: &Line, text: impl Into<String>, why: impl Into<String>) {
        self.add(Weight::Lost, line, text.into(), why.into());
    }

    pub(super) fn note(&mut self, line: &Line, text: impl Into<String>, why: impl Into<String>) {
        self.add(Weight::Note, line, text.into(), why.into());
    }

    pub(super) fn add(&mut self, weight: Weight, line: &Line, text: String, why: String) {
        // A text in quotes may have several lines.
        let text = if text.contains('\n') { text.replace('\n', " ") } else { text };
        let left = Left { weight, line: line.clone(), text: shortened(text), why };
        if self.seen.insert(left.clone()) {
            self.all.push(left);
        }
    }

    /// What matters most first, then by line.
    pub(super) fn sorted(mut self) -> Vec<Left> {
        self.all.sort();
        self.all
    }
}

/// A line of a configuration may be of any length.
fn shortened(text: String) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

const LONGEST: usize = 200;
