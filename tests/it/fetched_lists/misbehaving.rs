//! A server of lists that is slow, gone, or sends what is no list, an old one, another CA's, or something without an end.

use std::time::Instant;

use super::{REVOKED, Scene};
use crate::support::PATIENCE;
use crate::support::by_hand::Refusing;
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
    let refusing = Refusing::new();
    let nobody = format!("http://{}/ca.crl", refusing.address);
    let two = [scene.ca.numbered_list(7, &[], 30), scene.ca.numbered_list(8, &[], 30)].concat();
    for (answer, words) in [
        (Answer::Status(500, String::new()), "status 500"),
        (Answer::Nothing, "http://"),
        (Answer::Stall, "no whole answer within 1 s"),
        // Without the revoked client, and with a number that is lower.
        (body(scene.ca.numbered_list(4, &[], 30)), "older than the one before"),
        (Answer::Trickle, &*format!("{}: no whole answer within 1 s", scene.lists.url("ca.crl"))),
        (body(foreign.numbered_list(9, &[], 30)), "not signed by any of the CAs"),
        (redirect(&nobody), &*format!("{nobody} cannot be reached")),
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
fn a_server_that_refuses_connections_and_a_name_that_is_nobodys_hold_up_no_other_list() {
    let scene = Scene::new();
    let refusing = Refusing::new();
    let good = scene.lists.url("ca.crl");
    // The second name is nobody's (RFC 6761 section 6.4).
    let away = [format!("http://{}/a.crl", refusing.address), "http://lists.invalid/b.crl".to_owned()];
    let mut proxy = scene.start(&scene.config(&format!("crl = [\"{good}\", \"{}\", \"{}\"]", away[0], away[1])));
    scene.is_enforced(&proxy);
    let shown = |url: &str| scene.shown().into_iter().find(|list| list["url"] == url).unwrap();
    for url in &away {
        let list = eventually("it has failed", || Some(shown(url)).filter(|list| !list["last_failure"].is_null()));
        let message = list["last_failure"]["message"].as_str().unwrap();
        assert!(message.contains(url.as_str()), "{url}: {list}");
        assert_eq!(list["state"], "pending", "{list}");
    }
    // The other one is still asked for, and used.
    let unchanged = || shown(&good)["fetches"]["unchanged"].as_u64().unwrap();
    let before = unchanged();
    eventually("it is asked for again", || (unchanged() > before).then_some(()));
    assert_eq!((&shown(&good)["state"], &shown(&good)["failures"]), (&"current".into(), &0.into()));
    assert!(scene.accepts(&proxy, &scene.good) && !scene.accepts(&proxy, &scene.revoked));
    proxy.signal("TERM");
    assert!(proxy.wait().success());
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
