//! Client certificates: accepted, of another CA, and missing.

use std::net::SocketAddr;

use super::observed::{client, report, reporting};
use super::scene::{Both, HAPROXY, HITCH, NGINX, STUNNEL, Scene};
use crate::support::clients_pki::{ClientCa, Kind};

/// Runs both with the CA `FOLDER/clients.pem`: what a client with a certificate of it gets, one with a certificate of another
/// CA, and one without.
fn compare(program: &str, text: &str) -> Both<[Option<String>; 3]> {
    let scene = Scene::with(reporting("backend"));
    let folder = scene.pki.folder();
    let kind = Kind::default();
    let known = ClientCa::new(folder, "clients").issue("known", &kind);
    let unknown = ClientCa::new(folder, "strangers").issue("unknown", &kind);
    let clients = [Some(&known), Some(&unknown), None].map(|own| client(&scene.pki, own));
    scene.both(program, text, |addresses: &[SocketAddr]| {
        [&clients[0], &clients[1], &clients[2]].map(|client| report(addresses[0], client, "a.test"))
    })
}

fn accepted() -> Option<String> {
    Some("backend plain\n".into())
}

#[test]
fn haproxy_requires_them() {
    let text = format!(
        "{HAPROXY}frontend main\n  bind ADDRESS ssl crt FOLDER/a.pem ca-file FOLDER/clients.pem verify required\n  default_backend b\nbackend b\n  server one BACKEND\n"
    );
    assert_eq!(compare("haproxy", &text).got, [accepted(), None, None]);
}

#[test]
fn haproxy_asks_for_them() {
    let text = format!(
        "{HAPROXY}frontend main\n  bind ADDRESS ssl crt FOLDER/a.pem verify optional ca-file FOLDER/clients.pem\n  default_backend b\nbackend b\n  server one BACKEND\n"
    );
    assert_eq!(compare("haproxy", &text).got, [accepted(), None, accepted()]);
}

#[test]
fn nginx_requires_them() {
    assert_eq!(nginx("on"), [accepted(), None, None]);
}

#[test]
fn nginx_asks_for_them() {
    assert_eq!(nginx("optional"), [accepted(), None, accepted()]);
}

fn nginx(verify: &str) -> [Option<String>; 3] {
    let text = format!(
        "{NGINX}stream {{ server {{ listen ADDRESS ssl; ssl_certificate FOLDER/a.pem; ssl_certificate_key FOLDER/a.pem; ssl_protocols TLSv1.2 TLSv1.3; ssl_verify_client {verify}; ssl_client_certificate FOLDER/clients.pem; proxy_pass BACKEND; }} }}\n"
    );
    compare("nginx", &text).got
}

#[test]
fn stunnel_verifies_their_chain() {
    assert_eq!(stunnel("CAfile = FOLDER/clients.pem\nverifyChain = yes\n").got, [accepted(), None, None]);
}

#[test]
fn stunnel_verifies_their_chain_and_does_not_require_them() {
    let options = "CAfile = FOLDER/clients.pem\nverifyChain = yes\nrequireCert = no\n";
    assert_eq!(stunnel(options).got, [accepted(), None, accepted()]);
}

#[test]
fn stunnel_verifies_the_certificates_themselves() {
    let Both { got, list } = stunnel("CAfile = FOLDER/known.crt\nverifyPeer = yes\n");
    assert_eq!(got, [accepted(), None, None]);
    assert!(list.contains("security: verifyPeer"), "{list}");
}

fn stunnel(options: &str) -> Both<[Option<String>; 3]> {
    compare(
        "stunnel",
        &format!("{STUNNEL}[ldaps]\naccept = ADDRESS\nconnect = BACKEND\ncert = FOLDER/a.pem\n{options}"),
    )
}

#[test]
fn hitch_requires_them() {
    assert_eq!(hitch("required"), [accepted(), None, None]);
}

#[test]
fn hitch_asks_for_them() {
    assert_eq!(hitch("optional"), [accepted(), None, accepted()]);
}

fn hitch(verify: &str) -> [Option<String>; 3] {
    let text = format!(
        "{HITCH}frontend = {{ host = \"127.0.0.1\" port = \"PORT\" }}\npem-file = \"FOLDER/a.pem\"\nclient-verify = {verify}\nclient-verify-ca = \"FOLDER/clients.pem\"\n"
    );
    compare("hitch", &text).got
}
