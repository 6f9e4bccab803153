//! Lists of revoked certificates: any bytes, also ones that the authority itself has signed, are a list or an error, never
//! a panic.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use rustls::pki_types::{CertificateRevocationListDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use tlsgate::tls::certificate::pem;
use tlsgate::tls::trust::clients::ClientAuth;
use tlsgate::tls::trust::clients::settings::{Demand, ExpiredCrl, Settings};

#[path = "shared/authority.rs"]
mod authority;

use authority::{AUTHORITY, signed};

fuzz_target!(|data: &[u8]| {
    let Some((choice, bytes)) = data.split_first() else { return };
    let lists = if choice & 1 == 0 {
        let Ok(found) = pem::read_crls(bytes) else { return };
        found.crls
    } else {
        // What is in the list is what the input has, and its signature is right.
        vec![CertificateRevocationListDer::from(signed(bytes))]
    };
    let expired_crl = if choice & 2 == 0 { ExpiredCrl::Refuse } else { ExpiredCrl::Ignore };
    let settings = Settings { demand: Demand::Require, expired_crl, names: Vec::new(), pins: Vec::new() };
    let (authority, _) = &*AUTHORITY;
    match ClientAuth::new(settings, vec![authority.clone()], lists) {
        Ok(auth) => {
            let _ = auth.warnings(1_800_000_000);
            let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_800_000_000));
            let _ = Arc::new(auth).session().verify_client_cert(authority, &[], now);
        }
        Err(errors) => assert!(!errors.is_empty()),
    }
});
