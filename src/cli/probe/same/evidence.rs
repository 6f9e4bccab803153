//! One finding for or against passing through. Must not know: how it was found.

use serde::Serialize;

/// One thing that was found out.
#[derive(Debug, Serialize)]
pub(in crate::cli::probe) struct Evidence {
    pub(in crate::cli::probe) check: &'static str,
    /// Whether it speaks for passing through; nothing where it says nothing.
    pub(in crate::cli::probe) speaks_for: Option<bool>,
    pub(in crate::cli::probe) finding: String,
}
