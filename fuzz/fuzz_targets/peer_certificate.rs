//! Certificates that a client or a server sends: whatever is in them, also in ones that the authority itself has signed,
//! they are accepted or refused, never a panic; and the owner of what is accepted is known.
#![no_main]

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use tlsgate::tls::certificate::chain;
use tlsgate::tls::certificate::chain::Anchors;
use tlsgate::tls::certificate::inspect::{Facts, sct};
use tlsgate::tls::crypto;
use tlsgate::tls::trust::clients::ClientAuth;
use tlsgate::tls::trust::clients::identity::{Allowed, Identity};
use tlsgate::tls::trust::clients::settings::{Demand, Settings};
use tlsgate::tls::trust::lists::points;
use tlsgate::tls::trust::lists::rules::Rules;
use tlsgate::tls::trust::servers::{Trust, pin, validity};

#[path = "shared/authority.rs"]
mod authority;

use authority::{AUTHORITY, signed};

/// Every server with a certificate of the authority, and only one with that key too.
static SERVERS: LazyLock<[Arc<dyn ServerCertVerifier>; 2]> = LazyLock::new(|| {
    [Vec::new(), vec![PIN]].map(|pins| {
        let trust = Trust { roots: vec![AUTHORITY.0.clone()], pins, ..Trust::default() };
        trust.verifier(Arc::new(crypto::provider())).expect("a verifier")
    })
});

/// Everyone with a certificate of the authority, and only those with one of these names.
static CLIENTS: LazyLock<[Arc<ClientAuth>; 2]> = LazyLock::new(|| {
    let names = ["cn:a", "dns:*.a.test", "uri:spiffe://a.test/b/*", "email:a@a.test"];
    let names: Vec<_> = names.iter().map(|name| Allowed::parse(name).expect("a rule")).collect();
    [Vec::new(), names].map(|names| {
        let settings = Settings { demand: Demand::Require, lists: Rules::default(), names, pins: Vec::new() };
        Arc::new(ClientAuth::new(settings, vec![AUTHORITY.0.clone()], Vec::new()).expect("requirements"))
    })
});

fuzz_target!(|data: &[u8]| {
    let Some((&[choice, high, low], bytes)) = data.split_first_chunk::<3>() else { return };
    let now = UnixTime::since_unix_epoch(Duration::from_secs(1_800_000_000));
    // The second one, where there is one, is between the first and the authority.
    let cut = match choice & 1 {
        0 => bytes.len(),
        _ => usize::from(u16::from_be_bytes([high, low])).min(bytes.len()),
    };
    let (first, second) = bytes.split_at(cut);
    let made = |bytes: &[u8], by_us: bool| CertificateDer::from(if by_us { signed(bytes) } else { bytes.to_vec() });
    let leaf = made(first, choice & 2 == 0);
    let between: Vec<_> = (!second.is_empty()).then(|| made(second, choice & 4 == 0)).into_iter().collect();
    for auth in &*CLIENTS {
        let session = auth.session();
        let verified = session.verify_client_cert(&leaf, &between, now);
        match (verified, session.shown()) {
            (Ok(_), shown) => {
                assert_eq!(shown.map(|shown| &shown.subject), Identity::of(&leaf).as_ref().map(|one| &one.subject))
            }
            (Err(error), _) => assert!(!error.to_string().is_empty()),
        }
        // It is shown in logs and in answers, and must not be more than one line there.
        assert!(session.shown().is_none_or(|shown| !shown.subject.contains(['\n', '\r', '\0'])));
    }
    let name = ServerName::try_from("b.a.test").expect("a name");
    let [any, pinned] = &*SERVERS;
    let of_any = any.verify_server_cert(&leaf, &between, &name, &[], now);
    let of_pinned = pinned.verify_server_cert(&leaf, &between, &name, &[], now);
    // Nothing that is sent has the pinned key.
    assert!(of_pinned.is_err() || between.iter().chain([&leaf]).any(|one| pin(one) == Some(PIN)));
    if let (Ok(_), Some(found)) = (of_any, validity(&leaf)) {
        assert!(found.not_before <= 1_800_000_000 && 1_800_000_000 <= found.not_after, "{found:?}");
    }
    // What is asked for is few, and of the web.
    let points = points::of(&leaf);
    assert!(points.len() <= 4 && points.iter().all(|point| (1..=4).contains(&point.0.len())));
    assert!(points.iter().flat_map(|point| &point.0).all(|url| url.is_ascii() && url.contains("://")));
    let _ = (Facts::of(&leaf), sct::parse(first), chain::chain(&[leaf], None, &Anchors::default()));
});

const PIN: [u8; 32] = [7; 32];
