//! Values and faults with their places: the key path, and line and column of the file. Must not know: what is read, or how.

use serde::Serialize;

/// Which of the two texts a configuration can be from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Text {
    /// The configuration's own.
    #[default]
    Configuration,
    /// What a machine of a fleet has of its own.
    Machine,
}

impl Text {
    fn is_configuration(&self) -> bool {
        *self == Self::Configuration
    }
}

/// Line and column, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Position {
    /// The text in which they are counted.
    #[serde(rename = "file", skip_serializing_if = "Text::is_configuration")]
    pub text: Text,
    pub line: usize,
    pub column: usize,
}

/// One fault: where, what was found, what was expected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConfigError {
    /// `listener "ldaps": idle_timeout`; empty for the file as a whole.
    pub path: String,
    #[serde(flatten)]
    pub position: Option<Position>,
    pub message: String,
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(Position { text, line, column }) = self.position {
            // Errors of both can come together, and only one of them is the file that the reader has in mind.
            if text == Text::Machine {
                f.write_str("fleet.toml, ")?;
            }
            write!(f, "line {line}, column {column}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// A value and its place. The place of a default is where its table begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located<T> {
    pub value: T,
    pub at: Position,
    pub path: String,
}

impl<T> Located<T> {
    /// Its place, without its value.
    pub fn place(&self) -> Located<()> {
        self.with(())
    }

    /// Another value with the same place.
    pub fn with<O>(&self, value: O) -> Located<O> {
        Located { value, at: self.at, path: self.path.clone() }
    }

    /// An error about this value.
    pub fn error(&self, message: impl Into<String>) -> ConfigError {
        ConfigError { path: self.path.clone(), position: Some(self.at), message: message.into() }
    }
}
