//! What a member of etcd answers: any bytes are an answer within its bounds or an error in one short line, never a panic; a
//! stream of messages is the same in whatever pieces it arrives.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tlsgate::etcd::understood;
use tlsgate::fleet::store::Written;

fuzz_target!(|data: &[u8]| {
    let Some((choice, body)) = data.split_first() else { return };
    let whole = understood::watched(std::iter::once(body));
    let size = 1 + usize::from(*choice) % 31;
    assert_eq!(whole, understood::watched(body.chunks(size)));
    let read = understood::pages(b"/p/control/", b"/p/control0", body);
    if let Ok(count) = read {
        assert!(count <= 50_000);
    }
    for error in [whole.err(), read.err(), understood::renewed(body).err()].into_iter().flatten() {
        assert!(!error.is_empty() && error.len() < 10_000 && !error.chars().any(char::is_control), "{error:?}");
    }
    if let Written::Done(revision) = understood::written(body) {
        assert!(revision > 0);
    }
    let status = 400 + u16::from(*choice);
    let refused = understood::refused(status, body);
    assert!(refused.len() < 20_000 && !refused.chars().any(char::is_control), "{refused:?}");
});
