//! What came of a source: its certificates, and what is wrong. The same certificate in several files is one.
//! Must not know: how certificates are found and made.

use std::collections::HashMap;
use std::path::PathBuf;

use crate::tls::certificate::name::Name;
use crate::tls::certificate::select::Entry;
use crate::warning::Warning;

/// A certificate, and what should be known of its files.
#[derive(Debug, Clone)]
pub struct Item {
    pub entry: Entry,
    /// Whether the operator named this certificate. If not, it was found: there may be others, and it may go at any time.
    pub named: bool,
    /// The file with its key.
    pub key: PathBuf,
    /// Whether everyone can read that.
    pub exposed: bool,
    /// What was not read of its files, and what does not verify.
    pub warnings: Vec<Warning>,
}

/// What came of a source.
#[derive(Debug, Default)]
pub struct Loaded {
    pub items: Vec<Item>,
    /// What is in a folder and looks as if it should be served, but is not.
    pub warnings: Vec<Warning>,
    /// One for each certificate of a folder that could not be loaded.
    pub failures: Vec<Warning>,
}

/// The same certificate found twice counts once, at its first place, and with the longer chain: a client can do without none
/// of it. A later mention may mark it as default.
pub fn merge(items: Vec<Item>) -> Vec<Item> {
    let mut seen: HashMap<([u8; 32], Vec<Name>), usize> = HashMap::with_capacity(items.len());
    let mut merged: Vec<Item> = Vec::with_capacity(items.len());
    for one in items {
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
