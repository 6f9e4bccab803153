//! Configurations of other programs: what is written of one is a valid configuration, and whatever is not is listed.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use tlsgate::config;
use tlsgate::convert::convert;
use tlsgate::convert::disk::Nothing;
use tlsgate::convert::peer::Peer;

fuzz_target!(|text: &str| {
    let _ = Peer::of(text);
    for peer in [Peer::Haproxy, Peer::Nginx, Peer::Stunnel, Peer::Hitch] {
        let converted = convert(peer, text, "their.conf", Path::new("/etc/their"), &Nothing);
        assert!(!converted.text.is_empty() || !converted.left.is_empty() || text.trim().is_empty());
        // Errors of values that go through as they are written are reported by the verb. The syntax must be right.
        if let Err(errors) = config::parse(&converted.text, Path::new("/")) {
            assert!(
                converted.text.is_empty() || errors.iter().all(|error| !error.path.is_empty()),
                "{errors:?}\n{}",
                converted.text
            );
        }
    }
});
