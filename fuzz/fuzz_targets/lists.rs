//! Lists of revoked certificates: any bytes, also ones that the authority itself has signed, are a list or an error, never
//! a panic.
#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, KeyUsagePurpose, SigningKey};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use tlsgate::tls::certificate::pem;
use tlsgate::tls::trust::clients::ClientAuth;
use tlsgate::tls::trust::clients::settings::{Demand, ExpiredCrl, Settings};

static AUTHORITY: LazyLock<(CertificateDer<'static>, KeyPair)> = LazyLock::new(|| {
    let key = KeyPair::from_pem(include_str!("../seeds/lists.key")).expect("a key");
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.distinguished_name.push(rcgen::DnType::CommonName, "fuzz");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (params.self_signed(&key).expect("a certificate").der().clone(), key)
});

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

/// CertificateList (RFC 5280 section 5.1) with these bytes as its contents.
fn signed(contents: &[u8]) -> Vec<u8> {
    // ecdsa-with-SHA256, RFC 5758 section 3.2
    const ALGORITHM: &[u8] = &[0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
    let contents = element(0x30, contents);
    let mut signature = vec![0];
    signature.extend(AUTHORITY.1.sign(&contents).expect("a signature"));
    element(0x30, &[&contents, ALGORITHM, &element(0x03, &signature)].concat())
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).expect("a length").to_be_bytes();
    [&[tag, 0x84], &length[..], content].concat()
}
