//! One finding for or against passing through. Must not know: how it was found.

use serde::Serialize;

/// One finding.
#[derive(Debug, Serialize)]
pub(in crate::cli::probe) struct Evidence {
    pub(in crate::cli::probe) check: &'static str,
    /// Whether it is evidence for pass-through, or against; `None` where it is neither.
    pub(in crate::cli::probe) speaks_for: Option<bool>,
    pub(in crate::cli::probe) finding: String,
}
