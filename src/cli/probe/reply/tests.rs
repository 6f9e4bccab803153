//! Answers of real servers, whole and in pieces, cut and changed.

use std::sync::Arc;

use rustls::pki_types::PrivateKeyDer;
use rustls::server::Acceptor;

use super::super::hello::Offer;
use super::*;
use crate::tls::crypto;

/// What rustls's server answers to such a hello.
fn answered(version: u16, suites: &[u16], groups: &[u16]) -> Vec<u8> {
    let schemes = [0x0403];
    let hello = Offer {
        version,
        suites,
        groups,
        schemes: &schemes,
        server_name: Some("a.test"),
        alpn: &["h2"],
        shares: &[],
        is_fallback: false,
    };
    let key = rcgen::generate_simple_self_signed(["a.test".to_owned()]).unwrap();
    let private = PrivateKeyDer::try_from(key.signing_key.serialize_der()).unwrap();
    let mut config = rustls::ServerConfig::builder_with_provider(Arc::new(crypto::provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![key.cert.der().clone()], private)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let bytes = hello.to_bytes().unwrap();
    let mut acceptor = Acceptor::default();
    acceptor.read_tls(&mut &bytes[..]).unwrap();
    let mut answer = Vec::new();
    match acceptor.accept().unwrap().unwrap().into_connection(Arc::new(config)) {
        Ok(mut connection) => {
            while connection.wants_write() {
                connection.write_tls(&mut answer).unwrap();
            }
        }
        Err((_, mut alert)) => alert.write_all(&mut answer).unwrap(),
    }
    answer
}

fn read(bytes: &[u8], size: usize) -> Result<Option<Reply>, ReplyError> {
    let mut reader = ReplyReader::default();
    for piece in bytes.chunks(size) {
        reader.raw.extend_from_slice(piece);
        if reader.advance()? {
            return Ok(Some(reader.into_reply()));
        }
    }
    Ok(None)
}

#[test]
fn a_tls12_flight_shows_suite_certificate_group_and_scheme() {
    let flight = answered(TLS12, &[0x002f, 0xc02b], &[0x001d, 0x0017]);
    let reply = read(&flight, flight.len()).unwrap().unwrap();
    let hello = reply.hello.unwrap();
    assert_eq!((hello.version, hello.suite, hello.is_retry), (0x0303, 0xc02b, false));
    assert_eq!(hello.alpn.as_deref(), Some(&b"h2"[..]));
    assert_eq!(reply.certificates.len(), 1);
    let expected = KeyExchange { group: Some(0x001d), dh_bits: None, scheme: Some(0x0403) };
    assert_eq!(reply.key_exchange, Some(expected));
    assert_eq!(reply.messages, [2, 11, 12, 14]);
}

#[test]
fn without_a_key_share_tls13_names_its_group_in_a_retry_request() {
    let flight = answered(TLS13, &[0x1302, 0x1301], &[0x0018, 0x001d]);
    let hello = read(&flight, 1).unwrap().unwrap().hello.unwrap();
    assert_eq!((hello.version, hello.is_retry), (0x0304, true));
    assert!([0x1301, 0x1302].contains(&hello.suite));
    assert!([Some(0x0018), Some(0x001d)].contains(&hello.group));
}

#[test]
fn a_refusal_is_an_alert() {
    let reply = read(&answered(TLS12, &[0x002f], &[0x001d]), 3).unwrap().unwrap();
    assert_eq!((reply.alert, reply.hello), (Some(40), None));
}

#[test]
fn pieces_give_the_same_reply_as_the_whole_and_every_prefix_needs_more() {
    let flight = answered(TLS12, &[0xc02b], &[0x0017]);
    let whole = read(&flight, flight.len());
    assert!(matches!(whole, Ok(Some(_))));
    for size in [1, 2, 7, 100] {
        assert_eq!(read(&flight, size), whole);
    }
    // The flight ends with its last message.
    for end in 0..flight.len() {
        assert_eq!(read(&flight[..end], end.max(1)), Ok(None), "cut after {end} bytes");
    }
}

#[test]
fn a_changed_byte_is_read_or_refused_and_never_panics() {
    let flights = [answered(TLS12, &[0xc02b], &[0x0017]), answered(TLS13, &[0x1301], &[0x001d])];
    for mut flight in flights {
        for at in 0..flight.len() {
            let right = flight[at];
            for wrong in [0, 1, right.wrapping_add(1), 0x7f, 0x80, 0xff] {
                flight[at] = wrong;
                match (read(&flight, flight.len()), read(&flight, 5)) {
                    // The message shows what has arrived, which differs.
                    (Err(ReplyError::NotTls(_)), Err(ReplyError::NotTls(_))) => {}
                    (whole, pieces) => assert_eq!(whole, pieces, "byte {at} is {wrong}"),
                }
            }
            flight[at] = right;
        }
    }
}

#[test]
fn an_answer_that_is_not_tls_is_recognised_by_its_first_bytes() {
    for (bytes, message) in [
        (&b"HTTP/1.1 400 Bad Request\r\n"[..], "the answer is not TLS: it is plain HTTP"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "the answer is not TLS: it is SSH"),
        (b"220 mail.test ESMTP\r\n", "the answer is not TLS: it is a greeting in plain text, as of SMTP or FTP"),
        (b"0\x0c\x02\x01", r#"the answer is not TLS: it begins with "0\x0c\x02\x01""#),
    ] {
        assert_eq!(read(bytes, bytes.len()).unwrap_err().to_string(), message);
    }
}

#[test]
fn a_length_that_is_too_long_is_an_error_immediately() {
    assert_eq!(read(&[22, 3, 3, 0xff, 0xff], 5), Err(ReplyError::LongRecord(0xffff)));
    assert_eq!(read(&[22, 3, 3, 0, 4, 2, 0xff, 0xff, 0xff], 9), Err(ReplyError::LongMessage(0xff_ffff)));
    let warnings = [21, 3, 3, 0, 2, 1, 112].repeat(9);
    assert_eq!(read(&warnings, 7), Err(ReplyError::Misplaced("another warning")));
    let empty = [22, 3, 3, 0, 0].repeat(MAX_BYTES / 5 + 1);
    assert_eq!(read(&empty, 4096), Err(ReplyError::LongFlight));
    let requests = [22, 3, 3, 0, 4, 0, 0, 0, 0].repeat(17);
    assert_eq!(read(&requests, 9), Err(ReplyError::Misplaced("another handshake message")));
}
