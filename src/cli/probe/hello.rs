//! Writes a raw ClientHello with any offer, also one that no TLS library would make. Must not know: the answer.

use crate::tls::crypto;
use crate::tls::wire::codes::extensions::{
    ALPN, EC_POINT_FORMATS, EXTENDED_MASTER_SECRET, KEY_SHARE, PADDING, PSK_KEY_EXCHANGE_MODES, SERVER_NAME,
    SIGNATURE_ALGORITHMS, SUPPORTED_GROUPS, SUPPORTED_VERSIONS,
};
use crate::tls::wire::codes::suites::{EMPTY_RENEGOTIATION_INFO_SCSV, FALLBACK_SCSV};
use crate::tls::wire::codes::versions::{SSL3, TLS10, TLS12, TLS13};
use crate::tls::wire::write::{self, ClientHello, numbers, vector8, vector16};

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
    /// TLS 1.3: groups with a key share. An empty list, which RFC 8446 section 4.2.8 allows, makes the server name its
    /// group in a HelloRetryRequest. Only x25519 is possible.
    pub(super) shares: &'a [u16],
    /// TLS_FALLBACK_SCSV (RFC 7507).
    pub(super) is_fallback: bool,
}

impl Offer<'_> {
    /// The hello as sent, with a new random. `None` where the system provides no random numbers, or where a list is too
    /// long for its length field.
    pub(super) fn to_bytes(&self) -> Option<Vec<u8>> {
        let mut hello = ClientHello {
            legacy_version: self.version.min(TLS12),
            random: random()?,
            // A session ID, for middle boxes that expect one (RFC 8446 appendix D.4).
            session: if self.version >= TLS13 { random::<32>()?.to_vec() } else { Vec::new() },
            suites: numbers(self.suites.iter().chain(self.signals()).copied()),
            compressions: vec![0],
            extensions: if self.version > SSL3 { Some(self.extensions()?) } else { None },
        };
        let length = hello.message()?.len();
        // Some load balancers hang on hellos of 256 to 511 bytes (RFC 7685).
        if let Some(extensions) = &mut hello.extensions
            && (256..512).contains(&length)
        {
            extensions.push((PADDING, vec![0; 512usize.saturating_sub(length).saturating_sub(4)]));
        }
        // Records of a first hello have at most the version of TLS 1.0, whatever it offers (RFC 8446 section 5.1).
        Some(write::records(self.version.min(TLS10), &hello.message()?))
    }

    /// Suites that are signals to the server (RFC 5746 section 3.3, RFC 7507).
    fn signals(&self) -> &'static [u16] {
        match (self.version, self.is_fallback) {
            (TLS13, _) => &[],
            (_, false) => &[EMPTY_RENEGOTIATION_INFO_SCSV],
            (_, true) => &[EMPTY_RENEGOTIATION_INFO_SCSV, FALLBACK_SCSV],
        }
    }

    fn extensions(&self) -> Option<Vec<(u16, Vec<u8>)>> {
        let mut all = Vec::new();
        if let Some(name) = self.server_name {
            all.push((SERVER_NAME, write::server_name(name)?));
        }
        all.push((EXTENDED_MASTER_SECRET, Vec::new()));
        if !self.groups.is_empty() {
            all.push((SUPPORTED_GROUPS, vector16(&numbers(self.groups.iter().copied()))?));
        }
        if self.version < TLS13 {
            // One format, uncompressed, which is the only one left (RFC 8422 section 5.1.2).
            all.push((EC_POINT_FORMATS, vec![1, 0]));
        }
        if self.version >= TLS12 && !self.schemes.is_empty() {
            all.push((SIGNATURE_ALGORITHMS, vector16(&numbers(self.schemes.iter().copied()))?));
        }
        if !self.alpn.is_empty() {
            all.push((ALPN, write::protocols(self.alpn.iter().map(|protocol| protocol.as_bytes()))?));
        }
        if self.version >= TLS13 {
            all.push((SUPPORTED_VERSIONS, vector8(&numbers([TLS13]))?));
            all.push((PSK_KEY_EXCHANGE_MODES, vector8(&[PSK_DHE_KE])?));
            // Any 32 bytes are a public key of x25519 (RFC 7748 section 5).
            let points = self.shares.iter().map(|_| random::<32>()).collect::<Option<Vec<_>>>()?;
            let shares = self.shares.iter().copied().zip(points.iter().map(<[u8; 32]>::as_slice));
            all.push((KEY_SHARE, write::key_shares(shares)?));
        }
        Some(all)
    }
}

/// `None` where the system provides no random numbers.
fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    crypto::random(&mut bytes).then_some(bytes)
}

/// RFC 8446 section 4.2.9.
const PSK_DHE_KE: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::wire::hello::reader::HelloReader;

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
    fn sslv3_has_no_extensions_and_old_versions_are_in_the_hello() {
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
    fn a_list_too_long_for_its_field_makes_no_hello() {
        assert!(Offer { suites: &vec![1; 40_000], ..offer(TLS12) }.to_bytes().is_none());
        let long = "a".repeat(300);
        assert!(Offer { alpn: &[&long], ..offer(TLS12) }.to_bytes().is_none());
    }
}
