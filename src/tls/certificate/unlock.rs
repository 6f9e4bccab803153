//! Private keys that are encrypted → private keys, with the passphrases that an operator has named. Must not know:
//! certificates, where the files of keys are found.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::PrivateKeyDer;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::passphrase::{Passphrase, Source};
use crate::tls::certificate::pem::{Contents, Key};
use crate::tls::crypto;
use crate::tls::encrypted::{self, DecryptError};

/// Why a key stays locked. The texts follow the name of its file.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LockedError {
    #[error(
        "holds a private key that is encrypted with a passphrase, and none is given for it (expected {WHERE}, as \"file:PATH\", \"credential:NAME\" or \"program:PATH\")"
    )]
    None,
    /// How many were tried, and why others could not be.
    #[error("holds a private key that is encrypted, and {} (expected the right one in {WHERE}){}", tried(*.0), unread(.1))]
    Wrong(usize, Vec<String>),
    #[error("holds a private key that {0}")]
    Form(DecryptError),
}

/// The keys of a file, those that are encrypted too.
pub fn keys(contents: Contents, file: &Path, passphrases: &[Source]) -> Result<Vec<Key>, LockedError> {
    let none = Refused::default();
    let unlocking = Unlocking::new(passphrases, &none);
    let opened = contents.encrypted.iter().map(|encrypted| unlocking.key(encrypted, file, None));
    contents.keys.into_iter().map(Ok).chain(opened).collect()
}

/// Passphrases that have not opened a key, so that a key for which none is known costs nothing at the next load.
#[derive(Debug, Default)]
pub(in crate::tls::certificate) struct Refused {
    /// What is kept must not show a passphrase to anyone who does not know this secret. `None` until it is needed.
    secret: Option<Arc<Zeroizing<[u8; 32]>>>,
    pairs: HashSet<[u8; 32]>,
}

/// The passphrases during one load: each file is read once.
pub(in crate::tls::certificate) struct Unlocking<'s> {
    common: &'s [Source],
    before: &'s Refused,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    read: HashMap<Source, Result<Arc<Passphrase>, String>>,
    refused: Refused,
}

impl<'s> Unlocking<'s> {
    /// `common` are tried on every key, in their order.
    pub(in crate::tls::certificate) fn new(common: &'s [Source], before: &'s Refused) -> Self {
        let refused = Refused { secret: before.secret.clone().or_else(secret), pairs: HashSet::new() };
        Self { common, before, state: RefCell::new(State { read: HashMap::new(), refused }) }
    }

    /// The key in `encrypted`, PKCS#8 in DER, which was found in `file`. `own` is a passphrase for this key alone, which is
    /// tried first.
    pub(in crate::tls::certificate) fn key(
        &self,
        encrypted: &[u8],
        file: &Path,
        own: Option<&Source>,
    ) -> Result<Key, LockedError> {
        let (mut tried, mut unread) = (0, Vec::new());
        for source in own.into_iter().chain(self.common) {
            let passphrase = match self.read(source, file) {
                Ok(passphrase) => passphrase,
                Err(reason) => {
                    unread.push(reason);
                    continue;
                }
            };
            tried += 1;
            match self.opened(encrypted, &passphrase) {
                Ok(mut key) => {
                    let der = std::mem::take(&mut *key);
                    return Ok(Zeroizing::new(PrivateKeyDer::Pkcs8(der.into())));
                }
                Err(DecryptError::Passphrase) => {}
                Err(other) => return Err(LockedError::Form(other)),
            }
        }
        match (tried, unread.is_empty()) {
            (0, true) => Err(LockedError::None),
            _ => Err(LockedError::Wrong(tried, unread)),
        }
    }

    /// For the next load.
    pub(in crate::tls::certificate) fn into_refused(self) -> Refused {
        self.state.into_inner().refused
    }

    fn read(&self, source: &Source, file: &Path) -> Result<Arc<Passphrase>, String> {
        // A program may print another passphrase for each key.
        if source.program().is_some() {
            return source.read(file.as_os_str()).map(Arc::new);
        }
        let mut state = self.state.borrow_mut();
        let read = state.read.entry(source.clone());
        read.or_insert_with(|| source.read(file.as_os_str()).map(Arc::new)).clone()
    }

    fn opened(&self, encrypted: &[u8], passphrase: &Passphrase) -> Result<Zeroizing<Vec<u8>>, DecryptError> {
        let mut state = self.state.borrow_mut();
        let message = Zeroizing::new([&crypto::sha256(encrypted)[..], passphrase.as_bytes()].concat());
        let pair = state.refused.secret.as_ref().map(|secret| crypto::hmac_sha256(&secret[..], &message));
        let known = pair.is_some_and(|pair| self.before.pairs.contains(&pair) || state.refused.pairs.contains(&pair));
        let opened =
            if known { Err(DecryptError::Passphrase) } else { encrypted::decrypt(encrypted, passphrase.as_bytes()) };
        if opened == Err(DecryptError::Passphrase) {
            state.refused.pairs.extend(pair);
        }
        opened
    }
}

impl std::fmt::Debug for Unlocking<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Passphrases must not reach a log.
        f.write_str("Unlocking(…)")
    }
}

/// `None` if the system has no random bytes: then nothing is kept.
fn secret() -> Option<Arc<Zeroizing<[u8; 32]>>> {
    let mut secret = Zeroizing::new([0; 32]);
    crypto::random(&mut secret[..]).then(|| Arc::new(secret))
}

fn tried(count: usize) -> String {
    match count {
        0 => "no passphrase could be read".into(),
        1 => "the one passphrase that was tried does not open it".into(),
        count => format!("none of the {count} passphrases that were tried opens it"),
    }
}

fn unread(reasons: &[String]) -> String {
    reasons.iter().map(|reason| format!("; {reason}")).collect()
}

const WHERE: &str = "\"passphrases\" of [keys], or \"passphrase\" beside the key";

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn source(folder: &Path, name: &str, passphrase: &str) -> Source {
        let path = folder.join(name);
        fs::write(&path, passphrase).unwrap();
        Source::File(path)
    }

    #[test]
    fn the_first_passphrase_that_opens_a_key_counts() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str, passphrase: &str| source(folder.path(), name, passphrase);
        let key = rcgen::KeyPair::generate().unwrap().serialize_der();
        let encrypted = encrypted::encrypt(&key, b"right").unwrap();
        let file = Path::new("x.key");
        let (wrong, right) = (at("wrong", "wrong"), at("right", "right\n"));
        let gone = Source::File(folder.path().join("gone"));
        let none = Refused::default();
        let key_with = |common: &[Source], own: Option<&Source>| {
            Unlocking::new(common, &none).key(&encrypted, file, own).map(|key| key.secret_der().to_vec())
        };
        let both = [wrong.clone(), gone.clone(), right.clone()];
        assert_eq!(key_with(&both, None), Ok(key.clone()));
        assert_eq!(key_with(std::slice::from_ref(&wrong), Some(&right)), Ok(key.clone()));
        assert_eq!(key_with(&[], None), Err(LockedError::None));
        assert_eq!(key_with(std::slice::from_ref(&wrong), None), Err(LockedError::Wrong(1, Vec::new())));
        let error = key_with(&[gone], Some(&wrong)).unwrap_err();
        assert!(matches!(&error, LockedError::Wrong(1, unread) if unread.len() == 1), "{error}");
        let text = error.to_string();
        assert!(text.contains("[keys]") && text.contains("no such file"), "{text}");
    }

    #[test]
    fn a_passphrase_that_has_not_opened_a_key_is_not_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let key = rcgen::KeyPair::generate().unwrap().serialize_der();
        let (one, other) = (encrypted::encrypt(&key, b"1").unwrap(), encrypted::encrypt(&key, b"2").unwrap());
        let sources = [source(folder.path(), "passphrase", "2")];
        let file = Path::new("x.key");
        let first = Refused::default();
        let unlocking = Unlocking::new(&sources, &first);
        assert!(unlocking.key(&one, file, None).is_err());
        let mut refused = unlocking.into_refused();
        assert_eq!(refused.pairs.len(), 1);
        // As if the right one had been refused: it would open the key if it was tried.
        let message = [&crypto::sha256(&other)[..], b"2"].concat();
        let pair = crypto::hmac_sha256(&refused.secret.clone().unwrap()[..], &message);
        refused.pairs.insert(pair);
        let unlocking = Unlocking::new(&sources, &refused);
        assert!(unlocking.key(&one, file, None).is_err());
        assert!(unlocking.key(&other, file, None).is_err());
        let mut refused = unlocking.into_refused();
        assert_eq!(refused.pairs.len(), 2);
        refused.pairs.remove(&pair);
        let unlocking = Unlocking::new(&sources, &refused);
        // It opens another key, and the same key with another passphrase.
        assert!(unlocking.key(&other, file, None).is_ok());
        fs::write(folder.path().join("passphrase"), "1").unwrap();
        assert!(Unlocking::new(&sources, &refused).key(&one, file, None).is_ok());
    }
}
