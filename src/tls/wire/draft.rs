//! Parses, changes and writes a ClientHello (RFC 8446 section 4.1.2): what a client would send if it offered something
//! else. Must not know: how a server answers.

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
    /// A client that offers nothing yet. The extensions that every client of today sends are included.
    pub fn blank() -> Self {
        let extensions = vec![
            (EXTENDED_MASTER_SECRET, Vec::new()),
            (RENEGOTIATION_INFO, vec![0]),
            // Uncompressed points: the only format that RFC 8422 section 5.1.2 still allows.
            (EC_POINT_FORMATS, vec![1, 0]),
        ];
        Self(ClientHello {
            legacy_version: TLS12,
            // Fixed, so that the same question gives the same bytes. Nothing is encrypted with it.
            random: [0x5a; 32],
            session: Vec::new(),
            suites: Vec::new(),
            compressions: vec![0],
            extensions: Some(extensions),
        })
    }

    /// Parses a ClientHello in its records. The extensions that bind it to one session are left out: a pre-shared key is
    /// not valid after a change, because its binder covers the whole hello. `None` if the bytes are not a whole
    /// ClientHello.
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

    /// Sets the server name; `None` sends none.
    pub fn server_name(&mut self, name: Option<&str>) {
        match name {
            None => self.remove(SERVER_NAME),
            Some(name) => self.set(SERVER_NAME, write::server_name(name)),
        }
    }

    /// Offers only these versions, the best first.
    pub fn versions(&mut self, versions: &[ProtocolVersion]) {
        let codes: Vec<u16> = versions.iter().map(|version| u16::from(*version)).collect();
        let highest = codes.iter().copied().max().unwrap_or(TLS12);
        self.0.legacy_version = highest.min(TLS12);
        // A client of TLS 1.2 sends none of TLS 1.3's extensions.
        if highest <= TLS12 {
            for kind in [SUPPORTED_VERSIONS, KEY_SHARE, PSK_KEY_EXCHANGE_MODES] {
                self.remove(kind);
            }
            return;
        }
        self.set(SUPPORTED_VERSIONS, vector8(&numbers(codes)));
        if self.extension(KEY_SHARE).is_none() {
            // An empty list is allowed: it asks the server for a HelloRetryRequest (RFC 8446 section 4.2.8).
            self.set(KEY_SHARE, vector16(&[]));
        }
    }

    /// Offers these cipher suites, the preferred one first.
    pub fn suites(&mut self, suites: &[CipherSuite]) {
        self.0.suites = numbers(suites.iter().map(|suite| u16::from(*suite)));
    }

    /// Offers these groups, the preferred one first. Key shares for other groups are removed, and none is added: a server
    /// asks for a missing one.
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

    /// Offers these application protocols, the preferred one first.
    pub fn protocols(&mut self, protocols: &[&[u8]]) {
        self.set(ALPN, write::protocols(protocols.iter().copied()));
    }

    /// Offers these signature schemes, for the handshake and for certificates.
    pub fn schemes(&mut self, schemes: &[SignatureScheme]) {
        let codes = numbers(schemes.iter().map(|scheme| u16::from(*scheme)));
        self.set(SIGNATURE_ALGORITHMS, vector16(&codes));
        self.remove(SIGNATURE_ALGORITHMS_CERT);
    }

    /// The ClientHello in records. `None` if it is too long.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        Some(write::records(TLS10, &self.0.message()?))
    }

    fn extension(&self, kind: u16) -> Option<&[u8]> {
        self.0.extensions.iter().flatten().find(|(known, _)| *known == kind).map(|(_, data)| data.as_slice())
    }

    /// Sets an extension's content. A content that is too long for its length field (`None`) becomes empty, which every
    /// reader refuses.
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
