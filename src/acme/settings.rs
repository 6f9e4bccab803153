//! What is to be kept: the authorities, and the certificates that they are asked for. Must not know: how the settings are
//! written, what has become of the certificates.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::net::endpoint::Endpoint;
use crate::tls::certificate::name::Name;
use crate::tls::crypto;
use crate::words::words;

/// Everything that is to be kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// `[state] directory`. Authorities cannot be used without one.
    pub state: Option<PathBuf>,
    /// `[acme.NAME]`, in the order of the configuration.
    pub authorities: Vec<Arc<Authority>>,
    /// Each certificate once, in the order of the configuration.
    pub wanted: Vec<Arc<Wanted>>,
}

/// An authority that speaks ACME (RFC 8555), and how it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    pub name: Arc<str>,
    /// The URL of its directory (RFC 8555 section 7.1.1).
    pub directory: String,
    /// URLs such as `mailto:ops@example.com`.
    pub contact: Vec<String>,
    /// Whether the operator agrees to the authority's terms.
    pub accept_terms: bool,
    /// PEM of the certificates that are trusted at the directory's address. `None`: the system's roots.
    pub ca: Option<PathBuf>,
    /// The account of the authority's own to which a new account is bound (RFC 8555 section 7.3.4).
    pub eab: Option<Eab>,
    /// The profile that is asked for (draft-ietf-acme-profiles).
    pub profile: Option<String>,
    /// Tried in this order, of those that the authority offers.
    pub challenges: Vec<ChallengeKind>,
    /// How records are published for dns-01.
    pub dns: Option<Publisher>,
    /// Where http-01 is answered.
    pub http: Vec<Endpoint>,
    /// The port at which the authority connects for tls-alpn-01. RFC 8737 has 443; private authorities may use another.
    pub tls_port: u16,
    /// The port at which the authority connects for http-01. RFC 8555 section 8.3 has 80.
    pub http_port: u16,
    /// Whether the answer to a challenge is tried from here before the authority is asked to.
    pub check: bool,
    /// How long one request may take.
    pub timeout: Duration,
    /// The names of the authorities that are asked when this one goes on failing, best first.
    pub fallback: Vec<Arc<str>>,
}

/// An external account binding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Eab {
    pub kid: String,
    /// The HMAC key in base64url, on one line.
    pub key_file: PathBuf,
}

/// Who publishes records in the DNS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Publisher {
    /// A name server that takes updates (RFC 2136) with a transaction signature (RFC 8945).
    Update(Update),
    /// A program: `PROGRAM present|cleanup FQDN VALUE`.
    Program(PathBuf),
}

/// A name server that takes updates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    pub server: SocketAddr,
    /// The zone that is updated.
    pub zone: String,
    pub tsig: Option<Tsig>,
}

/// The key of transaction signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tsig {
    pub name: String,
    /// The secret in base64, on one line; or a BIND key file, which names the algorithm too.
    pub key_file: PathBuf,
    pub algorithm: TsigAlgorithm,
}

/// The algorithms of RFC 8945 section 6 that are still to be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TsigAlgorithm {
    HmacSha256,
    HmacSha384,
    HmacSha512,
}

words! { TsigAlgorithm { HmacSha256 => "hmac-sha256", HmacSha384 => "hmac-sha384", HmacSha512 => "hmac-sha512" } }

/// How it is shown that a name is one's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChallengeKind {
    /// RFC 8737
    TlsAlpn01,
    /// RFC 8555 section 8.3
    Http01,
    /// draft-ietf-acme-dns-persist
    DnsPersist01,
    /// RFC 8555 section 8.4
    Dns01,
}

words! {
    ChallengeKind {
        TlsAlpn01 => "tls-alpn-01", Http01 => "http-01", DnsPersist01 => "dns-persist-01", Dns01 => "dns-01",
    }
}

/// Kinds of key of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyKind {
    EcdsaP256,
    EcdsaP384,
    Rsa2048,
    Rsa3072,
    Rsa4096,
}

words! {
    KeyKind {
        EcdsaP256 => "ecdsa-p256", EcdsaP384 => "ecdsa-p384",
        Rsa2048 => "rsa-2048", Rsa3072 => "rsa-3072", Rsa4096 => "rsa-4096",
    }
}

/// What a certificate is for (RFC 8555 section 9.7.7, RFC 8738).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Identifier {
    Dns(Name),
    Ip(IpAddr),
}

impl std::fmt::Display for Identifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Dns(name) => name.fmt(f),
            Self::Ip(address) => address.fmt(f),
        }
    }
}

/// One certificate that is to be kept.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// The authority that is asked first.
    pub authority: Arc<str>,
    /// At least one; each once, in the order of the configuration.
    pub identifiers: Arc<[Identifier]>,
    pub key: KeyKind,
}

impl Wanted {
    /// Its folder below `[state] directory`. The same for the same names in any order.
    pub fn folder(&self) -> PathBuf {
        let mut sorted: Vec<String> = self.identifiers.iter().map(ToString::to_string).collect();
        // A wildcard comes last, since it says least about what it is for.
        sorted.sort_unstable_by_key(|name| (name.starts_with('*'), name.clone()));
        let hash = crypto::sha256(sorted.join("\n").as_bytes());
        let short: String = hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        // The first name is for the person who looks into the folder; `*` and `:` are awkward in a shell.
        let first: String = sorted
            .first()
            .map(String::as_str)
            .unwrap_or_default()
            .chars()
            .map(|c| if c == '*' || c == ':' { '_' } else { c })
            .take(64)
            .collect();
        PathBuf::from("acme")
            .join(&*self.authority)
            .join("certificates")
            .join(format!("{first}-{short}"))
            .join(self.key.word())
    }
}

impl std::fmt::Display for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<String> = self.identifiers.iter().map(ToString::to_string).collect();
        write!(f, "{} ({}, from {})", names.join(", "), self.key.word(), self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_depends_on_the_set_of_names() {
        let wanted = |names: &[&str]| Wanted {
            authority: "a".into(),
            identifiers: names.iter().map(|name| Identifier::Dns(Name::parse(name).unwrap())).collect(),
            key: KeyKind::EcdsaP256,
        };
        let tail = |names: &[&str]| {
            let folder = wanted(names).folder();
            let name = folder.parent().and_then(|parent| parent.file_name()).unwrap().to_str().unwrap().to_owned();
            name.rsplit_once('-').map(|(_, hash)| hash.to_owned()).unwrap()
        };
        assert_eq!(tail(&["a.example", "*.b.example"]), tail(&["*.b.example", "a.example"]));
        assert_eq!(wanted(&["*.b.example", "a.example"]).folder(), wanted(&["a.example", "*.b.example"]).folder());
        assert_ne!(tail(&["a.example"]), tail(&["b.example"]));
        let folder = wanted(&["*.b.example"]).folder();
        assert!(folder.to_str().unwrap().starts_with("acme/a/certificates/_.b.example-"), "{folder:?}");
    }
}
