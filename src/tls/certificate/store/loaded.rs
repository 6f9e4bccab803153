//! The result of loading a source: its certificates, and what is wrong. The same certificate in several files is one.
//! Must not know: how certificates are found and built.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use crate::tls::certificate::certified::Certificate;
use crate::tls::certificate::name::Name;
use crate::tls::certificate::select::Entry;
use crate::warning::Warning;

/// A certificate, and what is to be reported about its files.
#[derive(Debug, Clone)]
pub struct Item {
    pub entry: Entry,
    /// Whether the operator named this certificate. If not, it was found in a folder, where files come and go.
    pub named: bool,
    /// The file with its key.
    pub key: PathBuf,
    /// Whether everyone can read the file with the key.
    pub exposed: bool,
    /// What was not read of its files, and what does not verify.
    pub warnings: Vec<Warning>,
}

/// The result of loading a source.
#[derive(Debug, Default)]
pub struct Loaded {
    pub items: Vec<Item>,
    /// Files of a folder that look as if they should be served, but are not.
    pub warnings: Vec<Warning>,
    /// One for each certificate of a folder that could not be loaded.
    pub failures: Vec<Warning>,
    /// Certificates that are ordered and not there yet.
    pub pending: Vec<Pending>,
    /// Whether these are what tlsgate has ordered and keeps itself: who has written the configuration can mend no failure.
    pub is_ordered: bool,
}

/// A certificate that an authority is to issue, and for which there is no other one of the same source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// The name of the authority.
    pub authority: Arc<str>,
    pub names: Vec<Name>,
    pub addresses: Vec<IpAddr>,
}

/// Merges a certificate that was found twice: it counts once, at its first place, with the longer chain, since a client may
/// need all of it. Either mention can mark it as default.
// What changes behind a certificate is the state of a token, which is no part of its identity.
#[allow(clippy::mutable_key_type)]
pub fn merge(items: Vec<Item>) -> Vec<Item> {
    let mut seen: HashMap<Identity, usize> = HashMap::with_capacity(items.len());
    let mut merged: Vec<Item> = Vec::with_capacity(items.len());
    for one in items {
        let certificate = &one.entry.certificate;
        let identity = Identity(Arc::clone(certificate));
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

/// A certificate as the names by which it is chosen: the same with other names is another.
struct Identity(Arc<Certificate>);

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        (self.0.fingerprint, &self.0.names) == (other.0.fingerprint, &other.0.names)
    }
}

impl Eq for Identity {}

impl Hash for Identity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.fingerprint.hash(state);
    }
}
