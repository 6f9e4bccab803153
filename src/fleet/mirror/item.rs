//! One file or folder, as it is put into the store: with a stamp, so that of two it is known which one is later. Pure. Must not
//! know: what is in it, where it is kept.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use zeroize::Zeroizing;

use crate::tls::crypto::sha256;

/// Bytes, as base64. They are wiped when they are dropped: most are keys.
#[derive(Clone, PartialEq, Eq)]
pub struct Bytes(pub Zeroizing<Vec<u8>>);

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    File(Bytes),
    /// A folder that is replaced as a whole, by the names of its files.
    Folder(BTreeMap<String, Bytes>),
    /// Nothing any longer.
    Gone,
}

/// Identifies a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

/// What is or was at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// Milliseconds since 1970, and later than the one before at this path.
    pub stamp: u64,
    pub content: Content,
}

impl Content {
    pub fn digest(&self) -> Digest {
        let mut bytes = Zeroizing::new(Vec::with_capacity(self.size() + 64));
        let mut add = |part: &[u8]| {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part);
        };
        match self {
            Self::File(file) => {
                add(b"file");
                add(&file.0);
            }
            Self::Folder(files) => {
                add(b"folder");
                for (name, file) in files {
                    add(name.as_bytes());
                    add(&file.0);
                }
            }
            Self::Gone => add(b"gone"),
        }
        Digest(sha256(&bytes))
    }

    /// In bytes.
    pub fn size(&self) -> usize {
        match self {
            Self::File(file) => file.0.len(),
            Self::Folder(files) => files.iter().map(|(name, file)| name.len() + file.0.len()).sum(),
            Self::Gone => 0,
        }
    }

    /// Whether it can be put into the store, and on a disk.
    pub fn is_proper(&self) -> bool {
        let names = match self {
            Self::Folder(files) => files.len() <= MOST_FILES && files.keys().all(|name| is_plain(name)),
            Self::File(_) | Self::Gone => true,
        };
        names && self.size() <= LARGEST
    }
}

/// Whether a path leads to something below the folder for orders, and nowhere else.
pub fn is_proper(path: &str) -> bool {
    path.len() <= LONGEST && path.split('/').count() <= DEEPEST && path.split('/').all(is_plain)
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0'])
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Keys must not reach a log.
        write!(f, "Bytes({})", self.0.len())
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&Zeroizing::new(STANDARD.encode(&*self.0)))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(from)?);
        // Without the decoder's own error: it shows a byte of the text.
        STANDARD
            .decode(&*text)
            .map(|bytes| Self(Zeroizing::new(bytes)))
            .map_err(|_| de::Error::custom("expected base64"))
    }
}

/// The largest content, in bytes: a chain of certificates with its key takes some 10,000.
pub const LARGEST: usize = 256 * 1024;

/// In one transaction, below etcd's limits: items, and the bytes of their contents.
pub(super) const MOST: usize = 32;
pub(super) const MOST_BYTES: usize = 384 * 1024;

/// Of one folder.
const MOST_FILES: usize = 8;

/// In bytes.
const LONGEST: usize = 512;

/// An authority, its certificates, one of them, the kind of its key.
const DEEPEST: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Bytes {
        Bytes(Zeroizing::new(text.as_bytes().to_vec()))
    }

    #[test]
    fn contents_that_differ_have_other_digests_and_come_back_as_they_were() {
        let folder = |files: &[(&str, &str)]| {
            Content::Folder(files.iter().map(|(name, text)| ((*name).to_owned(), bytes(text))).collect())
        };
        let all = [
            Content::Gone,
            Content::File(bytes("")),
            Content::File(bytes("ab")),
            folder(&[]),
            folder(&[("a", "b")]),
            folder(&[("ab", "")]),
            folder(&[("a", ""), ("b", "")]),
        ];
        for (at, one) in all.iter().enumerate() {
            let item = Item { stamp: 7, content: one.clone() };
            let text = serde_json::to_string(&item).unwrap();
            assert_eq!(serde_json::from_str::<Item>(&text).unwrap(), item);
            let same = all.iter().filter(|other| other.digest() == one.digest()).count();
            assert_eq!(same, 1, "{at}");
        }
    }

    #[test]
    fn only_plain_paths_and_moderate_sizes_are_proper() {
        for path in ["a/account.json", "a/orders/x.ecdsa-p256.json", "a/certificates/x-1/rsa-2048"] {
            assert!(is_proper(path), "{path}");
        }
        for path in ["", "/", "a//b", "../a", "a/../b", "a/.hidden", "a/b/c/d/e", &"a".repeat(600), "a\0"] {
            assert!(!is_proper(path), "{path:?}");
        }
        assert!(Content::Gone.is_proper() && !Content::File(bytes(&"a".repeat(LARGEST + 1))).is_proper());
        assert!(!Content::Folder(BTreeMap::from([("../x".to_owned(), bytes(""))])).is_proper());
    }
}
