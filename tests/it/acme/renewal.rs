//! Renewal: in time, when the authority says so, and when asked; and no client notices.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use super::scene::{Plan, Scene};
use crate::support::acme::between::Between;
use crate::support::acme::faults::Fault;
use crate::support::acme::kinds::Kind;
use crate::support::acme::offers::Window;
use crate::support::acme::reissue::{Leaf, Reissuer};
use crate::support::acme::visitor::Visitor;
use crate::support::procfs::{eventually, resident_kib};
use crate::support::tool;

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);

#[test]
fn a_short_lived_certificate_is_renewed_in_time_with_another_key() {
    let script = |between: &Between, folder: &Path| {
        let reissuer = Reissuer::new(&folder.join("other.pem"));
        between.always(
            Kind::Certificate,
            Fault::text(move |chain| {
                let now = SystemTime::now();
                reissuer.reissue(chain, &Leaf { from: now - SECOND, until: now + 5 * SECOND, ..Leaf::default() })
            }),
        );
    };
    let scene = Scene::before(&Plan::simple(), script);
    let mut served = vec![scene.issued("a")];
    for _ in 0..2 {
        served.push(scene.replaced("a", served.last().unwrap()));
    }
    let now = i64::try_from(SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
    assert!(served[2].until >= now, "it has expired: {served:?}");
    assert!(served[0].key != served[1].key && served[1].key != served[2].key, "{served:?}");
    scene.between.mend();
    // The usual lifetime again: it is the last order.
    let last = scene.replaced("a", &served[2]);
    assert!(last.until > now + 86_400, "{last:?}");
}

#[test]
fn an_authority_that_asks_for_it_is_told_what_is_replaced() {
    let now = SystemTime::now();
    let window = |start, end, explanation| Window { start, end, explanation, retry_after: 21_600 };
    let script = |between: &Between, _: &Path| {
        between.offer(|offers| {
            offers.renewal = vec![
                window(now - 2 * DAY, now - DAY, Some("https://authority.test/why")),
                window(now + 30 * DAY, now + 31 * DAY, None),
            ];
        });
    };
    let scene = Scene::before(&Plan::simple(), script);
    scene.between.wait(Kind::Certificate, 2);
    scene.between.wait(Kind::RenewalInfo, 2);
    let orders: Vec<_> =
        scene.between.seen(Kind::NewOrder).into_iter().filter(|order| order.status == Some(201)).collect();
    assert_eq!(orders.len(), 2, "{orders:?}");
    assert!(orders[0].payload["replaces"].is_null(), "{orders:?}");
    let replaced = orders[1].payload["replaces"].as_str().unwrap();
    let asked = |at: Option<usize>| {
        let asked = scene.between.seen(Kind::RenewalInfo);
        asked[at.unwrap_or(asked.len() - 1)].payload.as_str().unwrap().to_owned()
    };
    assert!(asked(Some(0)).ends_with(&format!("/{replaced}")), "{} {replaced}", asked(Some(0)));
    // RFC 9773 section 4.1: the issuer's key identifier, and the serial number.
    eventually("the second is served, and was asked about", || {
        (hex(asked(None).rsplit_once('.').unwrap().1) == scene.trusted("a", false).serial).then_some(())
    });
}

fn hex(base64: &str) -> String {
    use base64::Engine;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(base64).unwrap();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_reason_of_an_authority_is_shown() {
    let now = SystemTime::now();
    let explanation = "https://authority.test/soon";
    let script = |between: &Between, _: &Path| {
        let window =
            Window { start: now + DAY, end: now + 2 * DAY, explanation: Some(explanation), retry_after: 21_600 };
        between.offer(|offers| offers.renewal = vec![window]);
    };
    let scene = Scene::before(&Plan::simple(), script);
    scene.issued("a");
    scene.between.wait(Kind::RenewalInfo, 1);
    eventually("it is listed", || scene.list().to_string().contains(explanation).then_some(()));
    assert_eq!(scene.between.count(Kind::NewOrder), 1);
}

#[test]
fn while_certificates_are_renewed_every_handshake_succeeds() {
    let scene = Scene::start(&Plan { names: &[&["a"], &["b"]], ..Plan::simple() });
    let mut served = ["a", "b"].map(|label| scene.issued(label));
    let (done, handshakes) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for label in ["a", "b"] {
            let (name, address, done, handshakes) = (scene.name(label), scene.address(), &done, &handshakes);
            scope.spawn(move || {
                let visitor = Visitor::new();
                while !done.load(Ordering::Acquire) {
                    let served = visitor.served(address, &name);
                    let names = served.unwrap_or_else(|ending| panic!("a handshake failed: {ending:?}")).names;
                    assert_eq!(names, [name.as_str()]);
                    handshakes.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let mut early = None;
        for round in 0..rounds() {
            scene.renew();
            for (label, served) in ["a", "b"].into_iter().zip(&mut served) {
                *served = scene.replaced(label, served);
            }
            if round == 20 {
                early = Some(resident_kib(scene.proxy.pid()));
            }
        }
        if let Some(early) = early {
            let late = resident_kib(scene.proxy.pid());
            println!(
                "{} handshakes, memory {early} KiB after 20 rounds, {late} at the end",
                handshakes.load(Ordering::Relaxed)
            );
            assert!(late < early + 8 * 1024, "memory has grown from {early} to {late} KiB");
        }
        done.store(true, Ordering::Release);
    });
    assert!(handshakes.load(Ordering::Relaxed) > 20, "{handshakes:?}");
    assert_eq!(scene.between.count(Kind::Certificate), 2 + 2 * rounds());
}

/// How often both certificates are renewed. `.ci/nightly` sets more, after which memory is compared, too.
fn rounds() -> usize {
    std::env::var("TLSGATE_TEST_RENEWALS").map_or(5, |rounds| rounds.parse().unwrap())
}

#[test]
fn one_is_renewed_by_its_name_and_an_unknown_one_is_refused() {
    let scene = Scene::start(&Plan { names: &[&["a"], &["b"]], ..Plan::simple() });
    let before = ["a", "b"].map(|label| scene.issued(label));
    let output = scene.run(&["acme", "renew", &scene.name("b")]);
    assert!(output.status.success(), "{}", tool::shown(&output));
    scene.replaced("b", &before[1]);
    assert_eq!(scene.issued("a"), before[0]);
    let output = scene.run(&["acme", "renew", "unknown.test"]);
    assert!(!output.status.success());
    let shown = tool::shown(&output);
    assert!(shown.contains(&scene.name("a")), "{shown}");
    assert_eq!(scene.between.count(Kind::NewOrder), 3);
}

#[test]
fn one_that_is_revoked_is_replaced_and_the_authority_knows() {
    let scene = Scene::start(&Plan::simple());
    let served = scene.issued("a");
    assert_eq!(scene.pebble.certificate_status(&served.serial).0, "Valid");
    let output = scene.run(&["acme", "revoke", &scene.name("a")]);
    assert!(output.status.success(), "{}", tool::shown(&output));
    assert_eq!(scene.between.count(Kind::RevokeCert), 1);
    assert_eq!(scene.pebble.certificate_status(&served.serial).0, "Revoked");
    let new = scene.replaced("a", &served);
    assert_eq!(scene.pebble.certificate_status(&new.serial).0, "Valid");
}

#[test]
fn with_another_account_key_the_account_stays() {
    let mut scene = Scene::start(&Plan::simple());
    let served = scene.issued("a");
    let output = scene.run(&["acme", "rollover", "test"]);
    assert!(output.status.success(), "{}", tool::shown(&output));
    assert_eq!(scene.between.count(Kind::KeyChange), 1);
    scene.renew();
    let served = scene.replaced("a", &served);
    // The new key is the one that is remembered.
    scene.restart();
    scene.renew();
    scene.replaced("a", &served);
    assert_eq!(scene.between.count(Kind::NewAccount), 1);
}

#[test]
fn the_end_of_an_order_is_counted() {
    let scene = Scene::start(&Plan::simple());
    scene.issued("a");
    let metrics = scene.door().get("/metrics").body;
    let line = |name: &str| metrics.lines().find(|line| line.starts_with(name)).map(str::to_owned);
    let issued = line("tlsgate_acme_renewals_total{authority=\"test\",result=\"issued\"}");
    assert!(issued.as_ref().is_some_and(|line| line.ends_with(" 1")), "{issued:?}\n{metrics}");
    assert!(line("tlsgate_acme_next_attempt_timestamp_seconds").is_some(), "{metrics}");
}
