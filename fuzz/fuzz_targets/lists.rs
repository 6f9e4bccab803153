//! Lists of revoked certificates: any bytes, also ones that the authority itself has signed, are a list or an error, never
//! a panic.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use rustls::pki_types::{CertificateRevocationListDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use tlsgate::tls::certificate::pem;
use tlsgate::tls::trust::clients::ClientAuth;
use tlsgate::tls::trust::clients::settings::{Demand, Settings};
use tlsgate::tls::trust::lists::given::{Given, Origin};
use tlsgate::tls::trust::lists::prove;
use tlsgate::tls::trust::lists::rules::{ExpiredCrl, Rules};

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
    let expired = if choice & 2 == 0 { ExpiredCrl::Refuse } else { ExpiredCrl::Ignore };
    let origin = match choice & 12 {
        0 | 12 => Origin::File,
        4 => Origin::Url,
        _ => Origin::Point,
    };
    let rules = Rules { asked: true, expired, ..Rules::default() };
    let settings = Settings { demand: Demand::Require, lists: rules, names: Vec::new(), pins: Vec::new() };
    let (authority, _) = &*AUTHORITY;
    for list in &lists {
        // What is proved can be used: a judge must not find anything else that is wrong with it.
        let proved = prove::prove(list, std::slice::from_ref(authority));
        let used = ClientAuth::new(settings.clone(), vec![authority.clone()], vec![Given::file(list.clone())]);
        assert_eq!(proved.is_ok(), used.is_ok(), "{proved:?}");
    }
    let lists = lists.into_iter().map(|der| Given { der, origin }).collect();
    match ClientAuth::new(settings, vec![authority.clone()], lists) {
        Ok(auth) => {
            let _ = auth.warnings(1_800_000_000);
            let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_800_000_000));
            let _ = Arc::new(auth).session().verify_client_cert(authority, &[], now);
        }
        Err(errors) => assert!(!errors.is_empty()),
    }
});
