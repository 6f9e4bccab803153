//! The keys that a table may have, recorded from the code that reads it, so that no second list of them exists.
//! Must not know: which keys there are, what the outline is used for.

use std::collections::BTreeMap;

/// The keys of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outline(pub BTreeMap<&'static str, Key>);

/// One key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    pub required: bool,
    pub shape: Shape,
}

/// What a key holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    Value(Kind),
    /// One value, or a list of them.
    List(Kind),
    /// `[key]`
    Table(Outline),
    /// `[[key]]`
    Tables(Outline),
    /// `[key.NAME]`
    Named(Outline),
    /// `{ NAME = value }`, each with a value of this kind.
    Entries(Kind),
}

/// A kind of value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// What may be written, as errors say it.
    pub expected: &'static str,
    /// The types of JSON Schema that it may be written as.
    pub types: &'static [&'static str],
}
