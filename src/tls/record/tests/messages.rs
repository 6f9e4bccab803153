//! Handshake messages after the handshake: renegotiation, tickets, key updates.

use rustls::{AlertDescription as Alert, CipherSuite, PeerMisbehaved};

use super::duel::{End, Side, feed, joined};
use super::handshake::{self, SUITES};
use super::peer::{Forged, record};
use super::{ALERT, DATA, HANDSHAKE, SIDES, both, data, items, sealed, whole};
use crate::tls::record::Layer;

#[test]
fn renegotiation_is_refused_with_a_warning_and_only_once() {
    // A valid hello, since rustls parses it.
    let hello = &hello(SUITES[3])[..];
    for suite in &SUITES[3..] {
        for (side, request) in [(Side::Server, hello), (Side::Client, &[0, 0, 0, 0][..])] {
            let once = both(*suite, side, &items([record(HANDSHAKE, request), data(b"on")]));
            assert_eq!((once.plain, once.end), (b"on".to_vec(), End::Open));
            assert_eq!(once.replies, [(ALERT, vec![1, 100])]);
            let twice =
                both(*suite, side, &items([record(HANDSHAKE, request), record(HANDSHAKE, request), data(b"on")]));
            assert_eq!(twice.end, End::Failed(PeerMisbehaved::TooManyRenegotiationRequests.into()));
        }
    }
    // In parts: the rest need not be kept.
    let parts = hello.chunks(50).map(|part| record(HANDSHAKE, part)).chain([data(b"on")]);
    let verdict = both(SUITES[3], Side::Server, &items(parts));
    assert_eq!((verdict.plain, verdict.replies), (b"on".to_vec(), vec![(ALERT, vec![1, 100])]));
}

/// A ClientHello, as a handshake message.
fn hello(suite: CipherSuite) -> Vec<u8> {
    let mut record = Vec::new();
    handshake::client(suite).advance(&mut record).unwrap();
    record.split_off(5)
}

#[test]
fn a_handshake_message_may_come_in_parts() {
    for suite in &SUITES[..3] {
        for side in SIDES {
            let mut parts: Vec<Forged> = [24, 0, 0, 1, 0].iter().map(|byte| record(HANDSHAKE, &[*byte])).collect();
            parts.last_mut().unwrap().rekeys = true;
            parts.push(data(b"under new keys"));
            let verdict = both(*suite, side, &items(parts));
            assert_eq!((verdict.plain, verdict.end), (b"under new keys".to_vec(), End::Open));
        }
    }
}

#[test]
fn messages_may_come_in_pieces_of_any_length() {
    let ticket = |length: u16| {
        let body =
            [&[0, 0, 1, 0, 1, 2, 3, 4, 1, 9][..], &length.to_be_bytes(), &vec![7; length.into()], &[0, 0]].concat();
        [&[4, 0][..], &u16::try_from(body.len()).unwrap().to_be_bytes(), &body].concat()
    };
    let flight = [ticket(1), ticket(300), ticket(2), ticket(600)].concat();
    for suite in &SUITES[..3] {
        for length in [1, 2, 3, 4, 5, 16, 17, 18, 19, 333, 334, 335, 600, 900, flight.len()] {
            let parts = flight.chunks(length).map(|part| record(HANDSHAKE, part));
            let whole = both(*suite, Side::Client, &items(parts.clone().chain([data(b"on")])));
            assert_eq!((whole.plain, whole.end), (b"on".to_vec(), End::Open), "{length}");
            // Data between the parts of a message is an error (RFC 8446 section 5.1).
            let cut = parts.clone().take(flight.len().div_ceil(length) - 1).chain([data(b"on")]);
            let cut = both(*suite, Side::Client, &items(cut));
            assert_eq!(cut.end == End::Open, length == flight.len(), "{length}");
            // So is a length beyond the limit, which is seen as soon as the header is there.
            let header = [4, 0xff, 0xff, 0xff].map(|byte| record(HANDSHAKE, &[byte]));
            let bad = both(*suite, Side::Client, &items(parts.chain(header)));
            assert_eq!(bad.alert(), Some(Alert::DecodeError), "{length}");
        }
    }
}

#[test]
fn a_ticket_is_accepted_only_from_a_server() {
    let ticket = [&[4, 0, 0, 17, 0, 0, 1, 0, 1, 2, 3, 4, 1, 9, 0, 3][..], b"tic", &[0, 0]].concat();
    for suite in &SUITES[..3] {
        let taken = both(*suite, Side::Client, &items([record(HANDSHAKE, &ticket), data(b"on")]));
        assert_eq!((taken.plain, taken.end), (b"on".to_vec(), End::Open));
        let bad = both(*suite, Side::Client, &items([record(HANDSHAKE, &[4, 0, 0, 2, 0, 0])]));
        assert_eq!(bad.alert(), Some(Alert::DecodeError));
        let refused = both(*suite, Side::Server, &items([record(HANDSHAKE, &ticket)]));
        assert_eq!(refused.alert(), Some(Alert::UnexpectedMessage));
    }
}

#[test]
fn a_key_update_that_is_asked_for_goes_out_before_the_next_data_and_once_for_many() {
    for suite in &SUITES[..3] {
        for side in SIDES {
            let (mut records, _, mut peer) = joined(Layer::Tlsgate, *suite, side);
            let flight: Vec<u8> = (0..3).flat_map(|_| peer.forge(&record(HANDSHAKE, &[24, 0, 0, 1, 1]))).collect();
            assert_eq!(feed(&mut records, &flight, whole), (Vec::new(), End::Open, Vec::new()));
            let update = (HANDSHAKE, vec![24, 0, 0, 1, 0]);
            let wire = sealed(&mut records, b"one").unwrap();
            assert_eq!(peer.read(&wire), [update.clone(), (DATA, b"one".to_vec())]);
            let wire = sealed(&mut records, b"two").unwrap();
            assert_eq!(peer.read(&wire), [(DATA, b"two".to_vec())]);
            // Without other data it is sent before close_notify.
            let asked = peer.forge(&record(HANDSHAKE, &[24, 0, 0, 1, 1]));
            feed(&mut records, &asked, whole);
            let mut close = Vec::new();
            records.seal_close(&mut close).unwrap();
            assert_eq!(peer.read(&close), [update, (ALERT, vec![1, 0])]);
        }
    }
}
