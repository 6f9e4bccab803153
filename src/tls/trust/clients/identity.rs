//! A client's certificate → its owner, and whether a rule matches it. Must not know: whether the certificate is good.

use rustls::pki_types::CertificateDer;
use thiserror::Error;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::tls::certificate::name::Name;
use crate::tls::crypto;

/// The owner of a certificate, by its subject, names and key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// As RFC 4514 writes it, without control characters, and cut where it is very long.
    pub subject: String,
    pub common_name: Option<String>,
    /// SHA-256 of the SubjectPublicKeyInfo.
    pub key_sha256: [u8; 32],
    /// Seconds since 1970.
    pub not_after: i64,
    dns: Vec<Name>,
    uris: Vec<String>,
    emails: Vec<String>,
}

/// A rule for a name that a client's certificate must have.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Allowed {
    /// The subject's common name, exactly.
    CommonName(String),
    /// A DNS name; a wildcard matches one label.
    Dns(Name),
    /// A URI, such as a SPIFFE ID, exactly.
    Uri(String),
    /// Every URI that begins with this text, which ends with a slash.
    UriBelow(String),
    /// An e-mail address; its host without regard to case.
    Email(String),
}

/// A text that is not a rule for names.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "found {0:?}, expected \"cn:NAME\", \"dns:NAME\", \"uri:URI\" (\"uri:spiffe://example.org/web/*\" for all below) or \"email:ADDRESS\""
)]
pub struct NameFault(String);

impl Allowed {
    /// Reads a rule: `cn:NAME`, `dns:NAME`, `uri:URI` or `email:ADDRESS`.
    pub fn parse(text: &str) -> Result<Self, NameFault> {
        let wrong = || NameFault(text.to_owned());
        let (kind, value) = text.split_once(':').filter(|(_, value)| !value.is_empty()).ok_or_else(wrong)?;
        match kind {
            "cn" => Ok(Self::CommonName(value.to_owned())),
            "dns" => Name::parse(value).map(Self::Dns).map_err(|_| wrong()),
            // Every URI has a scheme.
            "uri" if !value.contains(':') => Err(wrong()),
            "uri" => match value.strip_suffix('*') {
                Some(below) if below.ends_with('/') && !below.contains('*') => Ok(Self::UriBelow(below.to_owned())),
                Some(_) => Err(wrong()),
                None if value.contains('*') => Err(wrong()),
                None => Ok(Self::Uri(value.to_owned())),
            },
            "email" => email(value).map(Self::Email).ok_or_else(wrong),
            _ => Err(wrong()),
        }
    }
}

impl std::fmt::Display for Allowed {
    /// As it is written.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::CommonName(name) => write!(f, "cn:{name}"),
            Self::Dns(name) => write!(f, "dns:{name}"),
            Self::Uri(uri) => write!(f, "uri:{uri}"),
            Self::UriBelow(base) => write!(f, "uri:{base}*"),
            Self::Email(address) => write!(f, "email:{address}"),
        }
    }
}

impl Identity {
    /// `None` where it cannot be read.
    pub fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
        let mut identity = Self {
            subject: harmless(&parsed.subject().to_string()),
            common_name: parsed
                .subject()
                .iter_common_name()
                .next()
                .and_then(|name| name.as_str().ok())
                .map(str::to_owned),
            key_sha256: crypto::sha256(parsed.public_key().raw),
            not_after: parsed.validity().not_after.timestamp(),
            dns: Vec::new(),
            uris: Vec::new(),
            emails: Vec::new(),
        };
        let names = parsed.subject_alternative_name().ok().flatten();
        for name in names.iter().flat_map(|names| &names.value.general_names) {
            match name {
                GeneralName::DNSName(name) => identity.dns.extend(Name::parse(name)),
                GeneralName::URI(uri) => identity.uris.push((*uri).to_owned()),
                GeneralName::RFC822Name(address) => identity.emails.extend(email(address)),
                _ => {}
            }
        }
        Some(identity)
    }

    /// Whether the rule matches. A wildcard of the rule matches one label; a wildcard in the certificate is matched by the
    /// same wildcard only.
    pub fn has(&self, allowed: &Allowed) -> bool {
        match allowed {
            Allowed::CommonName(name) => self.common_name.as_ref() == Some(name),
            Allowed::Dns(name) => self.dns.iter().any(|own| own == name || covers(name, own)),
            Allowed::Uri(uri) => self.uris.contains(uri),
            // A path with ".." can lead out of the base again.
            Allowed::UriBelow(base) => self.uris.iter().any(|uri| {
                uri.strip_prefix(base).is_some_and(|rest| !rest.is_empty() && rest.split('/').all(|part| part != ".."))
            }),
            Allowed::Email(address) => self.emails.contains(address),
        }
    }
}

fn covers(rule: &Name, name: &Name) -> bool {
    match (rule, name) {
        (Name::Wildcard(parent), Name::Exact(name)) => {
            name.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && *rest == **parent)
        }
        _ => false,
    }
}

/// An address with its host in lower case. Only the host decides about case before the `@` (RFC 5321 section 2.4).
fn email(text: &str) -> Option<String> {
    let (local, host) = text.rsplit_once('@')?;
    (!local.is_empty() && !host.is_empty()).then(|| format!("{local}@{}", host.to_ascii_lowercase()))
}

fn harmless(text: &str) -> String {
    let shown = |letter: char| if letter.is_control() { char::REPLACEMENT_CHARACTER } else { letter };
    text.chars().take(LONGEST).map(shown).collect()
}

/// Characters of a subject that are shown.
const LONGEST: usize = 512;
