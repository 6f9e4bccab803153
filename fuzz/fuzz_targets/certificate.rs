//! PEM and certificates: any text is a certificate or an error, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tlsgate::tls::certificate::Certificate;
use tlsgate::tls::chain::{self, Anchors};
use tlsgate::tls::inspect::{Facts, sct};
use tlsgate::tls::pem;

fuzz_target!(|data: &[u8]| {
    let _ = (Facts::of(data), sct::parse(data));
    if let Ok(contents) = pem::read(data) {
        let _ = chain::chain(&contents.certificates, None, &Anchors::default());
        let _ = Certificate::build("fuzz", contents.certificates, contents.keys, None);
    }
});
