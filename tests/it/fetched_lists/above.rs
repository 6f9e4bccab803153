//! CAs between a root and those who are judged: while the root's list is held back, nobody below them is let in.

use std::fs;

use rcgen::CrlDistributionPoint;

use super::backends::{answers, config as backend_config, server};
use super::{Scene, lists};
use crate::support::clients_pki::{ClientCa, Credentials, Kind};
use crate::support::list_server::Answer;
use crate::support::procfs::eventually;
use crate::support::proxy::Proxy;

/// A root and a CA below it, whose certificate says where the root's list is.
fn authorities(scene: &Scene) -> (ClientCa, ClientCa) {
    let top = ClientCa::new(scene.pki.folder(), "top");
    let middle = top.below_with("middle", 7, |params| {
        let uris = vec![scene.lists.url("top.crl")];
        params.crl_distribution_points = vec![CrlDistributionPoint { uris }];
    });
    scene.lists.list("middle.crl", &middle.numbered_list(1, &[], 30));
    (top, middle)
}

/// A configuration with both CAs, and these lists.
fn with(scene: &Scene, crl: &str) -> String {
    scene.config(&format!("crl = {crl}")).replace("\"client-ca.pem\"", "[\"top.pem\", \"middle.pem\"]")
}

/// Starts with the list of the CA below alone, so that it is kept.
fn keep_that_below(scene: &Scene, client: &Credentials) {
    let mut proxy = scene.start(&with(scene, &format!("\"{}\"", scene.lists.url("middle.crl"))));
    eventually("in", || scene.accepts(&proxy, client).then_some(()));
    end(&mut proxy);
}

fn end(proxy: &mut Proxy) {
    proxy.signal("TERM");
    assert!(proxy.wait().success());
}

fn is_unknown(scene: &Scene, proxy: &Proxy, client: &Credentials) {
    assert!(!scene.accepts(proxy, client));
    proxy.record(|record| record["outcome"] == "client_certificate_revocation_unknown");
}

#[test]
fn while_the_list_of_a_root_does_not_come_clients_below_another_ca_are_refused() {
    for crl in ["by url", "by point"] {
        let scene = Scene::new();
        let (top, middle) = authorities(&scene);
        let [of_top, of_middle] = ["top.crl", "middle.crl"].map(|name| scene.lists.url(name));
        let client = middle.issue("below", &Kind { points: vec![of_middle.clone()], ..Kind::default() });
        keep_that_below(&scene, &client);
        let crl = match crl {
            "by url" => format!("[\"{of_top}\", \"{of_middle}\"]"),
            _ => "\"distribution_points\"".to_owned(),
        };
        let proxy = scene.start(&with(&scene, &crl));
        is_unknown(&scene, &proxy, &client);
        scene.lists.list("top.crl", &top.numbered_list(1, &[], 30));
        eventually("in, with the root's list", || scene.accepts(&proxy, &client).then_some(()));
        scene.lists.list("top.crl", &top.numbered_list(2, &[7], 30));
        eventually("out, with the CA on it", || (!scene.accepts(&proxy, &client)).then_some(()));
        proxy.record(|record| record["outcome"] == "client_certificate_revoked");
    }
}

#[test]
fn the_list_of_another_ca_does_not_stand_for_that_of_the_root() {
    let scene = Scene::new();
    let (_, middle) = authorities(&scene);
    let client = middle.issue("below", &Kind::default());
    let [of_top, of_middle] = ["top.crl", "middle.crl"].map(|name| scene.lists.url(name));
    scene.lists.list("top.crl", &middle.numbered_list(1, &[], 30));
    let config = with(&scene, &format!("[\"{of_top}\", \"{of_middle}\"]"));
    let mut proxy = scene.start(&config);
    let current = || lists(scene.pki.folder()).iter().filter(|list| list["state"] == "current").count();
    eventually("both are kept", || (current() == 2).then_some(()));
    end(&mut proxy);
    let proxy = scene.start(&config);
    is_unknown(&scene, &proxy, &client);
}

#[test]
fn while_the_list_of_a_root_does_not_come_a_backend_below_another_ca_is_not_connected_to() {
    let scene = Scene::new();
    let (top, middle) = authorities(&scene);
    let both = [&top, &middle].map(|ca| fs::read_to_string(ca.file()).unwrap()).concat();
    fs::write(scene.pki.folder().join("server-ca.pem"), both).unwrap();
    let nginx = server(&middle, Kind::default());
    let [of_top, of_middle] = ["top.crl", "middle.crl"].map(|name| scene.lists.url(name));
    let mut proxy = scene.start(&backend_config(&nginx, &format!("crl = \"{of_middle}\"")));
    eventually("connected to", || answers(&scene, &proxy).then_some(()));
    end(&mut proxy);
    scene.lists.set("top.crl", Answer::Nothing);
    let proxy = scene.start(&backend_config(&nginx, &format!("crl = [\"{of_top}\", \"{of_middle}\"]")));
    assert!(!answers(&scene, &proxy));
    let record = proxy.record(|record| record["outcome"].as_str().unwrap().starts_with("backend_"));
    assert!(record["reason"].to_string().contains("revo"), "{record}");
    scene.lists.list("top.crl", &top.numbered_list(1, &[], 30));
    eventually("connected to, with the root's list", || answers(&scene, &proxy).then_some(()));
}
