//! What clients have presented, kept while their connections are open, so that it can be judged again. Equal chains of one
//! worker's clients are kept once, and so is what different chains have in common. Must not know: which connections are judged,
//! and when.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;

use crate::live::row::Row;
use crate::live::shelf::{Id, Kept, Shelf};
use crate::tls::crypto;
use crate::tls::trust::clients::ClientAuth;

/// A connection whose client can be judged again.
#[derive(Debug)]
pub struct Presented {
    pub row: Arc<Row>,
    /// How the client was judged.
    pub judged: Judged,
    chain: Kept<Chain>,
}

/// A verdict about a chain.
#[derive(Debug)]
pub struct Judged {
    /// What it was judged by.
    pub auth: Arc<ClientAuth>,
    /// The last second at which the verdict holds, since 1970.
    pub good_until: i64,
    /// Of the rules, which `auth` is one of: a larger number is that of newer ones.
    pub generation: u64,
}

/// The chains that one worker's connections keep.
#[derive(Debug, Default)]
pub struct Chains {
    chains: Arc<Shelf<Chain>>,
    /// What clients send behind their own certificates: mostly the same for all clients of a CA.
    above: Arc<Shelf<Above>>,
}

/// A client's certificates.
#[derive(Debug)]
struct Chain {
    /// The client's own one; `None` if it has presented none.
    // DER without room to grow: with a different one for each connection, this is most of what is kept.
    own: Option<Box<[u8]>>,
    above: Kept<Above>,
}

type Above = Box<[CertificateDer<'static>]>;

impl Presented {
    /// Keeps the certificates in `chains`: the client's own one first, none if it has presented none.
    pub fn new(row: Arc<Row>, certificates: Vec<CertificateDer<'static>>, judged: Judged, chains: &Chains) -> Self {
        Self { row, judged, chain: chains.keep(certificates) }
    }

    /// SHA-256 of what it has presented: equal only for equal chains.
    pub fn id(&self) -> &Id {
        self.chain.id()
    }

    /// What it has presented, its own certificate first.
    pub fn certificates(&self) -> Vec<CertificateDer<'_>> {
        self.chain.certificates()
    }
}

impl Chain {
    fn certificates(&self) -> Vec<CertificateDer<'_>> {
        let own = self.own.as_deref().into_iter();
        own.chain(self.above.iter().map(|one| &**one)).map(CertificateDer::from).collect()
    }
}

impl Chains {
    fn keep(&self, certificates: Vec<CertificateDer<'static>>) -> Kept<Chain> {
        let mut certificates = certificates.into_iter();
        let own = certificates.next();
        let above = certificates.as_slice();
        let of_above = id(above);
        let of_chain = match &own {
            Some(own) => crypto::sha256(&[&of_above, &**own].concat()),
            None => of_above,
        };
        self.chains.keep(of_chain, || {
            let above = self.above.keep(of_above, || above.into());
            Chain { own: own.as_deref().map(Into::into), above }
        })
    }

    /// Nobody else gets at them while this is held.
    #[cfg(test)]
    pub(in crate::live) fn held(&self) -> impl Sized + '_ {
        (self.chains.held(), self.above.held())
    }
}

/// Each certificate with its length before it, so that no two different lists are the same bytes.
fn id(certificates: &[CertificateDer<'_>]) -> Id {
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

    fn keep(chains: &Chains, certificates: &[&[u8]]) -> Kept<Chain> {
        chains.keep(certificates.iter().map(|one| one.to_vec().into()).collect())
    }

    #[test]
    fn equal_chains_are_kept_once_and_so_is_what_different_ones_have_in_common() {
        let chains = Chains::default();
        let count = || (chains.chains.len(), chains.above.len());
        let all: [&[&[u8]]; 7] = [
            &[],
            &[b"own"],
            &[b"other"],
            &[b"own", b"a", b"bc"],
            &[b"other", b"a", b"bc"],
            &[b"own", b"ab", b"c"],
            &[b"own"],
        ];
        let kept = all.map(|one| keep(&chains, one));
        assert_eq!(count(), (6, 3));
        assert_eq!(kept[1].id(), kept[6].id());
        drop(kept);
        assert_eq!(count(), (0, 0));
    }

    #[test]
    fn a_chain_comes_back_as_it_was_presented() {
        let chains = Chains::default();
        for chain in [&[][..], &[&b"own"[..]], &[b"own", b"a", b"bc"]] {
            assert_eq!(keep(&chains, chain).certificates(), chain.iter().map(|one| (*one).into()).collect::<Vec<_>>());
        }
    }
}
