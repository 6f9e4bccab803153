//! A ClientHello taken apart, changed, and put together again (RFC 8446 section 4.1.2): what a client would say if it
//! were told to offer something else. Must not know: what a server makes of it.

use rustls::{CipherSuite, NamedGroup, ProtocolVersion, SignatureScheme};

use crate::tls::wire::cursor::Cursor;
use crate::tls::wire::hello;

/// A ClientHello that can be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    legacy_version: u16,
    random: [u8; 32],
    session: Vec<u8>,
    suites: Vec<u8>,
    compression: Vec<u8>,
    extensions: Vec<(u16, Vec<u8>)>,
}

impl Draft {
    /// A client that offers nothing yet; what every client of today says beside its offers is there.
    pub fn blank() -> Self {
        let extensions = vec![
            (EXTENDED_MASTER_SECRET, Vec::new()),
            (RENEGOTIATION_INFO, vec![0]),
            // Uncompressed points.
            (EC_POINT_FORMATS, vec![1, 0]),
        ];
        Self {
            legacy_version: TLS12,
            random: [0x5a; 32],
            session: Vec::new(),
            suites: Vec::new(),
            compression: vec![0],
            extensions,
        }
    }

    /// Takes a ClientHello in its records apart. What binds it to one session is left out: a pre-shared key would not
    /// survive a change.
    pub fn parse(raw: &[u8]) -> Option<Self> {
        let message = hello::handshake_payload(raw)?;
        let mut body = Cursor(&message);
        let legacy_version = body.u16()?;
        let random = body.take(32)?.try_into().ok()?;
        let session = body.vector8()?.0.to_vec();
        let suites = body.vector16()?.0.to_vec();
        let compression = body.vector8()?.0.to_vec();
        let mut extensions = Vec::new();
        if !body.0.is_empty() {
            let mut list = body.vector16()?;
            while !list.0.is_empty() {
                let (kind, data) = (list.u16()?, list.vector16()?);
                if !matches!(kind, PRE_SHARED_KEY | EARLY_DATA) {
                    extensions.push((kind, data.0.to_vec()));
                }
            }
        }
        Some(Self { legacy_version, random, session, suites, compression, extensions })
    }

    /// `None` where no server name is to be sent.
    pub fn server_name(&mut self, name: Option<&str>) {
        match name {
            None => self.remove(SERVER_NAME),
            Some(name) => {
                let entry = [&[HOST_NAME][..], &vector(name.as_bytes())].concat();
                self.set(SERVER_NAME, vector(&entry));
            }
        }
    }

    /// Offers these versions alone, the best first.
    pub fn versions(&mut self, versions: &[ProtocolVersion]) {
        let codes: Vec<u16> = versions.iter().map(|version| u16::from(*version)).collect();
        let highest = codes.iter().copied().max().unwrap_or(TLS12);
        self.legacy_version = highest.min(TLS12);
        if highest <= TLS12 {
            for kind in [SUPPORTED_VERSIONS, KEY_SHARE, PSK_KEY_EXCHANGE_MODES] {
                self.remove(kind);
            }
            return;
        }
        self.set(SUPPORTED_VERSIONS, short_vector(&numbers(&codes)));
        if self.extension(KEY_SHARE).is_none() {
            self.set(KEY_SHARE, vector(&[]));
        }
    }

    pub fn suites(&mut self, suites: &[CipherSuite]) {
        self.suites = numbers(&suites.iter().map(|suite| u16::from(*suite)).collect::<Vec<_>>());
    }

    /// Key shares for other groups are left out; none is made up. A server asks for what it misses.
    pub fn groups(&mut self, groups: &[NamedGroup]) {
        let codes: Vec<u16> = groups.iter().map(|group| u16::from(*group)).collect();
        self.set(SUPPORTED_GROUPS, vector(&numbers(&codes)));
        let Some(shares) = self.extension(KEY_SHARE) else { return };
        let mut kept = Vec::new();
        let mut list = Cursor(shares).vector16().unwrap_or(Cursor(&[]));
        while let (Some(group), Some(share)) = (list.u16(), list.vector16()) {
            if codes.contains(&group) {
                kept.extend([&group.to_be_bytes()[..], &vector(share.0)].concat());
            }
        }
        self.set(KEY_SHARE, vector(&kept));
    }

    /// Application protocols, the preferred one first.
    pub fn protocols(&mut self, protocols: &[&[u8]]) {
        let list: Vec<u8> = protocols.iter().flat_map(|protocol| short_vector(protocol)).collect();
        self.set(ALPN, vector(&list));
    }

    /// For the handshake and for certificates alike.
    pub fn schemes(&mut self, schemes: &[SignatureScheme]) {
        let codes: Vec<u16> = schemes.iter().map(|scheme| u16::from(*scheme)).collect();
        self.set(SIGNATURE_ALGORITHMS, vector(&numbers(&codes)));
        self.remove(SIGNATURE_ALGORITHMS_CERT);
    }

    /// The ClientHello in records.
    pub fn bytes(&self) -> Vec<u8> {
        let extensions: Vec<u8> =
            self.extensions.iter().flat_map(|(kind, data)| [&kind.to_be_bytes()[..], &vector(data)].concat()).collect();
        let body = [
            &self.legacy_version.to_be_bytes()[..],
            &self.random,
            &short_vector(&self.session),
            &vector(&self.suites),
            &short_vector(&self.compression),
            &vector(&extensions),
        ]
        .concat();
        let [_, length @ ..] = u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes();
        records(&[&[CLIENT_HELLO][..], &length, &body].concat())
    }

    fn extension(&self, kind: u16) -> Option<&[u8]> {
        self.extensions.iter().find(|(known, _)| *known == kind).map(|(_, data)| data.as_slice())
    }

    fn set(&mut self, kind: u16, data: Vec<u8>) {
        match self.extensions.iter_mut().find(|(known, _)| *known == kind) {
            Some(there) => there.1 = data,
            None => self.extensions.push((kind, data)),
        }
    }

    fn remove(&mut self, kind: u16) {
        self.extensions.retain(|(known, _)| *known != kind);
    }
}

/// A handshake message in as many records as it takes (RFC 8446 section 5.1).
pub fn records(message: &[u8]) -> Vec<u8> {
    message.chunks(MAX_RECORD).flat_map(|piece| [&[HANDSHAKE, 3, 1][..], &vector(piece)].concat()).collect()
}

fn numbers(codes: &[u16]) -> Vec<u8> {
    codes.iter().flat_map(|code| code.to_be_bytes()).collect()
}

/// Two bytes of length in front. What is longer than they can say is cut, and then refused by whoever reads it.
fn vector(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes()[..], &bytes[..length.into()]].concat()
}

/// One byte of length in front.
fn short_vector(bytes: &[u8]) -> Vec<u8> {
    let length = u8::try_from(bytes.len()).unwrap_or(u8::MAX);
    [&[length][..], &bytes[..length.into()]].concat()
}

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const MAX_RECORD: usize = 1 << 14;
const TLS12: u16 = 0x0303;

/// IANA, "TLS ExtensionType Values".
const SERVER_NAME: u16 = 0;
const SUPPORTED_GROUPS: u16 = 10;
const EC_POINT_FORMATS: u16 = 11;
const SIGNATURE_ALGORITHMS: u16 = 13;
const ALPN: u16 = 16;
const EXTENDED_MASTER_SECRET: u16 = 23;
const PRE_SHARED_KEY: u16 = 41;
const EARLY_DATA: u16 = 42;
const SUPPORTED_VERSIONS: u16 = 43;
const PSK_KEY_EXCHANGE_MODES: u16 = 45;
const SIGNATURE_ALGORITHMS_CERT: u16 = 50;
const KEY_SHARE: u16 = 51;
const RENEGOTIATION_INFO: u16 = 0xff01;
const HOST_NAME: u8 = 0;

#[cfg(test)]
mod tests;
