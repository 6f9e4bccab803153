//! Hellos in pieces, cut, mutated, and from a real client.

use std::sync::Arc;

use proptest::prelude::*;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, CipherSuite, ClientConfig, ClientConnection, NamedGroup, RootCertStore};

use super::*;

/// What rustls's own client sends first.
fn client_hello(name: &str) -> Vec<u8> {
    let provider: Arc<CryptoProvider> = Arc::new(crate::tls::crypto::provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut bytes = Vec::new();
    connection.write_tls(&mut bytes).unwrap();
    bytes
}

fn read_in(pieces: impl Iterator<Item = Vec<u8>>) -> Result<Option<Hello>, HelloError> {
    let mut reader = HelloReader::default();
    for piece in pieces {
        reader.raw.extend_from_slice(&piece);
        if let Some(hello) = reader.advance()? {
            return Ok(Some(hello));
        }
    }
    Ok(None)
}

/// The same handshake message in records of `size` bytes.
fn in_records_of(size: usize, hello: &[u8]) -> Vec<u8> {
    let fragment = |payload: &[u8]| [&[22, 3, 1], &(payload.len() as u16).to_be_bytes()[..], payload].concat();
    hello[5..].chunks(size).flat_map(fragment).collect()
}

#[test]
fn the_facts_are_read() {
    let hello = read_in(std::iter::once(client_hello("LDAP.example.test"))).unwrap().unwrap();
    assert_eq!(hello.server_name.as_deref(), Some("ldap.example.test"));
    assert_eq!(hello.versions, [ProtocolVersion::TLSv1_3, ProtocolVersion::TLSv1_2]);
    assert!(hello.cipher_suites.contains(&CipherSuite::TLS13_AES_128_GCM_SHA256));
    assert!(hello.signature_schemes.contains(&SignatureScheme::ECDSA_NISTP256_SHA256));
    assert!(hello.groups.contains(&NamedGroup::X25519));
    assert_eq!(hello.certificate_schemes, None);
}

#[test]
fn pieces_and_records_of_any_size_give_the_same_facts() {
    let whole = client_hello("ldap.example.test");
    for size in [1, 2, 3, 7, 100, 1000] {
        let hello = read_in(whole.chunks(size).map(<[u8]>::to_vec)).unwrap().unwrap();
        assert_eq!(hello.raw, whole);
        let records = in_records_of(size, &whole);
        for piece in [1, records.len()] {
            let hello = read_in(records.chunks(piece).map(<[u8]>::to_vec)).unwrap().unwrap();
            assert_eq!(hello.server_name.as_deref(), Some("ldap.example.test"), "records of {size}");
            assert_eq!(hello.versions.len(), 2, "records of {size}");
        }
    }
}

#[test]
fn no_prefix_is_a_hello() {
    let whole = client_hello("ldap.example.test");
    for end in 1..whole.len() {
        assert!(matches!(read_in(std::iter::once(whole[..end].to_vec())), Ok(None)), "cut at {end}");
    }
}

#[test]
fn other_protocols_are_recognised_by_their_first_bytes() {
    for bytes in [&b"GET / HTTP/1.1\r\n"[..], b"SSH-2.0-x\r\n", b"\x30\x0c\x02\x01\x01", b"\x16\x00", b"\x80\x2e\x01"] {
        let error = read_in(std::iter::once(bytes.to_vec())).unwrap_err();
        assert_eq!(error, HelloError::NotTls);
        assert_eq!(error.alert(), Some(AlertDescription::UnexpectedMessage));
    }
}

#[test]
fn a_hello_larger_than_the_cap_is_refused_and_one_below_is_read() {
    let padded = |padding: usize| {
        let hello = client_hello("ldap.example.test");
        // handshake header (4), version, random, session id, suites, compression; then the extensions' length.
        let extensions = 9
            + 2
            + 32
            + 1
            + 32
            + {
                let at = 9 + 2 + 32 + 1 + 32;
                2 + usize::from(u16::from_be_bytes([hello[at], hello[at + 1]]))
            }
            + 2;
        let mut body = hello[9..].to_vec();
        let length = u16::from_be_bytes([hello[extensions], hello[extensions + 1]]) as usize + 4 + padding;
        body[extensions - 9..extensions - 7].copy_from_slice(&(length as u16).to_be_bytes());
        // An extension number that is not assigned. It may be last, since this hello has no pre_shared_key.
        body.extend([0xfe, 0xfe]);
        body.extend((padding as u16).to_be_bytes());
        body.extend(vec![0; padding]);
        let message = [&[1][..], &(body.len() as u32).to_be_bytes()[1..], &body].concat();
        in_records_of(16_000, &[&[0; 5][..], &message].concat())
    };
    let hello = read_in(std::iter::once(padded(60_000))).unwrap().unwrap();
    assert_eq!(hello.server_name.as_deref(), Some("ldap.example.test"));
    let endless = [&[22, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff][..], &[0; 0x4000 - 4]].concat();
    let announced = read_in(std::iter::once(endless));
    assert!(matches!(announced, Err(HelloError::Invalid { .. } | HelloError::TooLarge)), "{announced:?}");
}

#[test]
fn an_old_client_is_refused_for_its_version() {
    // TLS 1.1, one suite, no extensions: what `openssl s_client -tls1_1` amounts to.
    let body = [&[3, 2][..], &[7; 32], &[0, 0, 2, 0, 47, 1, 0]].concat();
    let message = [&[1, 0, 0, body.len() as u8][..], &body].concat();
    let raw = in_records_of(100, &[&[0; 5][..], &message].concat());
    let hello = read_in(std::iter::once(raw.clone())).unwrap().unwrap();
    assert_eq!((hello.raw, hello.server_name), (raw, None));
    let error = hello.unacceptable.unwrap();
    assert_eq!(error, HelloError::TooOld);
    assert_eq!(error.alert(), Some(AlertDescription::ProtocolVersion));
}

#[test]
fn an_old_clients_name_is_read_by_rustls_or_not_at_all() {
    let extension =
        |kind: u16, data: &[u8]| [&kind.to_be_bytes()[..], &(data.len() as u16).to_be_bytes(), data].concat();
    let name = |name: &[u8]| {
        let entry = [&[0][..], &(name.len() as u16).to_be_bytes(), name].concat();
        extension(0, &[&(entry.len() as u16).to_be_bytes()[..], &entry].concat())
    };
    let hello = |version: u8, extensions: &[u8]| {
        let body = [
            &[3, version][..],
            &[7; 32],
            &[0, 0, 2, 0, 47, 1, 0],
            &(extensions.len() as u16).to_be_bytes(),
            extensions,
        ]
        .concat();
        let message = [&[1, 0, 0, body.len() as u8][..], &body].concat();
        in_records_of(11, &[&[0; 5][..], &message].concat())
    };
    let alpn = extension(16, &[0, 3, 2, b'h', b'2']);
    // Before TLS 1.2 clients send no signature algorithms; under TLS 1.2 they may be left out (RFC 5246 section 7.4.1.4.1).
    for (version, too_old) in [(1, true), (2, true), (3, false)] {
        let raw = hello(version, &[name(b"OLD.test"), alpn.clone()].concat());
        for size in [1, 7, raw.len()] {
            let hello = read_in(raw.chunks(size).map(<[u8]>::to_vec)).unwrap().unwrap();
            assert_eq!(hello.raw, raw);
            assert_eq!(hello.server_name.as_deref(), Some("old.test"));
            assert_eq!(hello.protocols, [Box::from(&b"h2"[..])]);
            assert_eq!(hello.unacceptable == Some(HelloError::TooOld), too_old);
            assert!(hello.unacceptable.is_some() && hello.signature_schemes.is_empty());
        }
    }
    // Two names, and invalid names.
    let twice = [name(b"a.test"), name(b"b.test")].concat();
    for extensions in [twice, name(b"a\0b.test"), name(b""), extension(0, &[0, 9, 0])] {
        assert!(read_in(std::iter::once(hello(2, &extensions))).is_err(), "{extensions:?}");
    }
}

#[test]
fn the_application_protocols_are_read_in_the_clients_order() {
    let provider: Arc<CryptoProvider> = Arc::new(crate::tls::crypto::provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    config.alpn_protocols = vec![b"postgresql".to_vec(), b"h2".to_vec()];
    let mut connection = ClientConnection::new(Arc::new(config), ServerName::try_from("a.test").unwrap()).unwrap();
    let mut bytes = Vec::new();
    connection.write_tls(&mut bytes).unwrap();
    let hello = read_in(std::iter::once(bytes)).unwrap().unwrap();
    assert_eq!(hello.protocols, [Box::from(&b"postgresql"[..]), Box::from(&b"h2"[..])]);
    assert_eq!(hello.unacceptable, None);
    assert!(read_in(std::iter::once(client_hello("a.test"))).unwrap().unwrap().protocols.is_empty());
}

#[test]
fn the_extensions_that_rustls_hides_are_found() {
    let extension =
        |kind: u16, data: &[u8]| [&kind.to_be_bytes()[..], &(data.len() as u16).to_be_bytes(), data].concat();
    let extensions = [
        extension(SIGNATURE_ALGORITHMS_CERT, &[0, 4, 4, 1, 8, 7]),
        extension(SUPPORTED_VERSIONS, &[6, 0x7a, 0x7a, 3, 4, 3, 3]),
        extension(SESSION_TICKET, &[]),
    ]
    .concat();
    let body =
        [&[3, 3][..], &[7; 32], &[0, 0, 2, 0x13, 1, 1, 0], &(extensions.len() as u16).to_be_bytes(), &extensions]
            .concat();
    let message = [&[1, 0, 0, body.len() as u8][..], &body].concat();
    let raw = in_records_of(9, &[&[0; 5][..], &message].concat());
    let hidden = hidden_extensions(&raw).unwrap();
    assert_eq!(hidden.versions, [0x7a7a, 0x0304, 0x0303].map(ProtocolVersion::from));
    assert_eq!(hidden.certificate_schemes, Some(vec![SignatureScheme::RSA_PKCS1_SHA256, SignatureScheme::ED25519]));
    assert!(hidden.session_ticket);
    for end in 0..raw.len() {
        assert_eq!(hidden_extensions(&raw[..end]), None, "cut at {end}");
    }
}

proptest! {
    #[test]
    fn no_mutation_panics(at in 0_usize..2000, value: u8, cut in 0_usize..2000, piece in 1_usize..50) {
        let mut bytes = client_hello("ldap.example.test");
        let at = at % bytes.len();
        bytes[at] = value;
        bytes.truncate(bytes.len().saturating_sub(cut % 100));
        let _ = read_in(bytes.chunks(piece).map(<[u8]>::to_vec));
        let _ = hidden_extensions(&bytes);
    }

    #[test]
    fn no_noise_panics(bytes: Vec<u8>) {
        let _ = read_in(std::iter::once([&[22, 3][..], &bytes].concat()));
        let _ = hidden_extensions(&bytes);
    }
}
