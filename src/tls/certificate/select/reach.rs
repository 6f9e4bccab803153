//! Which certificates no client can get, whatever it brings. Pure. Must not know: configuration, listeners.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::tls::certificate::certified::Certificate;
use crate::tls::certificate::certified::algorithm::KeyType;
use crate::tls::certificate::select::Certificates;

/// A certificate that nobody gets, and the one that is preferred to it.
type Shadowed = (Arc<Certificate>, Arc<Certificate>);

impl Certificates {
    /// Certificates to which another is preferred by every client, at `now` (seconds since 1970) and later, for all that they
    /// can be chosen by: one of the same kind of key that is valid for as long and asks no more of the client. In file order.
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
        let nobody = self.all.iter().filter(|certificate| !served.contains(&Arc::as_ptr(certificate)));
        let shadow = |certificate: &Arc<Certificate>| shadows.get(&Arc::as_ptr(certificate)).copied();
        nobody.filter_map(|one| Some((Arc::clone(one), Arc::clone(shadow(one)?)))).collect()
    }

    /// Those for clients that name nothing that is known.
    pub fn defaults(&self) -> HashSet<*const Certificate> {
        self.default.iter().map(Arc::as_ptr).collect()
    }
}

/// Of a list of candidates, best first, those of one kind of key that may stand before others. Two are enough: all of
/// thousands that bear one name are looked at once.
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

/// Whether `one`, which comes first where both are as good, is as good whenever `other` is.
fn covers(one: &Certificate, other: &Certificate, now: i64) -> bool {
    let as_long = one.not_before <= other.not_before.max(now) && one.not_after >= other.not_after;
    as_long && one.chain_signatures.iter().all(|any_of| other.chain_signatures.contains(any_of))
}
