//! What keys a table may have, as the reading of it asks for them: so that nothing else has to list them.
//! Must not know: which keys there are, who wants to know.

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
}

/// A kind of value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// In words, as in an error.
    pub expected: &'static str,
    /// The types of JSON Schema that it may be written as.
    pub types: &'static [&'static str],
}
