//! How often a key is used: limits and sequence numbers, which the tests set close to their maximum.

use super::*;
use crate::tls::record::handshaking::Handshaking;
use crate::tls::record::interface::Opened;
use crate::tls::record::tests::handshake::{SUITES, is_tls13, shaken};
use crate::tls::wire::codes::framing::{APPLICATION_DATA, MAX_FRAGMENT};

fn own(handshaking: Handshaking) -> Records {
    Records::take_over(handshaking.into_connection().0).unwrap()
}

fn pair(suite: rustls::CipherSuite) -> (Records, Records) {
    let (server, client) = shaken(suite);
    (own(server), own(client))
}

fn sealed(records: &mut Records, plain: &[u8]) -> Result<Vec<u8>, RecordError> {
    let room = records.room();
    let mut slots = vec![0; room.stride() * plain.len().div_ceil(MAX_FRAGMENT)];
    for (piece, part) in room.pieces(plain.len()).zip(plain.chunks(MAX_FRAGMENT)) {
        slots[piece].copy_from_slice(part);
    }
    let mut out = Vec::new();
    let length = records.seal(&mut slots, plain.len(), &mut out)?;
    out.extend_from_slice(&slots[..length]);
    Ok(out)
}

fn opened(records: &mut Records, mut wire: Vec<u8>) -> Result<Vec<u8>, RecordError> {
    let (mut plain, mut at, mut reply) = (Vec::new(), 0, Vec::new());
    loop {
        match records.open(&mut wire[at..], &mut reply)? {
            Opened::Data { consumed, plain: range } => {
                plain.extend_from_slice(&wire[at..][range]);
                at += consumed;
            }
            Opened::Other { consumed } => at += consumed,
            Opened::Incomplete | Opened::Closed => return Ok(plain),
        }
    }
}

#[test]
fn before_a_key_has_sealed_too_much_tls13_changes_it_and_tls12_ends() {
    for suite in SUITES {
        let (mut server, mut client) = pair(suite);
        server.sealing.limit(10);
        let mut refused = false;
        for round in 0..40_u8 {
            match sealed(&mut server, &[round]) {
                Ok(wire) => assert_eq!(opened(&mut client, wire).unwrap(), [round], "{suite:?}"),
                Err(_) => refused = true,
            }
            assert!(server.sealing.sequence() <= 10, "{suite:?}: a key was used too often");
        }
        assert_eq!(refused, !is_tls13(suite));
        if refused {
            // The record that is left is for this alert: the peer must not take this for the end of the data.
            let mut reply = Vec::new();
            let error = server.fail(AlertDescription::InternalError, Error::EncryptError, &mut reply);
            assert_eq!(error.error, Error::EncryptError);
            assert!(!reply.is_empty());
        }
    }
}

#[test]
fn many_records_at_once_never_straddle_the_limit() {
    let plain = vec![1; 5 * MAX_FRAGMENT];
    for suite in &SUITES[..3] {
        let (mut server, mut client) = pair(*suite);
        server.sealing.limit(12);
        for _ in 0..20 {
            let wire = sealed(&mut server, &plain).unwrap();
            assert!(server.sealing.sequence() <= 12);
            assert!(opened(&mut client, wire).unwrap() == plain);
        }
    }
}

#[test]
fn sequence_numbers_do_not_wrap() {
    for suite in SUITES {
        let (mut server, mut client) = pair(suite);
        for key in [&mut server.sealing, &mut client.opening] {
            key.set(u64::MAX - 1);
        }
        server.sealing.limit(u64::MAX);
        let mut last = Vec::new();
        server.seal_record(APPLICATION_DATA, b"last", &mut last).unwrap();
        assert_eq!(opened(&mut client, last).unwrap(), b"last");
        let mut wrapped = Vec::new();
        assert!(server.seal_record(APPLICATION_DATA, b"wrapped", &mut wrapped).is_err());
        assert!(wrapped.is_empty());
        // Records of a peer that goes on anyway are not opened.
        server.sealing.set(0);
        server.seal_record(APPLICATION_DATA, b"wrapped", &mut wrapped).unwrap();
        assert_eq!(opened(&mut client, wrapped).unwrap_err().error, Error::DecryptError);
    }
}
