//! tls-alpn-01 (RFC 8737): the challenges of certificate authorities that are pending, and the handshake that answers one.
//! Must not know: who asks for certificates, routes, how outcomes are logged.
//!
//! An authority connects, offers the application protocol `acme-tls/1` and nothing else, and gets a certificate that was
//! made for this one challenge. A client that offers anything else never gets it, and a client that is answered gets
//! nothing else.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use arc_swap::ArcSwap;
use rustls::server::UnbufferedServerConnection;
use rustls::sign::CertifiedKey;
use rustls::{CipherSuite, NamedGroup, ProtocolVersion};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::gate::{Pace, Turn};
use crate::tls::handshake::Chosen;
use crate::tls::handshake::drive::drive;
use crate::tls::handshake::failure::HandshakeError;
use crate::tls::handshake::refusal::Refusal;
use crate::tls::handshake::terms::Terms;
use crate::tls::policy::{CipherOrder, Policy};
use crate::tls::record::Layer;
use crate::tls::record::handshaking::{Handshaking, Negotiated};
use crate::tls::wire::hello::Hello;

/// The application protocol of an authority's challenge (RFC 8737 section 6.2).
pub const PROTOCOL: &[u8] = b"acme-tls/1";

/// The challenges that are pending: server name → the certificate that answers. Shared by those who order certificates and
/// those who serve connections. Reading takes no lock.
#[derive(Debug, Default)]
pub struct Challenges(ArcSwap<HashMap<Box<str>, Arc<CertifiedKey>>>);

/// What has become of an answer that was put up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    Done,
    /// Another answer is pending for that name, and stays.
    Taken,
    /// Too many are pending.
    Full,
}

/// A challenge that was answered.
#[derive(Debug)]
pub struct Answered {
    pub negotiated: Negotiated,
    /// What is left to send: the last flight, if the client waits for it, and close_notify.
    pub last: Vec<u8>,
}

impl Challenges {
    /// From now on, challenges for this server name are answered with `answer`. The name is written as in the hello; an IP
    /// address has one, too ([`name_of`]). An answer that is pending is never replaced: its order would fail.
    pub fn put(&self, server_name: &str, answer: &Arc<CertifiedKey>) -> Put {
        let name: Box<str> = server_name.to_ascii_lowercase().into();
        let judged = |pending: &HashMap<Box<str>, Arc<CertifiedKey>>| match pending.get(&name) {
            Some(other) if !Arc::ptr_eq(other, answer) => Put::Taken,
            None if pending.len() >= MOST => Put::Full,
            _ => Put::Done,
        };
        let before = self.0.rcu(|pending| {
            if judged(pending) != Put::Done {
                return Arc::clone(pending);
            }
            let mut pending = HashMap::clone(pending);
            pending.insert(name.clone(), Arc::clone(answer));
            Arc::new(pending)
        });
        judged(&before)
    }

    /// Challenges for this server name are no longer answered with `answer`. Another answer for the name stays.
    pub fn remove(&self, server_name: &str, answer: &Arc<CertifiedKey>) {
        let name = server_name.to_ascii_lowercase();
        self.0.rcu(|pending| {
            if !pending.get(name.as_str()).is_some_and(|own| Arc::ptr_eq(own, answer)) {
                return Arc::clone(pending);
            }
            let mut pending = HashMap::clone(pending);
            pending.remove(name.as_str());
            Arc::new(pending)
        });
    }

    /// The certificate for this hello. `None` unless the hello offers `acme-tls/1` and no other protocol, and a challenge is
    /// pending for its server name.
    pub fn answer(&self, hello: &Hello) -> Option<Arc<CertifiedKey>> {
        // RFC 8737 section 3 requires exactly one name in the list. For all others this is the only cost.
        let [only] = hello.protocols.as_slice() else { return None };
        if **only != *PROTOCOL {
            return None;
        }
        self.0.load().get(hello.server_name.as_deref()?).map(Arc::clone)
    }
}

/// Whether `answer` can be given to this client. Pure.
pub fn agree(hello: &Hello, answer: &CertifiedKey) -> Result<(), Refusal> {
    let terms = Terms::agree(hello, &POLICY)?;
    answer.key.choose_scheme(&terms.schemes).map(drop).ok_or(Refusal::NoCommonScheme)
}

/// Runs the handshake that begins with `hello` on `stream`, with the certificate `answer`: no client certificate, no ticket,
/// no data. On failure the alert has already been written. See [`Terminator::accept`](super::Terminator::accept).
pub async fn accept(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    hello: Hello,
    answer: Arc<CertifiedKey>,
    turn: Turn<'_>,
    pace: Pace<'_>,
) -> Result<Answered, HandshakeError> {
    let connection = connection(answer).map_err(|error| HandshakeError::Protocol(error.into()))?;
    let handshaking = Handshaking::server(connection, hello.raw);
    let (handshaking, mut last) = drive(stream, handshaking, None, (turn, pace)).await?;
    let mut finished = handshaking.finish(Layer::Rustls).map_err(HandshakeError::Protocol)?;
    finished.records.seal_close(&mut last).map_err(HandshakeError::Protocol)?;
    Ok(Answered { negotiated: finished.negotiated, last })
}

fn connection(answer: Arc<CertifiedKey>) -> Result<UnbufferedServerConnection, rustls::Error> {
    let mut config = POLICY.server_config(Arc::new(Chosen(answer)), None)?;
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    UnbufferedServerConnection::new(Arc::new(config))
}

/// The server name by which an authority asks for the certificate of an IP address (RFC 8738 section 6): a hello cannot have
/// the address itself.
pub fn name_of(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(address) => {
            let digits = address.octets().into_iter().rev().flat_map(|byte| [byte & 15, byte >> 4]);
            digits.map(|digit| format!("{digit:x}.")).collect::<String>() + "ip6.arpa"
        }
    }
}

/// An authority offers TLS 1.2 or newer (RFC 8737 section 3). No listener's policy applies, since a strict one must not keep
/// an authority out: there is nothing to protect. These are the suites that RFC 9325 section 4.2 recommends.
static POLICY: LazyLock<Policy> = LazyLock::new(|| Policy {
    name: "acme-tls/1".into(),
    versions: vec![ProtocolVersion::TLSv1_3, ProtocolVersion::TLSv1_2],
    suites: vec![
        CipherSuite::TLS13_AES_128_GCM_SHA256,
        CipherSuite::TLS13_AES_256_GCM_SHA384,
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ],
    groups: vec![NamedGroup::X25519MLKEM768, NamedGroup::X25519, NamedGroup::secp256r1, NamedGroup::secp384r1],
    // The client has sent a key share for its first group.
    cipher_order: CipherOrder::Client,
});

/// An order has at most a hundred names with public authorities, and each authority has one order at a time.
const MOST: usize = 1000;

#[cfg(test)]
mod tests;
