//! How often a key is used: limits and sequence numbers, which the tests set close to their maximum.

use proptest::prelude::*;

use super::*;
use crate::tls::record::handshaking::Handshaking;
use crate::tls::record::interface::Opened;
use crate::tls::record::tests::handshake::{SUITES, is_tls13, shaken};
use crate::tls::wire::codes::framing::{APPLICATION_DATA, HANDSHAKE, MAX_FRAGMENT};

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

/// What records cost a key, read off the wire: blocks of the message, a block of additional data, the record itself.
fn weighed(suite: rustls::CipherSuite, mut wire: &[u8]) -> u64 {
    let outside = if suite.as_str().unwrap().contains("CHACHA20") || is_tls13(suite) { 16 } else { 8 + 16 };
    let mut sum = 0;
    while let [_, _, _, high, low, rest @ ..] = wire {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        sum += (length - outside).div_ceil(16) as u64 + 2;
        wire = &rest[length..];
    }
    sum
}

#[test]
fn before_a_key_has_sealed_too_much_tls13_changes_it_and_tls12_ends() {
    for suite in SUITES {
        let (mut server, mut client) = pair(suite);
        server.sealing.limit(30);
        let mut refused = None;
        for round in 0..40_u8 {
            match sealed(&mut server, &[round]) {
                Ok(wire) => assert_eq!(opened(&mut client, wire).unwrap(), [round], "{suite:?}"),
                Err(error) => refused = refused.or(Some((round, error))),
            }
            assert!(server.sealing.used() <= 30, "{suite:?}: a key was used too often");
        }
        assert_eq!(refused.is_some(), !is_tls13(suite));
        if let Some((round, error)) = refused {
            assert_eq!(round, 9, "{suite:?}: three blocks each, and one record is left");
            assert!(error.to_string().contains("as much data as AES-GCM allows"), "{error}");
            // The record that is left is for this alert: the peer must not take this for the end of the data.
            let mut reply = Vec::new();
            let error = server.fail(AlertDescription::InternalError, Error::EncryptError, &mut reply);
            assert_eq!(error.error, Error::EncryptError);
            assert!(!reply.is_empty());
            assert!(server.sealing.used() <= 30);
        }
    }
}

#[test]
fn many_records_at_once_never_straddle_the_limit() {
    let plain = vec![1; 5 * MAX_FRAGMENT];
    for suite in &SUITES[..3] {
        let (mut server, mut client) = pair(*suite);
        server.sealing.limit(12 * 1027);
        for _ in 0..20 {
            let wire = sealed(&mut server, &plain).unwrap();
            assert!(server.sealing.used() <= 12 * 1027);
            assert!(opened(&mut client, wire).unwrap() == plain);
        }
    }
}

#[test]
fn a_key_is_used_to_the_last_block_and_no_further() {
    const FULL: usize = MAX_FRAGMENT;
    for suite in SUITES {
        for length in [1, 15, 16, 17, 100, FULL - 1, FULL, FULL + 1, 2 * FULL, 3 * FULL + 100] {
            let (mut server, mut client) = pair(suite);
            server.sealing.limit(u64::MAX);
            let plain = vec![7; length];
            let mut seal = |limit| {
                server.sealing.limit(limit);
                sealed(&mut server, &plain).map(|wire| (weighed(suite, &wire), wire))
            };
            let (cost, wire) = seal(u64::MAX).unwrap();
            assert_eq!(opened(&mut client, wire).unwrap(), plain);
            // Three blocks are kept for the last record.
            let (exact, wire) = seal(cost + 3).unwrap();
            assert_eq!((exact, opened(&mut client, wire).unwrap() == plain), (cost, true), "{suite:?} {length}");
            match seal(cost + 2) {
                Ok((changed, wire)) => {
                    assert!(is_tls13(suite));
                    assert_eq!(changed, cost + 3, "{suite:?} {length}: with a KeyUpdate before it");
                    assert_eq!(opened(&mut client, wire).unwrap(), plain);
                    assert_eq!(server.sealing.used(), cost, "a new key");
                }
                Err(_) => {
                    assert!(!is_tls13(suite), "{suite:?} {length}");
                    assert_eq!(server.sealing.used(), 0, "nothing was sealed");
                }
            }
        }
    }
}

#[test]
fn short_records_cost_little_and_empty_ones_something() {
    let costs = |suite, length| {
        let (mut server, _) = pair(suite);
        server.sealing.limit(u64::MAX);
        server.seal_record(APPLICATION_DATA, &vec![0; length], &mut Vec::new()).unwrap();
        server.sealing.used()
    };
    for suite in SUITES {
        let inside = u64::from(is_tls13(suite));
        assert_eq!([0, 1, 100].map(|length| costs(suite, length)), [2 + inside, 3, 9], "{suite:?}");
        assert_eq!(costs(suite, MAX_FRAGMENT), 1026 + inside);
    }
    // 2^24 full records as before, and never 2^34.5 blocks; records of 100 bytes are a hundred times as many.
    assert_eq!(key::MOST_AES_GCM / 1027, 1 << 24);
    assert!(u128::from(key::MOST_AES_GCM).pow(2) < 1 << 69);
    assert!(key::MOST_AES_GCM / costs(SUITES[0], 100) > 100 << 24);
}

#[test]
fn what_rustls_has_sealed_counts_as_full() {
    for suite in SUITES {
        let (server, _) = pair(suite);
        let before = server.sealing.sequence();
        // In TLS 1.2 the Finished, in TLS 1.3 perhaps tickets.
        assert!(before <= 2 && (before > 0 || is_tls13(suite)), "{suite:?}: {before}");
        assert_eq!(server.sealing.used(), before * 1027);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever is sent in whichever pieces: no key seals more than its limit, and none ends early.
    #[test]
    fn no_key_seals_more_than_its_limit(
        which in 0..SUITES.len(),
        limit in 1100_u64..9000,
        lengths in prop::collection::vec(prop_oneof![1_usize..40, 1_usize..3000, 16_000_usize..17_000], 1..40),
    ) {
        let suite = SUITES[which];
        let (mut server, mut client) = pair(suite);
        server.sealing.limit(limit);
        // What the present key has sealed, by the records on the wire.
        let mut sum = 0;
        for length in lengths {
            let plain = vec![length as u8; length];
            let cost = server.format.cost(length);
            let Ok(wire) = sealed(&mut server, &plain) else {
                prop_assert!(!is_tls13(suite) && sum + cost + 3 > limit);
                break;
            };
            let weight = weighed(suite, &wire);
            if weight == cost {
                sum += cost;
                prop_assert!(sum + 3 <= limit);
            } else {
                prop_assert!(is_tls13(suite) && weight == cost + 3);
                prop_assert!(sum + cost + 3 > limit && sum + 3 <= limit, "{} {} {}", sum, cost, limit);
                sum = cost;
            }
            prop_assert_eq!(server.sealing.used(), sum);
            prop_assert!(opened(&mut client, wire).unwrap() == plain);
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

/// A peer may send each byte of a long message in its own record.
#[test]
fn what_has_come_of_a_message_is_not_copied_for_each_record() {
    // The longest ticket: lifetime, age_add, nonce, ticket, extensions (RFC 8446 section 4.6.1).
    let ticket = vec![7; 0xffff - 14];
    let body =
        [&[0, 0, 1, 0, 1, 2, 3, 4, 1, 9][..], &u16::try_from(ticket.len()).unwrap().to_be_bytes(), &ticket, &[0, 0]];
    let message = [&[4, 0, 0xff, 0xff][..], &body.concat()].concat();
    let (mut server, mut client) = pair(SUITES[0]);
    server.sealing.limit(u64::MAX);
    let (mut moves, mut place) = (0, None);
    // Without its end: rustls would offer it in later handshakes of these tests, whose hellos have no room for it.
    for byte in &message[..message.len() - 1] {
        let mut wire = Vec::new();
        server.seal_record(HANDSHAKE, &[*byte], &mut wire).unwrap();
        assert_eq!(opened(&mut client, wire), Ok(Vec::new()));
        if let Fragment::Kept(begun) = &client.fragment {
            // A vector that grows has room to spare, so that it seldom moves.
            let now = Some((begun.as_ptr(), begun.capacity()));
            moves += usize::from(now != place);
            place = now;
        }
    }
    assert_eq!(client.fragment, Fragment::Kept(message[..message.len() - 1].to_vec()));
    assert!(moves < 40, "{moves} copies");
}
