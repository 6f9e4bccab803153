//! The pattern: lost, repeated, reordered and changed bytes are noticed.

use crate::load::Fault;
use crate::load::pattern::{SPAN, at, check};

#[test]
fn what_was_shifted_repeated_or_changed_is_seen() {
    let good: Vec<u8> = [at(0, SPAN), at(SPAN as u64, SPAN)].concat();
    check(0, &good).unwrap();
    check(SPAN as u64, &good[SPAN..]).unwrap();
    for lost in [1, 64, 4096, 65_536] {
        assert!(check(0, &good[lost..]).is_err(), "{lost} bytes lost");
        assert!(check(lost as u64, &good).is_err(), "{lost} bytes sent twice");
    }
    let mut changed = good.clone();
    changed[100_000] ^= 1;
    assert!(matches!(check(0, &changed), Err(Fault::Corrupt(100_000))));
}
