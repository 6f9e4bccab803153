//! A part of a file that is not read, and the reasons why a file cannot be used. Must not know: how files are read.

use thiserror::Error;

/// A part of a file that was not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedOver {
    /// The line where it begins, from 1.
    pub line: usize,
    /// What it is and why it is not read: a sentence that is safe to print.
    pub what: String,
}

impl std::fmt::Display for PassedOver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

/// Why a file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PemError {
    #[error("is empty")]
    Empty,
    #[error("is cut short: the section \"{1}\" that begins at line {0} has no end line")]
    Truncated(usize, String),
    #[error("is not valid PEM: {0}")]
    Syntax(String),
    #[error("is text in UTF-16, expected ASCII or UTF-8 (save it as UTF-8)")]
    Utf16,
    #[error("is {0}, expected PEM; convert it with \"{1}\"")]
    Form(&'static str, &'static str),
    #[error(
        "holds a private key that is encrypted with a passphrase, and none is known here (\"openssl pkey\" decrypts it)"
    )]
    Encrypted,
    #[error("holds a private key that cannot be used: {0}")]
    Key(PassedOver),
    #[error("holds nothing that can be read: {0}")]
    Unread(PassedOver),
}
