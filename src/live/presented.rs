//! What clients have presented, kept while their connections are open, so that it can be judged again. Equal chains of one
//! worker's clients are kept once. Must not know: which connections are judged, and when.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::pki_types::CertificateDer;

use crate::live::row::Row;
use crate::tls::crypto;
use crate::tls::trust::clients::ClientAuth;

/// A client's certificates, its own first; none if it has presented none.
#[derive(Debug)]
pub struct Chain {
    pub certificates: Vec<CertificateDer<'static>>,
    /// SHA-256 of all of them: equal only for equal ones.
    pub id: [u8; 32],
}

/// A connection whose client can be judged again.
#[derive(Debug)]
pub struct Presented {
    pub row: Arc<Row>,
    /// How the client was judged.
    pub judged: Judged,
    kept: Kept,
}

/// A verdict about a chain.
#[derive(Debug)]
pub struct Judged {
    /// What it was judged by.
    pub auth: Arc<ClientAuth>,
    /// The last second at which the verdict holds, since 1970.
    pub good_until: i64,
}

impl Presented {
    /// Keeps the certificates in `chains`.
    pub fn new(
        row: Arc<Row>,
        certificates: Vec<CertificateDer<'static>>,
        judged: Judged,
        chains: &Arc<Chains>,
    ) -> Self {
        Self { row, judged, kept: chains.keep(certificates) }
    }

    /// What it has presented.
    pub fn chain(&self) -> &Chain {
        &self.kept.chain
    }
}

/// The chains that one worker's connections keep, each with how many have it.
#[derive(Debug, Default)]
pub struct Chains(Mutex<HashMap<[u8; 32], (Arc<Chain>, usize)>>);

/// A connection's part in a chain. The last one that is dropped takes the chain out.
#[derive(Debug)]
struct Kept {
    chain: Arc<Chain>,
    chains: Arc<Chains>,
}

impl Chains {
    fn keep(self: &Arc<Self>, certificates: Vec<CertificateDer<'static>>) -> Kept {
        let id = id(&certificates);
        let chain = match self.lock().entry(id) {
            Entry::Occupied(mut known) => {
                let (chain, count) = known.get_mut();
                *count += 1;
                Arc::clone(chain)
            }
            Entry::Vacant(place) => {
                let chain = Arc::new(Chain { certificates, id });
                place.insert((Arc::clone(&chain), 1));
                chain
            }
        };
        Kept { chain, chains: Arc::clone(self) }
    }

    /// Nobody else gets at it while this is held.
    #[cfg(test)]
    pub(in crate::live) fn held(&self) -> impl Sized + '_ {
        self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], (Arc<Chain>, usize)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Entry::Occupied(mut known) = self.chains.lock().entry(self.chain.id) {
            known.get_mut().1 -= 1;
            if known.get().1 == 0 {
                known.remove();
            }
        }
    }
}

/// Each certificate with its length before it, so that no two different chains are the same bytes.
fn id(certificates: &[CertificateDer<'_>]) -> [u8; 32] {
    let mut all = Vec::with_capacity(certificates.iter().map(|one| one.len() + 8).sum());
    for one in certificates {
        all.extend_from_slice(&(one.len() as u64).to_be_bytes());
        all.extend_from_slice(one);
    }
    crypto::sha256(&all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(certificates: &[&[u8]]) -> Vec<CertificateDer<'static>> {
        certificates.iter().map(|one| one.to_vec().into()).collect()
    }

    #[test]
    fn equal_chains_are_kept_once_and_as_long_as_a_connection_has_them() {
        let chains = Arc::new(Chains::default());
        let (one, same) = (chains.keep(chain(&[b"ab", b"c"])), chains.keep(chain(&[b"ab", b"c"])));
        let other = chains.keep(chain(&[b"a", b"bc"]));
        assert!(Arc::ptr_eq(&one.chain, &same.chain) && !Arc::ptr_eq(&one.chain, &other.chain));
        assert_eq!(chains.lock().len(), 2);
        drop(one);
        assert_eq!(chains.lock().len(), 2);
        drop((same, other));
        assert!(chains.lock().is_empty());
    }
}
