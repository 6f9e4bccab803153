//! What is remembered of one account. Must not know: files, how it is made.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use zeroize::Zeroizing;

use crate::acme::schedule::attempts::Attempts;

/// What is remembered of one account. Times are seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfAccount {
    /// The directory of the authority at which it is.
    pub directory: String,
    pub key: Secret,
    /// A key that may have become the account's: the authority was asked to change it, and has not answered.
    #[serde(default)]
    pub next_key: Option<Secret>,
    /// Its URL. `None` until the authority has answered.
    #[serde(default)]
    pub url: Option<String>,
    /// As the authority has it.
    #[serde(default)]
    pub contact: Vec<String>,
    /// The URL of the terms that were agreed to.
    #[serde(default)]
    pub terms: Option<String>,
    /// Attempts to reach the authority and to make the account.
    #[serde(default)]
    pub attempts: Attempts,
    #[serde(default)]
    pub failing_since: Option<i64>,
}

/// A private key: PKCS#8 in DER, as base64url in the file. It is wiped when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub Zeroizing<Vec<u8>>);

impl OfAccount {
    /// An account that the authority does not know yet.
    pub fn new(directory: &str, key: Zeroizing<Vec<u8>>) -> Self {
        Self {
            directory: directory.to_owned(),
            key: Secret(key),
            next_key: None,
            url: None,
            contact: Vec::new(),
            terms: None,
            attempts: Attempts::default(),
            failing_since: None,
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Keys must not reach a log.
        f.write_str("Secret(…)")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(URL_SAFE_NO_PAD.encode(&*self.0)))
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        // Without the decoder's own error: it shows a byte of the key.
        URL_SAFE_NO_PAD
            .decode(&*text)
            .map(Zeroizing::new)
            .map(Self)
            .map_err(|_| de::Error::custom("expected base64url"))
    }
}
