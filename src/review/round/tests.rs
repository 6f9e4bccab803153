use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::AlertDescription;
use rustls::pki_types::CertificateDer;

use super::*;
use crate::allocator::tests::kept;
use crate::live::call::Asked;
use crate::live::filter::tests::row;
use crate::live::presented::Judged;
use crate::live::registry::{Listed, Registry};
use crate::tls::trust::clients::identity::Allowed;
use crate::tls::trust::clients::rejection::Rejection;
use crate::tls::trust::clients::settings::{Demand, Settings};
use crate::tls::trust::lists::rules::Rules as OfLists;

/// The last second of the clients' certificates, and one before it.
const END: i64 = 1_009_843_200;
const NOW: i64 = 1_000_000_000;

struct Scene {
    issuer: Issuer<'static, KeyPair>,
    ca: CertificateDer<'static>,
    registry: Registry,
    listed: Vec<Listed>,
}

impl Scene {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = params.self_signed(&key).unwrap().der().clone();
        Self { issuer: Issuer::new(params, key), ca, registry: Registry::new(1, 2), listed: Vec::new() }
    }

    fn auth(&self, name: &str) -> Arc<ClientAuth> {
        let names = vec![Allowed::parse(name).unwrap()];
        let settings = Settings { demand: Demand::Require, lists: OfLists::default(), names, pins: Vec::new() };
        Arc::new(ClientAuth::new(settings, vec![self.ca.clone()], Vec::new()).unwrap())
    }

    fn certificate(&self, name: &str) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(2002, 1, 1);
        params.signed_by(&KeyPair::generate().unwrap(), &self.issuer).unwrap().der().clone()
    }

    /// A connection to the listener `ldaps` and its route `default`.
    fn open(&mut self, certificate: &CertificateDer<'static>, auth: &Arc<ClientAuth>) -> Arc<Row> {
        self.open_by(certificate, auth, 1)
    }

    /// The same by rules of that generation.
    fn open_by(&mut self, certificate: &CertificateDer<'static>, auth: &Arc<ClientAuth>, generation: u64) -> Arc<Row> {
        let number = self.listed.len() as u64 + 1;
        let row = Arc::new(row(|record| record.connection_id.number = number));
        // By turns on each of two workers.
        let listed = self.registry.list(number as usize, Arc::clone(&row));
        let judged = Judged { auth: Arc::clone(auth), good_until: END, generation };
        listed.presented(Arc::clone(&row), vec![certificate.clone()], judged);
        self.listed.push(listed);
        row
    }
}

fn judged(scene: &Scene, known: &mut Known, rule: Rule<'_>, now: i64) -> Found {
    known.judge(scene.registry.presented(), &Rules::one("ldaps", "default", rule), now)
}

fn count(known: &Known) -> usize {
    known.0.values().map(BTreeMap::len).sum()
}

fn why(row: &Row) -> Arc<Distrust> {
    match row.call.listen(Waker::noop()) {
        Some(Asked::Distrusted(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_chain_is_judged_once_by_each_rule_and_its_connections_share_the_verdict() {
    let (mut scene, mut known) = (Scene::new(), Known::default());
    let (alice, bob) = (scene.certificate("alice"), scene.certificate("bob"));
    let first = scene.auth("cn:alice");
    let of_alice: Vec<_> = (0..3).map(|_| scene.open(&alice, &first)).collect();
    let of_bob = scene.open(&bob, &first);
    // The verdicts of the handshakes hold, whatever they were.
    assert_eq!(judged(&scene, &mut known, Rule::Judge(&first), NOW), Found { due: END + 1, closed: 0 });
    assert_eq!(count(&known), 0, "the connections have them");
    let stricter = scene.auth("cn:bob");
    assert_eq!(judged(&scene, &mut known, Rule::Judge(&stricter), NOW), Found { due: END + 1, closed: 3 });
    assert_eq!(count(&known), 2);
    let reasons: Vec<_> = of_alice.iter().map(|row| why(row)).collect();
    assert!(reasons.iter().all(|why| why.fault == Rejection::Denied && Arc::ptr_eq(why, &reasons[0])));
    assert!(of_bob.call.is_trusted());
    // They are asked once.
    assert_eq!(judged(&scene, &mut known, Rule::Judge(&stricter), NOW), Found { due: END + 1, closed: 0 });
    assert_eq!(count(&known), 1, "verdicts that nobody needs are forgotten");
}

#[test]
fn a_chain_with_which_judging_panics_leaves_and_those_after_it_are_judged() {
    let (mut scene, mut known) = (Scene::new(), Known::default());
    let (broken, revoked, good) =
        (scene.certificate("broken"), scene.certificate("revoked"), scene.certificate("good"));
    let (first, next) = (scene.auth("cn:first"), scene.auth("cn:next"));
    // On each worker, one with which it panics is the first.
    let rows = [&broken, &broken, &good, &revoked].map(|certificate| scene.open(certificate, &first));
    let calls = AtomicUsize::new(0);
    let judge = |auth: &Arc<ClientAuth>, chain: &[CertificateDer<'_>], _: i64| {
        assert_eq!(auth.fingerprint(), next.fingerprint());
        calls.fetch_add(1, Ordering::Relaxed);
        assert_ne!(chain, std::slice::from_ref(&broken), "a fault");
        let (fault, alert) = (Rejection::Revoked, AlertDescription::CertificateRevoked);
        if chain == std::slice::from_ref(&revoked) {
            Err(Distrust { fault, alert, reason: "".into() })
        } else {
            Ok(END)
        }
    };
    let rules = Rules::one("ldaps", "default", Rule::Judge(&next));
    let found = known.judge_by(scene.registry.presented(), &rules, NOW, judge);
    assert_eq!((found, calls.load(Ordering::Relaxed)), (Found { due: END + 1, closed: 3 }, 3));
    for row in &rows[..2] {
        let why = why(row);
        assert_eq!((why.fault, why.alert), (Rejection::Invalid, AlertDescription::BadCertificate));
    }
    assert_eq!(why(&rows[3]).fault, Rejection::Revoked);
    assert!(rows[2].call.is_trusted());
    // Nobody judges it again.
    let found = known.judge_by(scene.registry.presented(), &rules, NOW, judge);
    assert_eq!((found, calls.load(Ordering::Relaxed)), (Found { due: END + 1, closed: 0 }, 3));
}

#[test]
fn what_is_kept_of_a_verdict_is_little() {
    const COUNT: u32 = 1000;
    let (mut scene, mut known) = (Scene::new(), Known::default());
    let (first, next) = (scene.auth("cn:first"), scene.auth("cn:next"));
    for number in 0..COUNT {
        scene.open(&number.to_be_bytes().to_vec().into(), &first);
    }
    let rules = Rules::one("ldaps", "default", Rule::Judge(&next));
    let kept = kept(|| {
        known.judge_by(scene.registry.presented(), &rules, NOW, |_, _, _| Ok(END));
    });
    let each = kept / i64::from(COUNT);
    // docs/performance.md has the figure: 86.
    assert!(count(&known) == COUNT as usize && (48..=112).contains(&each), "{each}");
}

#[test]
fn who_has_joined_by_newer_rules_is_not_judged_by_older_ones() {
    let (mut scene, mut known) = (Scene::new(), Known::default());
    let (alice, old, new) = (scene.certificate("alice"), scene.auth("cn:bob"), scene.auth("cn:alice"));
    let row = scene.open_by(&alice, &new, 2);
    assert_eq!(judged(&scene, &mut known, Rule::Judge(&old), NOW), Found { due: i64::MAX, closed: 0 });
    assert!(row.call.is_trusted());
}

#[test]
fn a_verdict_ends_with_the_certificate_also_where_the_route_is_gone() {
    let (mut scene, mut known) = (Scene::new(), Known::default());
    let (alice, auth) = (scene.certificate("alice"), scene.auth("cn:alice"));
    let row = scene.open(&alice, &auth);
    let other = scene.auth("cn:bob");
    assert_eq!(judged(&scene, &mut known, Rule::Keep, END + 1), Found { due: i64::MAX, closed: 0 });
    let gone = Rules::one("ldaps", "apps", Rule::Judge(&other));
    assert_eq!(known.judge(scene.registry.presented(), &gone, END), Found { due: END + 1, closed: 0 });
    assert!(row.call.is_trusted());
    assert_eq!(known.judge(scene.registry.presented(), &gone, END + 1), Found { due: i64::MAX, closed: 1 });
    assert!(!row.call.is_trusted());
}
