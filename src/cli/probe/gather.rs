//! Probes one server completely and collects the findings. Must not know: how they are shown.

use rustls::SignatureScheme;
use rustls::pki_types::{CertificateDer, ServerName};

use super::ask::{Answer, Asker, ProbeError};
use super::certificate::{Roots, reference};
use super::client::{Client, Failure, Session, Signature};
use super::collected::Collected;
use super::findings::{Findings, Resumption, Signatures};
use super::found::Version;
use super::groups;
use super::hello::Offer;
use super::proof::{self, Proof};
use super::refusal::{self, refusal};
use super::scan;
use super::suites::{self, Authentication};
use crate::tls::crypto;
use crate::tls::wire::codes;
use crate::tls::wire::codes::versions::{TLS12, TLS13};

/// Probes a server completely. An error where no ClientHello is accepted.
pub(super) fn gather(asker: &mut Asker, name: Option<String>, roots: &Roots) -> Result<Findings, ProbeError> {
    let (versions, seen) = scan::versions(asker, name.as_deref())?;
    if !versions.iter().any(|version| version.accepted) {
        let mut refusals: Vec<_> = versions.iter().filter_map(|version| version.refusal.clone()).collect();
        refusals.dedup();
        let why = format!("no ClientHello of any version was accepted: {}", refusals.join("; "));
        return Err(ProbeError::Server(asker.target.text.clone(), why));
    }

    let stops_fallback = scan::stops_fallback(asker, name.as_deref(), &versions)?;
    let mut gathering = Gathering {
        reference: reference(name.as_deref(), &asker.target.host),
        collected: Collected::new(roots, reference(name.as_deref(), &asker.target.host)),
        asker,
        notes: Vec::new(),
    };
    for (version, chain) in seen.chains {
        let chain: Vec<_> = chain.into_iter().map(CertificateDer::from).collect();
        gathering.certificate(&chain, codes::version_name(version).into_owned());
    }
    let mut without_server_name = None;
    // A server may have another certificate for clients that send no server name.
    for name in if name.is_some() { vec![name.as_deref(), None] } else { vec![None] } {
        let refused = gathering.certificates(name, &versions)?;
        if name.is_none() {
            without_server_name = refused;
        }
    }
    let resumption = gathering.resumption(name.as_deref(), &versions)?;
    let alpn = gathering.alpn(name.as_deref(), &versions)?;
    let signatures = gathering.signatures(&versions);
    if gathering.collected.is_empty() {
        gathering.notes.push("no certificate was seen".into());
    }
    for version in &versions {
        let name = codes::version_name(version.version);
        gathering.notes.extend(version.incomplete.as_ref().map(|why| format!("{name}: {why}")));
        let how = version.refuses_without_alert.as_deref().map(refusal::without_alert);
        gathering.notes.extend(how.map(|how| format!("{name}: {how}")));
    }
    let Gathering { asker, collected, notes, .. } = gathering;
    Ok(Findings {
        target: asker.target.text.clone(),
        server_name: name,
        versions,
        certificates: collected.into_all(),
        without_server_name,
        resumption,
        alpn,
        stops_fallback,
        secure_renegotiation: seen.secure_renegotiation,
        extended_master_secret: seen.extended_master_secret,
        asks_for_client_certificate: seen.asks_for_certificate,
        signatures,
        notes,
        expectation: None,
    })
}

struct Gathering<'a> {
    asker: &'a mut Asker,
    reference: Option<ServerName<'static>>,
    collected: Collected<'a>,
    notes: Vec<String>,
}

impl Gathering<'_> {
    /// Asks for a certificate of each key type. Returns how the server refused, where it sent none at all.
    fn certificates(&mut self, name: Option<&str>, versions: &[Version]) -> Result<Option<String>, ProbeError> {
        let mut refused = None;
        let mut served = false;
        let newest_in_clear = versions.iter().find(|version| version.accepted && version.version < TLS13);
        for kind in KINDS {
            let suffix = if name.is_some() { "" } else { ", no server name" };
            if versions.iter().any(|version| version.accepted && version.version == TLS13) {
                match self.session(TLS13, name, kind.tls13)? {
                    Ok(chain) => {
                        served = true;
                        self.certificate(&chain, format!("TLSv1.3 {}{suffix}", kind.label));
                    }
                    Err(failure) => drop(refused.get_or_insert(failure)),
                }
            }
            // ML-DSA is for TLS 1.3 only.
            let Some(version) = newest_in_clear.filter(|_| !kind.tls12.is_empty()) else { continue };
            let suites: Vec<u16> = version
                .suites
                .iter()
                .map(|suite| suite.id)
                .filter(|suite| suites::authentication(*suite) == kind.authentication)
                .collect();
            // Below TLS 1.2 there are no signature schemes (RFC 5246 section 7.4.1.4.1), so kinds that share their suites
            // cannot be distinguished: one question for them is enough.
            if suites.is_empty() || (version.version < TLS12 && !kind.is_first) {
                continue;
            }
            let curves = groups::of_tls12();
            let offer = scan::plain_offer(version.version, name, &suites, &curves);
            match self.asker.ask(&Offer { schemes: kind.tls12, ..offer })? {
                Answer::Agreed(hello, reply) if hello.version == version.version => {
                    served = true;
                    let chain: Vec<_> = reply.certificates.into_iter().map(CertificateDer::from).collect();
                    self.certificate(
                        &chain,
                        format!("{} {}{suffix}", codes::version_name(version.version), kind.label),
                    );
                }
                other => drop(refused.get_or_insert(refusal(&other))),
            }
        }
        Ok(if served { None } else { refused })
    }

    /// A full handshake with these schemes: the chain, or the reason for the failure.
    fn session(
        &mut self,
        version: u16,
        name: Option<&str>,
        schemes: &[u16],
    ) -> Result<Result<Vec<CertificateDer<'static>>, String>, ProbeError> {
        let schemes: Vec<_> = schemes.iter().map(|scheme| SignatureScheme::from(*scheme)).collect();
        let Some(reference) = reference(name, &self.asker.target.host) else { return Ok(Err("no name".into())) };
        let Some(client) = Client::new(version, &schemes, &[], name.is_some()) else {
            return Err(ProbeError::NoRandom);
        };
        Ok(match self.handshake(&client, version, &reference)? {
            Ok(session) => Ok(session.chain),
            Err(failure) => {
                if !failure.is_refusal() {
                    self.notes.push(format!("a handshake with {} failed: {failure}", codes::version_name(version)));
                }
                Err(failure.to_string())
            }
        })
    }

    /// A handshake on a connection of its own. What its signature shows is kept, also where it was not completed.
    fn handshake(
        &mut self,
        client: &Client,
        version: u16,
        reference: &ServerName<'static>,
    ) -> Result<Result<Session, Failure>, ProbeError> {
        let result = client.handshake(self.asker.connect()?, reference);
        let proof = match (client.signature(), &result) {
            (Some(Signature::Invalid(_)), _) => Proof::Wrong,
            (Some(Signature::Valid(_)), Ok(_)) => Proof::Valid,
            _ => Proof::Unchecked,
        };
        self.asker.proofs.add(version, proof, &client.leaf());
        Ok(result)
    }

    /// What the signatures of all handshakes show, with a note and a defect for each that is wrong.
    fn signatures(&mut self, versions: &[Version]) -> Vec<Signatures> {
        for (version, leaf) in self.asker.proofs.wrong() {
            self.notes.push(proof::is_wrong(*version));
            self.collected.flaw(leaf, proof::is_wrong(*version));
        }
        self.notes.dedup();
        let accepted = versions.iter().filter(|version| version.accepted).map(|version| version.version);
        let all: Vec<(u16, Proof)> = accepted.map(|version| (version, self.asker.proofs.of(version))).collect();
        let is_proven = all.iter().any(|(_, proof)| *proof == Proof::Valid);
        for (version, _) in all.iter().filter(|(_, proof)| *proof == Proof::Unchecked) {
            // Below TLS 1.2 nothing is verified. There, another version is enough.
            if *version >= TLS12 || !is_proven {
                self.notes.push(proof::is_missing(*version));
            }
        }
        all.into_iter().map(|(version, result)| Signatures { version, result }).collect()
    }

    fn certificate(&mut self, chain: &[CertificateDer<'_>], shown_to: String) {
        if self.collected.add(chain, shown_to).is_none() && !chain.is_empty() {
            self.notes.push("a certificate is not X.509 in DER".into());
        }
    }

    /// Tries with a real client whether sessions can be resumed.
    fn resumption(&mut self, name: Option<&str>, versions: &[Version]) -> Result<Vec<Resumption>, ProbeError> {
        let mut found = Vec::new();
        for version in versions.iter().filter(|version| is_for_rustls(version)) {
            let schemes = crypto::provider().signature_verification_algorithms.supported_schemes();
            let client = Client::new(version.version, &schemes, &[], name.is_some()).ok_or(ProbeError::NoRandom)?;
            let Some(reference) = self.reference.clone() else { continue };
            let first = self.handshake(&client, version.version, &reference)?;
            let second = match &first {
                Ok(session) if session.resumable => Some(self.handshake(&client, version.version, &reference)?),
                _ => None,
            };
            found.push(Resumption {
                version: codes::version_name(version.version).into_owned(),
                offered: first.is_ok_and(|session| session.resumable),
                resumed: second.is_some_and(|second| second.is_ok_and(|session| session.resumed)),
            });
        }
        Ok(found)
    }

    /// Offers protocols, and removes the one that the server chooses, until it chooses none.
    fn alpn(&mut self, name: Option<&str>, versions: &[Version]) -> Result<Vec<String>, ProbeError> {
        let mut left = PROTOCOLS.to_vec();
        let mut found = Vec::new();
        let Some(version) = versions.iter().find(|version| version.accepted) else { return Ok(found) };
        while !left.is_empty() {
            // In TLS 1.3 the answer is encrypted, so that it takes a real client to read it.
            let chosen = if is_for_rustls(version) {
                self.alpn_in_session(version.version, name, &left)?
            } else {
                let suites: Vec<u16> = version.suites.iter().map(|suite| suite.id).collect();
                let curves = groups::of_tls12();
                let offer = scan::plain_offer(version.version, name, &suites, &curves);
                match self.asker.ask(&Offer { alpn: &left, ..offer })? {
                    Answer::Agreed(hello, _) => hello.alpn,
                    _ => None,
                }
            };
            let Some(at) = chosen.and_then(|chosen| left.iter().position(|known| known.as_bytes() == chosen)) else {
                break;
            };
            found.push(left.remove(at).to_owned());
        }
        Ok(found)
    }

    fn alpn_in_session(
        &mut self,
        version: u16,
        name: Option<&str>,
        offered: &[&str],
    ) -> Result<Option<Vec<u8>>, ProbeError> {
        let schemes = crypto::provider().signature_verification_algorithms.supported_schemes();
        let client = Client::new(version, &schemes, offered, name.is_some()).ok_or(ProbeError::NoRandom)?;
        let Some(reference) = self.reference.clone() else { return Ok(None) };
        match self.handshake(&client, version, &reference)? {
            Ok(session) => Ok(session.alpn),
            Err(Failure::Alert(_) | Failure::Io(_) | Failure::Tls(_)) => Ok(None),
        }
    }
}

/// Whether a real session is possible under this version: rustls has one of its suites and one of its groups.
fn is_for_rustls(version: &Version) -> bool {
    let has_suite = version.suites.iter().any(|suite| crypto::suite(suite.id.into()).is_some());
    let has_group = version.groups.iter().any(|group| crypto::group((*group).into()).is_some());
    [TLS12, TLS13].contains(&version.version) && has_suite && has_group
}

/// A kind of key, and how to ask for a certificate with such a key.
struct Kind {
    label: &'static str,
    authentication: Authentication,
    tls13: &'static [u16],
    tls12: &'static [u16],
    /// Whether it is the first of the kinds that share their suites.
    is_first: bool,
}

const KINDS: &[Kind] = &[
    Kind {
        label: "RSA",
        authentication: Authentication::Rsa,
        // From 0x0401 on, these are for signatures in certificates only in TLS 1.3 (RFC 8446 section 4.2.3).
        tls13: &[0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601],
        // Down to SHA-1 (0x0201), for old servers.
        tls12: &[0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0301, 0x0201],
        is_first: true,
    },
    kind("ECDSA P-256", &[0x0403], &[0x0403, 0x0303, 0x0203], true),
    kind("ECDSA P-384", &[0x0503], &[0x0503], false),
    kind("ECDSA P-521", &[0x0603], &[0x0603], false),
    kind("Ed25519", &[0x0807], &[0x0807], false),
    kind("ML-DSA-44", &[0x0904], &[], false),
    kind("ML-DSA-65", &[0x0905], &[], false),
    kind("ML-DSA-87", &[0x0906], &[], false),
];

const fn kind(label: &'static str, tls13: &'static [u16], tls12: &'static [u16], is_first: bool) -> Kind {
    Kind { label, authentication: Authentication::Ecdsa, tls13, tls12, is_first }
}

/// IANA, "TLS ALPN Protocol IDs": those of protocols on TCP.
const PROTOCOLS: &[&str] = &[
    "h2",
    "http/1.1",
    "http/1.0",
    "http/0.9",
    "spdy/3",
    "postgresql",
    "acme-tls/1",
    "dot",
    "mqtt",
    "imap",
    "pop3",
    "managesieve",
    "ftp",
    "irc",
    "xmpp-client",
    "xmpp-server",
    "stun.turn",
    "nntp",
    "ntske/1",
    "coap",
    "tds/8.0",
    "sip/2",
    "redis",
    "ldap",
    "smtp",
    "h3",
];
