//! Backends' certificates against lists: for connections and for health checks, from files, URLs and distribution points.

use std::fs;

use super::{REVOKED, Scene};
use crate::support::clients_pki::{ClientCa, Credentials, Kind};
use crate::support::http::Door;
use crate::support::nginx::Nginx;
use crate::support::procfs::eventually;
use crate::support::proxy::Proxy;

/// A CA for servers, and an HTTPS server of it.
pub(super) fn server(ca: &ClientCa, kind: Kind<'_>) -> Nginx {
    let names = vec![rcgen::SanType::DnsName("server.test".try_into().unwrap())];
    let purpose = rcgen::ExtendedKeyUsagePurpose::ServerAuth;
    let Credentials { chain, key } = ca.issue(&format!("server-{}", kind.serial), &Kind { names, purpose, ..kind });
    let nginx = Nginx::start_tls(&chain, &key);
    fs::write(nginx.file("index.html"), "the page\n").unwrap();
    nginx
}

pub(super) fn config(nginx: &Nginx, crl: &str) -> String {
    format!(
        "[admin]\nlisten=\"unix:admin.sock\"\n[state]\ndirectory=\"state\"\n[crl]\nrefresh=\"1s\"\n[[listener]]\nname = \
         \"main\"\nlisten = \"127.0.0.1:0\"\ncertificates = [\"certs\"]\nbackend = \"b\"\n[backend.b]\nservers = [\"{}\"]\n\
         [backend.b.tls]\nca = \"server-ca.pem\"\nserver_name = \"server.test\"\n{crl}\n",
        nginx.address
    )
}

/// Whether the backend's page comes.
pub(super) fn answers(scene: &Scene, proxy: &Proxy) -> bool {
    let to = proxy.address("main").to_string();
    let url = format!("https://main.test:{}/", to.rsplit_once(':').unwrap().1);
    let resolve = format!("main.test:{}:127.0.0.1", to.rsplit_once(':').unwrap().1);
    let ca = scene.pki.ca();
    let arguments = ["--silent", "--http1.0", "--cacert", ca.to_str().unwrap(), "--resolve", &resolve, &url];
    let output = crate::support::tool::run("curl", &arguments, b"");
    String::from_utf8_lossy(&output.stdout).contains("the page")
}

#[test]
fn a_backend_whose_certificate_is_revoked_is_not_connected_to() {
    let scene = Scene::new();
    let ca = ClientCa::new(scene.pki.folder(), "server-ca");
    let nginx = server(&ca, Kind { serial: REVOKED, ..Kind::default() });
    fs::write(scene.pki.folder().join("server.crl"), ca.numbered_list(1, &[], 30)).unwrap();
    let proxy = scene.start(&config(&nginx, "crl = \"server.crl\""));
    assert!(answers(&scene, &proxy));
    fs::write(scene.pki.folder().join("server.crl"), ca.numbered_list(2, &[REVOKED], 30)).unwrap();
    eventually("refused", || (!answers(&scene, &proxy)).then_some(()));
    let record = proxy.record(|record| record["reason"].to_string().contains("revoked"));
    assert!(record["outcome"].as_str().unwrap().starts_with("backend_"), "{record}");
    // A list of another CA changes nothing, and is named.
    let foreign = ClientCa::new(scene.pki.folder(), "foreign");
    fs::write(scene.pki.folder().join("server.crl"), foreign.numbered_list(3, &[], 30)).unwrap();
    let line = proxy.log_line("not reloaded");
    assert!(line.contains("server.crl") && line.contains("CN=foreign"), "{line}");
}

#[test]
fn its_list_comes_by_url_and_without_one_it_is_not_connected_to() {
    let scene = Scene::new();
    let ca = ClientCa::new(scene.pki.folder(), "server-ca");
    let nginx = server(&ca, Kind::default());
    let url = scene.lists.url("server.crl");
    let proxy = scene.start(&config(&nginx, &format!("crl = \"{url}\"")));
    assert!(!answers(&scene, &proxy), "there is no list yet");
    scene.lists.list("server.crl", &ca.numbered_list(1, &[], 30));
    eventually("there is one", || answers(&scene, &proxy).then_some(()));
    scene.lists.list("server.crl", &ca.numbered_list(2, &[1], 30));
    eventually("it is revoked", || (!answers(&scene, &proxy)).then_some(()));
}

#[test]
fn a_health_check_learns_where_the_list_is_and_finds_a_server_down_that_is_revoked() {
    let scene = Scene::new();
    let ca = ClientCa::new(scene.pki.folder(), "server-ca");
    let points = vec![scene.lists.url("server.crl")];
    scene.lists.list("server.crl", &ca.numbered_list(1, &[], 30));
    let nginx = server(&ca, Kind { points, ..Kind::default() });
    let health = "crl = \"distribution_points\"\n[backend.b.health]\ntype = \"tls\"\ninterval = \"100ms\"\n\
                  ca = \"server-ca.pem\"\nserver_name = \"server.test\"\ncrl = \"distribution_points\"";
    let proxy = scene.start(&config(&nginx, health));
    let shown = || Door::Unix(scene.pki.folder().join("admin.sock")).get("/api/v1/backends").body;
    eventually("up", || shown().contains("\"health\":\"up\"").then_some(()));
    // The record tells why, if not.
    assert!(answers(&scene, &proxy), "{:#}", proxy.record(|_| true));
    assert_eq!(scene.only()["found"], "peer_certificate");
    scene.lists.list("server.crl", &ca.numbered_list(2, &[1], 30));
    eventually("down", || shown().contains("\"health\":\"down\"").then_some(()));
    assert!(shown().contains("revoked"), "{}", shown());
}
