//! Every prefix of a configuration is read without a fault, and nothing is dropped silently.

use std::path::Path;

use super::ciphers;
use super::disk::Nothing;
use super::list::Weight;
use super::peer::Peer;
use super::*;

const HAPROXY: &str = "global
  ssl-default-bind-ciphers HIGH:!aNULL
defaults
  mode tcp
  timeout client 1h
frontend f
  bind :443,[::]:443 ssl crt /a.pem alpn h2,http/1.1 ca-file \"/ca.pem\" verify required
  acl b ssl_fc_sni -i b.test
  tcp-request connection reject if { src 10.0.0.0/8 }
  use_backend two if b or { ssl_fc_sni -m end .c.test }
  default_backend one
backend one
  server a 10.0.0.1:389 check weight 2
backend two
  server a two.internal:389 backup
";

const NGINX: &str = "events { }
stream {
  upstream b { server 10.0.0.1:389 weight=2; server c.internal:389 backup; }
  map $ssl_preread_server_name $to { hostnames; default b; a.test 10.0.0.2:443; *.b.test b; ~x b; }
  server { listen 443 ssl; ssl_certificate \"/a.crt\"; ssl_certificate_key /a.key; allow 10.0.0.0/8; deny all; proxy_pass b; }
  server { listen 8443; ssl_preread on; proxy_pass $to; }
}
";

const STUNNEL: &str = "; a comment
sslVersionMin = TLSv1.2
[ldaps]
accept = 636
connect = 389
cert = /a.pem
CAfile = /ca.pem
verify = 2
[other]
sni = ldaps:b.test
connect = 10.0.0.1:389
cert = /b.pem
";

const HITCH: &str = "frontend = { host = \"*\" port = \"443\" }
pem-file = \"/a.pem\"
pem-file = { cert = \"/b.crt\" private-key = \"/b.key\" }
backend = \"[10.0.0.1]:389\"
tls-protos = TLSv1.1 TLSv1.2 # old
write-proxy-v2 = on
";

const ALL: [(Peer, &str); 4] =
    [(Peer::Haproxy, HAPROXY), (Peer::Nginx, NGINX), (Peer::Stunnel, STUNNEL), (Peer::Hitch, HITCH)];

fn converted(peer: Peer, text: &str) -> Converted {
    convert(peer, text, "their.conf", Path::new("/etc/their"), &Nothing)
}

#[test]
fn every_prefix_is_read_and_what_is_written_is_valid() {
    for (peer, text) in ALL {
        for end in (0..=text.len()).filter(|end| text.is_char_boundary(*end)) {
            let Converted { text: written, .. } = converted(peer, &text[..end]);
            if !written.is_empty() {
                let read = crate::config::parse(&written, Path::new("/"));
                assert!(read.is_ok(), "{:?}\n{}\n{written}", read.err(), &text[..end]);
            }
        }
    }
}

#[test]
fn a_configuration_shows_whose_it_is() {
    for (peer, text) in ALL {
        assert_eq!(Peer::of(text), Some(peer));
    }
    assert_eq!(Peer::of("hello\n"), None);
}

#[test]
fn what_is_taken_over_is_written() {
    let has = |peer, text: &str, parts: &[&str]| {
        let written = converted(peer, text).text;
        for part in parts {
            assert!(written.contains(part), "{part} is not in\n{written}");
        }
    };
    let haproxy = [
        "listen = [\"0.0.0.0:443\", \"[::]:443\"]",
        "deny = [\"10.0.0.0/8\"]",
        "server_names = [\"*.c.test\"]",
        "mode = \"require\"",
        "{ address = \"10.0.0.1:389\", weight = 2 }",
        "{ address = \"dns:two.internal:389\", backup = true }",
    ];
    has(Peer::Haproxy, HAPROXY, &haproxy);
    has(Peer::Nginx, NGINX, &["allow = [\"10.0.0.0/8\"]", "server_names = [\"*.b.test\"]", "mode = \"passthrough\""]);
    has(Peer::Stunnel, STUNNEL, &["listen = [\"0.0.0.0:636\"]", "server_names = [\"b.test\"]", "ca = [\"/ca.pem\"]"]);
    has(
        Peer::Hitch,
        HITCH,
        &["key = \"/b.key\", default = true", "proxy_protocol = \"v2\"", "versions = [\"TLSv1.2\"]"],
    );
}

#[test]
fn what_nobody_knows_is_in_the_list() {
    for (peer, text, line) in [
        (Peer::Haproxy, "frontend f\n  frobnicate 7\n", 2),
        (Peer::Nginx, "stream { server { listen 1 ssl;\nfrobnicate 7; } }", 2),
        (Peer::Stunnel, "[a]\nfrobnicate = 7\n", 2),
        (Peer::Hitch, "\nfrobnicate = 7\n", 2),
    ] {
        let left = converted(peer, text).left;
        let found = left.iter().find(|left| left.text.contains("frobnicate"));
        assert!(found.is_some_and(|found| found.line.number == line && found.weight == Weight::Lost), "{left:?}");
    }
}

#[test]
fn times_of_a_section_of_haproxy_replace_those_of_its_defaults() {
    let text = "defaults\n  timeout client 1m\n  timeout server 2m\n  timeout client-fin 5s\nfrontend f\n  timeout client 5m\n  timeout client-fin 9s\n  bind 127.0.0.1:443 ssl crt a.pem\n  default_backend b\nbackend b\n  timeout server 7m\n  server s 127.0.0.1:80\n";
    let Converted { text, left } = converted(Peer::Haproxy, text);
    assert!(text.contains("idle_timeout = \"2m\"") && text.contains("half_close_timeout = \"9s\""), "{text}");
    assert!(left.iter().any(|left| left.text == "timeout server 7m" && left.weight == Weight::Lost), "{left:?}");
}

#[test]
fn cipher_strings_are_followed_as_openssl_does() {
    let suites = |text: &str| ciphers::selected(text).suites.join(":");
    let [e256, r256, ec, rc, e128, r128] = [
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305",
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
    ];
    for (text, expected) in [
        ("DEFAULT", vec![e256, r256, ec, rc, e128, r128]),
        ("HIGH:!aNULL:!MD5", vec![e256, r256, ec, rc, e128, r128]),
        ("EECDH+AESGCM:EDH+AESGCM", vec![e256, r256, e128, r128]),
        ("ECDHE+CHACHA20:ECDHE+AES128:!ECDSA", vec![rc, r128]),
        ("ALL:-AES256:+ECDSA", vec![rc, r128, ec, e128]),
        ("AES128-SHA:ECDHE-RSA-AES128-GCM-SHA256", vec![r128]),
        ("!AESGCM:ALL", vec![ec, rc]),
        ("ECDHE-RSA-AES128-GCM-SHA256:HIGH:@STRENGTH", vec![e256, r256, ec, rc, r128, e128]),
    ] {
        assert_eq!(suites(text), expected.join(":"), "{text}");
    }
    let refused = ciphers::selected("AES128-SHA:FOO");
    assert_eq!(refused.refused[0].0, "AES128-SHA");
    assert_eq!(refused.unknown, ["FOO"]);
}
