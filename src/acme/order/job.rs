//! What an order is made with, and when it leads nowhere. Must not know: the steps of an order.

use crate::acme::account::Account;
use crate::acme::challenge::Means;
use crate::acme::clock::Clock;
use crate::acme::http::Http;
use crate::acme::issued::Facts;
use crate::acme::memory;
use crate::acme::memory::of_certificate::OfCertificate;
use crate::acme::settings::{Authority, Identifier, Wanted};
use crate::acme::trouble::Trouble;
use crate::state::Folder;

/// What an order is made with.
pub struct Job<'a> {
    pub wanted: &'a Wanted,
    /// The one that is asked: the wanted one or a fallback.
    pub authority: &'a Authority,
    pub account: &'a Account,
    pub http: &'a Http,
    pub folder: &'a Folder,
    pub means: &'a Means,
    pub clock: &'a Clock,
    /// The certificate that there is.
    pub current: Option<&'a Facts>,
}

impl Job<'_> {
    /// What was ordered, by the name that an authorization has.
    pub(super) fn ordered(&self, name: &str) -> Option<&Identifier> {
        let ordered = |name: &str| self.wanted.identifiers.iter().find(|one| one.to_string() == name);
        // Some authorities do not say that an authorization is for a wildcard.
        ordered(name).or_else(|| ordered(&format!("*.{name}")))
    }

    /// Remembers what has been reached.
    pub(super) fn keep(&self, kept: &OfCertificate) -> Result<(), Trouble> {
        memory::keep_certificate(self.folder, self.wanted, kept).map_err(Trouble::new)
    }

    /// Forgets an order that leads nowhere, and its key.
    pub(super) fn forget(&self, kept: &mut OfCertificate) -> Result<(), Trouble> {
        kept.order = None;
        self.keep(kept)?;
        memory::forget_order_key(self.folder, self.wanted).map_err(Trouble::new)
    }
}

/// Whether the authority has refused what the order needs, so that another one must begin.
pub(super) fn leads_nowhere(trouble: &Trouble) -> bool {
    let later = ["badNonce", "rateLimited", "serverInternal"].into_iter().any(|kind| trouble.is(kind));
    trouble.status.is_some_and(|status| (400..500).contains(&status) && status != 429) && !later
}

/// As if the authority had answered with it: what there is cannot be used.
pub(super) const REFUSED: u16 = 400;
