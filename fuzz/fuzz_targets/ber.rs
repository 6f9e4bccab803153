//! What a directory answers to a health check, taken apart.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tlsgate::backend::health::ber;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(Some(length)) = ber::length(bytes) {
        assert!(length >= 2 && length <= ber::MOST + 10);
    }
    let mut rest = bytes;
    while let Ok((tag, value, after)) = ber::first(rest) {
        assert!(after.len() < rest.len());
        let again = ber::element(tag, value);
        assert_eq!(ber::first(&again), Ok((tag, value, &[][..])));
        if let Some(number) = ber::to_number(value) {
            let again = ber::number(tag, number);
            assert_eq!(ber::first(&again).ok().and_then(|(_, value, _)| ber::to_number(value)), Some(number));
        }
        rest = after;
    }
});
