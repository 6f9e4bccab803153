//! The own record layer against the RFCs and against rustls's.

use rustls::{AlertDescription as Alert, CipherSuite, Error, InvalidMessage, PeerMisbehaved};

use super::*;
use duel::{End, Side, Verdict, agree, feed, joined, read};
use handshake::{SUITES, is_tls13};
use peer::{Forged, Item, record};

mod duel;
pub(super) mod handshake;
mod peer;

const CCS: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const DATA: u8 = 23;

const SIDES: [Side; 2] = [Side::Server, Side::Client];

fn whole() -> usize {
    usize::MAX
}

/// Both layers' verdicts, which must agree.
fn both(suite: CipherSuite, side: Side, script: &[Item]) -> Verdict {
    let ours = read(Layer::Tlsgate, suite, side, script, whole);
    let theirs = read(Layer::Rustls, suite, side, script, whole);
    if let Err(how) = agree(script, &ours, &theirs) {
        panic!("{suite:?} {side:?} {script:?}\n{how}");
    }
    ours
}

fn items(records: impl IntoIterator<Item = Forged>) -> Vec<Item> {
    records.into_iter().map(Item::Record).collect()
}

fn data(content: &[u8]) -> Forged {
    record(DATA, content)
}

fn close_notify() -> Forged {
    record(ALERT, &[1, 0])
}

#[test]
fn data_of_every_length_comes_through_until_close_notify_and_not_after_it() {
    let long = vec![7; MAX_FRAGMENT];
    for suite in SUITES {
        for side in SIDES {
            let script = [data(b"one"), data(b""), data(&long), data(b"x"), close_notify(), data(b"late")];
            let verdict = both(suite, side, &items(script));
            assert_eq!(verdict.plain, [b"one", &long[..], b"x"].concat());
            assert_eq!((verdict.end, verdict.replies), (End::Closed, Vec::new()));
        }
    }
}

#[test]
fn padding_is_taken_off_and_counts() {
    let padded = |content: &[u8], padding| Forged { padding, ..data(content) };
    for suite in &SUITES[..3] {
        let fits = both(*suite, Side::Server, &items([padded(b"ab\0\0", 1000), padded(b"c", MAX_FRAGMENT - 1)]));
        assert_eq!((fits.plain, fits.end), (b"ab\0\0c".to_vec(), End::Open));
        let over = both(*suite, Side::Server, &items([padded(b"c", MAX_FRAGMENT)]));
        assert_eq!(
            (over.alert(), over.end),
            (Some(Alert::RecordOverflow), End::Failed(Error::PeerSentOversizedRecord))
        );
        // Nothing but padding.
        let none = both(*suite, Side::Server, &items([Forged { kind: 0, content: vec![0; 40], ..data(b"") }]));
        assert_eq!(none.alert(), Some(Alert::UnexpectedMessage));
    }
}

/// Name, TLS 1.3 only or TLS 1.2 only, what comes, and the alert that answers it.
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
fn what_is_bounded_may_come_up_to_its_bound() {
    for suite in SUITES {
        for side in SIDES {
            let mut script = vec![data(b""); 32];
            script.push(data(b"a"));
            script.extend(vec![data(b""); 32]);
            script.extend(vec![record(ALERT, &[1, 90]); 4]);
            if is_tls13(suite) {
                script.extend(vec![record(HANDSHAKE, &[24, 0, 0, 1, 0]); 32]);
                script.push(data(b"b"));
                script.extend(vec![record(HANDSHAKE, &[24, 0, 0, 1, 1]); 32]);
            }
            script.push(data(b"c"));
            let verdict = both(suite, side, &items(script));
            assert_eq!(verdict.end, End::Open, "{suite:?} {side:?}");
            assert!(verdict.plain.ends_with(b"c"));
        }
    }
}

#[test]
fn renegotiation_is_refused_with_a_warning_and_only_once() {
    // rustls looks at it more closely.
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
    // In parts, of which the rest need not be kept.
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
fn a_ticket_is_taken_from_a_server_and_from_nobody_else() {
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
fn every_flipped_bit_is_seen() {
    for suite in SUITES {
        let length = joined(Layer::Tlsgate, suite, Side::Server).2.forge(&data(b"flip")).len();
        for at in 0..length {
            let flipped = Forged { flip: Some((at, 1 << (at % 8))), ..data(b"flip") };
            let verdict = both(
                suite,
                Side::Server,
                &items([data(b"good"), flipped, data(b"late"), data(&[0; 20_000 - 1][..MAX_FRAGMENT])]),
            );
            assert_eq!(verdict.plain, b"good", "{suite:?}, byte {at}");
            assert!(matches!(verdict.end, End::Failed(_)), "{suite:?}, byte {at}: {:?}", verdict.end);
        }
    }
}

#[test]
fn every_split_of_what_comes_gives_the_same() {
    for suite in SUITES {
        let mut script = vec![data(b"one"), data(b""), data(&[1; 300])];
        if is_tls13(suite) {
            script.extend([
                Forged { padding: 3, ..data(b"two") },
                record(HANDSHAKE, &[24, 0, 0, 1, 1]),
                data(b"three"),
            ]);
        }
        script.extend([record(ALERT, &[1, 90]), close_notify()]);
        let script = items(script);
        let expected = both(suite, Side::Server, &script);
        for first in 1..700 {
            let mut next = Some(first);
            let verdict = read(Layer::Tlsgate, suite, Side::Server, &script, || next.take().unwrap_or(usize::MAX));
            assert_eq!(verdict, expected, "{suite:?}, cut at {first}");
        }
        for layer in [Layer::Tlsgate, Layer::Rustls] {
            for size in [1, 2, 3, 5, 7, 21, 22, 23] {
                assert_eq!(read(layer, suite, Side::Server, &script, || size), expected, "{suite:?}, by {size}");
            }
        }
    }
}

#[test]
fn every_truncation_waits_for_more() {
    for suite in SUITES {
        let length = joined(Layer::Tlsgate, suite, Side::Server).2.forge(&data(b"some data")).len();
        for cut in 1..length {
            let verdict = both(suite, Side::Server, &items([data(b"good"), Forged { cut, ..data(b"some data") }]));
            assert_eq!((verdict.plain, verdict.end), (b"good".to_vec(), End::Open), "{suite:?}, {cut} bytes less");
        }
    }
}

#[test]
fn random_scripts_are_judged_alike() {
    let mut random = Random(0x2545_F491_4F6C_DD1D);
    for round in 0..600 {
        let suite = SUITES[random.below(SUITES.len())];
        let side = SIDES[random.below(2)];
        let script: Vec<Item> = (0..1 + random.below(12)).map(|_| random.item()).collect();
        let ours = read(Layer::Tlsgate, suite, side, &script, || 1 + random.below(60));
        let theirs = read(Layer::Rustls, suite, side, &script, whole);
        if let Err(how) = agree(&script, &ours, &theirs) {
            panic!("round {round}: {suite:?} {side:?} {script:?}\n{how}");
        }
    }
}

/// Xorshift: the same every time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.below(most)).map(|_| self.below(256) as u8).collect()
    }

    fn item(&mut self) -> Item {
        let mut forged = match self.below(12) {
            0 => record(HANDSHAKE, &[24, 0, 0, 1, self.below(3) as u8]),
            1 => record(ALERT, &[1 + self.below(2) as u8, [0, 10, 20, 90, 100][self.below(5)]]),
            2 => record(ALERT, &self.bytes(4)),
            3 => record(HANDSHAKE, &self.bytes(40)),
            4 => record(self.below(256) as u8, &self.bytes(40)),
            5 => return Item::Raw(self.bytes(60)),
            6 => data(b""),
            _ => data(&self.bytes(400)),
        };
        if self.below(4) == 0 {
            forged.padding = self.below(50);
        }
        if self.below(12) == 0 {
            forged.flip = Some((self.below(100), 1 << self.below(8)));
        }
        if self.below(20) == 0 {
            forged.cut = self.below(40);
        }
        Item::Record(forged)
    }
}

/// Seals `plain` as the relay does; all that goes out.
fn sealed(records: &mut Records, plain: &[u8]) -> Result<Vec<u8>, RecordError> {
    let room = records.room();
    let mut slots = vec![0; room.stride() * 16];
    for (piece, part) in room.pieces(plain.len()).zip(plain.chunks(MAX_FRAGMENT)) {
        slots[piece].copy_from_slice(part);
    }
    let mut out = Vec::new();
    let length = records.seal(&mut slots, plain.len(), &mut out)?;
    out.extend_from_slice(&slots[..length]);
    Ok(out)
}

#[test]
fn what_one_layer_seals_the_other_opens() {
    let plain: Vec<u8> = (0..16 * MAX_FRAGMENT).map(|at| at as u8).collect();
    for suite in SUITES {
        for (one, other) in
            [(Layer::Tlsgate, Layer::Rustls), (Layer::Rustls, Layer::Tlsgate), (Layer::Tlsgate, Layer::Tlsgate)]
        {
            let (server, client) = handshake::shaken(suite);
            let (mut server, mut client) = (server.finish(one).unwrap().records, client.finish(other).unwrap().records);
            let lengths =
                [1, 2, 63, 64, MAX_FRAGMENT - 1, MAX_FRAGMENT, MAX_FRAGMENT + 1, 3 * MAX_FRAGMENT, 16 * MAX_FRAGMENT];
            for length in lengths {
                for down in [true, false] {
                    let (from, to) = if down { (&mut server, &mut client) } else { (&mut client, &mut server) };
                    let wire = sealed(from, &plain[..length]).unwrap();
                    let (read, end, reply) = feed(to, &wire, || 4099);
                    assert!(
                        read == plain[..length],
                        "{suite:?}, {length} bytes from {one:?} to {other:?}: {}",
                        read.len()
                    );
                    assert_eq!((end, reply), (End::Open, Vec::new()));
                }
            }
            let mut close = Vec::new();
            server.seal_close(&mut close).unwrap();
            assert_eq!(feed(&mut client, &close, whole), (Vec::new(), End::Closed, Vec::new()));
            // The other way is still open.
            let wire = sealed(&mut client, b"last").unwrap();
            assert_eq!(feed(&mut server, &wire, whole), (b"last".to_vec(), End::Open, Vec::new()));
        }
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
            // With nothing else to ride with, it goes before close_notify.
            let asked = peer.forge(&record(HANDSHAKE, &[24, 0, 0, 1, 1]));
            feed(&mut records, &asked, whole);
            let mut close = Vec::new();
            records.seal_close(&mut close).unwrap();
            assert_eq!(peer.read(&close), [update, (ALERT, vec![1, 0])]);
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
