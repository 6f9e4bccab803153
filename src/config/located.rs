//! Values and faults with their places: the key path, and line and column of the file. Must not know: what is read, or how.

use serde::Serialize;

/// Line and column, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Position {
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
        if let Some(Position { line, column }) = self.position {
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
        Located { value: (), at: self.at, path: self.path.clone() }
    }

    /// An error about this value.
    pub fn error(&self, message: impl Into<String>) -> ConfigError {
        ConfigError { path: self.path.clone(), position: Some(self.at), message: message.into() }
    }
}
