//! The folders of the two texts that a configuration can be from. Must not know: what is written in them.

use std::path::Path;

use crate::config::located::{Position, Text};

/// From where relative paths start.
#[derive(Debug, Clone, Copy)]
pub struct Folders<'p> {
    /// Those of the configuration itself.
    pub configuration: &'p Path,
    /// Those of what a machine of a fleet has of its own.
    pub machine: &'p Path,
}

impl<'p> Folders<'p> {
    /// For what is written there.
    pub(super) fn of(self, place: Position) -> &'p Path {
        match place.text {
            Text::Configuration => self.configuration,
            Text::Machine => self.machine,
        }
    }
}
