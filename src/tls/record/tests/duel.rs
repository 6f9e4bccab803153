//! Both record layers against the same peer: what it sends is scripted, sealed with the keys of a real handshake, and both
//! layers must make the same of it. Shared with the fuzz target.

use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConfig, UnbufferedClientConnection};
use rustls::crypto::CryptoProvider;
use rustls::kernel::KernelConnection;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{ServerConfig, UnbufferedServerConnection};
use rustls::{
    AlertDescription, CipherSuite, ConnectionTrafficSecrets, DigitallySignedStruct, Error, PeerMisbehaved,
    SignatureScheme,
};
use tlsgate::tls::crypto::{self, Aead};
use tlsgate::tls::record::library::Connection;
use tlsgate::tls::record::{Handshaking, Layer, Opened, Records};

pub(crate) const SUITES: [CipherSuite; 6] = [
    CipherSuite::TLS13_AES_128_GCM_SHA256,
    CipherSuite::TLS13_AES_256_GCM_SHA384,
    CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
];

pub(crate) fn is_tls13(suite: CipherSuite) -> bool {
    SUITES[..3].contains(&suite)
}

/// Which side the record layers are on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Server,
    Client,
}

/// What the peer sends.
#[derive(Debug, Clone)]
pub(crate) enum Item {
    Record(Forged),
    /// As it stands.
    Raw(Vec<u8>),
}

/// A record, and how it is not as it should be.
#[derive(Debug, Clone)]
pub(crate) struct Forged {
    pub(crate) kind: u8,
    pub(crate) content: Vec<u8>,
    /// Zeros after the content (TLS 1.3).
    pub(crate) padding: usize,
    /// Exclusive-or a byte of the record, counted from its start modulo its length.
    pub(crate) flip: Option<(usize, u8)>,
    /// So many bytes are missing at the end.
    pub(crate) cut: usize,
    /// The peer has new keys after it.
    pub(crate) rekeys: bool,
}

pub(crate) fn record(kind: u8, content: &[u8]) -> Forged {
    let rekeys = kind == 22 && content.last_chunk::<5>().is_some_and(|last| last[..4] == [24, 0, 0, 1]);
    Forged { kind, content: content.to_vec(), padding: 0, flip: None, cut: 0, rekeys }
}

/// What a record layer made of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) plain: Vec<u8>,
    pub(crate) end: End,
    /// What the peer was sent: types and contents.
    pub(crate) replies: Vec<(u8, Vec<u8>)>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum End {
    Open,
    Closed,
    Failed(Error),
}

impl Verdict {
    /// The fatal alert that went out.
    pub(crate) fn alert(&self) -> Option<AlertDescription> {
        self.replies.iter().find(|(kind, content)| *kind == 21 && content[0] == 2).map(|(_, content)| content[1].into())
    }
}

/// Has `script` read by a record layer, in chunks whose lengths `cuts` gives.
pub(crate) fn read(
    layer: Layer,
    suite: CipherSuite,
    side: Side,
    script: &[Item],
    cuts: impl FnMut() -> usize,
) -> Verdict {
    let (mut records, wire, mut peer) = joined(layer, suite, side);
    assert!(wire.is_empty());
    let flight: Vec<u8> = script.iter().flat_map(|item| peer.send(item)).collect();
    let (plain, end, reply) = feed(&mut records, &flight, cuts);
    Verdict { plain, end, replies: peer.read(&reply) }
}

/// Opens what comes in chunks, as the relay does.
pub(crate) fn feed(records: &mut Records, flight: &[u8], mut cuts: impl FnMut() -> usize) -> (Vec<u8>, End, Vec<u8>) {
    let (mut wire, mut plain, mut reply, mut rest) = (Vec::new(), Vec::new(), Vec::new(), flight);
    while !rest.is_empty() {
        let (now, later) = rest.split_at(cuts().clamp(1, rest.len()));
        rest = later;
        wire.extend_from_slice(now);
        let mut used = 0;
        loop {
            match records.open(&mut wire[used..], &mut reply) {
                Ok(Opened::Incomplete) => break,
                Ok(Opened::Other { consumed }) => used += consumed,
                Ok(Opened::Data { consumed, plain: at }) => {
                    assert!(at.end <= consumed && consumed <= wire.len() - used);
                    plain.extend_from_slice(&wire[used..][at]);
                    used += consumed;
                }
                Ok(Opened::Closed) => return (plain, End::Closed, reply),
                Err(error) => return (plain, End::Failed(error.error), reply),
            }
        }
        wire.drain(..used);
    }
    (plain, End::Open, reply)
}

/// Where ours may differ from rustls's, and why. `Err` says how they disagree.
pub(crate) fn agree(script: &[Item], ours: &Verdict, theirs: &Verdict) -> Result<(), String> {
    let tampered = script.iter().any(|item| !matches!(item, Item::Record(Forged { flip: None, cut: 0, .. })));
    let disagree = |what: &str| Err(format!("{what}\nours: {ours:?}\ntheirs: {theirs:?}"));
    if let End::Failed(error) = &ours.end {
        // Ours refuses earlier, or what rustls lets pass.
        let stricter = match error {
            // Handshake messages that may not come are refused at their first byte, empty records of theirs at once, and
            // key updates with nothing but empty records between them count on.
            Error::General(text) if text.contains("after the handshake") => true,
            Error::InvalidMessage(
                rustls::InvalidMessage::InvalidEmptyPayload | rustls::InvalidMessage::HandshakePayloadTooLarge,
            ) => true,
            Error::PeerMisbehaved(PeerMisbehaved::TooManyKeyUpdateRequests) => true,
            // The type in the header is that of data (RFC 8446 section 5.2), which rustls does not look at.
            Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType) => true,
            // The version in the header is authenticated (RFC 8446 section 5.2).
            Error::DecryptError => tampered,
            // Other empty records do not count there as one after the other.
            Error::PeerMisbehaved(
                PeerMisbehaved::TooManyEmptyFragments | PeerMisbehaved::TooManyRenegotiationRequests,
            ) => true,
            // The length in the header is enough to see it (RFC 8446 section 5.2).
            Error::PeerSentOversizedRecord => true,
            _ => false,
        };
        if stricter && !matches!(theirs.end, End::Failed(_)) {
            return if theirs.plain.starts_with(&ours.plain) {
                Ok(())
            } else {
                disagree("plaintext of a stricter end")
            };
        }
    }
    if ours.plain != theirs.plain {
        return disagree("plaintext");
    }
    match (&ours.end, &theirs.end) {
        (End::Open, End::Open) | (End::Closed, End::Closed) => {
            if ours.replies == theirs.replies {
                Ok(())
            } else {
                disagree("replies")
            }
        }
        (End::Failed(Error::AlertReceived(one)), End::Failed(Error::AlertReceived(other))) if one == other => Ok(()),
        (End::Failed(_), End::Failed(_)) => {
            use AlertDescription as A;
            match (ours.alert(), theirs.alert()) {
                (one, other) if one == other => Ok(()),
                // rustls just closes.
                (_, None) => Ok(()),
                // An unexpected type of record (RFC 8446 section 5), which rustls does not parse, or tries to decrypt.
                (Some(A::UnexpectedMessage), Some(A::DecodeError | A::BadRecordMac)) => Ok(()),
                // RFC 8446 section 5.1 and 5.2 name record_overflow.
                (Some(A::RecordOverflow), Some(A::DecodeError | A::BadRecordMac)) => Ok(()),
                // Nothing that is sealed is as short as that.
                (Some(A::BadRecordMac), Some(A::DecodeError)) => Ok(()),
                // An unknown level of alert: both say illegal_parameter, or what they make of a second fault.
                (Some(A::DecodeError), Some(A::UnexpectedMessage | A::IllegalParameter)) => Ok(()),
                // A warning of TLS 1.3 is an error (RFC 8446 section 6.2), which needs no answer.
                (None, Some(A::DecodeError)) if matches!(ours.end, End::Failed(Error::AlertReceived(_))) => Ok(()),
                _ => disagree("alert"),
            }
        }
        _ => disagree("end"),
    }
}

/// A record layer whose handshake is done, the bytes that it has not used, and its peer.
pub(crate) fn joined(layer: Layer, suite: CipherSuite, side: Side) -> (Records, Vec<u8>, Peer) {
    let (server, client) = shaken(suite);
    let (tested, other) = match side {
        Side::Server => (server, client),
        Side::Client => (client, server),
    };
    let finished = tested.finish(layer).unwrap();
    assert_eq!(finished.negotiated.suite, suite);
    assert!(finished.plain.is_empty() && !finished.closed);
    (finished.records, finished.wire, Peer::new(other.into_connection().0, suite))
}

/// Both sides of a handshake that is done.
pub(crate) fn shaken(suite: CipherSuite) -> (Handshaking, Handshaking) {
    let (server, client) = configs(suite);
    let name = ServerName::try_from("peer.test").unwrap();
    let mut client = Handshaking::client(UnbufferedClientConnection::new(client, name).unwrap());
    let mut server = Handshaking::server(UnbufferedServerConnection::new(server).unwrap(), Vec::new());
    loop {
        let (mut up, mut down) = (Vec::new(), Vec::new());
        let client_done = client.advance(&mut up).unwrap();
        server.wire().append(&mut up);
        let server_done = server.advance(&mut down).unwrap();
        client.wire().append(&mut down);
        if client_done && server_done && client.advance(&mut up).unwrap() && up.is_empty() {
            return (server, client);
        }
    }
}

/// A ClientHello, as a handshake message.
pub(crate) fn hello(suite: CipherSuite) -> Vec<u8> {
    let name = ServerName::try_from("peer.test").unwrap();
    let mut client = Handshaking::client(UnbufferedClientConnection::new(configs(suite).1, name).unwrap());
    let mut record = Vec::new();
    client.advance(&mut record).unwrap();
    record.split_off(5)
}

type Configs = (Arc<ServerConfig>, Arc<ClientConfig>);

fn configs(suite: CipherSuite) -> Configs {
    static CONFIGS: OnceLock<Vec<Configs>> = OnceLock::new();
    let all = CONFIGS.get_or_init(|| SUITES.iter().map(|suite| build(*suite)).collect());
    let at = SUITES.iter().position(|known| *known == suite).unwrap();
    all[at].clone()
}

fn build(suite: CipherSuite) -> Configs {
    let provider =
        Arc::new(CryptoProvider { cipher_suites: vec![crypto::suite(suite).unwrap()], ..crypto::provider() });
    let versions = if is_tls13(suite) { [&rustls::version::TLS13] } else { [&rustls::version::TLS12] };
    let (certificate, key) = certificate();
    let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key.clone_key())
        .unwrap();
    server.enable_secret_extraction = true;
    // Tickets would be records under the keys that the scripts use.
    server.send_tls13_tickets = 0;
    let mut client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone))
        .with_no_client_auth();
    client.enable_secret_extraction = true;
    (Arc::new(server), Arc::new(client))
}

fn certificate() -> &'static (CertificateDer<'static>, PrivateKeyDer<'static>) {
    static CERTIFICATE: OnceLock<(CertificateDer<'static>, PrivateKeyDer<'static>)> = OnceLock::new();
    CERTIFICATE.get_or_init(|| {
        let made = rcgen::generate_simple_self_signed(vec!["peer.test".to_owned()]).unwrap();
        (made.cert.der().clone(), PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap())
    })
}

/// The certificate is no matter here.
#[derive(Debug)]
struct Anyone;

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

/// The other side, which can send what no library would.
pub(crate) struct Peer {
    suite: CipherSuite,
    sealing: Direction,
    opening: Direction,
    kernel: Kernel,
}

enum Kernel {
    Server(KernelConnection<rustls::server::ServerConnectionData>),
    Client(KernelConnection<rustls::client::ClientConnectionData>),
}

struct Direction {
    aead: Aead,
    iv: [u8; 12],
    sequence: u64,
    explicit: bool,
}

impl Direction {
    fn new(suite: CipherSuite, (sequence, secrets): (u64, ConnectionTrafficSecrets)) -> Self {
        let (aead, iv) = Aead::new(&secrets).unwrap();
        let chacha = matches!(secrets, ConnectionTrafficSecrets::Chacha20Poly1305 { .. });
        Self { aead, iv, sequence, explicit: !is_tls13(suite) && !chacha }
    }

    fn nonce(&self) -> [u8; 12] {
        let mut nonce = self.iv;
        nonce[4..].iter_mut().zip(self.sequence.to_be_bytes()).for_each(|(byte, number)| *byte ^= number);
        nonce
    }

    fn bound(&self, header: &[u8; 5], content: usize) -> Vec<u8> {
        [&self.sequence.to_be_bytes()[..], &header[..3], &u16::try_from(content).unwrap().to_be_bytes()].concat()
    }
}

impl Peer {
    fn new(connection: Connection, suite: CipherSuite) -> Self {
        let (secrets, kernel) = match connection {
            Connection::Server(connection) => {
                let (secrets, kernel) = connection.dangerous_into_kernel_connection().unwrap();
                (secrets, Kernel::Server(kernel))
            }
            Connection::Client(connection) => {
                let (secrets, kernel) = connection.dangerous_into_kernel_connection().unwrap();
                (secrets, Kernel::Client(kernel))
            }
        };
        let sealing = Direction::new(suite, secrets.tx);
        Self { suite, sealing, opening: Direction::new(suite, secrets.rx), kernel }
    }

    fn send(&mut self, item: &Item) -> Vec<u8> {
        match item {
            Item::Raw(bytes) => bytes.clone(),
            Item::Record(forged) => self.forge(forged),
        }
    }

    pub(crate) fn forge(&mut self, forged: &Forged) -> Vec<u8> {
        let keys = &mut self.sealing;
        let (mut content, nonce) = (forged.content.clone(), keys.nonce());
        let mut record;
        let tag = if is_tls13(self.suite) {
            content.push(forged.kind);
            content.resize(content.len() + forged.padding, 0);
            record = header(23, content.len() + 16).to_vec();
            keys.aead.seal(nonce, &record, &mut content)
        } else {
            let explicit = if keys.explicit { &nonce[4..] } else { &[][..] };
            let header = header(forged.kind, explicit.len() + content.len() + 16);
            record = [&header[..], explicit].concat();
            keys.aead.seal(nonce, &keys.bound(&header, content.len()), &mut content)
        };
        keys.sequence += 1;
        record.append(&mut content);
        record.extend_from_slice(&tag.unwrap());
        if let Some((at, bits)) = forged.flip {
            let at = at % record.len();
            record[at] ^= bits;
        }
        record.truncate(record.len() - forged.cut.min(record.len()));
        if forged.rekeys && is_tls13(self.suite) {
            let secrets = match &mut self.kernel {
                Kernel::Server(kernel) => kernel.update_tx_secret(),
                Kernel::Client(kernel) => kernel.update_tx_secret(),
            };
            self.sealing = Direction::new(self.suite, secrets.unwrap());
        }
        record
    }

    /// What the record layer has sent, which must be whole records.
    pub(crate) fn read(&mut self, mut wire: &[u8]) -> Vec<(u8, Vec<u8>)> {
        let mut read = Vec::new();
        while !wire.is_empty() {
            let header: [u8; 5] = wire[..5].try_into().unwrap();
            let (record, rest) = wire[5..].split_at(usize::from(u16::from_be_bytes([header[3], header[4]])));
            wire = rest;
            assert_eq!(header[1..3], [3, 3]);
            let (keys, mut body) = (&mut self.opening, record.to_vec());
            let kind = if is_tls13(self.suite) {
                let length = keys.aead.open(keys.nonce(), &header, &mut body).unwrap();
                body.truncate(length);
                body.pop().unwrap()
            } else {
                let nonce = match keys.explicit {
                    true => [&keys.iv[..4], &body.drain(..8).collect::<Vec<_>>()].concat().try_into().unwrap(),
                    false => keys.nonce(),
                };
                let bound = keys.bound(&header, body.len() - 16);
                let length = keys.aead.open(nonce, &bound, &mut body).unwrap();
                body.truncate(length);
                header[0]
            };
            keys.sequence += 1;
            if kind == 22 && body.starts_with(&[24, 0, 0, 1]) {
                let secrets = match &mut self.kernel {
                    Kernel::Server(kernel) => kernel.update_rx_secret(),
                    Kernel::Client(kernel) => kernel.update_rx_secret(),
                };
                self.opening = Direction::new(self.suite, secrets.unwrap());
            }
            read.push((kind, body));
        }
        read
    }
}

fn header(kind: u8, length: usize) -> [u8; 5] {
    let [high, low] = u16::try_from(length).unwrap().to_be_bytes();
    [kind, 3, 3, high, low]
}
