//! The same certificate in several files → one. Must not know: files, where they were found.

use std::collections::HashMap;

use super::Found;
use crate::tls::certificate::name::Name;

/// The same certificate found twice counts once, at its first place, and with the longer chain: a client can do without none
/// of it. A later mention may mark it as default.
pub fn merge(found: Vec<Found>) -> Vec<Found> {
    let mut seen: HashMap<([u8; 32], Vec<Name>), usize> = HashMap::with_capacity(found.len());
    let mut merged: Vec<Found> = Vec::with_capacity(found.len());
    for one in found {
        let certificate = &one.entry.certificate;
        let identity = (certificate.fingerprint, certificate.names.clone());
        let Some(first) = seen.get(&identity).and_then(|at| merged.get_mut(*at)) else {
            seen.insert(identity, merged.len());
            merged.push(one);
            continue;
        };
        let default = first.entry.default || one.entry.default;
        if certificate.key.cert.len() > first.entry.certificate.key.cert.len() {
            *first = one;
        }
        first.entry.default = default;
    }
    merged
}
