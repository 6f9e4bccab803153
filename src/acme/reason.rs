//! Why a certificate is revoked, as far as its owner may say so (RFC 5280 section 5.3.1). Must not know: how it is revoked.

use crate::words::words;

/// The reasons for which an owner can ask; the others are for authorities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    Unspecified,
    KeyCompromise,
    AffiliationChanged,
    Superseded,
    CessationOfOperation,
}

words! {
    Reason {
        Unspecified => "unspecified", KeyCompromise => "key-compromise", AffiliationChanged => "affiliation-changed",
        Superseded => "superseded", CessationOfOperation => "cessation-of-operation",
    }
}

impl Reason {
    /// The code in a certificate revocation list.
    pub fn code(self) -> u8 {
        match self {
            Self::Unspecified => 0,
            Self::KeyCompromise => 1,
            Self::AffiliationChanged => 3,
            Self::Superseded => 4,
            Self::CessationOfOperation => 5,
        }
    }
}
