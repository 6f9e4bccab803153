//! The configuration: any text is a configuration or a list of errors, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        if let Err(errors) = tlsgate::config::parse(text, std::path::Path::new("/")) {
            assert!(!errors.is_empty());
        }
    }
});
