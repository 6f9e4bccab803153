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
    // It fails only for maps whose keys are not strings, and no verb prints any.
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}
