//! The other side of a record layer; it can send what no library would. Shared with the fuzz target. Must not know: how
//! it is received.

use rustls::kernel::KernelConnection;
use rustls::{CipherSuite, ConnectionTrafficSecrets};
use tlsgate::tls::crypto::Aead;
use tlsgate::tls::record::library::Connection;

use super::handshake::is_tls13;

/// What the peer sends.
#[derive(Debug, Clone)]
pub(crate) enum Item {
    Record(Forged),
    /// These bytes, unchanged.
    Raw(Vec<u8>),
}

/// A record, and how it differs from a valid one.
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

/// The other side, which can send what no library would.
pub(crate) struct Peer {
    suite: CipherSuite,
    sealing: Direction,
    opening: Direction,
    kernel: Kernel,
}

impl Peer {
    pub(crate) fn new(connection: Connection, suite: CipherSuite) -> Self {
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

    pub(crate) fn send(&mut self, item: &Item) -> Vec<u8> {
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
        // What follows might happen to be what is missing (once in 256 times where that is a byte), under one key and not
        // under another.
        if let Some(last) = record.get_mut(HEADER..).and_then(<[u8]>::last_mut).filter(|_| forged.cut > 0) {
            *last ^= 1;
        }
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

const HEADER: usize = 5;

fn header(kind: u8, length: usize) -> [u8; HEADER] {
    let [high, low] = u16::try_from(length).unwrap().to_be_bytes();
    [kind, 3, 3, high, low]
}
