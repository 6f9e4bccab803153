//! Files of TSIG keys: whatever is in them, they are read or refused, and what is around a key does not count.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tlsgate::acme::publish::key;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match key::parse(text, "acme") {
        Ok(key) => {
            assert!(!key.secret.is_empty() && key.secret.len() <= text.len());
            // White space and comments around it change nothing, except for a secret on one line.
            if key.algorithm.is_some() {
                assert!(key::parse(&format!("/* a */ {text}\n# b"), "acme") == Ok(key));
            }
        }
        Err(error) => assert!(!error.is_empty()),
    }
});
