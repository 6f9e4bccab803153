//! PEM, certificates and private keys: any text is one of them or an error, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rustls::pki_types::PrivateKeyDer;
use tlsgate::tls::certificate::certified::Certificate;
use tlsgate::tls::certificate::chain;
use tlsgate::tls::certificate::chain::Anchors;
use tlsgate::tls::certificate::inspect::{Facts, sct};
use tlsgate::tls::certificate::pem;
use tlsgate::tls::crypto;

fuzz_target!(|data: &[u8]| {
    let _ = (Facts::of(data), sct::parse(data));
    // Whatever is read without keys is also read with them, unless a key is at fault.
    let (all, public) = (pem::read(data), pem::read_certificates(data));
    if let (Ok(all), Ok(public)) = (&all, &public) {
        assert_eq!(all.certificates, public.certificates);
        assert_eq!(all.certificates.len(), all.lines.len());
    }
    assert!(public.is_ok() || all.is_err());
    if let Ok(lists) = pem::read_crls(data) {
        assert!(!lists.crls.is_empty());
    }
    // A key that is accepted has a public half and signs.
    if let Ok(key) = crypto::signing_key(&PrivateKeyDer::Pkcs8(data.to_vec().into())) {
        assert!(key.public_key().is_some());
        let signer = key.choose_scheme(tlsgate::tls::policy::SCHEMES).expect("a scheme for each kind of key");
        signer.sign(b"message").expect("a signature");
    }
    if let Ok(contents) = pem::read(data) {
        let _ = chain::chain(&contents.certificates, None, &Anchors::default());
        let _ = Certificate::build("fuzz", contents.certificates, contents.keys, None);
    }
});
