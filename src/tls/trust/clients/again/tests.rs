//! The verdict about an open connection's client: the same as a new handshake's, and how long it holds.

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer, KeyIdMethod, KeyPair,
    RevokedCertParams, SerialNumber,
};
use rustls::pki_types::CertificateRevocationListDer;

use super::*;
use crate::tls::trust::clients::identity::Allowed;
use crate::tls::trust::clients::settings::Settings;
use crate::tls::trust::lists::given::Given;
use crate::tls::trust::lists::rules::{ExpiredCrl, Rules};

/// A CA, and a client of it whose certificate is valid in the year 2001.
struct Scene {
    issuer: Issuer<'static, KeyPair>,
    ca: CertificateDer<'static>,
    client: CertificateDer<'static>,
}

const SERIAL: u64 = 7;

/// The last second of the certificate, and one in the middle of its life.
const END: i64 = 1_009_843_200;
const NOW: i64 = 1_000_000_000;
/// When the list is due to be replaced.
const LIST_END: i64 = 1_002_326_400;

impl Scene {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "ca");
        let ca = params.self_signed(&key).unwrap().der().clone();
        let issuer = Issuer::new(params, key);
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "alice");
        params.serial_number = Some(SerialNumber::from(SERIAL));
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(2002, 1, 1);
        let client = params.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap().der().clone();
        Self { issuer, ca, client }
    }

    fn list(&self, serial: u64) -> CertificateRevocationListDer<'static> {
        let revoked = RevokedCertParams {
            serial_number: SerialNumber::from(serial),
            revocation_time: rcgen::date_time_ymd(2001, 1, 2),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(2001, 1, 1),
            next_update: rcgen::date_time_ymd(2001, 10, 6),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: vec![revoked],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().der().clone()
    }

    fn auth(&self, settings: Settings, lists: &[u64]) -> Arc<ClientAuth> {
        let lists = lists.iter().map(|serial| Given::file(self.list(*serial))).collect();
        Arc::new(ClientAuth::new(settings, vec![self.ca.clone()], lists).unwrap())
    }

    fn judged(&self, settings: Settings, lists: &[u64], now: i64) -> Result<i64, (Rejection, AlertDescription)> {
        let verdict = self.auth(settings, lists).judge_again(std::slice::from_ref(&self.client), now);
        verdict.map_err(|distrust| (distrust.fault, distrust.alert))
    }
}

fn settings() -> Settings {
    Settings { demand: Demand::Require, lists: Rules::default(), names: Vec::new(), pins: Vec::new() }
}

#[test]
fn each_verdict_has_the_alert_of_a_new_handshake() {
    use AlertDescription as Alert;
    let scene = Scene::new();
    let named = |name: &str| Settings { names: vec![Allowed::parse(name).unwrap()], ..settings() };
    assert_eq!(scene.judged(settings(), &[SERIAL], NOW), Err((Rejection::Revoked, Alert::CertificateRevoked)));
    assert_eq!(scene.judged(settings(), &[], END + 1), Err((Rejection::Expired, Alert::CertificateExpired)));
    assert_eq!(scene.judged(named("cn:bob"), &[], NOW), Err((Rejection::Denied, Alert::AccessDenied)));
    let pinned = Settings { pins: vec![[1; 32]], ..settings() };
    assert_eq!(scene.judged(pinned, &[], NOW), Err((Rejection::Denied, Alert::AccessDenied)));
    let outdated = scene.judged(settings(), &[SERIAL + 1], LIST_END + 1);
    assert_eq!(outdated, Err((Rejection::RevocationUnknown, Alert::UnknownCA)));
    let stranger = Scene::new().auth(settings(), &[]).judge_again(std::slice::from_ref(&scene.client), NOW);
    let stranger = stranger.unwrap_err();
    assert_eq!((stranger.fault, stranger.alert), (Rejection::Invalid, Alert::BadCertificate), "a CA of the same name");
    let revoked = scene.auth(settings(), &[SERIAL]).judge_again(std::slice::from_ref(&scene.client), NOW);
    assert_eq!(&*revoked.unwrap_err().reason, "the client's certificate, or one above it, is revoked: \"CN=alice\"");
}

#[test]
fn a_good_verdict_holds_until_something_ends() {
    let scene = Scene::new();
    assert_eq!(scene.judged(settings(), &[], NOW), Ok(END));
    assert_eq!(scene.judged(settings(), &[], END), Ok(END), "the last second counts");
    assert_eq!(scene.judged(settings(), &[SERIAL + 1], NOW), Ok(LIST_END));
    let ignoring = Settings { lists: Rules { expired: ExpiredCrl::Ignore, ..Rules::default() }, ..settings() };
    assert_eq!(scene.judged(ignoring, &[SERIAL + 1], LIST_END + 1), Ok(END));
}

#[test]
fn who_has_presented_none_leaves_only_where_one_is_required() {
    let scene = Scene::new();
    let optional = Settings { demand: Demand::Optional, ..settings() };
    assert_eq!(scene.auth(optional, &[]).judge_again(&[], NOW), Ok(i64::MAX));
    let missing = scene.auth(settings(), &[]).judge_again(&[], NOW).unwrap_err();
    assert_eq!((missing.fault, missing.alert), (Rejection::Missing, AlertDescription::CertificateRequired));
}

#[test]
fn more_certificates_than_a_chain_has_are_refused_unverified() {
    let scene = Scene::new();
    let stranger = Scene::new().ca;
    let auth = scene.auth(settings(), &[]);
    let with = |others: usize| [vec![scene.client.clone()], vec![stranger.clone(); others]].concat();
    assert_eq!(auth.judge_again(&with(9), NOW), Ok(END));
    let refused = auth.judge_again(&with(10), NOW).unwrap_err();
    assert_eq!((refused.fault, refused.alert), (Rejection::Invalid, AlertDescription::BadCertificate));
    assert!(
        refused.reason.starts_with("found 11 certificates of the client, expected at most 10"),
        "{}",
        refused.reason
    );
}

#[test]
fn a_certificate_beside_the_chain_that_has_expired_does_not_shorten_a_session() {
    let scene = Scene::new();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.not_after = rcgen::date_time_ymd(2001, 1, 2);
    let expired = params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone();
    let session = scene.auth(settings(), &[]).session();
    let time = UnixTime::since_unix_epoch(Duration::from_secs(NOW.try_into().unwrap()));
    session.judge(&scene.client, &[expired], time).unwrap();
    assert_eq!(session.good_until.load(std::sync::atomic::Ordering::Relaxed), END);
}
