//! Rules for names; certificates against them; what a ticket may outlive.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use rustls::pki_types::CertificateRevocationListDer;
use rustls::server::ProducesTickets;

use super::bounded::Bounded;
use super::identity::Allowed;
use super::rejection::Rejection;

use super::*;
use crate::tls::trust::lists::given::Origin;
use crate::tls::trust::lists::rules::{ExpiredCrl, MissingCrl, Rules};

fn client(fill: impl FnOnce(&mut CertificateParams)) -> CertificateDer<'static> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, "alice");
    fill(&mut params);
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
}

fn named(names: &[SanType]) -> Identity {
    Identity::of(&client(|params| params.subject_alt_names = names.to_vec())).unwrap()
}

#[test]
fn each_kind_of_name_is_matched_in_its_own_way() {
    let text = |text: &str| text.try_into().unwrap();
    let identity = named(&[
        SanType::DnsName(text("Web1.example.com")),
        SanType::URI(text("spiffe://example.org/web/1")),
        SanType::Rfc822Name(text("alice@Example.com")),
    ]);
    let fits = [
        "cn:alice",
        "dns:web1.EXAMPLE.com",
        "dns:*.example.com",
        "uri:spiffe://example.org/web/1",
        "uri:spiffe://example.org/web/*",
        "uri:spiffe://example.org/*",
        "email:alice@example.COM",
    ];
    for rule in fits {
        let parsed = Allowed::parse(rule).unwrap();
        assert!(identity.has(&parsed), "{rule}");
        assert_eq!(Allowed::parse(&parsed.to_string()), Ok(parsed), "{rule}");
    }
    let fits_not = [
        "cn:Alice",
        "cn:web1.example.com",
        "dns:alice",
        "dns:example.com",
        "dns:*.com",
        "dns:*.web1.example.com",
        "uri:spiffe://example.org/web",
        "uri:spiffe://example.org/web/11",
        "uri:spiffe://example.org/web/1/*",
        "uri:spiffe://example.com/*",
        "email:Alice@example.com",
        "email:alice@example.org",
    ];
    for rule in fits_not {
        assert!(!identity.has(&Allowed::parse(rule).unwrap()), "{rule}");
    }
    let climbing = named(&[SanType::URI(text("spiffe://example.org/web/../admin"))]);
    assert!(!climbing.has(&Allowed::parse("uri:spiffe://example.org/web/*").unwrap()));
    // Its wildcard is no proof of any one name.
    let wild = named(&[SanType::DnsName(text("*.example.com"))]);
    assert!(wild.has(&Allowed::parse("dns:*.example.com").unwrap()));
    assert!(!wild.has(&Allowed::parse("dns:web1.example.com").unwrap()));
}

#[test]
fn what_is_no_rule_is_refused() {
    for text in
        ["", "alice", "cn:", "dns:a b", "uri:web", "uri:spiffe://a/*/b", "uri:spiffe://a*", "email:alice", "ou:x"]
    {
        assert!(Allowed::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn a_subject_is_harmless_wherever_it_is_written() {
    let identity = Identity::of(&client(|params| {
        params.distinguished_name.push(DnType::OrganizationName, "a\nb\x1b[31m".repeat(400));
    }));
    let subject = identity.unwrap().subject;
    assert!(subject.chars().count() <= 512 && !subject.contains(char::is_control), "{subject:?}");
}

#[test]
fn a_reason_is_harmless_whatever_certificates_came_with_the_clients() {
    #[derive(Debug, thiserror::Error)]
    #[error("UnsupportedCertVersion")]
    struct Version;
    let issuer = client(|params| params.distinguished_name.push(DnType::OrganizationName, "\x1b".repeat(60_000)));
    let mut issuer = issuer.to_vec();
    let version = issuer.windows(5).position(|bytes| bytes == [0xa0, 3, 0x02, 1, 2]).unwrap();
    issuer[version + 4] = 0;
    let error = CertificateError::Other(rustls::OtherError(Arc::new(Version))).into();
    let reason = rejection::reason(&error, &client(|_| {}), &[issuer.into()]).unwrap();
    assert!(reason.starts_with("the certificate of \"CN=alice, O=\\u{1b}"), "{reason}");
    assert!(reason.ends_with("is of X.509 version 1, expected version 3"), "{reason}");
    assert!(reason.len() < 700 && !reason.contains(char::is_control), "{} bytes", reason.len());
}

#[test]
fn no_prefix_of_a_certificate_panics() {
    let whole = client(|_| {});
    for end in 0..whole.len() {
        let _ = Identity::of(&whole[..end].to_vec().into());
    }
}

#[test]
fn a_fingerprint_is_that_of_settings_ca_and_lists() {
    let settings =
        || Settings { demand: Demand::Require, lists: Rules::default(), names: Vec::new(), pins: Vec::new() };
    let (one, other) = (vec![client(|_| {})], vec![client(|_| {})]);
    let lists = vec![Given::file(CertificateRevocationListDer::from(vec![1]))];
    let fetched = vec![Given { origin: Origin::Url, ..lists[0].clone() }];
    let rules = Rules::default();
    let base = fingerprint::of(&settings(), &one, &[]);
    assert_eq!(base, fingerprint::of(&settings(), &one, &[]));
    let different = [
        fingerprint::of(&Settings { demand: Demand::Optional, ..settings() }, &one, &[]),
        fingerprint::of(&Settings { lists: Rules { expired: ExpiredCrl::Ignore, ..rules }, ..settings() }, &one, &[]),
        fingerprint::of(&Settings { lists: Rules { missing: MissingCrl::Ignore, ..rules }, ..settings() }, &one, &[]),
        fingerprint::of(&Settings { lists: Rules { asked: true, ..rules }, ..settings() }, &one, &[]),
        fingerprint::of(&Settings { lists: Rules { points: true, ..rules }, ..settings() }, &one, &[]),
        fingerprint::of(&Settings { lists: Rules { awaited: true, ..rules }, ..settings() }, &one, &[]),
        fingerprint::of(&Settings { names: vec![Allowed::CommonName("a".into())], ..settings() }, &one, &[]),
        fingerprint::of(&Settings { pins: vec![[0; 32]], ..settings() }, &one, &[]),
        fingerprint::of(&settings(), &other, &[]),
        fingerprint::of(&settings(), &one, &lists),
        fingerprint::of(&settings(), &one, &fetched),
    ];
    assert!(different.iter().all(|other| *other != base), "{different:?}");
    let all: std::collections::HashSet<_> = different.iter().collect();
    assert_eq!(all.len(), different.len());
}

#[test]
fn a_ticket_is_good_no_longer_than_the_certificate() {
    static NOW: AtomicI64 = AtomicI64::new(1_000_000_000);
    fn clock() -> i64 {
        NOW.load(Ordering::Relaxed)
    }
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = params.self_signed(&key).unwrap().der().clone();
    let issuer = Issuer::new(params, key);
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.not_before = rcgen::date_time_ymd(2001, 1, 1);
    params.not_after = rcgen::date_time_ymd(2001, 9, 10);
    let leaf = params.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap().der().clone();
    let settings = Settings { demand: Demand::Require, lists: Rules::default(), names: Vec::new(), pins: Vec::new() };
    let auth = Arc::new(ClientAuth::new(settings, vec![ca], Vec::new()).unwrap());
    let lifetime = std::time::Duration::from_secs(7 * 86_400);
    let tickets = Arc::new(crate::tls::tickets::Tickets::own(
        crate::tls::tickets::Settings { lifetime, rotation: lifetime },
        clock,
        Arc::default(),
        None,
    ));
    let bounded =
        || Bounded { tickets: Arc::clone(&tickets) as Arc<dyn ProducesTickets>, session: auth.session(), clock };
    let first = bounded();
    let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_000_000_000));
    first.session.judge(&leaf, &[], at).unwrap();
    let ticket = first.encrypt(b"session").unwrap();
    assert!(tickets.storage(Arc::new(first)).put(vec![7; 32], b"session by id".to_vec()));
    let by_id = || tickets.storage(Arc::new(bounded())).get(&[7; 32]);
    assert_eq!(by_id().as_deref(), Some(&b"session by id"[..]));
    let resumed = bounded();
    assert_eq!(resumed.decrypt(&ticket).as_deref(), Some(&b"session"[..]));
    let next = resumed.encrypt(b"session").unwrap();
    // 10 September 2001, a day later: the tickets would live on, the certificate does not.
    NOW.store(1_000_000_000 + 86_400, Ordering::Relaxed);
    assert_eq!(bounded().decrypt(&ticket), None);
    assert_eq!(bounded().decrypt(&next), None, "a ticket of a resumed session");
    assert_eq!(by_id(), None, "a session by id");
    let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_000_086_400));
    let error = bounded().session.judge(&leaf, &[], at).unwrap_err();
    assert_eq!(Rejection::of(&error), Some(Rejection::Expired));
}
