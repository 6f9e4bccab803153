//! The certificates that a server has shown, each once, with what was asked each time. Must not know: how they were asked for.

use rustls::pki_types::{CertificateDer, ServerName};

use super::certificate::{self, Facts, Roots};

pub(super) struct Collected<'a> {
    roots: &'a Roots,
    /// The name that they must be valid for.
    reference: Option<ServerName<'static>>,
    all: Vec<Facts>,
}

impl<'a> Collected<'a> {
    pub(super) fn new(roots: &'a Roots, reference: Option<ServerName<'static>>) -> Self {
        Self { roots, reference, all: Vec::new() }
    }

    /// Adds a chain, leaf first. Returns the leaf's place among all; `None` if it is not X.509, or if there is none.
    pub(super) fn add(&mut self, chain: &[CertificateDer<'_>], shown_to: String) -> Option<usize> {
        let (sha256, _) = certificate::fingerprints(chain.first()?)?;
        if let Some(at) = self.all.iter().position(|known| known.sha256 == sha256) {
            let known = self.all.get_mut(at)?;
            known.shown_to.push(shown_to);
            return Some(at);
        }
        let now = jiff::Timestamp::now().as_second();
        self.all.push(certificate::facts(chain, self.roots, self.reference.as_ref()?, now, shown_to)?);
        Some(self.all.len() - 1)
    }

    /// Adds a defect to the certificate with that DER, where it was collected.
    pub(super) fn flaw(&mut self, leaf: &[u8], defect: String) {
        let Some((sha256, _)) = certificate::fingerprints(leaf) else { return };
        self.all.iter_mut().filter(|known| known.sha256 == sha256).for_each(|known| known.defects.push(defect.clone()));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn into_all(self) -> Vec<Facts> {
        self.all
    }
}
