//! What is behind: servers with TLS, their order, PROXY headers.

use std::net::SocketAddr;

use super::observed::{behind, client, nobody, report, reporting};
use super::scene::{Both, HAPROXY, HITCH, NGINX, STUNNEL, Scene};
use crate::support::pki::{self_signed, write_private};

/// A header of version 1, as a proxy in front sends it.
const FROM: &[u8] = b"PROXY TCP4 192.0.2.1 198.51.100.2 50000 636\r\n";

const TLS: &str = "listen ADDRESS ssl; ssl_certificate FOLDER/a.pem; ssl_certificate_key FOLDER/a.pem; ssl_protocols TLSv1.2 TLSv1.3;";

/// What a client is told, by both the same.
fn told(scene: &Scene, program: &str, text: &str) -> Both<Option<String>> {
    let client = client(&scene.pki, None);
    scene.both(program, text, |addresses: &[SocketAddr]| report(addresses[0], &client, "a.test"))
}

/// What a client is told whose proxy sends a header, and one without a proxy.
fn told_behind(scene: &Scene, program: &str, text: &str) -> Both<[Option<String>; 2]> {
    let client = client(&scene.pki, None);
    scene.both(program, text, |addresses: &[SocketAddr]| {
        [FROM, b""].map(|before| behind(addresses[0], before, &client, "a.test"))
    })
}

fn haproxy(bind: &str, server: &str) -> String {
    format!(
        "{HAPROXY}frontend main\n  bind ADDRESS ssl crt FOLDER/a.pem {bind}\n  default_backend b\nbackend b\n  server one {server}\n"
    )
}

#[test]
fn haproxy_sends_and_reads_headers() {
    let text = haproxy("accept-proxy", "BACKEND send-proxy-v2");
    let Both { got, list } = told_behind(&Scene::with(reporting("one")), "haproxy", &text);
    assert_eq!(got, [Some("one v2 192.0.2.1\n".into()), None]);
    assert!(list.contains("trusted_proxies"), "{list}");
}

#[test]
fn nginx_sends_and_reads_headers() {
    let tls = TLS.replace(" ssl;", " ssl proxy_protocol;");
    let text = format!(
        "{NGINX}stream {{ server {{ {tls} set_real_ip_from 127.0.0.0/8; proxy_protocol on; proxy_pass BACKEND; }} }}\n"
    );
    let Both { got, .. } = told_behind(&Scene::with(reporting("one")), "nginx", &text);
    assert_eq!(got, [Some("one v1 192.0.2.1\n".into()), None]);
}

#[test]
fn stunnel_sends_headers() {
    let text = format!("{STUNNEL}[a]\naccept = ADDRESS\nconnect = BACKEND\ncert = FOLDER/a.pem\nprotocol = proxy\n");
    assert_eq!(told(&Scene::with(reporting("one")), "stunnel", &text).got, Some("one v1 127.0.0.1\n".into()));
}

#[test]
fn hitch_sends_headers() {
    for (word, header) in [("write-proxy-v2", "v2"), ("write-proxy-v1", "v1")] {
        let text = format!("{HITCH}frontend = \"[127.0.0.1]:PORT\"\npem-file = \"FOLDER/a.pem\"\n{word} = on\n");
        let got = told(&Scene::with(reporting("one")), "hitch", &text).got;
        assert_eq!(got, Some(format!("one {header} 127.0.0.1\n")));
    }
}

/// Runs both with a server of TLS (`SERVER`) whose certificate is for `b.test`, and with one whose certificate is of nobody.
fn verified(program: &str, text: &str) {
    for (stem, expected) in [("b", Some("one plain\n".to_owned())), ("nobody", None)] {
        let mut scene = Scene::with(reporting("one"));
        let (certificate, key) = self_signed("b.test", false, (-1, 90));
        write_private(&scene.pki.folder().join("nobody.pem"), &(certificate + &key));
        let server = scene.served(stem, scene.backend.address);
        scene.put("SERVER", server.address("own"));
        assert_eq!(told(&scene, program, text).got, expected, "{program}, {stem}");
    }
}

#[test]
fn haproxy_verifies_servers() {
    verified(
        "haproxy",
        &haproxy("", "SERVER ssl verify required ca-file FOLDER/ca.pem sni str(b.test) verifyhost b.test"),
    );
}

#[test]
fn nginx_verifies_servers() {
    let options = "proxy_ssl on; proxy_ssl_verify on; proxy_ssl_trusted_certificate FOLDER/ca.pem; proxy_ssl_name b.test; proxy_ssl_server_name on;";
    verified("nginx", &format!("{NGINX}stream {{ server {{ {TLS} proxy_pass SERVER; {options} }} }}\n"));
}

#[test]
fn servers_of_stunnel_that_is_a_client_are_listed() {
    let scene = Scene::with(reporting("one"));
    let text = format!(
        "{STUNNEL}[out]\nclient = yes\naccept = OTHER\nconnect = BACKEND\nCAfile = FOLDER/ca.pem\nverifyChain = yes\n[in]\naccept = ADDRESS\nconnect = BACKEND\ncert = FOLDER/a.pem\n"
    );
    let client = client(&scene.pki, None);
    let both = scene.both("stunnel", &text, |addresses: &[SocketAddr]| report(addresses[0], &client, "a.test"));
    let lines: Vec<&str> = both.list.lines().filter(|line| !line.contains(": note: ")).collect();
    assert!(matches!(&*lines, [one] if one.contains("[out]: a client service")), "{}", both.list);
}

#[test]
fn stunnel_takes_servers_in_their_order() {
    let mut scene = Scene::with(reporting("one"));
    let second = reporting("two");
    scene.put("SECOND", second.address);
    let text = format!("{STUNNEL}[a]\naccept = ADDRESS\nconnect = BACKEND\nconnect = SECOND\ncert = FOLDER/a.pem\n");
    let client = client(&scene.pki, None);
    let several = |addresses: &[SocketAddr]| [0; 4].map(|_| report(addresses[0], &client, "a.test"));
    let all = [0; 4].map(|_| Some("one plain\n".to_owned()));
    assert_eq!(scene.both("stunnel", &text, several).got, all);
}

#[test]
fn stunnel_takes_the_next_server_for_one_that_is_down() {
    let mut scene = Scene::with(reporting("one"));
    let (_socket, down) = nobody();
    scene.put("DOWN", down);
    let text = format!("{STUNNEL}[a]\naccept = ADDRESS\nconnect = DOWN\nconnect = BACKEND\ncert = FOLDER/a.pem\n");
    assert_eq!(told(&scene, "stunnel", &text).got, Some("one plain\n".into()));
}
