//! PEM and certificates: any text is a certificate or an error, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tlsgate::tls::certificate::Certificate;
use tlsgate::tls::pem;

fuzz_target!(|data: &[u8]| {
    if let Ok(contents) = pem::read(data) {
        let _ = Certificate::build("fuzz", contents.certificates, contents.keys, None);
    }
});
