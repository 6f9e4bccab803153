//! What is asked of clients, and how strictly. Must not know: how they are judged.

use super::identity::Allowed;
use crate::words::words;

/// Whether a client has to show a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Demand {
    /// It may go without; one that it shows must be good.
    Optional,
    /// It must.
    Require,
}

/// What becomes of a client when the list that would tell of its revocation is out of date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExpiredCrl {
    Refuse,
    /// The list counts as if it were still good.
    Ignore,
}

words! { ExpiredCrl { Refuse => "refuse", Ignore => "ignore" } }

/// What is asked of clients besides a chain to a CA.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Settings {
    pub demand: Demand,
    pub expired_crl: ExpiredCrl,
    /// One of these must be in the certificate; where there are none, any will do.
    pub names: Vec<Allowed>,
    /// SHA-256 of a SubjectPublicKeyInfo. The certificate's key must be one of these; where there are none, any will do.
    pub pins: Vec<[u8; 32]>,
}
