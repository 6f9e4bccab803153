//! Captured hellos, unchanged and changed: any bytes are a hello or an error, never a panic; and an encoded hello is
//! parsed to the same value.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tlsgate::explain::ask::Ask;
use tlsgate::tls::wire::draft::Draft;
use tlsgate::tls::wire::hello::reader::HelloReader;

fuzz_target!(|data: &[u8]| {
    let as_it_is = Ask { hello: Some(data.to_vec()), ..Ask::default() };
    let changed = Ask {
        sni: Some("a.test".into()),
        sigalgs: Some("ed25519".into()),
        tls: Some("1.3".into()),
        groups: Some("x25519".into()),
        ..as_it_is.clone()
    };
    for ask in [as_it_is, changed] {
        let Ok(raw) = ask.client_hello() else { continue };
        let mut reader = HelloReader::default();
        reader.raw = raw.clone();
        let _ = reader.advance();
        if let Some(draft) = Draft::parse(&raw) {
            assert_eq!(draft.bytes().and_then(|bytes| Draft::parse(&bytes)), Some(draft));
        }
    }
});
