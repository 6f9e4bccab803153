//! A PROXY header, whole and cut anywhere: the result for the beginning must hold for the whole, and nothing panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tlsgate::net::proxy_protocol::read;

fuzz_target!(|bytes: &[u8]| {
    let whole = read(bytes);
    for end in 0..bytes.len() {
        match (read(&bytes[..end]), &whole) {
            // More bytes could still arrive.
            (Ok(None), _) => {}
            (Ok(Some(early)), Ok(Some(header))) => assert_eq!(early, *header),
            (Err(_), Err(_)) => {}
            (early, whole) => panic!("{early:?} of {end} bytes became {whole:?}"),
        }
    }
    if let Ok(Some(header)) = whole {
        assert!(header.length <= bytes.len());
    }
});
