//! Why a list could not be fetched, in words. Must not know: what is done about it.

use std::error::Error;

/// Why something failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// For people.
    pub message: String,
    /// Before this, in seconds from now, the server does not want to be asked again.
    pub retry_after: Option<i64>,
}

impl Trouble {
    /// Something that says nothing about the next time.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), retry_after: None }
    }
}

/// An error with its causes.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        // Some errors repeat the text of their source.
        if !texts.iter().any(|before| before.ends_with(&text)) {
            texts.push(text);
        }
        next = error.source();
    }
    texts.join(": ")
}
