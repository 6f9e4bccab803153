//! A server of lists that is slow, gone, or sends what is no list, an old one, another CA's, or something without an end.

use std::time::Instant;

use super::{REVOKED, Scene};
use crate::support::PATIENCE;
use crate::support::clients_pki::ClientCa;
use crate::support::http::Door;
use crate::support::list_server::Answer;
use crate::support::procfs::{eventually, resident_kib};

/// Sets the answer, waits until a fetch has failed for a reason with these words, and finds that nothing else has changed.
fn stays_good(scene: &Scene, proxy: &crate::support::proxy::Proxy, answer: Answer, words: &str) {
    scene.lists.set("ca.crl", answer);
    let shown = eventually(words, || {
        let shown = scene.only();
        let message = shown["last_failure"]["message"].as_str().unwrap_or_default().to_owned();
        message.contains(words).then_some(shown)
    });
    assert_eq!((&shown["state"], &shown["revoked_certificates"]), (&"current".into(), &1.into()), "{words}: {shown}");
    assert!(scene.accepts(proxy, &scene.good), "{words}");
    assert!(!scene.accepts(proxy, &scene.revoked), "{words}");
}

#[test]
fn whatever_the_server_does_what_was_good_stays_good() {
    let scene = Scene::new();
    let proxy = scene.start(&scene.by_url());
    scene.is_enforced(&proxy);
    let foreign = ClientCa::new(scene.pki.folder(), "foreign");
    let forger = ClientCa::named(scene.pki.folder(), "forger", "client-ca", |_| {});
    let body = |pem: String| Answer::Body(pem.into_bytes());
    let redirect = |to: &str| Answer::Status(302, format!("Location: {to}\r\n"));
    let two = [scene.ca.numbered_list(7, &[], 30), scene.ca.numbered_list(8, &[], 30)].concat();
    for (answer, words) in [
        (Answer::Status(500, String::new()), "status 500"),
        (Answer::Nothing, "http://"),
        (Answer::Stall, "no whole answer within 1 s"),
        // Without the revoked client, and with a number that is lower.
        (body(scene.ca.numbered_list(4, &[], 30)), "older than the one before"),
        (body(foreign.numbered_list(9, &[], 30)), "not signed by any of the CAs"),
        (body(forger.numbered_list(9, &[], 30)), "not signed with the key"),
        (body(two), "found 2 lists, expected one"),
        (Answer::Body(b"<html>moved</html>".to_vec()), "no list of revoked certificates"),
        (Answer::Body(Vec::new()), "no list of revoked certificates"),
        (redirect("file:///etc/passwd"), "expected a URL"),
        (redirect(&scene.lists.url("ca.crl")), "more than 3 redirects"),
    ] {
        stays_good(&scene, &proxy, answer, words);
    }
    // In the end there is another good one.
    scene.lists.list("ca.crl", &scene.ca.numbered_list(6, &[REVOKED, 1], 30));
    eventually("both are revoked", || (!scene.accepts(&proxy, &scene.good)).then_some(()));
    assert_eq!(scene.only()["failures"], 0);
}

#[test]
fn a_list_without_an_end_costs_neither_memory_nor_time() {
    let scene = Scene::new();
    // A slow fetch would end the stream before its size does.
    let config = scene.by_url().replace("timeout=\"1s\"", "timeout=\"20s\"");
    let proxy = scene.start(&config);
    scene.is_enforced(&proxy);
    let before = resident_kib(proxy.pid());
    scene.lists.set("ca.crl", Answer::Endless);
    let begun = Instant::now();
    let mut most = before;
    eventually("it is refused", || {
        most = most.max(resident_kib(proxy.pid()));
        scene.only()["last_failure"]["message"].as_str().unwrap_or_default().contains("more than 64 MiB").then_some(())
    });
    assert!(begun.elapsed() < PATIENCE);
    // Twice, while the pieces become one.
    assert!(most < before + (160 << 10), "{before} KiB, then {most} KiB");
    assert!(scene.accepts(&proxy, &scene.good) && !scene.accepts(&proxy, &scene.revoked));
    let live = Door::Unix(scene.pki.folder().join("admin.sock")).get("/livez");
    assert_eq!(live.status, 200);
}

#[test]
fn the_end_of_the_process_does_not_wait_for_a_slow_server() {
    let scene = Scene::new();
    scene.lists.set("ca.crl", Answer::Stall);
    let mut proxy = scene.start(&scene.by_url().replace("timeout=\"1s\"", "timeout=\"1h\""));
    eventually("it is asked", || (!scene.lists.requests().is_empty()).then_some(()));
    let begun = Instant::now();
    proxy.signal("TERM");
    assert!(proxy.wait().success());
    assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
}
