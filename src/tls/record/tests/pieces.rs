//! Records in pieces, cut short or with a bit flipped.

use super::duel::{End, Side, joined, read};
use super::handshake::{SUITES, is_tls13};
use super::peer::{Forged, record};
use super::{ALERT, HANDSHAKE, both, close_notify, data, items};
use crate::tls::record::Layer;
use crate::tls::wire::codes::framing::MAX_FRAGMENT;

#[test]
fn every_split_gives_the_same_result() {
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
