//! The two forms of an answer: text for people, JSON for programs. Must not know: what is answered.

use clap::ValueEnum;
use serde::Serialize;

/// What `--format` selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Output {
    Text,
    Json,
}

/// A value as JSON over several lines, with a line break at the end.
pub(in crate::cli) fn json(value: &impl Serialize) -> String {
    // What the verbs show is made of texts and numbers, which JSON always has a form for.
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}
