//! What is asked of lists of revoked certificates. Must not know: where the lists come from, whose certificates they revoke.

use crate::words::words;

/// What happens to a peer when the list that could revoke its certificate is out of date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExpiredCrl {
    Refuse,
    /// The list is used as if it were current.
    Ignore,
}

words! { ExpiredCrl { Refuse => "refuse", Ignore => "ignore" } }

/// What happens to a peer when there is no list that could revoke its certificate, or one above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MissingCrl {
    Refuse,
    /// What no list covers counts as not revoked.
    Ignore,
}

words! { MissingCrl { Refuse => "refuse", Ignore => "ignore" } }

/// All that is asked of lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rules {
    /// Whether lists are asked for at all. Where they are and none is there, `missing` decides.
    pub asked: bool,
    pub expired: ExpiredCrl,
    pub missing: MissingCrl,
    /// Whether the distribution points in certificates of peers are taken note of.
    pub points: bool,
    /// Whether a list that is fetched from a URL is not there. It could be that of any of the CAs.
    pub awaited: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self { asked: false, expired: ExpiredCrl::Refuse, missing: MissingCrl::Refuse, points: false, awaited: false }
    }
}
