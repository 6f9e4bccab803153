//! A question as the user wrote it → the ClientHello of the client in question.
//! Must not know: listeners, what the answer is.

use rustls::{CipherSuite, NamedGroup, ProtocolVersion};
use thiserror::Error;

use crate::explain::{capture, clients};
use crate::tls::certificate::name::Name;
use crate::tls::policy;
use crate::tls::wire::codes;
use crate::tls::wire::draft::Draft;

/// Describes a client. It begins as a known client, as a captured one, or else as one that can do everything; each part
/// that is given replaces that part of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ask {
    /// The server name that the client sends.
    pub sni: Option<String>,
    /// Signature schemes, separated by `:` or `,`.
    pub sigalgs: Option<String>,
    /// The name of one of [`clients::ALL`]. Not together with `hello`.
    pub client: Option<String>,
    /// The only TLS version that the client offers: `1.2`.
    pub tls: Option<String>,
    /// Cipher suites of all versions, separated by `:` or `,`.
    pub ciphers: Option<String>,
    /// Key exchange groups, separated by `:` or `,`.
    pub groups: Option<String>,
    /// Application protocols in the order of preference, separated by `,`.
    pub alpn: Option<String>,
    /// A captured ClientHello.
    pub hello: Option<Vec<u8>>,
}

/// What is wrong with a question.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{part}: {reason}")]
pub struct AskError {
    /// The part of the question: `sni`, `sigalgs` …
    pub part: &'static str,
    /// What was found and what was expected.
    pub reason: String,
}

impl Ask {
    /// The ClientHello that this client sends, in its records.
    pub fn client_hello(&self) -> Result<Vec<u8>, AskError> {
        let raw = match (&self.client, &self.hello) {
            (Some(_), Some(_)) => {
                return Err(wrong("client", "found together with a captured hello, expected one of the two".into()));
            }
            (Some(name), None) => {
                let names = || clients::ALL.iter().map(|client| client.name).collect::<Vec<_>>().join(", ");
                let unknown = || wrong("client", format!("unknown client {name:?} (expected one of {})", names()));
                Some(clients::named(name).ok_or_else(unknown)?.hello().map_err(|reason| wrong("client", reason))?)
            }
            (None, Some(captured)) => Some(capture::read(captured).map_err(|reason| wrong("hello", reason))?),
            (None, None) => None,
        };
        // An unchanged capture is used as it is, byte for byte: so even a malformed one gets the proxy's own answer.
        if let Some(raw) = raw.as_ref().filter(|_| self.client.is_none() && self.changes_nothing()) {
            return Ok(raw.clone());
        }
        // A malformed capture can be used unchanged, above, but its parts cannot be replaced.
        let mut draft = match raw {
            Some(raw) => Draft::parse(&raw).ok_or_else(|| {
                wrong("hello", "it is cut short or malformed, so that nothing about it can be changed".into())
            })?,
            None => able(),
        };
        self.apply(&mut draft)?;
        draft.bytes().ok_or_else(|| wrong("hello", "it is too long to be a ClientHello".into()))
    }

    fn changes_nothing(&self) -> bool {
        [&self.sni, &self.sigalgs, &self.tls, &self.ciphers, &self.groups, &self.alpn].iter().all(|part| part.is_none())
    }

    fn apply(&self, draft: &mut Draft) -> Result<(), AskError> {
        match &self.sni {
            Some(name) => draft.server_name(Some(&server_name(name)?)),
            // Known clients were recorded with a server name that means nothing here.
            None if self.hello.is_none() => draft.server_name(None),
            None => {}
        }
        if let Some(version) = &self.tls {
            draft.versions(&[tls_version(version)?]);
        }
        if let Some(names) = &self.groups {
            let known = || codes::group_names().collect();
            draft.groups(&list("groups", "group", names, codes::group, known)?);
        }
        if let Some(names) = &self.alpn {
            draft.protocols(&protocols(names)?);
        }
        if let Some(names) = &self.sigalgs {
            let known = || codes::scheme_names().collect();
            draft.schemes(&list("sigalgs", "signature scheme", names, codes::scheme, known)?);
        }
        if let Some(names) = &self.ciphers {
            let known = || vec!["IANA's or OpenSSL's names", "numbers such as 0xc02f"];
            draft.suites(&list("ciphers", "cipher suite", names, codes::suite, known)?);
        }
        Ok(())
    }
}

/// A client that offers everything that tlsgate supports.
fn able() -> Draft {
    let mut draft = Draft::blank();
    draft.versions(&[ProtocolVersion::TLSv1_3, ProtocolVersion::TLSv1_2]);
    draft.suites(SUITES);
    draft.groups(GROUPS);
    draft.schemes(policy::SCHEMES);
    draft
}

fn server_name(text: &str) -> Result<String, AskError> {
    if text.parse::<std::net::IpAddr>().is_ok() {
        return Err(wrong("sni", format!("{text:?} is an address, for which clients send no server name")));
    }
    match Name::parse(text) {
        Ok(Name::Exact(name)) => Ok(name.into()),
        Ok(Name::Wildcard(_)) => Err(wrong("sni", format!("{text:?} is a wildcard, expected the name of one server"))),
        Err(error) => Err(wrong("sni", error.to_string())),
    }
}

fn protocols(text: &str) -> Result<Vec<&[u8]>, AskError> {
    let names = text.split(',').map(str::trim);
    names
        .map(|name| match name.len() {
            1..=255 if text.len() <= LONGEST => Ok(name.as_bytes()),
            _ => {
                Err(wrong("alpn", format!("found {name:?}, expected protocols of 1 to 255 bytes, such as h2,http/1.1")))
            }
        })
        .collect()
}

fn tls_version(text: &str) -> Result<ProtocolVersion, AskError> {
    match text {
        "1.3" => Ok(ProtocolVersion::TLSv1_3),
        "1.2" => Ok(ProtocolVersion::TLSv1_2),
        "1.1" => Ok(ProtocolVersion::TLSv1_1),
        "1.0" => Ok(ProtocolVersion::TLSv1_0),
        other => Err(wrong("tls", format!("unknown version {other:?} (expected one of 1.0, 1.1, 1.2, 1.3)"))),
    }
}

fn list<T>(
    part: &'static str,
    what: &str,
    text: &str,
    find: impl Fn(&str) -> Option<T>,
    known: impl Fn() -> Vec<&'static str>,
) -> Result<Vec<T>, AskError> {
    let expected = || format!("expected {}", known().join(", "));
    if text.len() > LONGEST {
        return Err(wrong(part, format!("found {} bytes, expected at most {LONGEST}", text.len())));
    }
    let words = text.split([':', ',']).map(str::trim);
    words
        .map(|word| {
            let found = || match word {
                "" => format!("found an empty {what} ({})", expected()),
                word => format!("unknown {what} {word:?} ({})", expected()),
            };
            find(word).ok_or_else(|| wrong(part, found()))
        })
        .collect()
}

fn wrong(part: &'static str, reason: String) -> AskError {
    AskError { part, reason }
}

/// The largest size of a list in bytes. The names of all cipher suites together take half of it.
const LONGEST: usize = 32 * 1024;

const SUITES: &[CipherSuite] = &[
    CipherSuite::TLS13_AES_128_GCM_SHA256,
    CipherSuite::TLS13_AES_256_GCM_SHA384,
    CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
];
const GROUPS: &[NamedGroup] = &[
    NamedGroup::X25519MLKEM768,
    NamedGroup::secp256r1MLKEM768,
    NamedGroup::X25519,
    NamedGroup::secp256r1,
    NamedGroup::secp384r1,
    NamedGroup::secp521r1,
];

#[cfg(test)]
mod tests;
