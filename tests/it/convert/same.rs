//! Configurations that are run by their own program and by tlsgate: the same clients get the same certificate, version and
//! cipher from both.

use std::net::SocketAddr;

use super::scene::{Both, HAPROXY, HITCH, NGINX, STUNNEL, Scene};
use crate::support::tool;

/// What a client got: the serial of the certificate, the version and the cipher; empty texts where it was refused.
pub(super) type Got = [String; 3];

/// Options of `openssl s_client` for each client.
const CLIENTS: &[&[&str]] = &[
    &["-servername", "a.test"],
    &["-servername", "b.test"],
    &["-servername", "x.wild.test"],
    &["-servername", "unknown.test"],
    &["-noservername"],
    &["-servername", "a.test", "-tls1_2"],
    &["-servername", "b.test", "-tls1_3"],
    &["-servername", "a.test", "-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256"],
    &["-servername", "a.test", "-tls1_2", "-sigalgs", "RSA-PSS+SHA256"],
    &["-servername", "a.test", "-tls1_3", "-sigalgs", "RSA-PSS+SHA256"],
    &["-servername", "b.test", "-tls1_3", "-ciphersuites", "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384"],
];

/// What clients get of the program, and of tlsgate with what is converted, is the same. Returns the list.
fn compare(scene: &Scene, program: &str, text: &str) -> String {
    compare_for(CLIENTS, scene, program, text)
}

/// The same for some of the clients.
fn compare_for(clients: &[&[&str]], scene: &Scene, program: &str, text: &str) -> String {
    let all =
        |addresses: &[SocketAddr]| -> Vec<Got> { clients.iter().map(|options| got(addresses[0], options)).collect() };
    let Both { got, list } = scene.both(program, text, all);
    assert!(got.iter().any(|got| !got[0].is_empty()), "{program} serves nobody");
    list
}

/// What a client with these options of `openssl s_client` gets.
pub(super) fn got(address: SocketAddr, options: &[&str]) -> Got {
    let address = address.to_string();
    let all = [&["s_client", "-connect", &address], options].concat();
    let output = tool::run("openssl", &all, b"");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let serial = tool::run("openssl", &["x509", "-noout", "-serial"], &output.stdout);
    // "New, TLSv1.3, Cipher is TLS_AES_256_GCM_SHA384"; the version there is that of the cipher.
    let cipher = text.split("Cipher is ").nth(1).and_then(|rest| rest.split_whitespace().next()).unwrap_or_default();
    if cipher.is_empty() || cipher == "(NONE)" {
        return Default::default();
    }
    let version = if cipher.starts_with("TLS_") { "TLSv1.3" } else { "TLSv1.2" };
    [String::from_utf8(serial.stdout).unwrap().trim().to_owned(), version.to_owned(), cipher.to_owned()]
}

#[test]
fn haproxy_with_its_defaults() {
    let text = format!(
        "{HAPROXY}frontend main\n  bind ADDRESS ssl crt FOLDER/a.pem\n  default_backend b\nbackend b\n  server one BACKEND check\n"
    );
    compare(&Scene::new(), "haproxy", &text);
}

#[test]
fn haproxy_with_several_certificates_and_a_policy() {
    let global = "global\n  ssl-default-bind-options ssl-min-ver TLSv1.2\n  ssl-default-bind-ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384\n  ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256\n";
    let text = format!(
        "{global}{HAPROXY}listen main\n  bind ADDRESS ssl crt FOLDER/b.pem crt FOLDER/a.pem crt FOLDER/w.pem\n  server one BACKEND\n"
    );
    compare(&Scene::new(), "haproxy", &text);
}

#[test]
fn haproxy_that_serves_known_names_only() {
    let text = format!(
        "{HAPROXY}frontend main\n  bind ADDRESS ssl crt FOLDER/a.pem crt FOLDER/b.pem strict-sni no-tlsv13 ciphers HIGH:!aNULL\n  default_backend b\nbackend b\n  server one BACKEND\n"
    );
    compare(&Scene::new(), "haproxy", &text);
}

#[test]
fn nginx_with_two_kinds_of_keys() {
    let text = format!(
        "{NGINX}stream {{ server {{ listen ADDRESS ssl; ssl_certificate FOLDER/pairs/a.crt; ssl_certificate_key FOLDER/pairs/a.key; ssl_certificate FOLDER/pairs/e.crt; ssl_certificate_key FOLDER/pairs/e.key; ssl_protocols TLSv1.2 TLSv1.3; proxy_pass BACKEND; }} }}\n"
    );
    // In TLS 1.2 the order of a client's ciphers decides about nginx's key; tlsgate prefers ECDSA, and the list says so.
    let by_order = |options: &&&[&str]| options.iter().all(|option| !option.contains(":ECDHE-ECDSA"));
    let clients: Vec<&[&str]> = CLIENTS.iter().filter(by_order).copied().collect();
    assert_eq!(clients.len(), CLIENTS.len() - 1);
    let list = compare_for(&clients, &Scene::new(), "nginx", &text);
    assert!(list.contains("ssl_certificate"), "{list}");
}

#[test]
fn nginx_with_the_servers_order() {
    let text = format!(
        "{NGINX}stream {{\n  upstream b {{ least_conn; server BACKEND weight=2; }}\n  server {{ listen ADDRESS ssl; ssl_certificate FOLDER/a.pem; ssl_certificate_key FOLDER/a.pem; ssl_protocols TLSv1.2; ssl_ciphers ECDHE-RSA-AES256-GCM-SHA384:AES128-SHA; ssl_prefer_server_ciphers on; proxy_pass b; }}\n}}\n"
    );
    let list = compare(&Scene::new(), "nginx", &text);
    assert!(list.contains("AES128-SHA"), "{list}");
}

#[test]
fn stunnel_with_its_defaults() {
    let text = format!("{STUNNEL}[ldaps]\naccept = ADDRESS\nconnect = BACKEND\ncert = FOLDER/a.pem\n");
    compare(&Scene::new(), "stunnel", &text);
}

#[test]
fn stunnel_with_services_by_name() {
    let text = format!(
        "{STUNNEL}sslVersionMin = TLSv1.2\n[main]\naccept = ADDRESS\nconnect = BACKEND\ncert = FOLDER/a.pem\n[second]\nsni = main:b.test\nconnect = BACKEND\ncert = FOLDER/pairs/b.crt\nkey = FOLDER/pairs/b.key\n"
    );
    compare(&Scene::new(), "stunnel", &text);
}

#[test]
fn hitch_with_its_defaults() {
    let text = format!("{HITCH}frontend = {{ host = \"127.0.0.1\" port = \"PORT\" }}\npem-file = \"FOLDER/a.pem\"\n");
    compare(&Scene::new(), "hitch", &text);
}

#[test]
fn hitch_whose_last_certificate_is_the_default() {
    let text = format!(
        "{HITCH}frontend = {{\n  host = \"127.0.0.1\"\n  port = \"PORT\"\n}}\npem-file = \"FOLDER/a.pem\"\npem-file = \"FOLDER/w.pem\"\npem-file = \"FOLDER/b.pem\"\ntls-protos = TLSv1.2 TLSv1.3\nprefer-server-ciphers = on\n"
    );
    compare(&Scene::new(), "hitch", &text);
}

#[test]
fn nginx_that_passes_tls_through_by_name() {
    passes_through(
        "nginx",
        &format!(
            "{NGINX}stream {{\n  map $ssl_preread_server_name $b {{ a.test FIRST; b.test SECOND; default FIRST; }}\n  server {{ listen ADDRESS; ssl_preread on; proxy_pass $b; }}\n}}\n"
        ),
    );
}

#[test]
fn haproxy_that_passes_tls_through_by_name() {
    passes_through(
        "haproxy",
        &format!(
            "{HAPROXY}frontend main\n  bind ADDRESS\n  tcp-request inspect-delay 5s\n  tcp-request content accept if {{ req.ssl_hello_type 1 }}\n  use_backend second if {{ req.ssl_sni -i b.test }}\n  default_backend first\nbackend first\n  server one FIRST\nbackend second\n  server one SECOND\n"
        ),
    );
}

/// Two servers with certificates of their own, `FIRST` and `SECOND`.
fn passes_through(program: &str, text: &str) {
    let mut scene = Scene::new();
    let servers = [("FIRST", "a"), ("SECOND", "b")].map(|(word, stem)| {
        let server = scene.served(stem, scene.backend.address);
        scene.put(word, server.address("own"));
        server
    });
    compare(&scene, program, text);
    drop(servers);
}
