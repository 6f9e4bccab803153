//! What one client would get of a listener, and why: the ClientHello goes the way that it goes in the proxy, and what is
//! decided on it is written down. Must not know: where the hello comes from, who wants to know.

use rustls::AlertDescription;
use serde::Serialize;
use std::borrow::Cow;
use std::net::IpAddr;

use crate::route::index;
use crate::route::ways::{self, Chosen, Way};
use crate::snapshot::{Listener, Snapshot};
use crate::tls::certificate::select::{Choice, Tier};
use crate::tls::handshake::{Refusal, Terminator, Terms};
use crate::tls::policy;
use crate::tls::wire::codes;
use crate::tls::wire::hello::{Hello, HelloError, HelloReader};
use crate::tls::wire::{alert, fault};

pub mod ask;
mod capture;
pub mod clients;
mod reasons;
mod text;

pub use reasons::{Candidate, Verdict};

/// The answer to one question.
#[derive(Debug, Clone, Serialize)]
pub struct Explanation {
    pub listener: String,
    /// Of the route; `None` where TLS does not end here.
    pub policy: Option<String>,
    /// What the client says, as far as it can be read.
    pub client: Option<Offered>,
    pub route: Option<Route>,
    #[serde(flatten)]
    pub result: Outcome,
    /// In the order in which they are looked at.
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
    /// Where it says something else of certificates than of handshakes.
    pub certificate_signature_schemes: Option<Vec<Cow<'static, str>>>,
    pub application_protocols: Vec<String>,
}

/// Where the connection goes.
#[derive(Debug, Clone, Serialize)]
pub struct Route {
    /// `default` is where goes what no route takes.
    pub name: String,
    pub mode: &'static str,
    /// `None` where it refuses.
    pub backend: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Outcome {
    Served(Served),
    /// To a backend that has certificates of its own.
    PassedThrough,
    Refused(Refused),
}

/// What the client gets.
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
    /// False where nothing valid was left.
    pub valid: bool,
    pub key_type: String,
    pub key_bits: u32,
    pub serial_number: String,
    pub sha256: String,
}

/// That it gets nothing, and why.
#[derive(Debug, Clone, Serialize)]
pub struct Refused {
    pub reason: String,
    /// The alert's IANA name.
    pub alert: Option<String>,
    pub alert_code: Option<u8>,
}

/// The listener that is asked about; where none is named, the only one.
pub fn listener<'s>(snapshot: &'s Snapshot, name: Option<&str>) -> Result<&'s Listener, String> {
    let mut names: Vec<&str> = snapshot.listeners().map(|listener| &*listener.name).collect();
    names.sort_unstable();
    let found = match (name, names.as_slice()) {
        (Some(name), _) => snapshot.listener(name),
        (None, [only]) => snapshot.listener(only),
        (None, _) => None,
    };
    found.map(AsRef::as_ref).ok_or_else(|| {
        let what = name.map_or_else(|| "not given".to_owned(), |name| format!("unknown listener {name:?}"));
        format!("{what} (expected one of {})", names.join(", "))
    })
}

/// Explains what comes of the ClientHello in `raw`, sent to `address` if that is known, at `now` (seconds since 1970).
pub fn explain(listener: &Listener, raw: Vec<u8>, address: Option<IpAddr>, now: i64) -> Explanation {
    let mut explanation = Explanation {
        listener: listener.name.to_string(),
        policy: None,
        client: None,
        route: None,
        result: Outcome::Refused(Refused::without_alert("the ClientHello is not whole".into())),
        candidates: Vec::new(),
    };
    let mut reader = HelloReader::default();
    reader.raw = raw;
    let hello = match reader.advance() {
        Ok(Some(hello)) => hello,
        Ok(None) => return explanation,
        Err(error) => {
            explanation.result = Outcome::Refused(Refused::unreadable(&error));
            return explanation;
        }
    };
    explanation.client = Some(Offered::of(&hello));
    match listener.ways.choose(&hello) {
        Chosen::Challenge => {
            let said =
                "only a route that names acme-tls/1 in its client_alpn takes a certificate authority's challenge";
            let refused = Refused::without_alert(said.into());
            explanation.result = Outcome::Refused(refused.with_alert(u8::from(Refusal::NoCommonProtocol.alert())));
        }
        Chosen::Route(route) => {
            explanation.route = Some(Route::of(route));
            explanation.routed(route, &hello, address, now);
        }
    }
    explanation
}

impl Route {
    fn of(route: &ways::Route) -> Self {
        let backend = match &route.way {
            Way::Terminate(termination) => Some(&termination.backend),
            Way::Passthrough(pool) => Some(pool),
            Way::Reject => None,
        };
        let backend = backend.map(|pool| pool.name().to_string());
        Self { name: route.name.to_string(), mode: route.way.mode().word(), backend }
    }
}

impl Explanation {
    fn routed(&mut self, route: &ways::Route, hello: &Hello, address: Option<IpAddr>, now: i64) {
        self.result = match (&route.way, &hello.unacceptable) {
            (Way::Reject, _) => {
                let refused = Refused::without_alert("the route refuses whom it takes".into());
                Outcome::Refused(refused.with_alert(u8::from(AlertDescription::UnrecognisedName)))
            }
            (Way::Passthrough(_), _) => Outcome::PassedThrough,
            (Way::Terminate(termination), unacceptable) => {
                let terminator = &termination.terminator;
                self.policy = Some(terminator.policy.name.to_string());
                match unacceptable {
                    Some(error) => Outcome::Refused(Refused::unreadable(error)),
                    None => return self.terminated(terminator, hello, address, now),
                }
            }
        };
    }

    fn terminated(&mut self, terminator: &Terminator, hello: &Hello, address: Option<IpAddr>, now: i64) {
        let mut seen = Vec::new();
        let terms = terminator.agree(hello);
        let choice = terminator.choose(hello, address, now, &mut seen);
        self.candidates = reasons::candidates(&seen, hello, terms.as_ref().ok(), address, now);
        self.result = match (terms, choice) {
            (Ok(terms), Ok(choice)) => match terminator.rehearse(hello, &choice) {
                Ok(()) => Outcome::Served(Served::of(&terms, &choice)),
                Err((error, words)) => Outcome::Refused(Refused::by_rustls(&error, &words)),
            },
            (Err(refusal), _) | (_, Err(refusal)) => {
                Outcome::Refused(Refused::of(refusal, &reasons::refused(refusal, terminator, hello)))
            }
        };
    }
}

impl Offered {
    fn of(hello: &Hello) -> Self {
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
    fn of(terms: &Terms, choice: &Choice) -> Self {
        let certificate = &choice.certificate;
        Self {
            version: policy::version_name(terms.version),
            // There is one for every scheme that the terms leave.
            cipher: terms.suite(choice.scheme).map(policy::suite_name).unwrap_or_default(),
            group: policy::group_name(terms.group),
            signature_scheme: policy::scheme_name(choice.scheme),
            certificate: certificate.label.to_string(),
            matched: tier_name(choice.tier),
            valid: choice.valid,
            key_type: certificate.key_type.to_string(),
            key_bits: certificate.key_bits,
            serial_number: certificate.serial.to_string(),
            sha256: certificate.fingerprint.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }
}

impl Refused {
    fn of(refusal: Refusal, detail: &str) -> Self {
        let said = refusal.to_string();
        let reason = if detail.is_empty() { said } else { format!("{said}: {detail}") };
        Self { reason, alert: None, alert_code: None }.with_alert(u8::from(refusal.alert()))
    }

    fn unreadable(error: &HelloError) -> Self {
        Self::without_alert(error.to_string()).with_words(&error.alert())
    }

    fn by_rustls(error: &rustls::Error, words: &[u8]) -> Self {
        Self::without_alert(format!("the handshake cannot begin: {}", fault::reason(error))).with_words(words)
    }

    fn without_alert(reason: String) -> Self {
        Self { reason, alert: None, alert_code: None }
    }

    /// The alert is the last byte of its record.
    fn with_words(self, record: &[u8]) -> Self {
        match record.last() {
            Some(code) => self.with_alert(*code),
            None => self,
        }
    }

    fn with_alert(self, code: u8) -> Self {
        Self { alert: Some(alert::name(AlertDescription::from(code))), alert_code: Some(code), ..self }
    }
}

fn tier_name(tier: Tier) -> &'static str {
    match tier {
        Tier::Exact => "exact",
        Tier::Wildcard => "wildcard",
        Tier::Address => "address",
        Tier::Default => "default",
    }
}
