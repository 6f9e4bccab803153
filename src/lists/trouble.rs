//! Why a list could not be fetched, in words. Must not know: what is done about it.

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
