//! Certificates that no client can get, whatever it offers. Pure. Must not know: configuration, listeners.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::tls::certificate::certified::Certificate;
use crate::tls::certificate::certified::algorithm::KeyType;
use crate::tls::certificate::select::Certificates;

/// A certificate that no client gets, and the one that is preferred to it.
type Shadowed = (Arc<Certificate>, Arc<Certificate>);

impl Certificates {
    /// Certificates to which another is always preferred, at `now` (seconds since 1970) and later, for each name and
    /// address of theirs: one of the same key type that is valid at least as long and requires no other signature schemes
    /// of the client. In file order.
    pub fn shadowed(&self, now: i64) -> Vec<Shadowed> {
        let mut served: HashSet<*const Certificate> = HashSet::with_capacity(self.all.len());
        let mut shadows: HashMap<*const Certificate, &Arc<Certificate>> = HashMap::new();
        let named = self.exact.values().chain(self.wildcard.values()).chain(self.address.values());
        for list in named.chain(std::iter::once(&self.default)) {
            let mut kinds: Vec<Kind<'_>> = Vec::new();
            for certificate in list {
                let kind = kinds.iter_mut().find(|kind| kind.key_type == certificate.key_type);
                let shadow = kind.as_ref().and_then(|kind| kind.preferred_to(certificate, now));
                match (kind, shadow) {
                    (_, Some(shadow)) => {
                        shadows.insert(Arc::as_ptr(certificate), shadow);
                    }
                    (Some(kind), None) => kind.add(certificate),
                    (None, _) => kinds.push(Kind::new(certificate)),
                }
                if shadow.is_none() {
                    served.insert(Arc::as_ptr(certificate));
                }
            }
        }
        let unserved = self.all.iter().filter(|certificate| !served.contains(&Arc::as_ptr(certificate)));
        let shadow = |certificate: &Arc<Certificate>| shadows.get(&Arc::as_ptr(certificate)).copied();
        unserved.filter_map(|one| Some((Arc::clone(one), Arc::clone(shadow(one)?)))).collect()
    }

    /// The default certificates, for clients without a known server name.
    pub fn defaults(&self) -> HashSet<*const Certificate> {
        self.default.iter().map(Arc::as_ptr).collect()
    }
}

/// Of a list of candidates, best first, those of one key type to which others are compared. Two are enough, so that
/// thousands of certificates with one name cost no more than one pass.
struct Kind<'c> {
    key_type: KeyType,
    first: &'c Arc<Certificate>,
    longest: &'c Arc<Certificate>,
}

impl<'c> Kind<'c> {
    fn new(certificate: &'c Arc<Certificate>) -> Self {
        Self { key_type: certificate.key_type, first: certificate, longest: certificate }
    }

    fn add(&mut self, certificate: &'c Arc<Certificate>) {
        if certificate.not_after > self.longest.not_after {
            self.longest = certificate;
        }
    }

    fn preferred_to(&self, certificate: &Certificate, now: i64) -> Option<&'c Arc<Certificate>> {
        [self.first, self.longest].into_iter().find(|other| covers(other, certificate, now))
    }
}

/// Whether `one`, which is preferred among equals, can be served whenever `other` can.
fn covers(one: &Certificate, other: &Certificate, now: i64) -> bool {
    // What is past no longer counts: both only have to be valid from `now` on.
    let as_long = one.not_before <= other.not_before.max(now) && one.not_after >= other.not_after;
    as_long && one.chain_signatures.iter().all(|any_of| other.chain_signatures.contains(any_of))
}
