//! Distribution points: of CAs, and of clients whose chain is good; nobody else makes tlsgate ask anywhere.

use std::fs;

use super::{REVOKED, Scene};
use crate::support::clients_pki::{ClientCa, Kind};
use crate::support::http::Door;
use crate::support::procfs::eventually;

#[test]
fn the_point_in_a_clients_certificate_is_learnt_and_remembered() {
    let scene = Scene::new();
    let points = vec![scene.lists.url("ca.crl")];
    let good = scene.ca.issue("with-point", &Kind { points: points.clone(), ..Kind::default() });
    let revoked = scene.ca.issue("revoked-with-point", &Kind { serial: REVOKED, points, ..Kind::default() });
    let config = scene.config("crl = \"distribution_points\"");
    let mut proxy = scene.start(&config);
    assert!(!scene.accepts(&proxy, &good), "the first client is refused: its list is not there yet");
    assert_eq!(proxy.records(1)[0]["outcome"], "client_certificate_revocation_unknown");
    eventually("the list is there", || scene.accepts(&proxy, &good).then_some(()));
    assert!(!scene.accepts(&proxy, &revoked));
    proxy.record(|record| record["outcome"] == "client_certificate_revoked");
    assert_eq!(scene.only()["found"], "peer_certificate");
    let metrics = Door::Unix(scene.pki.folder().join("admin.sock")).get("/metrics").body;
    assert!(metrics.contains("\ntlsgate_crl_learnt_points 1\n"), "{metrics}");
    proxy.signal("TERM");
    assert!(proxy.wait().success());
    let proxy = scene.start(&config);
    assert!(scene.accepts(&proxy, &good) && !scene.accepts(&proxy, &revoked), "remembered");
    eventually("shown", || (scene.shown().len() == 1).then_some(()));
}

#[test]
fn the_points_in_the_certificates_of_cas_need_no_client() {
    let scene = Scene::new();
    // The CA's own list is where its certificate says.
    scene.ca.certify(|params| {
        let uris = vec![scene.lists.url("ca.crl")];
        params.crl_distribution_points = vec![rcgen::CrlDistributionPoint { uris }];
    });
    let proxy = scene.start(&scene.config("crl = \"distribution_points\""));
    scene.is_enforced(&proxy);
    assert_eq!(scene.only()["found"], "ca_certificate");
    // That of another CA, which is above those that are trusted, could not be proved: it is not asked for.
    let top = ClientCa::new(scene.pki.folder(), "top");
    let middle = top.below("middle", 7);
    fs::copy(middle.file(), scene.pki.folder().join("client-ca.pem")).unwrap();
    eventually("nothing is fetched any more", || scene.shown().is_empty().then_some(()));
}

#[test]
fn who_is_not_trusted_makes_nobody_ask() {
    let scene = Scene::new();
    let kind = |name: &str| Kind { points: vec![scene.lists.url(name)], ..Kind::default() };
    let stranger = ClientCa::new(scene.pki.folder(), "stranger").issue("stranger-leaf", &kind("stranger"));
    let forger = ClientCa::named(scene.pki.folder(), "forger", "client-ca", |_| {}).issue("forged", &kind("forged"));
    let expired = scene.ca.issue("expired", &Kind { validity: (-30, -1), ..kind("expired") });
    let good = scene.ca.issue("with-point", &kind("ca.crl"));
    let proxy = scene.start(&scene.config("crl = \"distribution_points\""));
    for shown in [&stranger, &forger, &expired] {
        assert!(!scene.accepts(&proxy, shown));
    }
    eventually("the good one", || scene.accepts(&proxy, &good).then_some(()));
    let asked: Vec<_> = scene.lists.requests().into_iter().filter(|head| !head.contains("/ca.crl")).collect();
    assert_eq!(asked, [] as [String; 0]);
}
