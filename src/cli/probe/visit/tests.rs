//! Real clients' hellos at rustls's server: every answer is read, whole, in pieces, cut and changed.

use std::sync::Arc;

use rustls::pki_types::PrivateKeyDer;
use rustls::server::{ServerConfig, ServerConnection};

use super::*;

const CURL: &str = include_str!("../../../explain/clients/curl.hex");
const CHROME: &str = include_str!("../../../explain/clients/chrome.hex");
const JAVA8: &str = include_str!("../../../explain/clients/java8.hex");

fn draft(hex: &str) -> Draft {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let raw: Vec<u8> =
        digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect();
    Draft::parse(&raw).unwrap()
}

/// A server with one certificate, these suites and these groups.
fn server(suites: &[u16], groups: &[u16]) -> (Arc<ServerConfig>, Vec<u8>) {
    let pair = rcgen::generate_simple_self_signed(["a.test".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(pair.signing_key.serialize_der()).unwrap();
    let mut provider = crypto::provider();
    provider.cipher_suites.retain(|suite| suites.contains(&u16::from(suite.suite())));
    provider.kx_groups = groups.iter().map(|group| crypto::group((*group).into()).unwrap()).collect();
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![pair.cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    (Arc::new(config), pair.cert.der().to_vec())
}

/// Leads the visit to its end, the server's bytes in pieces of that size. Returns what was given, and how the server ended.
fn visit(hex: &str, config: &Arc<ServerConfig>, size: usize) -> (Given, Result<(), rustls::Error>) {
    let mut visit = Visit::new(draft(hex)).unwrap();
    let mut server = ServerConnection::new(Arc::clone(config)).unwrap();
    let mut to_server = visit.hello();
    loop {
        server.read_tls(&mut to_server.as_slice()).unwrap();
        to_server.clear();
        let read = server.process_new_packets().map(drop);
        let mut answer = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut answer).unwrap();
        }
        let mut done = false;
        for piece in answer.chunks(size) {
            match visit.take(piece).unwrap() {
                Next::Read => {}
                Next::Say(more) => to_server.extend(more),
                Next::Done => done = true,
            }
        }
        if done || read.is_err() {
            let farewell = visit.farewell();
            server.read_tls(&mut farewell.as_slice()).unwrap();
            let end = read.and_then(|()| server.process_new_packets().map(drop));
            return (visit.into_given(), end);
        }
        assert!(!to_server.is_empty(), "nothing happens");
    }
}

#[test]
fn each_suite_and_group_of_tls_13_is_read_and_the_server_hears_a_polite_end() {
    for (suite, group) in [(0x1301, 0x11ec), (0x1302, 0x001d), (0x1303, 0x0017), (0x1301, 0x0018)] {
        let (config, certificate) = server(&[suite], &[group]);
        for size in [1, 100, 100_000] {
            let (given, end) = visit(CHROME, &config, size);
            assert_eq!(given.agreed, Some(Agreed { version: TLS13, suite, group: Some(group) }));
            assert_eq!((given.scheme, given.certificates), (Some(0x0403), vec![certificate.clone()]));
            assert_eq!(given.alpn.as_deref(), Some(&b"http/1.1"[..]));
            assert_eq!(given.proof, Proof::Valid);
            // Chromium sends keys for the first two, and is asked for the others.
            let retried = Some(group).filter(|group| [0x0017, 0x0018].contains(group));
            assert_eq!((given.retried, given.unread, given.alert), (retried, None, None));
            // The server could open it.
            assert_eq!(end, Err(rustls::Error::AlertReceived(rustls::AlertDescription::CloseNotify)), "{group:#x}");
        }
    }
}

#[test]
fn tls_12_is_read_in_the_clear() {
    let (config, certificate) = server(&[0xc02b], &[0x0017]);
    for size in [1, 100, 100_000] {
        let (given, end) = visit(JAVA8, &config, size);
        assert_eq!(given.agreed, Some(Agreed { version: TLS12, suite: 0xc02b, group: Some(0x0017) }));
        assert_eq!((given.scheme, given.certificates), (Some(0x0403), vec![certificate.clone()]));
        assert_eq!((given.proof, given.alert, given.unread, end), (Proof::Valid, None, None, Ok(())));
    }
}

#[test]
fn a_refusal_is_an_alert() {
    let (config, _) = server(&[0xc02f], &[0x001d]);
    let (given, end) = visit(CURL, &config, 100_000);
    assert_eq!((given.alert, given.agreed), (Some(40), None));
    assert!(end.is_err());
}

#[test]
fn a_server_that_asks_for_nothing_or_twice_or_for_what_was_sent_is_refused() {
    let retry = |extensions: &[u8]| {
        let random = [0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91];
        let rest = [0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c];
        let version = [0, 43, 0, 2, 3, 4];
        let length = u16::try_from(version.len() + extensions.len()).unwrap().to_be_bytes();
        let body = [&[3, 3][..], &random, &rest, &[0, 0x13, 1, 0], &length, &version, extensions].concat();
        let message = [&[2, 0, 0, u8::try_from(body.len()).unwrap()][..], &body].concat();
        write::records(TLS12, &message)
    };
    let mut first = Visit::new(draft(CURL)).unwrap();
    assert!(matches!(first.take(&retry(&[])), Err(ReplyError::Misplaced(why)) if why.contains("nothing")));
    let mut first = Visit::new(draft(CURL)).unwrap();
    let x25519 = retry(&[0, 51, 0, 2, 0, 0x1d]);
    assert!(matches!(first.take(&x25519), Err(ReplyError::Misplaced(why)) if why.contains("key was sent")));
    let mut first = Visit::new(draft(CURL)).unwrap();
    let secp256r1 = retry(&[0, 51, 0, 2, 0, 0x17]);
    assert!(matches!(first.take(&secp256r1), Ok(Next::Say(_))));
    assert!(matches!(first.take(&secp256r1), Err(ReplyError::Misplaced(why)) if why.contains("second")));
    // No implementation of this group: what was chosen is known, the rest is not read.
    let mut first = Visit::new(draft(CURL)).unwrap();
    assert_eq!(first.take(&retry(&[0, 51, 0, 2, 0, 0x1e])), Ok(Next::Done));
    let given = first.into_given();
    assert_eq!(given.agreed, Some(Agreed { version: TLS13, suite: 0x1301, group: Some(0x1e) }));
    assert!(given.unread.unwrap().contains("x448"));
    // With a cookie, the second hello has the same keys.
    let mut first = Visit::new(draft(CURL)).unwrap();
    let before = first.draft.shares();
    assert!(matches!(first.take(&retry(&[0, 44, 0, 4, 0, 2, 7, 7])), Ok(Next::Say(_))));
    assert_eq!(first.draft.shares(), before);
}

#[test]
fn every_prefix_and_every_changed_byte_of_an_answer_ends_without_a_panic() {
    let (config, _) = server(&[0x1301], &[0x001d]);
    let mut first = Visit::new(draft(CHROME)).unwrap();
    let mut server = ServerConnection::new(config).unwrap();
    server.read_tls(&mut first.hello().as_slice()).unwrap();
    server.process_new_packets().unwrap();
    let mut answer = Vec::new();
    while server.wants_write() {
        server.write_tls(&mut answer).unwrap();
    }
    assert_eq!(first.take(&answer), Ok(Next::Done));
    for at in 0..answer.len() {
        // Another visit has other keys, so it opens nothing; what is in the clear is read.
        let mut other = Visit::new(draft(CURL)).unwrap();
        let _ = other.take(&answer[..at]);
        let _ = (other.farewell(), other.into_given());
        let mut changed = answer.clone();
        changed[at] ^= 0x55;
        let mut other = Visit::new(draft(CURL)).unwrap();
        let _ = other.take(&changed);
        let _ = (other.farewell(), other.into_given());
    }
}

#[test]
fn every_known_client_can_visit_with_keys_of_ours() {
    for client in crate::explain::clients::ALL {
        let visit = Visit::new(Draft::parse(&client.hello().unwrap()).unwrap()).unwrap();
        let sent = Draft::parse(&visit.hello()).unwrap();
        assert_eq!(sent.shares(), Draft::parse(&client.hello().unwrap()).unwrap().shares(), "{}", client.name);
        assert_ne!(visit.hello(), client.hello().unwrap(), "{}", client.name);
    }
}
