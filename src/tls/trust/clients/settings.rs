//! The requirements for client certificates. Must not know: how they are judged.

use super::identity::Allowed;
use crate::tls::trust::lists::rules::Rules;
use crate::words::words;

/// Whether a client must send a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Demand {
    /// It need not; one that it sends must be good.
    Optional,
    /// It must.
    Require,
}

/// What happens to open connections whose clients would not be accepted any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Live {
    /// They go on.
    #[default]
    Keep,
    /// They are closed.
    Close,
}

words! { Live { Keep => "keep", Close => "close" } }

/// The requirements besides a chain to a CA.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Settings {
    pub demand: Demand,
    /// What is asked of lists of revoked certificates.
    pub lists: Rules,
    /// One of these must be in the certificate; where there are none, any will do.
    pub names: Vec<Allowed>,
    /// SHA-256 of a SubjectPublicKeyInfo. The certificate's key must be one of these; where there are none, any will do.
    pub pins: Vec<[u8; 32]>,
}
