//! Whether TLS passes through to a backend or is terminated on the way, as far as a client can find out. Must not know:
//! what is in the middle.

use rustls::SignatureScheme;
use rustls::pki_types::ServerName;
use serde::Serialize;

use super::ask::{Asker, ProbeError};
use super::certificate::{self, reference};
use super::client::{Client, Failure, Session, Signature};
use crate::tls::crypto;
use crate::tls::wire::codes;
use crate::tls::wire::codes::versions::{TLS12, TLS13};

mod behaviour;
mod evidence;

use evidence::Evidence;

/// The answer, and the evidence for it.
#[derive(Debug, Serialize)]
pub(super) struct Verdict {
    pub(super) target: String,
    pub(super) backend: String,
    pub(super) server_name: Option<String>,
    pub(super) passes_through: bool,
    pub(super) conclusion: String,
    pub(super) evidence: Vec<Evidence>,
    pub(super) limits: &'static str,
}

pub(super) fn compare(
    front: Asker,
    backend: Asker,
    name: Option<String>,
    assume_sole_key: bool,
) -> Result<Verdict, ProbeError> {
    let mut pair = Pair { front, backend, name, evidence: Vec::new() };
    let (passes_through, conclusion) = pair.conclude(assume_sole_key)?;
    Ok(Verdict {
        target: pair.front.target.text,
        backend: pair.backend.target.text,
        server_name: pair.name,
        passes_through,
        conclusion,
        evidence: pair.evidence,
        limits: LIMITS,
    })
}

struct Pair {
    front: Asker,
    backend: Asker,
    name: Option<String>,
    evidence: Vec<Evidence>,
}

/// One of the two servers: the one that is probed, or the backend.
#[derive(Clone, Copy)]
enum Side {
    Front,
    Backend,
}

impl Pair {
    fn conclude(&mut self, assume_sole_key: bool) -> Result<(bool, String), ProbeError> {
        let backend = self.backend.target.text.clone();
        let terminated = |why: &str| Ok((false, format!("terminated here, {why}")));
        let versions = self.versions()?;
        let Some(version) = versions.first().copied() else {
            return terminated(&format!("or routed elsewhere: it completes no handshake that {backend} completes"));
        };
        match self.certificates(version)? {
            Match::Same => {}
            Match::SameKey => return terminated(&format!("with {backend}'s key in another certificate")),
            Match::Different => return terminated(&format!("with a different key than {backend}'s")),
        }
        if !self.signature(version)? {
            return terminated("by a server that cannot sign for the certificate that it shows");
        }
        let alike = behaviour::compare(&mut self.front, &mut self.backend, self.name.as_deref())?;
        let is_alike = alike.speaks_for == Some(true);
        self.evidence.push(alike);
        let mut crossed = None;
        // One version in which the backend resumes sessions is enough.
        for version in versions {
            crossed = self.crossing(version)?;
            if crossed.is_some() {
                break;
            }
        }
        Ok(match (crossed, is_alike) {
            (Some(true), true) => (true, format!("TLS passes through to {backend}")),
            (Some(true), false) => {
                let why = "sessions pass through, but not every ClientHello reaches it as it was sent";
                (false, format!("not untouched: to {backend} {why}"))
            }
            (Some(false), _) => {
                let why = format!("with a copy of {backend}'s certificate and key");
                return terminated(&format!("{why} (or routed to another server that has them)"));
            }
            (None, false) => {
                return terminated(&format!("by another server than {backend}, with its certificate and key"));
            }
            (None, true) if assume_sole_key => {
                (true, format!("TLS passes through to {backend}, if no other server has its key"))
            }
            (None, true) => {
                let why = "since it resumes no sessions, it cannot be distinguished from a copy of itself";
                let how = "turn on session tickets there, or use --assume-sole-key";
                (false, format!("not proven: {backend} or another server with its key answers; {why} ({how})"))
            }
        })
    }

    /// The versions in which both complete a handshake. An error where the backend completes none.
    fn versions(&mut self) -> Result<Vec<u16>, ProbeError> {
        let (mut both, mut why) = (Vec::new(), Vec::new());
        let mut backend_can = false;
        for version in [TLS13, TLS12] {
            let client = self.client(version, &every_scheme())?;
            let shown = codes::version_name(version);
            if let Err(failure) = self.handshake(Side::Backend, &client)? {
                why.push(format!("{shown}: {failure}"));
                continue;
            }
            backend_can = true;
            // Otherwise the backend's session would be offered, and the front might resume it.
            client.forget();
            match self.handshake(Side::Front, &client)? {
                Ok(_) => both.push(version),
                Err(failure) => {
                    let finding = format!("{shown}: a handshake that the backend completes fails: {failure}");
                    self.note("handshake", Some(false), finding);
                }
            }
        }
        if !backend_can {
            let text = self.backend.target.text.clone();
            return Err(ProbeError::Server(text, format!("no handshake is completed: {}", why.join("; "))));
        }
        Ok(both)
    }

    /// Compares the certificates for the same hellos, one for each kind of key.
    fn certificates(&mut self, version: u16) -> Result<Match, ProbeError> {
        let mut verdict = Match::Same;
        let mut seen = 0;
        for (kind, schemes) in KINDS {
            let schemes: Vec<_> = schemes.iter().map(|scheme| SignatureScheme::from(*scheme)).collect();
            let client = self.client(version, &schemes)?;
            let there = self.handshake(Side::Backend, &client)?;
            client.forget();
            let here = self.handshake(Side::Front, &client)?;
            let (one, finding) = match (here, there) {
                (Ok(here), Ok(there)) => {
                    seen += 1;
                    matched(&here, &there)
                }
                // Neither has a key of this kind.
                (Err(_), Err(_)) => continue,
                (Ok(_), Err(failure)) => {
                    (Match::Different, format!("a certificate here, but {failure} at the backend"))
                }
                (Err(failure), Ok(_)) => {
                    (Match::Different, format!("{failure} here, but a certificate at the backend"))
                }
            };
            self.note("certificate", Some(one == Match::Same), format!("{kind}: {finding}"));
            verdict = verdict.max(one);
        }
        Ok(if seen == 0 { Match::Different } else { verdict })
    }

    /// Whether the certificate's key has signed a handshake with the front.
    fn signature(&mut self, version: u16) -> Result<bool, ProbeError> {
        let client = self.client(version, &every_scheme())?;
        let session = self.handshake(Side::Front, &client)?;
        let (good, finding) = match session.map(|session| session.signature) {
            Ok(Signature::Valid(scheme)) => {
                let (version, scheme) = (codes::version_name(version), codes::scheme_name(scheme));
                let finding = format!(
                    "{version}: the key signed this handshake ({scheme}), with the ClientHello as it was sent here"
                );
                (true, finding)
            }
            Ok(Signature::Invalid(why)) => (false, format!("the signature over the handshake is wrong: {why}")),
            Ok(Signature::None) => (false, "there is no signature over the handshake".into()),
            Err(failure) => (false, format!("a handshake failed: {failure}")),
        };
        self.note("signature", Some(good), finding);
        Ok(good)
    }

    /// Whether sessions begun at one server are resumed at the other. `None` where the backend does not resume its own.
    fn crossing(&mut self, version: u16) -> Result<Option<bool>, ProbeError> {
        let shown = codes::version_name(version);
        let client = self.client(version, &every_scheme())?;
        if !self.resumes(&client, Side::Backend, Side::Backend)? {
            self.note("resumption", None, format!("{shown}: the backend resumes no sessions, not even its own"));
            return Ok(None);
        }
        let mut all = true;
        for (from, to, way) in [
            (Side::Front, Side::Backend, "begun here is resumed by the backend"),
            (Side::Backend, Side::Front, "begun at the backend is resumed here"),
        ] {
            let mut crossed = false;
            // One success is proof. A failure may only mean that the connection has reached another server of the backend.
            for _ in 0..ATTEMPTS {
                crossed = crossed || self.resumes(&client, from, to)?;
            }
            let finding = if crossed { format!("a session {way}") } else { format!("no session {way}") };
            self.note("resumption", Some(crossed), format!("{shown}: {finding}"));
            all &= crossed;
        }
        Ok(Some(all))
    }

    fn resumes(&mut self, client: &Client, from: Side, to: Side) -> Result<bool, ProbeError> {
        client.forget();
        Ok(match self.handshake(from, client)? {
            Ok(first) if first.resumable => self.handshake(to, client)?.is_ok_and(|second| second.resumed),
            _ => false,
        })
    }

    fn client(&self, version: u16, schemes: &[SignatureScheme]) -> Result<Client, ProbeError> {
        Client::new(version, schemes, &[], self.name.is_some()).ok_or(ProbeError::NoRandom)
    }

    fn handshake(&mut self, side: Side, client: &Client) -> Result<Result<Session, Failure>, ProbeError> {
        // The same name for both servers, so that a session of one is offered to the other.
        let name = reference(self.name.as_deref(), &self.front.target.host);
        // rustls requires a name even where none is sent.
        let name = name.unwrap_or(ServerName::IpAddress(std::net::Ipv4Addr::UNSPECIFIED.into()));
        let asker = match side {
            Side::Front => &mut self.front,
            Side::Backend => &mut self.backend,
        };
        Ok(client.handshake(asker.connect()?, &name))
    }

    fn note(&mut self, check: &'static str, speaks_for: Option<bool>, finding: String) {
        self.evidence.push(Evidence { check, speaks_for, finding });
    }
}

/// How far two certificates agree, from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Match {
    Same,
    SameKey,
    Different,
}

fn matched(here: &Session, there: &Session) -> (Match, String) {
    let of = |session: &Session| session.chain.first().and_then(|leaf| certificate::fingerprints(leaf));
    match (of(here), of(there)) {
        (Some((here, key)), Some((there, _))) if here == there => {
            (Match::Same, format!("the same certificate (SHA-256 {here}) and key (SPKI SHA-256 {key})"))
        }
        (Some((here, key)), Some((there, other))) if key == other => {
            (Match::SameKey, format!("the same key, but another certificate: {here} here, {there} at the backend"))
        }
        (Some((here, _)), Some((there, _))) => {
            (Match::Different, format!("another certificate and key: {here} here, {there} at the backend"))
        }
        _ => (Match::Different, "a certificate is not X.509".into()),
    }
}

fn every_scheme() -> Vec<SignatureScheme> {
    crypto::provider().signature_verification_algorithms.supported_schemes()
}

const KINDS: &[(&str, &[u16])] = &[
    ("for clients that verify RSA", &[0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601]),
    ("for clients that verify ECDSA P-256", &[0x0403]),
    ("for clients that verify ECDSA P-384", &[0x0503]),
    ("for clients that verify ECDSA P-521", &[0x0603]),
    ("for clients that verify Ed25519", &[0x0807]),
    ("for clients that verify ML-DSA-44", &[0x0904]),
    ("for clients that verify ML-DSA-65", &[0x0905]),
    ("for clients that verify ML-DSA-87", &[0x0906]),
];

/// A backend may be several servers, and each connection may reach another of them.
const ATTEMPTS: usize = 4;

const LIMITS: &str = "This holds for this client, this server name and this moment. It cannot distinguish the backend from \
another server that has both its private key and its session ticket keys.";

/// What `--same-as` proves, for `--help`.
pub(super) const REASONING: &str = "\
What --same-as proves:
  1. For the same ClientHello, the same certificate and key are shown here and at the backend.
  2. The server signs the handshake: in TLS 1.3 everything that was sent, from our random numbers and key share to the
     server's own; in TLS 1.2 both randoms and the server's key share, while Finished covers the rest. So the holder of the
     certificate's key took part in this handshake, with the ClientHello as it was sent here. A proxy in between without
     the key can neither have changed the ClientHello nor read what follows.
  3. A session begun here is resumed by the backend, and the reverse. That needs the secrets of the same session: a proxy
     that terminates TLS with a copy of the certificate and key has sessions of its own, which the backend does not know.
  4. Ordinary ClientHellos of many kinds get the same answers from both.
What it cannot prove: that no other server has both the key and the session ticket keys; that another client, another
name or another moment is treated the same. For a backend that resumes no sessions, only 1, 2 and 4 remain, which a copy
of the backend passes as well: then the answer is \"not proven\", unless you assume with --assume-sole-key that there is
no copy.
Exit status: 0 if TLS passes through, 1 if it does not or that is not proven, 2 for wrong usage.";
