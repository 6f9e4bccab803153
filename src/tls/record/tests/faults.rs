//! Every fault of a peer, and the alert that answers it.

use rustls::{AlertDescription as Alert, Error, InvalidMessage};

use super::duel::{End, Side, feed, joined};
use super::handshake::{SUITES, is_tls13};
use super::peer::{Forged, Item, record};
use super::{ALERT, CCS, DATA, HANDSHAKE, SIDES, both, close_notify, data, items, sealed, whole};
use crate::tls::record::Layer;
use crate::tls::record::interface::RecordError;
use crate::tls::wire::codes::framing::MAX_FRAGMENT;

#[test]
fn every_fault_ends_the_connection_with_its_alert_and_delivers_what_came_before() {
    for suite in SUITES {
        for side in SIDES {
            for (what, only, fault, alert) in faults() {
                if only.is_some_and(|tls13| tls13 != is_tls13(suite)) {
                    continue;
                }
                let script = [items([data(b"good")]), fault, items([data(b"late")])].concat();
                let verdict = both(suite, side, &script);
                assert_eq!(verdict.plain, b"good", "{what}, {suite:?}, {side:?}");
                assert!(matches!(verdict.end, End::Failed(_)), "{what}, {suite:?}, {side:?}: {verdict:?}");
                assert_eq!(verdict.alert(), alert, "{what}, {suite:?}, {side:?}");
            }
        }
    }
}

#[test]
fn after_a_failure_nothing_is_sealed_or_opened() {
    for suite in SUITES {
        let (mut records, _, mut peer) = joined(Layer::Tlsgate, suite, Side::Server);
        let good = peer.forge(&data(b"good"));
        let (_, end, reply) = feed(&mut records, &[20, 3, 3, 0, 1, 1], whole);
        assert!(matches!(end, End::Failed(_)) && !reply.is_empty());
        assert!(sealed(&mut records, b"x").is_err());
        let (plain, end, reply) = feed(&mut records, &good, whole);
        assert!(plain.is_empty() && matches!(end, End::Failed(_)) && reply.is_empty());
        let mut close = Vec::new();
        records.seal_close(&mut close).unwrap();
        assert!(close.is_empty());
    }
}

#[test]
fn the_errors_have_names() {
    let error = RecordError::from(Error::AlertReceived(Alert::InternalError));
    assert_eq!(error.received_alert, Some(Alert::InternalError));
    assert_eq!(RecordError::from(Error::from(InvalidMessage::InvalidEmptyPayload)).received_alert, None);
}

/// Name, TLS 1.3 only or TLS 1.2 only, what is received, and the alert that answers it.
type Fault = (&'static str, Option<bool>, Vec<Item>, Option<Alert>);

fn faults() -> Vec<Fault> {
    let raw = |bytes: &[u8]| vec![Item::Raw(bytes.to_vec())];
    let forged = |kind, content: &[u8]| items([record(kind, content)]);
    let many = |count, forged: Forged| items(std::iter::repeat_n(forged, count));
    let hello = [&[1, 0, 0, 4][..], b"body"].concat();
    let tls13 = Some(true);
    let tls12 = Some(false);
    vec![
        ("no TLS", None, raw(b"GET / HTTP/1.0\r\n\r\n"), Some(Alert::UnexpectedMessage)),
        ("not its version", None, raw(&[23, 2, 0, 0, 30]), Some(Alert::DecodeError)),
        ("the type of a change_cipher_spec alone", None, raw(&[20, 0]), Some(Alert::UnexpectedMessage)),
        ("too long", tls13, raw(&[23, 3, 3, 0x41, 1]), Some(Alert::RecordOverflow)),
        ("too long", tls12, raw(&[23, 3, 3, 0x48, 1]), Some(Alert::RecordOverflow)),
        (
            "too short for a tag",
            None,
            raw(&[23, 3, 3, 0, 15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            Some(Alert::BadRecordMac),
        ),
        ("empty on the wire", None, raw(&[23, 3, 3, 0, 0]), Some(Alert::BadRecordMac)),
        ("clear data", None, raw(&[&[23, 3, 3, 0, 40][..], &[9; 40]].concat()), Some(Alert::BadRecordMac)),
        ("a clear alert", tls13, raw(&[21, 3, 3, 0, 2, 1, 0]), Some(Alert::UnexpectedMessage)),
        ("a clear alert", tls12, raw(&[21, 3, 3, 0, 2, 1, 0]), Some(Alert::BadRecordMac)),
        ("clear CCS", None, raw(&[20, 3, 3, 0, 1, 1]), Some(Alert::UnexpectedMessage)),
        ("encrypted CCS", None, forged(CCS, &[1]), Some(Alert::UnexpectedMessage)),
        ("an unknown type", None, forged(99, b"?"), Some(Alert::UnexpectedMessage)),
        ("content that is too long", None, forged(DATA, &[1; MAX_FRAGMENT + 1]), Some(Alert::RecordOverflow)),
        ("an empty alert", None, forged(ALERT, b""), Some(Alert::UnexpectedMessage)),
        ("half an alert", None, forged(ALERT, &[1]), Some(Alert::DecodeError)),
        ("two alerts in one", None, forged(ALERT, &[1, 90, 1, 90]), Some(Alert::DecodeError)),
        ("an alert of no level", None, forged(ALERT, &[3, 90]), Some(Alert::IllegalParameter)),
        ("a fatal alert", None, forged(ALERT, &[2, 80]), None),
        ("a warning that is an error", tls13, forged(ALERT, &[1, 80]), None),
        ("five warnings", None, many(5, record(ALERT, &[1, 90])), Some(Alert::UnexpectedMessage)),
        ("empty data without end", None, many(33, data(b"")), Some(Alert::UnexpectedMessage)),
        ("an empty handshake record", None, forged(HANDSHAKE, b""), Some(Alert::UnexpectedMessage)),
        ("Finished again", None, forged(HANDSHAKE, &[20, 0, 0, 1, 0]), Some(Alert::UnexpectedMessage)),
        ("a long KeyUpdate", tls13, forged(HANDSHAKE, &[24, 0, 0, 2, 0, 0]), Some(Alert::DecodeError)),
        ("an empty KeyUpdate", tls13, forged(HANDSHAKE, &[24, 0, 0, 0]), Some(Alert::DecodeError)),
        ("a KeyUpdate of no kind", tls13, forged(HANDSHAKE, &[24, 0, 0, 1, 2]), Some(Alert::IllegalParameter)),
        (
            "a KeyUpdate that is not the last",
            tls13,
            forged(HANDSHAKE, &[24, 0, 0, 1, 0, 24]),
            Some(Alert::UnexpectedMessage),
        ),
        ("a KeyUpdate in TLS 1.2", tls12, forged(HANDSHAKE, &[24, 0, 0, 1, 0]), Some(Alert::UnexpectedMessage)),
        (
            "data inside a message",
            tls13,
            items([record(HANDSHAKE, &[24, 0, 0]), data(b"x")]),
            Some(Alert::UnexpectedMessage),
        ),
        (
            "an alert inside a message",
            tls13,
            items([record(HANDSHAKE, &[24, 0, 0]), close_notify()]),
            Some(Alert::UnexpectedMessage),
        ),
        ("33 KeyUpdates", tls13, many(33, record(HANDSHAKE, &[24, 0, 0, 1, 1])), Some(Alert::UnexpectedMessage)),
        ("a hello in TLS 1.3", tls13, forged(HANDSHAKE, &hello), Some(Alert::UnexpectedMessage)),
    ]
}
