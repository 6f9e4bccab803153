//! A raw ClientHello with whatever is to be asked: offers that no TLS library would make. Must not know: what comes back.

use crate::tls::crypto;

pub(super) const SSL3: u16 = 0x0300;
pub(super) const TLS12: u16 = 0x0303;
pub(super) const TLS13: u16 = 0x0304;

/// What the hello offers. Every list is in the order in which it is sent.
#[derive(Debug, Clone)]
pub(super) struct Offer<'a> {
    /// The one version offered; below TLS 1.3 that means "at most".
    pub(super) version: u16,
    pub(super) suites: &'a [u16],
    pub(super) groups: &'a [u16],
    pub(super) schemes: &'a [u16],
    pub(super) server_name: Option<&'a str>,
    /// Protocols for ALPN; none leaves the extension out.
    pub(super) alpn: &'a [&'a str],
    /// TLS 1.3: groups that come with a key share. None, which RFC 8446 section 4.2.8 allows, asks the server to name
    /// its group in a HelloRetryRequest. There are shares for x25519 only.
    pub(super) shares: &'a [u16],
    /// TLS_FALLBACK_SCSV (RFC 7507).
    pub(super) is_fallback: bool,
}

impl Offer<'_> {
    /// The hello as it goes on the wire, in one record, with a random of its own. `None` where the system has no random
    /// numbers, or where a list is too long for its length field.
    pub(super) fn to_bytes(&self) -> Option<Vec<u8>> {
        let mut random = [0; 32];
        let mut session = [0; 32];
        if !(crypto::random(&mut random) && crypto::random(&mut session)) {
            return None;
        }
        let mut body = self.version.min(TLS12).to_be_bytes().to_vec();
        body.extend(random);
        // What middle boxes expect of TLS 1.3 (RFC 8446 appendix D.4).
        vector8(&mut body, if self.version >= TLS13 { &session } else { &[] })?;
        let signals = match (self.version, self.is_fallback) {
            (TLS13, _) => &[][..],
            (_, false) => &[RENEGOTIATION_INFO_SCSV],
            (_, true) => &[RENEGOTIATION_INFO_SCSV, FALLBACK_SCSV],
        };
        vector16(&mut body, &numbers(&[self.suites, signals].concat()))?;
        vector8(&mut body, &[0])?;
        if self.version > SSL3 {
            let extensions = self.extensions(body.len())?;
            vector16(&mut body, &extensions)?;
        }
        let mut message = vec![CLIENT_HELLO, 0];
        vector16(&mut message, &body)?;
        let mut record = vec![HANDSHAKE];
        record.extend(self.version.min(LEGACY_RECORD).to_be_bytes());
        vector16(&mut record, &message)?;
        Some(record)
    }

    fn extensions(&self, before: usize) -> Option<Vec<u8>> {
        let mut all = Vec::new();
        let mut add = |kind: u16, data: &[u8]| {
            all.extend(kind.to_be_bytes());
            vector16(&mut all, data)
        };
        if let Some(name) = self.server_name {
            let mut entry = vec![HOST_NAME];
            vector16(&mut entry, name.as_bytes())?;
            add(SERVER_NAME, &with_length16(&entry)?)?;
        }
        add(EXTENDED_MASTER_SECRET, &[])?;
        if !self.groups.is_empty() {
            add(SUPPORTED_GROUPS, &with_length16(&numbers(self.groups))?)?;
        }
        if self.version < TLS13 {
            add(EC_POINT_FORMATS, &[1, 0])?;
        }
        if self.version >= TLS12 && !self.schemes.is_empty() {
            add(SIGNATURE_ALGORITHMS, &with_length16(&numbers(self.schemes))?)?;
        }
        if !self.alpn.is_empty() {
            let mut protocols = Vec::new();
            for protocol in self.alpn {
                vector8(&mut protocols, protocol.as_bytes())?;
            }
            add(ALPN, &with_length16(&protocols)?)?;
        }
        if self.version >= TLS13 {
            add(SUPPORTED_VERSIONS, &[2, 3, 4])?;
            add(PSK_KEY_EXCHANGE_MODES, &[1, PSK_DHE_KE])?;
            let mut shares = Vec::new();
            for group in self.shares {
                shares.extend(group.to_be_bytes());
                let mut point = [0; 32];
                // Any 32 bytes are a public key of x25519 (RFC 7748 section 5).
                vector16(&mut shares, crypto::random(&mut point).then_some(&point)?)?;
            }
            add(KEY_SHARE, &with_length16(&shares)?)?;
        }
        // Load balancers are known to hang on hellos of 256 to 511 bytes (RFC 7685).
        let length = before + 2 + all.len() + 4;
        if (256..512).contains(&length) {
            let missing = 512usize.saturating_sub(length).saturating_sub(4);
            all.extend(PADDING.to_be_bytes());
            vector16(&mut all, &vec![0; missing])?;
        }
        Some(all)
    }
}

fn numbers(list: &[u16]) -> Vec<u8> {
    list.iter().flat_map(|number| number.to_be_bytes()).collect()
}

fn vector8(to: &mut Vec<u8>, data: &[u8]) -> Option<()> {
    to.push(u8::try_from(data.len()).ok()?);
    to.extend_from_slice(data);
    Some(())
}

fn vector16(to: &mut Vec<u8>, data: &[u8]) -> Option<()> {
    to.extend(u16::try_from(data.len()).ok()?.to_be_bytes());
    to.extend_from_slice(data);
    Some(())
}

fn with_length16(data: &[u8]) -> Option<Vec<u8>> {
    let mut vector = Vec::with_capacity(2 + data.len());
    vector16(&mut vector, data)?;
    Some(vector)
}

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const HOST_NAME: u8 = 0;
const PSK_DHE_KE: u8 = 1;
/// A first hello is sent in records of this version, whatever it offers (RFC 8446 section 5.1).
const LEGACY_RECORD: u16 = 0x0301;
/// RFC 5746 section 3.3.
const RENEGOTIATION_INFO_SCSV: u16 = 0x00ff;
/// RFC 7507.
const FALLBACK_SCSV: u16 = 0x5600;

// IANA, "TLS ExtensionType Values".
const SERVER_NAME: u16 = 0;
const SUPPORTED_GROUPS: u16 = 10;
const EC_POINT_FORMATS: u16 = 11;
const SIGNATURE_ALGORITHMS: u16 = 13;
const ALPN: u16 = 16;
const PADDING: u16 = 21;
const EXTENDED_MASTER_SECRET: u16 = 23;
const SUPPORTED_VERSIONS: u16 = 43;
const PSK_KEY_EXCHANGE_MODES: u16 = 45;
const KEY_SHARE: u16 = 51;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::wire::hello::HelloReader;

    fn offer(version: u16) -> Offer<'static> {
        Offer {
            version,
            suites: &[0x1301, 0xc02f],
            groups: &[0x11ec, 0x001d],
            schemes: &[0x0403],
            server_name: Some("a.test"),
            alpn: &["h2"],
            shares: &[0x001d],
            is_fallback: false,
        }
    }

    #[test]
    fn our_own_reader_finds_in_it_what_was_put_in() {
        for version in [TLS12, TLS13] {
            let mut reader = HelloReader::default();
            reader.raw = offer(version).to_bytes().unwrap();
            let hello = reader.advance().unwrap().unwrap();
            assert_eq!(hello.server_name.as_deref(), Some("a.test"));
            assert!(hello.versions.contains(&rustls::ProtocolVersion::from(version)));
            assert!(hello.cipher_suites.starts_with(&[0x1301.into(), 0xc02f.into()]));
            assert_eq!(hello.groups, [0x11ec.into(), 0x001d.into()]);
            assert_eq!(hello.signature_schemes, [0x0403.into()]);
        }
    }

    #[test]
    fn sslv3_has_no_extensions_and_old_versions_say_who_they_are() {
        let bytes = offer(SSL3).to_bytes().unwrap();
        assert_eq!(bytes[..3], [22, 3, 0]);
        assert_eq!(bytes[9..11], [3, 0]);
        assert_eq!(bytes.len(), 5 + 4 + 2 + 32 + 1 + 2 + 3 * 2 + 2);
        let bytes = offer(0x0302).to_bytes().unwrap();
        assert_eq!((&bytes[..3], &bytes[9..11]), (&[22, 3, 1][..], &[3, 2][..]));
    }

    #[test]
    fn no_hello_has_a_length_that_load_balancers_hang_on() {
        for count in 1..200 {
            let suites = vec![0xc02f; count];
            let bytes = Offer { suites: &suites, ..offer(TLS12) }.to_bytes().unwrap();
            assert!(!(256..512).contains(&(bytes.len() - 5)), "{} bytes", bytes.len() - 5);
        }
    }

    #[test]
    fn a_list_too_long_for_its_field_is_no_hello() {
        assert!(Offer { suites: &vec![1; 40_000], ..offer(TLS12) }.to_bytes().is_none());
        let long = "a".repeat(300);
        assert!(Offer { alpn: &[&long], ..offer(TLS12) }.to_bytes().is_none());
    }
}
