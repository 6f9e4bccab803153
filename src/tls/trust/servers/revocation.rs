//! The lists by which servers' certificates are judged, and what can be wrong with what is trusted. Must not know: how
//! certificates are judged.

use std::sync::Arc;

use thiserror::Error;

use crate::tls::trust::lists::ListFault;
use crate::tls::trust::lists::given::Given;
use crate::tls::trust::lists::rules::Rules;
use crate::tls::trust::lists::seen::Seen;

/// Lists of revoked certificates.
#[derive(Debug, Clone, Default)]
pub struct Revocation {
    pub given: Vec<Given>,
    pub rules: Rules,
    /// Takes note of distribution points, where the rules ask for it.
    pub seen: Option<Arc<Seen>>,
}

/// Trusted certificates, or lists of theirs, that cannot be used.
#[derive(Debug, Error)]
pub enum TrustError {
    #[error("a certificate cannot be used as a CA's: {0}")]
    Ca(String),
    /// By the indexes of the lists that were given.
    #[error("{}", lines(.0))]
    Lists(Vec<(usize, ListFault)>),
    #[error("a list of revoked certificates cannot be used: {0}")]
    List(String),
    #[error(
        "lists of revoked certificates distinguish too many CAs with the same names (expected at most 16 combinations)"
    )]
    TooManyNamesakes,
}

fn lines(faults: &[(usize, ListFault)]) -> String {
    faults.iter().map(|(_, fault)| fault.to_string()).collect::<Vec<_>>().join("; ")
}
