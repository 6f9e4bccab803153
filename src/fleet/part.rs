//! The parts of a release: pieces of files, and lists that lead to them; each is named after its content.
//!
//! The name is a keyed hash (HMAC-SHA256), so that a store cannot try whether a part is what it guesses: a release contains
//! passwords. A part is sealed under its name, and whoever opens it computes the name again.
//!
//! Must not know: how parts are stored, what files mean.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::seal::SealError;
use crate::tls::crypto::{Cipher, derive, hmac_sha256};

/// The name of a part: 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PartName(pub String);

/// The content of a part or of a file, opened. It is wiped when it is dropped: it may be a private key.
pub type Plain = Zeroizing<Vec<u8>>;

/// Files by their paths.
pub type Files = BTreeMap<String, Plain>;

/// Names, seals and opens parts with the fleet's secrets.
#[derive(Debug)]
pub struct Parts {
    /// The first names and seals; each opens.
    keys: Vec<Keys>,
}

#[derive(Debug)]
struct Keys {
    naming: Zeroizing<[u8; 32]>,
    cipher: Cipher,
}

impl Parts {
    /// Secrets as for [`super::seal::Seal`].
    pub fn new(secrets: &[&[u8]]) -> Result<Self, SealError> {
        let keys = |secret: &&[u8]| {
            let derived = |info: &[u8]| derive::<32>(secret, b"tlsgate fleet", info).ok_or(SealError::Provider);
            let key = derived(b"parts")?;
            let cipher = Cipher::new(&key).ok_or(SealError::Provider)?;
            Ok(Keys { naming: derived(b"names of parts")?, cipher })
        };
        let keys = secrets.iter().map(keys).collect::<Result<Vec<_>, SealError>>()?;
        if keys.is_empty() { Err(SealError::NoSecret) } else { Ok(Self { keys }) }
    }

    /// The name of this content.
    pub fn name(&self, plain: &[u8]) -> Result<PartName, SealError> {
        self.keys.first().map(|keys| keys.name(plain)).ok_or(SealError::NoSecret)
    }

    /// Whether this is the content of that name.
    pub fn is_of(&self, name: &PartName, plain: &[u8]) -> bool {
        self.keys.iter().any(|keys| keys.name(plain) == *name)
    }

    /// The content as it is stored under its name.
    pub fn close(&self, name: &PartName, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let keys = self.keys.first().ok_or(SealError::NoSecret)?;
        keys.cipher.seal(plain, name.0.as_bytes()).ok_or(SealError::Provider)
    }

    /// The reverse, with the name proved.
    pub fn open(&self, name: &PartName, sealed: &[u8]) -> Result<Plain, SealError> {
        let open = |keys: &Keys| {
            let plain = keys.cipher.open(sealed, name.0.as_bytes());
            plain.filter(|plain| keys.name(plain) == *name)
        };
        self.keys.iter().find_map(open).ok_or(SealError::Closed)
    }
}

impl Keys {
    fn name(&self, plain: &[u8]) -> PartName {
        PartName(hmac_sha256(&*self.naming, plain).iter().map(|byte| format!("{byte:02x}")).collect())
    }
}
