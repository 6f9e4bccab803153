//! Parses, changes and writes a ClientHello (RFC 8446 section 4.1.2): what a client would send if it offered something
//! else. Must not know: how a server answers.

use rustls::{CipherSuite, NamedGroup, ProtocolVersion, SignatureScheme};

use crate::tls::wire::codes::extensions::{
    ALPN, COMPRESS_CERTIFICATE, COOKIE, EARLY_DATA, EC_POINT_FORMATS, EXTENDED_MASTER_SECRET, KEY_SHARE,
    PRE_SHARED_KEY, PSK_KEY_EXCHANGE_MODES, RENEGOTIATION_INFO, SERVER_NAME, SESSION_TICKET, SIGNATURE_ALGORITHMS,
    SIGNATURE_ALGORITHMS_CERT, SUPPORTED_GROUPS, SUPPORTED_VERSIONS,
};
use crate::tls::wire::codes::versions::{SSL3, TLS10, TLS12};
use crate::tls::wire::cursor::Cursor;
use crate::tls::wire::hello;
use crate::tls::wire::write::{self, ClientHello, numbers, vector8, vector16};

/// A ClientHello that can be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft(ClientHello);

/// What a ClientHello offers, by number; `None` where it has no such extension, and an empty list if that is malformed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offers {
    pub versions: Vec<u16>,
    pub suites: Vec<u16>,
    pub groups: Option<Vec<u16>>,
    pub schemes: Option<Vec<u16>>,
}

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
        if self.extension(KEY_SHARE).is_none() {
            return;
        }
        let kept = write::key_shares(self.keys().into_iter().filter(|(group, _)| codes.contains(group)));
        self.set(KEY_SHARE, kept);
    }

    /// What it offers.
    pub fn offers(&self) -> Offers {
        let numbers = |list: Option<Cursor<'_>>| list.and_then(|list| list.all_u16(|code| code));
        let of = |kind| self.extension(kind).map(|data| numbers(Cursor(data).vector16()).unwrap_or_default());
        let versions = match self.extension(SUPPORTED_VERSIONS) {
            Some(data) => numbers(Cursor(data).vector8()).unwrap_or_default(),
            // RFC 5246 appendix E.1: the hello's version is the highest of those that it offers.
            None => (SSL3..=self.0.legacy_version.min(TLS12)).collect(),
        };
        let suites = numbers(Some(Cursor(&self.0.suites))).unwrap_or_default();
        Offers { versions, suites, groups: of(SUPPORTED_GROUPS), schemes: of(SIGNATURE_ALGORITHMS) }
    }

    /// The groups with a key share, in the order in which they are sent; empty if there is no `key_share`, or a malformed one.
    pub fn shares(&self) -> Vec<u16> {
        self.keys().into_iter().map(|(group, _)| group).collect()
    }

    /// The key for that group, if there is a share of it.
    pub fn key(&self, group: u16) -> Option<Vec<u8>> {
        self.keys().into_iter().find(|(known, _)| *known == group).map(|(_, key)| key.to_vec())
    }

    /// Replaces the key of each of these groups by another one. The groups and their order stay.
    pub fn replace_keys(&mut self, keys: &[(u16, Vec<u8>)]) {
        if self.extension(KEY_SHARE).is_none() {
            return;
        }
        let replaced = self.keys().into_iter().map(|(group, key)| {
            (group, keys.iter().find(|(known, _)| *known == group).map_or(key, |(_, key)| key.as_slice()))
        });
        let all = write::key_shares(replaced);
        self.set(KEY_SHARE, all);
    }

    /// Makes it the second ClientHello, after a HelloRetryRequest for this group and with this cookie (RFC 8446 section
    /// 4.1.2): the key share is the only one, and the cookie is sent back.
    pub fn retry(&mut self, share: Option<(u16, &[u8])>, cookie: Option<&[u8]>) {
        if let Some(share) = share {
            self.set(KEY_SHARE, write::key_shares([share]));
        }
        if let Some(cookie) = cookie {
            self.set(COOKIE, vector16(cookie));
        }
    }

    /// Makes it the first hello of a new connection: another random, another session ID of the same length, and no ticket
    /// of TLS 1.2, with which the server could resume a session that only the recorded client has.
    pub fn renew(&mut self, random: [u8; 32], session: [u8; 32]) {
        self.0.random = random;
        // RFC 8446 section 4.1.2: at most 32 bytes.
        self.0.session = session.into_iter().take(self.0.session.len()).collect();
        if self.extension(SESSION_TICKET).is_some() {
            self.set(SESSION_TICKET, Some(Vec::new()));
        }
    }

    /// Offers, instead of its algorithms for compressed certificates, one that no server has. Nothing else in the server's
    /// answer depends on them.
    pub fn without_compression(&mut self) {
        if self.extension(COMPRESS_CERTIFICATE).is_some() {
            self.set(COMPRESS_CERTIFICATE, vector8(&numbers([PRIVATE_ALGORITHM])));
        }
    }

    /// Sets an extension to this content, or adds it at the end.
    pub fn set_extension(&mut self, kind: u16, data: Vec<u8>) {
        self.set(kind, Some(data));
    }

    /// The length of the session ID, in bytes.
    pub fn session_length(&self) -> usize {
        self.0.session.len()
    }

    /// The handshake message. `None` if it is too long.
    pub fn message(&self) -> Option<Vec<u8>> {
        self.0.message()
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

    /// Groups and their keys.
    fn keys(&self) -> Vec<(u16, &[u8])> {
        let mut list = self.extension(KEY_SHARE).and_then(|data| Cursor(data).vector16()).unwrap_or(Cursor(&[]));
        let mut all = Vec::new();
        while let (Some(group), Some(key)) = (list.u16(), list.vector16()) {
            all.push((group, key.0));
        }
        all
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

/// From the range for private use of compression algorithms for certificates (RFC 8879 section 7.3).
const PRIVATE_ALGORITHM: u16 = 0xfefe;

#[cfg(test)]
mod tests;
