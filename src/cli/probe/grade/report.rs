//! What the guidelines say, for text and JSON. Must not know: how it was found, how it is shown.

use serde::Serialize;

use crate::cli::probe::findings::Findings;
use crate::cli::probe::stamp::Stamp;

#[derive(Debug, Serialize)]
pub(in crate::cli::probe) struct Report {
    #[serde(flatten)]
    pub(in crate::cli::probe) stamp: Stamp,
    /// Whether it meets Mozilla's modern or intermediate guideline, no certificate has a defect, and no signature is wrong.
    pub(in crate::cli::probe) good: bool,
    pub(in crate::cli::probe) guidelines: Vec<Graded>,
    /// Those that have defects.
    pub(in crate::cli::probe) certificates: Vec<Defective>,
    /// What was graded.
    pub(in crate::cli::probe) found: Findings,
}

/// A guideline, and what it says.
#[derive(Debug, Serialize)]
pub(in crate::cli::probe) struct Graded {
    pub(in crate::cli::probe) name: String,
    pub(in crate::cli::probe) source: &'static str,
    /// Whether there is no breach.
    pub(in crate::cli::probe) met: bool,
    /// What it does not allow, each with its reason.
    pub(in crate::cli::probe) breaches: Vec<String>,
    /// What it advises against, or would also allow.
    pub(in crate::cli::probe) remarks: Vec<String>,
}

/// A certificate with defects, whatever a guideline says.
#[derive(Debug, Serialize)]
pub(in crate::cli::probe) struct Defective {
    /// Its number among the certificates found, from 1.
    pub(in crate::cli::probe) certificate: usize,
    pub(in crate::cli::probe) subject: String,
    pub(in crate::cli::probe) defects: Vec<String>,
}
