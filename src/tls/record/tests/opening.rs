//! Valid records are opened, up to the limits.

use rustls::{AlertDescription as Alert, Error};

use super::duel::{End, Side};
use super::handshake::{SUITES, is_tls13};
use super::peer::{Forged, record};
use super::{ALERT, HANDSHAKE, SIDES, both, close_notify, data, items};
use crate::tls::wire::codes::framing::MAX_FRAGMENT;

#[test]
fn data_of_every_length_is_opened_until_close_notify_and_not_after_it() {
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
        // Only padding.
        let none = both(*suite, Side::Server, &items([Forged { kind: 0, content: vec![0; 40], ..data(b"") }]));
        assert_eq!(none.alert(), Some(Alert::UnexpectedMessage));
    }
}

#[test]
fn messages_with_a_limit_are_accepted_up_to_it() {
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
