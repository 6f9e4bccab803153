//! Which connections are meant: conditions that all have to hold. Must not know: who asks, what is done with them.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ipnet::{IpNet, Ipv4Net};

use crate::ja4::Ja4;
use crate::live::row::{Facts, Row};
use crate::net::address::Address;
use crate::observe::access::record::ConnectionId;

/// Conditions on a connection. Without any, it matches all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    id: Option<ConnectionId>,
    listener: Option<String>,
    route: Option<String>,
    client: Option<IpNet>,
    server_name: Option<String>,
    ja4: Option<Ja4>,
    certificate: Option<Named>,
    backend: Option<String>,
    server: Option<Address>,
    client_certificate: Option<Named>,
    older_than: Option<Duration>,
}

/// A certificate, by one of its names.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Named {
    /// Its path, or its subject.
    Text(String),
    /// SHA-256 of the certificate, or of its key.
    Hash([u8; 32]),
}

impl Filter {
    /// The conditions, in the order in which errors list them.
    pub const KEYS: [&'static str; 11] = [
        "id",
        "listener",
        "route",
        "client",
        "server_name",
        "ja4",
        "certificate",
        "backend",
        "server",
        "client_certificate",
        "older_than",
    ];

    /// Adds the condition of that key. The outer `None` is for a key that is not one of [`Filter::KEYS`]. An error is what
    /// was found and what is expected, with the key.
    pub fn add(&mut self, key: &str, value: &str) -> Option<Result<(), String>> {
        let wrong = |expected: &str| format!("{key}: found {value:?}, expected {expected}");
        if Self::KEYS.contains(&key) && value.is_empty() {
            return Some(Err(wrong("a value")));
        }
        let text = || Some(value.to_owned());
        let fault = match key {
            "id" => set(&mut self.id, ConnectionId::parse(value))
                .then_some("an id of a connection, such as 1a2b3c4d-00000001"),
            "listener" => set(&mut self.listener, text()).then_some("a name"),
            "route" => set(&mut self.route, text()).then_some("a name"),
            "client" => set(&mut self.client, prefix(value)).then_some("an IP address or a prefix, such as 10.0.0.0/8"),
            "server_name" => set(&mut self.server_name, Some(value.to_ascii_lowercase())).then_some("a name"),
            "ja4" => set(&mut self.ja4, Ja4::parse(value)).then_some(Ja4::EXPECTED),
            "certificate" => set(&mut self.certificate, Some(served(value))).then_some("a certificate"),
            "backend" => set(&mut self.backend, text()).then_some("a name"),
            "server" => set(&mut self.server, Address::parse(value))
                .then_some("an address with a port, such as 192.0.2.1:636, or unix:/path"),
            "client_certificate" => match presented(value) {
                Some(named) => set(&mut self.client_certificate, Some(named)).then_some("a certificate"),
                None => Some("a subject, or sha256/ and 44 characters of base64"),
            },
            "older_than" => set(&mut self.older_than, humantime::parse_duration(value).ok())
                .then_some("a duration, such as 10m or 1h 30m"),
            _ => return None,
        };
        Some(fault.map_or(Ok(()), |expected| Err(wrong(expected))))
    }

    /// Whether there is no condition.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether every condition holds for the connection at that time.
    pub fn matches(&self, row: &Row, now: Instant) -> bool {
        // First, since it needs no lock.
        self.older_than.is_none_or(|age| now.saturating_duration_since(row.accepted) >= age) && self.fits(&row.facts())
    }

    fn fits(&self, Facts { record, certificate }: &Facts) -> bool {
        let is =
            |wanted: &Option<String>, found: Option<&str>| wanted.as_deref().is_none_or(|wanted| found == Some(wanted));
        self.id.is_none_or(|id| record.connection_id == id)
            && is(&self.listener, Some(&record.listener))
            && is(&self.route, record.route.as_deref())
            && self.client.is_none_or(|prefix| record.client.ip().is_some_and(|ip| prefix.contains(&ip)))
            && self.server_name.as_deref().is_none_or(|name| record.server_name.eq_ignore_ascii_case(name))
            && self.ja4.is_none_or(|ja4| record.ja4.as_deref() == Some(&ja4))
            && self.certificate.as_ref().is_none_or(|wanted| {
                certificate.as_ref().is_some_and(|found| wanted.is(&found.label, &found.fingerprint))
            })
            && is(&self.backend, record.backend.as_deref())
            && self.server.as_ref().is_none_or(|server| record.backend_address.as_ref() == Some(server))
            && self.client_certificate.as_ref().is_none_or(|wanted| {
                let found = record.client_certificate.as_ref();
                found.is_some_and(|found| wanted.is(&found.subject, &found.key_sha256))
            })
    }
}

impl Named {
    fn is(&self, text: &str, hash: &[u8; 32]) -> bool {
        match self {
            Self::Text(wanted) => text == wanted,
            Self::Hash(wanted) => hash == wanted,
        }
    }
}

/// SHA-256 of a key, as pins are written in a configuration.
pub fn pin(hash: &[u8; 32]) -> String {
    format!("{PIN}{}", BASE64_STANDARD.encode(hash))
}

/// Returns whether there is no value.
fn set<T>(place: &mut Option<T>, value: Option<T>) -> bool {
    *place = value;
    place.is_none()
}

/// An IPv4 address in IPv6 form is the IPv4 address, as everywhere; also in a prefix (RFC 4291 section 2.5.5.2). A prefix with
/// more than these addresses would match no client.
fn prefix(text: &str) -> Option<IpNet> {
    let net = text.parse().ok().or_else(|| text.parse().ok().map(IpAddr::into))?;
    let mapped = match net {
        IpNet::V6(v6) => v6.addr().to_ipv4_mapped().map(|address| (address, v6.prefix_len())),
        IpNet::V4(_) => None,
    };
    match mapped {
        Some((address, length)) => Ipv4Net::new(address, length.checked_sub(96)?).ok().map(IpNet::V4),
        None => Some(net),
    }
}

/// The certificate that is served: SHA-256 in hex, as the listing shows it, or its path.
fn served(text: &str) -> Named {
    let digits = text.as_bytes();
    let byte = |pair: &[u8]| {
        let [high, low] = [pair[0], pair[1]].map(|digit| char::from(digit).to_digit(16));
        u8::try_from(high? * 16 + low?).ok()
    };
    let hash = (digits.len() == 64).then(|| digits.chunks_exact(2).map(byte).collect::<Option<Vec<_>>>()).flatten();
    match hash.and_then(|hash| hash.try_into().ok()) {
        Some(hash) => Named::Hash(hash),
        None => Named::Text(text.to_owned()),
    }
}

/// The client's certificate: its pin or its subject.
fn presented(text: &str) -> Option<Named> {
    match text.strip_prefix(PIN) {
        Some(pin) => Some(Named::Hash(BASE64_STANDARD.decode(pin).ok()?.try_into().ok()?)),
        None => Some(Named::Text(text.to_owned())),
    }
}

const PIN: &str = "sha256/";

#[cfg(test)]
pub(crate) mod tests;
