//! The lists of a listener or a route, in the configuration and in files → whom they admit. Must not know: what is counted.

use std::sync::Arc;

use ipnet::IpNet;

use crate::config::validate::limits::Limits;
use crate::limit::fingerprints::Fingerprints;
use crate::limit::prefixes::{Addresses, Prefixes};
use crate::snapshot::reading::Reading;

/// The addresses from which clients may connect, and the JA4s that are refused. What is wrong with a file is added to
/// `reading`.
pub(super) fn lists(limits: &Limits, reading: &mut Reading<'_>) -> (Prefixes, Fingerprints) {
    let Limits { allow, deny, deny_ja4, allow_file, deny_file, deny_ja4_file, counts: _ } = limits;
    let mut allowed: Vec<Arc<Addresses>> = inline(allow).into_iter().collect();
    let known = reading.errors.len();
    allowed.extend(allow_file.iter().filter_map(|file| reading.addresses(file)));
    if let Some(file) = allow_file.first().filter(|_| reading.errors.len() == known)
        && allowed.iter().all(|list| list.is_empty())
    {
        // More likely a file that was cut off, or is not written yet, than what somebody wants.
        let path = file.value.display();
        reading.errors.push(file.error(format!(
            "{path}: found no address, so that nobody could connect (expected at least one on a line, or in allow)"
        )));
    }
    let denied = inline(deny).into_iter();
    let denied: Vec<Arc<Addresses>> = denied.chain(deny_file.iter().filter_map(|file| reading.denied(file))).collect();
    let of_files = deny_ja4_file.iter().filter_map(|file| reading.denied_ja4(file));
    let ja4 = [Arc::new(deny_ja4.iter().copied().collect())].into_iter().chain(of_files);
    (Prefixes::of(allowed, denied), Fingerprints::of(ja4))
}

fn inline(prefixes: &[IpNet]) -> Option<Arc<Addresses>> {
    (!prefixes.is_empty()).then(|| Arc::new(prefixes.iter().copied().collect()))
}
