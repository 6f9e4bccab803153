//! `authority.json`: what cannot be found out from certificates. Must not know: where the file is, how lists are signed.

use serde::{Deserialize, Serialize};

use crate::words::{Words, words};

/// The content of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Index {
    version: u32,
    /// The serial numbers of all issuing certificates, the newest last.
    pub issuing: Vec<String>,
    /// Domains and ranges, as [`Permitted`](super::permit::Permitted) has them.
    pub permitted: Vec<String>,
    /// Where lists are published.
    pub crl_url: Option<String>,
    /// How many days a list is valid.
    pub crl_days: u32,
    /// The number of the newest list, of all issuers.
    pub crl_number: u64,
    pub revoked: Vec<Revoked>,
}

/// A revoked certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revoked {
    pub serial: String,
    /// The serial number of its issuer's certificate.
    pub issuer: String,
    /// Seconds since 1970.
    pub at: i64,
    #[serde(with = "reason")]
    pub reason: Reason,
    /// When it would have ended, in seconds since 1970.
    pub not_after: i64,
}

/// Why a certificate is revoked (RFC 5280 section 5.3.1), without those that can be taken back and those of other kinds of
/// authorities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    Unspecified,
    KeyCompromise,
    CaCompromise,
    AffiliationChanged,
    Superseded,
    CessationOfOperation,
    PrivilegeWithdrawn,
}

words! {
    Reason {
        Unspecified => "unspecified", KeyCompromise => "key-compromise", CaCompromise => "ca-compromise",
        AffiliationChanged => "affiliation-changed", Superseded => "superseded",
        CessationOfOperation => "cessation-of-operation", PrivilegeWithdrawn => "privilege-withdrawn",
    }
}

impl Index {
    pub(super) fn new(issuing: String, permitted: Vec<String>, crl_url: Option<String>, crl_days: u32) -> Self {
        Self {
            version: VERSION,
            issuing: vec![issuing],
            permitted,
            crl_url,
            crl_days,
            crl_number: 0,
            revoked: Vec::new(),
        }
    }

    /// The error is the end of a sentence about the file.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        // First, since a later version may have other keys.
        #[derive(Deserialize)]
        struct Front {
            version: u32,
        }
        let front: Front = serde_json::from_slice(bytes).map_err(|error| format!("cannot be read: {error}"))?;
        if front.version != VERSION {
            return Err(format!(
                "found version {}, expected {VERSION}: another version of tlsgate wrote it",
                front.version
            ));
        }
        let index: Self = serde_json::from_slice(bytes).map_err(|error| format!("cannot be read: {error}"))?;
        // They become the names of files.
        let is_serial = |text: &String| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        match !index.issuing.is_empty() && index.issuing.iter().all(is_serial) {
            true => Ok(index),
            false => Err("found no issuing certificate, or one without a serial number in hex".into()),
        }
    }

    pub fn write(&self) -> Vec<u8> {
        // It has no maps, so it cannot fail.
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// The serial number of the issuing certificate that is in use.
    pub fn newest(&self) -> &str {
        self.issuing.last().map_or("", String::as_str)
    }

    pub fn revoked(&self, serial: &str) -> Option<&Revoked> {
        self.revoked.iter().find(|revoked| revoked.serial == serial)
    }
}

mod reason {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use super::{Reason, Words as _};

    pub(super) fn serialize<S: Serializer>(reason: &Reason, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(reason.word())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Reason, D::Error> {
        let word = String::deserialize(deserializer)?;
        Reason::from_word(&word).ok_or_else(|| D::Error::unknown_variant(&word, &[Reason::EXPECTED]))
    }
}

const VERSION: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else_is() {
        let mut index = Index::new("0A".into(), vec!["a.test".into()], Some("http://a.test/".into()), 30);
        index.revoked.push(Revoked {
            serial: "0B".into(),
            issuer: "0A".into(),
            at: 7,
            reason: Reason::KeyCompromise,
            not_after: 9,
        });
        let bytes = index.write();
        assert_eq!(Index::read(&bytes).unwrap(), index);
        for length in 0..bytes.len() - 2 {
            assert!(Index::read(&bytes[..length]).is_err(), "{length}");
        }
        let text = String::from_utf8(bytes).unwrap();
        for (old, new) in [
            ("\"version\": 1", "\"version\": 2"),
            ("key-compromise", "keyLost"),
            ("\"issuing\"", "\"other\""),
            ("\"0A\"\n", "\"../0A\"\n"),
        ] {
            assert!(text.contains(old));
            assert!(Index::read(text.replacen(old, new, 1).as_bytes()).is_err(), "{new}");
        }
        assert!(
            Index::read(text.replacen("\"version\": 1", "\"version\": 2", 1).as_bytes())
                .unwrap_err()
                .contains("another version")
        );
    }
}
