//! Seals what goes to the store, which may be read and changed by others: AES-256-GCM, bound to the key it is put under.
//!
//! Must not know: what is sealed.

use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::tls::crypto::{Cipher, derive};

/// The fleet's secrets: the first seals, each of them opens. So a secret can be changed while nodes know both.
#[derive(Debug)]
pub struct Seal {
    ciphers: Vec<Cipher>,
}

/// Why a value cannot be sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    #[error("found no secret, expected 1 or 2")]
    NoSecret,
    #[error("the crypto provider refused the secret, or has no random bytes")]
    Provider,
    #[error(
        "found a value that none of the fleet's secrets opens: it was changed or put there by somebody else, or this node lacks the secret"
    )]
    Closed,
    #[error("found a value of another version of tlsgate: {0}")]
    Unknown(String),
}

impl Seal {
    /// Secrets of any length; 32 random bytes are meant.
    pub fn new(secrets: &[&[u8]]) -> Result<Self, SealError> {
        let cipher = |secret: &&[u8]| {
            let key = derive::<32>(secret, b"tlsgate fleet", b"records").ok_or(SealError::Provider)?;
            Cipher::new(&key).ok_or(SealError::Provider)
        };
        let ciphers = secrets.iter().map(cipher).collect::<Result<Vec<_>, _>>()?;
        if ciphers.is_empty() { Err(SealError::NoSecret) } else { Ok(Self { ciphers }) }
    }

    /// `value` as it is put under `key`.
    pub fn close<T: Serialize>(&self, key: &str, value: &T) -> Result<Vec<u8>, SealError> {
        let plain =
            serde_json::to_vec(value).map(Zeroizing::new).map_err(|error| SealError::Unknown(error.to_string()))?;
        let cipher = self.ciphers.first().ok_or(SealError::NoSecret)?;
        cipher.seal(&plain, key.as_bytes()).ok_or(SealError::Provider)
    }

    /// The reverse. What was put under another key does not open under this one.
    pub fn open<T: DeserializeOwned>(&self, key: &str, sealed: &[u8]) -> Result<T, SealError> {
        let plain = self.ciphers.iter().find_map(|cipher| cipher.open(sealed, key.as_bytes()));
        let plain = plain.ok_or(SealError::Closed)?;
        serde_json::from_slice(&plain).map_err(|error| SealError::Unknown(error.to_string()))
    }

    /// Whether there is another secret than the one that seals now: it is being changed.
    pub fn is_changing(&self) -> bool {
        self.ciphers.len() > 1
    }

    /// Whether the secret that seals now has sealed this, and not the other one.
    pub fn is_of_first(&self, key: &str, sealed: &[u8]) -> bool {
        self.ciphers.first().is_some_and(|cipher| cipher.open(sealed, key.as_bytes()).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_under_one_key_opens_there_only_and_only_as_it_was() {
        let seal = Seal::new(&[b"secret"]).unwrap();
        let sealed = seal.close("control/current", &"value").unwrap();
        assert_eq!(seal.open::<String>("control/current", &sealed).unwrap(), "value");
        assert_eq!(seal.open::<String>("control/proposal", &sealed), Err(SealError::Closed));
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(seal.open::<String>("control/current", &changed), Err(SealError::Closed), "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert_eq!(seal.open::<String>("control/current", &sealed[..length]), Err(SealError::Closed));
        }
        assert!(matches!(seal.open::<u64>("control/current", &sealed), Err(SealError::Unknown(_))));
        assert!(!sealed.windows(5).any(|part| part == b"value"));
    }

    #[test]
    fn while_the_secret_is_changed_both_open() {
        let [old, both, new] =
            [&[b"old".as_slice()][..], &[b"new", b"old"], &[b"new"]].map(|all| Seal::new(all).unwrap());
        let (of_old, of_both) = (old.close("k", &1).unwrap(), both.close("k", &2).unwrap());
        assert_eq!((both.open("k", &of_old), both.open("k", &of_both)), (Ok(1), Ok(2)));
        assert_eq!(
            (old.open::<u32>("k", &of_both), new.open::<u32>("k", &of_old)),
            (Err(SealError::Closed), Err(SealError::Closed))
        );
        assert_eq!(new.open("k", &of_both), Ok(2));
        assert_eq!((both.is_of_first("k", &of_both), both.is_of_first("k", &of_old)), (true, false));
        assert_eq!([&old, &both, &new].map(Seal::is_changing), [false, true, false]);
        assert_eq!(Seal::new(&[]).unwrap_err(), SealError::NoSecret);
    }
}
