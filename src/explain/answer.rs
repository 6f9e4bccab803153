//! The answer to a question about a client, in the form of its JSON. Must not know: how it is found.

use std::borrow::Cow;

use rustls::AlertDescription;
use serde::Serialize;

use crate::ja4::Ja4;
use crate::labels::Labels;
use crate::proxy::ending::Ending;
use crate::route::split::Split;
use crate::route::{index, ways};
use crate::tls::certificate::select::{Choice, Tier};
use crate::tls::handshake::terms::Terms;
use crate::tls::wire::hello::Hello;
use crate::tls::wire::{alert, codes};

/// The answer to one question.
#[derive(Debug, Clone, Serialize)]
pub struct Explanation {
    pub listener: String,
    /// The policy of the route; `None` if TLS is not terminated here.
    pub policy: Option<String>,
    /// What the client offers, as far as it can be read.
    pub client: Option<Offered>,
    /// The JA4 of the ClientHello, also of one that is refused; `None` if its structure cannot be followed.
    pub ja4: Option<Ja4>,
    pub route: Option<Route>,
    /// What the connection has in the access log.
    pub labels: Labels,
    #[serde(flatten)]
    pub result: Decision,
    /// The certificates, in the order in which they are examined.
    pub candidates: Vec<Candidate>,
}

/// What a ClientHello offers, by name, in the client's order.
#[derive(Debug, Clone, Serialize)]
pub struct Offered {
    pub server_name: Option<String>,
    pub versions: Vec<Cow<'static, str>>,
    pub ciphers: Vec<Cow<'static, str>>,
    pub groups: Vec<Cow<'static, str>>,
    pub signature_schemes: Vec<Cow<'static, str>>,
    /// The signature schemes for certificates, if the client sends a separate list (RFC 8446 section 4.2.3).
    pub certificate_signature_schemes: Option<Vec<Cow<'static, str>>>,
    pub application_protocols: Vec<String>,
}

/// The route that takes the connection.
#[derive(Debug, Clone, Serialize)]
pub struct Route {
    /// `default` for the listener itself.
    pub name: String,
    /// `terminate`, `passthrough` or `reject`.
    pub mode: &'static str,
    /// `None` if the route refuses its connections, or if several backends share them.
    pub backend: Option<String>,
    /// The backends that share the connections.
    pub backends: Vec<Weighted>,
}

/// A backend that gets a share of the connections.
#[derive(Debug, Clone, Serialize)]
pub struct Weighted {
    pub backend: String,
    /// Its weight now.
    pub weight: u32,
}

/// What happens with the connection.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Decision {
    /// TLS is terminated, with a certificate.
    Served(Served),
    /// The connection is passed through to a backend, which has its own certificates.
    PassedThrough,
    /// It is a certificate authority's challenge (`acme-tls/1`) that is pending: it gets the certificate that was made for
    /// it, and nothing else.
    Challenge,
    /// The connection is refused.
    Refused(Refused),
}

/// What the client receives.
#[derive(Debug, Clone, Serialize)]
pub struct Served {
    pub version: Cow<'static, str>,
    pub cipher: Cow<'static, str>,
    pub group: Cow<'static, str>,
    pub signature_scheme: Cow<'static, str>,
    pub certificate: String,
    /// `exact`, `wildcard`, `address` or `default`.
    #[serde(rename = "match")]
    pub matched: &'static str,
    /// False if no valid certificate was left.
    pub valid: bool,
    pub key_type: String,
    pub key_bits: u32,
    /// The token and key, where the private key is in a token.
    pub token: Option<String>,
    pub serial_number: String,
    pub sha256: String,
}

/// Why the client is refused.
#[derive(Debug, Clone, Serialize)]
pub struct Refused {
    pub reason: String,
    /// The IANA name of the alert that the client receives, if it receives one.
    pub alert: Option<String>,
    pub alert_code: Option<u8>,
}

/// One certificate that was examined.
#[derive(Debug, Clone, Serialize)]
pub struct Candidate {
    pub certificate: String,
    pub key_type: String,
    pub key_bits: u32,
    /// `exact`, `wildcard`, `address` or `default`.
    #[serde(rename = "match")]
    pub matched: &'static str,
    pub verdict: Verdict,
    /// The step that decided, 1 to 5.
    pub step: u8,
    pub reason: String,
}

/// What was decided about a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Served,
    /// It could be served, and another one is preferred.
    Outranked,
    /// It cannot be served to this client.
    Dropped,
}

impl Route {
    pub(super) fn of(route: &ways::Route) -> Self {
        let split = route.way.split();
        let backend = split.and_then(Split::sole).map(|share| share.pool.name().to_string());
        let backends = split.iter().flat_map(|split| split.shares().iter().zip(split.weights()));
        let backends = backends.map(|(share, weight)| Weighted { backend: share.pool.name().to_string(), weight });
        Self { name: route.name.to_string(), mode: route.way.mode().word(), backend, backends: backends.collect() }
    }
}

impl Offered {
    pub(super) fn of(hello: &Hello) -> Self {
        let schemes = |list: &[_]| list.iter().map(|scheme| codes::scheme_name(*scheme)).collect::<Vec<_>>();
        Self {
            server_name: hello.server_name.clone(),
            versions: hello.versions.iter().map(|version| codes::version_name(*version)).collect(),
            ciphers: hello.cipher_suites.iter().map(|suite| codes::suite_name(*suite)).collect(),
            groups: hello.groups.iter().map(|group| codes::group_name(*group)).collect(),
            signature_schemes: schemes(&hello.signature_schemes),
            certificate_signature_schemes: hello.certificate_schemes.as_deref().map(schemes),
            application_protocols: hello.protocols.iter().map(|protocol| index::shown(protocol)).collect(),
        }
    }
}

impl Served {
    pub(super) fn of(terms: &Terms, choice: &Choice) -> Self {
        let certificate = &choice.certificate;
        Self {
            version: codes::version_name(terms.version),
            // Every scheme in the terms has a cipher suite.
            cipher: terms.suite(choice.scheme).map(codes::suite_name).unwrap_or_default(),
            group: codes::group_name(terms.group),
            signature_scheme: codes::scheme_name(choice.scheme),
            certificate: certificate.label.to_string(),
            matched: tier_name(choice.tier),
            valid: choice.valid,
            key_type: certificate.key_type.to_string(),
            key_bits: certificate.key_bits,
            token: certificate.token.as_ref().map(ToString::to_string),
            serial_number: certificate.serial.to_string(),
            sha256: certificate.fingerprint.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }
}

impl Decision {
    /// A connection that ends as `ending`, with the reason that the access log shows.
    pub(super) fn ended(ending: &Ending) -> Self {
        let reason = ending.cause.reason.as_deref().unwrap_or_default();
        Self::ended_since(ending, reason.to_owned())
    }

    /// The same, with a reason that contains more than the access log does.
    pub(super) fn ended_since(ending: &Ending, reason: String) -> Self {
        Self::refused(reason, ending.closing.client.alert())
    }

    pub(super) fn refused(reason: String, alert: Option<AlertDescription>) -> Self {
        Self::Refused(Refused { reason, alert: alert.map(alert::name), alert_code: alert.map(u8::from) })
    }
}

pub(super) fn tier_name(tier: Tier) -> &'static str {
    match tier {
        Tier::Exact => "exact",
        Tier::Wildcard => "wildcard",
        Tier::Address => "address",
        Tier::Default => "default",
    }
}
