//! Where certificates and settings come from: lists, folders, included files, blocks of one address.

use std::fs;
use std::net::SocketAddr;

use super::observed::{client, report, reporting};
use super::same::{Got, got};
use super::scene::{HAPROXY, HITCH, NGINX, STUNNEL, Scene};
use crate::support::clients_pki::{ClientCa, Kind};

/// What clients of these names get at the address of that number.
fn names(addresses: &[SocketAddr], at: usize, names: &[&str]) -> Vec<Got> {
    names.iter().map(|name| got(addresses[at], &["-servername", name])).collect()
}

#[test]
fn haproxy_with_a_list_of_certificates_and_names() {
    let scene = Scene::new();
    scene.write("list", "# a comment\nFOLDER/a.pem\nFOLDER/b.pem b.test *.b.test\nFOLDER/w.pem other.test # no name\n");
    let text = format!("{HAPROXY}listen main\n  bind ADDRESS ssl crt-list FOLDER/list\n  server one BACKEND\n");
    let clients = ["a.test", "b.test", "x.b.test", "other.test", "x.wild.test", "unknown.test"];
    scene.both("haproxy", &text, |addresses: &[SocketAddr]| names(addresses, 0, &clients));
}

#[test]
fn haproxy_with_a_list_of_certificates_and_options() {
    let scene = Scene::with(reporting("one"));
    let folder = scene.pki.folder();
    let known = ClientCa::new(folder, "clients").issue("known", &Kind::default());
    scene.write(
        "list",
        "FOLDER/a.pem\nFOLDER/b.pem [ca-file FOLDER/clients.pem verify required ssl-max-ver TLSv1.2 ciphers ECDHE-ECDSA-AES128-GCM-SHA256] b.test\n",
    );
    let text = format!(
        "{HAPROXY}frontend main\n  bind ADDRESS ssl crt-list FOLDER/list\n  default_backend b\nbackend b\n  server one BACKEND\n"
    );
    let clients = [Some(&known), None].map(|own| client(&scene.pki, own));
    let both = scene.both("haproxy", &text, |addresses: &[SocketAddr]| {
        let reports: Vec<Option<String>> = ["a.test", "b.test"]
            .iter()
            .flat_map(|name| clients.iter().map(|client| report(addresses[0], client, name)))
            .collect();
        (reports, names(addresses, 0, &["a.test", "unknown.test"]))
    });
    let accepted = Some("one plain\n".to_owned());
    assert_eq!(both.got.0, [accepted.clone(), accepted.clone(), accepted, None]);
}

#[test]
fn nginx_with_included_files() {
    let scene = Scene::new();
    let server = |address: &str, stem: &str| {
        format!(
            "server {{ listen {address} ssl; ssl_certificate FOLDER/{stem}.pem; ssl_certificate_key FOLDER/{stem}.pem; include FOLDER/common; proxy_pass BACKEND; }}\n"
        )
    };
    scene.write("common", "ssl_protocols TLSv1.2;\nssl_ciphers ECDHE+AESGCM;\n");
    scene.write("servers/one.conf", &server("ADDRESS", "a"));
    scene.write("servers/two.conf", &server("OTHER", "b"));
    scene.write("servers/two.off", "this is not read");
    let text = format!("{NGINX}stream {{ include FOLDER/servers/*.conf; }}\n");
    scene.both("nginx", &text, |addresses: &[SocketAddr]| [0, 1].map(|at| names(addresses, at, &["a.test", "b.test"])));
}

#[test]
fn stunnel_with_an_included_folder() {
    let scene = Scene::new();
    scene.write("parts/00-global.conf", "sslVersionMax = TLSv1.2\n");
    scene.write("parts/01-a.conf", "[a]\naccept = ADDRESS\nconnect = BACKEND\ncert = FOLDER/a.pem\n");
    // What follows is read where it stands: it is of the last service that was included.
    let text = format!(
        "{STUNNEL}include = FOLDER/parts\nciphers = ECDHE-RSA-AES128-GCM-SHA256\n[b]\naccept = OTHER\nconnect = BACKEND\ncert = FOLDER/b.pem\n"
    );
    scene.both("stunnel", &text, |addresses: &[SocketAddr]| [0, 1].map(|at| names(addresses, at, &["a.test"])));
}

/// Puts two certificates into a folder, under names that do not show what they are.
fn fill(scene: &Scene) -> [&'static str; 3] {
    for stem in ["b", "w"] {
        let certificate = fs::read_to_string(scene.pki.folder().join(format!("{stem}.pem"))).unwrap();
        scene.write(&format!("certificates/{stem}.example"), &certificate);
    }
    ["b.test", "x.wild.test", "unknown.test"]
}

#[test]
fn haproxy_with_a_folder() {
    let scene = Scene::new();
    let clients = fill(&scene);
    let text = format!("{HAPROXY}listen main\n  bind ADDRESS ssl crt FOLDER/certificates\n  server one BACKEND\n");
    scene.both("haproxy", &text, |addresses: &[SocketAddr]| names(addresses, 0, &clients));
}

#[test]
fn hitch_with_a_folder() {
    let scene = Scene::new();
    let clients = fill(&scene);
    let text = format!("{HITCH}frontend = \"[127.0.0.1]:PORT\"\npem-dir = \"FOLDER/certificates\"\n");
    scene.both("hitch", &text, |addresses: &[SocketAddr]| names(addresses, 0, &clients));
    let text = format!("{text}pem-dir-glob = \"w*\"\n");
    scene.both("hitch", &text, |addresses: &[SocketAddr]| names(addresses, 0, &clients));
}

#[test]
fn hitch_with_blocks_of_their_own() {
    let scene = Scene::new();
    let text = format!(
        "{HITCH}pem-file = \"FOLDER/a.pem\"\nfrontend = {{\n  host = \"127.0.0.1\"\n  port = \"PORT\"\n}}\nfrontend = {{\n  host = \"127.0.0.1\"\n  port = \"OTHER_PORT\"\n  pem-file = \"FOLDER/b.pem\"\n  tls-protos = TLSv1.2\n  ciphers = \"ECDHE-ECDSA-AES128-GCM-SHA256\"\n  sni-nomatch-abort = on\n}}\n"
    );
    scene.both("hitch", &text, |addresses: &[SocketAddr]| {
        [0, 1].map(|at| names(addresses, at, &["a.test", "b.test", "unknown.test"]))
    });
}
