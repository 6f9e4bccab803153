//! A ClientHello taken apart, changed, and put together again (RFC 8446 section 4.1.2): what a client would send if it
//! offered something else. Must not know: what a server makes of it.

use rustls::{CipherSuite, NamedGroup, ProtocolVersion, SignatureScheme};

use crate::tls::wire::codes::extensions::{
    ALPN, EARLY_DATA, EC_POINT_FORMATS, EXTENDED_MASTER_SECRET, KEY_SHARE, PRE_SHARED_KEY, PSK_KEY_EXCHANGE_MODES,
    RENEGOTIATION_INFO, SERVER_NAME, SIGNATURE_ALGORITHMS, SIGNATURE_ALGORITHMS_CERT, SUPPORTED_GROUPS,
    SUPPORTED_VERSIONS,
};
use crate::tls::wire::codes::versions::{TLS10, TLS12};
use crate::tls::wire::cursor::Cursor;
use crate::tls::wire::hello;
use crate::tls::wire::write::{self, ClientHello, numbers, vector8, vector16};

/// A ClientHello that can be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft(ClientHello);

impl Draft {
    /// A client that offers nothing yet; what every client of today sends beside its offers is there.
    pub fn blank() -> Self {
        let extensions = vec![
            (EXTENDED_MASTER_SECRET, Vec::new()),
            (RENEGOTIATION_INFO, vec![0]),
            // Uncompressed points.
            (EC_POINT_FORMATS, vec![1, 0]),
        ];
        Self(ClientHello {
            legacy_version: TLS12,
            random: [0x5a; 32],
            session: Vec::new(),
            suites: Vec::new(),
            compressions: vec![0],
            extensions: Some(extensions),
        })
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
        let compressions = body.vector8()?.0.to_vec();
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
        Some(Self(ClientHello { legacy_version, random, session, suites, compressions, extensions: Some(extensions) }))
    }

    /// `None` where no server name is to be sent.
    pub fn server_name(&mut self, name: Option<&str>) {
        match name {
            None => self.remove(SERVER_NAME),
            Some(name) => self.set(SERVER_NAME, write::server_name(name)),
        }
    }

    /// Offers these versions alone, the best first.
    pub fn versions(&mut self, versions: &[ProtocolVersion]) {
        let codes: Vec<u16> = versions.iter().map(|version| u16::from(*version)).collect();
        let highest = codes.iter().copied().max().unwrap_or(TLS12);
        self.0.legacy_version = highest.min(TLS12);
        if highest <= TLS12 {
            for kind in [SUPPORTED_VERSIONS, KEY_SHARE, PSK_KEY_EXCHANGE_MODES] {
                self.remove(kind);
            }
            return;
        }
        self.set(SUPPORTED_VERSIONS, vector8(&numbers(codes)));
        if self.extension(KEY_SHARE).is_none() {
            self.set(KEY_SHARE, vector16(&[]));
        }
    }

    pub fn suites(&mut self, suites: &[CipherSuite]) {
        self.0.suites = numbers(suites.iter().map(|suite| u16::from(*suite)));
    }

    /// Key shares for other groups are left out; none is made up. A server asks for what it misses.
    pub fn groups(&mut self, groups: &[NamedGroup]) {
        let codes: Vec<u16> = groups.iter().map(|group| u16::from(*group)).collect();
        self.set(SUPPORTED_GROUPS, vector16(&numbers(codes.iter().copied())));
        let Some(shares) = self.extension(KEY_SHARE) else { return };
        let mut kept = Vec::new();
        let mut list = Cursor(shares).vector16().unwrap_or(Cursor(&[]));
        while let (Some(group), Some(share)) = (list.u16(), list.vector16()) {
            if codes.contains(&group) {
                kept.push((group, share.0));
            }
        }
        let kept = write::key_shares(kept);
        self.set(KEY_SHARE, kept);
    }

    /// Application protocols, the preferred one first.
    pub fn protocols(&mut self, protocols: &[&[u8]]) {
        self.set(ALPN, write::protocols(protocols.iter().copied()));
    }

    /// For the handshake and for certificates alike.
    pub fn schemes(&mut self, schemes: &[SignatureScheme]) {
        let codes = numbers(schemes.iter().map(|scheme| u16::from(*scheme)));
        self.set(SIGNATURE_ALGORITHMS, vector16(&codes));
        self.remove(SIGNATURE_ALGORITHMS_CERT);
    }

    /// The ClientHello in records. `None` where it is too long to be one.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        Some(write::records(TLS10, &self.0.message()?))
    }

    fn extension(&self, kind: u16) -> Option<&[u8]> {
        self.0.extensions.iter().flatten().find(|(known, _)| *known == kind).map(|(_, data)| data.as_slice())
    }

    /// A content that is too long for its length is left empty, which whoever reads it refuses.
    fn set(&mut self, kind: u16, data: Option<Vec<u8>>) {
        let data = data.unwrap_or_default();
        let extensions = self.0.extensions.get_or_insert_default();
        match extensions.iter_mut().find(|(known, _)| *known == kind) {
            Some(there) => there.1 = data,
            None => extensions.push((kind, data)),
        }
    }

    fn remove(&mut self, kind: u16) {
        self.0.extensions.get_or_insert_default().retain(|(known, _)| *known != kind);
    }
}

#[cfg(test)]
mod tests;
