//! Values that the peers accept and tlsgate does not: what is written is valid, and the list has them.

use std::path::Path;

use crate::convert::disk::Nothing;
use crate::convert::peer::Peer;
use crate::convert::{Converted, convert};

/// Converts it, and checks that the result is valid.
fn valid(peer: Peer, text: &str) -> (String, String) {
    let Converted { text: written, left } = convert(peer, text, "their.conf", Path::new("/etc/their"), &Nothing);
    let read = crate::config::parse(&written, Path::new("/"));
    assert!(written.is_empty() || read.is_ok(), "{:?}\n{text}\n{written}", read.err());
    let left: Vec<String> = left.iter().map(ToString::to_string).collect();
    (written, left.join("\n"))
}

/// Each of these is in the list.
fn listed(peer: Peer, text: &str, found: &str) {
    let (_, list) = valid(peer, text);
    assert!(list.contains(found), "{found} is not in\n{list}\n{text}");
}

#[test]
fn values_of_haproxy() {
    let text = |bind: &str, front: &str, back: &str, server: &str| {
        format!(
            "frontend f\n  mode tcp\n  bind 127.0.0.1:443 ssl crt a.pem {bind}\n  default_backend b\n  {front}\nbackend b\n  {back}\n  server s 127.0.0.1:80 {server}\n"
        )
    };
    for (bind, found) in [
        ("mode 888", "socket_mode 0888"),
        ("maxconn 0", "max_connections 0"),
        ("maxconn 99999999999", "max_connections 99999999999"),
        ("alpn acme-tls/1", "acme-tls/1"),
    ] {
        listed(Peer::Haproxy, &text(bind, "", "", ""), found);
    }
    for (front, found) in [
        ("bind 127.0.0.1:443 ssl crt b.pem", "127.0.0.1:443"),
        ("use_backend b if { ssl_fc_alpn h2 }\n  use_backend b if { ssl_fc_alpn h2 }", "h2"),
    ] {
        listed(Peer::Haproxy, &text("", front, "", ""), found);
    }
    for (back, server, found) in [
        ("server t 127.0.0.1:80", "", "127.0.0.1:80"),
        ("option httpchk GET x", "check", "x: expected a path"),
        ("option httpchk G{T /", "check", "G{T: expected a method"),
        ("option httpchk\n  http-check expect status 999", "check", "999: expected a status"),
        ("option httpchk\n  http-check expect status 200,2xx", "check", "2xx: expected a status"),
        ("option httpchk\n  http-check send hdr Host \"a b\"", "check", "a b: expected a host name"),
        ("", "check rise 0", "rise 0"),
        ("", "check fall 9999999999", "fall 9999999999"),
        ("", "check port 70000", "port 70000"),
        ("", "maxconn 99999999999", "99999999999 connections"),
        ("", "weight 0", "its weight is 0"),
        ("", "ssl verify required ca-file store:x", "security: store:x: tlsgate reads this from files of PEM only"),
        ("", "ssl verify required ca-file c.pem verifyhost a.test crt pkcs11:token=T", "security: pkcs11:token=T"),
        (
            "server t 127.0.0.2:80 ssl verify required ca-file c.pem",
            "ssl verify required ca-file c.pem",
            "backend b: server_name: tlsgate verifies one name for all servers",
        ),
        ("", "ssl verify required ca-file c.pem verifyhost *.a.test", "*.a.test: expected a DNS name"),
    ] {
        listed(Peer::Haproxy, &text("", "", back, server), found);
    }
    let (written, _) =
        valid(Peer::Haproxy, &text("", "", "option httpchk\n  http-check expect status 0200,0300-0399", "check"));
    assert!(written.contains("status = [200, \"300-399\"]"), "{written}");
    let (written, _) = valid(Peer::Haproxy, &text("", "", "retries 18446744073709551615", ""));
    assert!(written.contains("connect_attempts = 10"), "{written}");
    let (written, _) = valid(Peer::Haproxy, &text("alpn h2,http/1.1,h2", "", "", ""));
    assert!(written.contains("alpn = [\"h2\", \"http/1.1\"]"), "{written}");
}

#[test]
fn values_of_nginx() {
    let verified = "proxy_ssl on; proxy_ssl_verify on; proxy_ssl_trusted_certificate c.pem;";
    for (more, found) in [
        ("ssl_session_ticket_key k;", "not taken over: ssl_session_ticket_key k"),
        ("ssl_session_timeout 30d;", "seven days"),
        ("ssl_alpn h2 '';", "alpn \"\""),
        (&*format!("{verified} proxy_ssl_name $x;"), "security: $x: expected a DNS name"),
        (&*format!("{verified} proxy_ssl_certificate c.pem;"), "security: a certificate for servers needs its key"),
        (&*format!("{verified} proxy_ssl_certificate $x;"), "security: proxy_ssl_certificate $x"),
        ("ssl_password_file one;", "first line"),
        ("listen 127.0.0.1:444 ssl backlog=9;", "backlog=9"),
    ] {
        let server = format!(
            "listen 127.0.0.1:443 ssl; ssl_certificate a.pem; ssl_certificate_key a.pem; proxy_pass 127.0.0.1:80; {more}"
        );
        listed(Peer::Nginx, &format!("stream {{ server {{ {server} }} }}"), found);
    }
}

#[test]
fn the_tries_of_nginx() {
    for (tries, written) in [("3", Some(3)), ("18446744073709551615", Some(10)), ("0", None)] {
        let server = "listen 443 ssl; ssl_certificate a.pem; ssl_certificate_key a.pem; proxy_pass 127.0.0.1:80;";
        let (text, _) =
            valid(Peer::Nginx, &format!("stream {{ server {{ {server} proxy_next_upstream_tries {tries}; }} }}"));
        let expected = written.map(|tries| format!("connect_attempts = {tries} "));
        assert!(expected.map_or(!text.contains("connect_attempts"), |line| text.contains(&line)), "{text}");
    }
}

#[test]
fn servers_of_nginx_that_refuse_all_names_but_those_of_others() {
    let (written, _) = valid(
        Peer::Nginx,
        "stream { server { listen 443 ssl; ssl_reject_handshake on; }\nserver { listen 443 ssl; server_name a.test; ssl_certificate a.pem; ssl_certificate_key a.pem; proxy_pass 127.0.0.1:80; } }",
    );
    assert!(written.contains("mode = \"reject\"") && written.contains("server_names = [\"a.test\"]"), "{written}");
}

#[test]
fn values_of_stunnel_and_hitch() {
    let stunnel = "[a]\naccept = 127.0.0.1:443\nconnect = 127.0.0.1:80\ncert = a.pem\n";
    for (more, found) in [
        ("sessionCacheTimeout = 9999999", "seven days"),
        ("verifyChain = yes\nCAfile = c.pem\ncheckEmail = foo", "security: email:foo"),
        ("cert = a.p12", "a.p12: tlsgate reads PEM"),
        ("key = pkcs11:token=T", "pkcs11:token=T"),
        ("requireCert = yes\nCAfile = c.pem", "security: requireCert"),
        ("connect = 127.0.0.1:80", "127.0.0.1:80"),
        ("[b]\naccept = 127.0.0.1:443\nconnect = 81\ncert = a.pem", "127.0.0.1:443"),
    ] {
        listed(Peer::Stunnel, &format!("{stunnel}{more}\n"), found);
    }
    for (failover, balance) in [("", "first"), ("failover = prio\n", "first"), ("failover = rr\n", "round_robin")] {
        let (written, _) = valid(Peer::Stunnel, &format!("{stunnel}connect = 81\n{failover}"));
        assert!(written.contains(&format!("balance = \"{balance}\"")), "{written}");
    }
    let (_, list) = valid(Peer::Stunnel, &format!("{stunnel}ticketKeySecret = 0123\n"));
    assert!(list.contains("ticketkeysecret") && !list.contains("0123"), "{list}");
    let (written, _) = valid(Peer::Stunnel, &format!("{stunnel}{}", stunnel.replace("443", "444")));
    assert!(written.contains("[backend.a-2]"), "{written}");
    let hitch = "frontend = \"[127.0.0.1]:443\"\nbackend = \"[127.0.0.1]:80\"\npem-file = \"a.pem\"\n";
    listed(Peer::Hitch, &format!("{hitch}frontend = \"[127.0.0.1]:443\"\n"), "127.0.0.1:443");
    let (written, _) = valid(Peer::Hitch, &format!("{hitch}pem-file = \"\"\nalpn-protos = \"h2,,h2\"\n"));
    assert!(
        written.contains("alpn = [\"h2\"]") && written.contains("certificates = [\"/etc/their/a.pem\"]"),
        "{written}"
    );
}

#[test]
fn clients_are_refused_where_whom_to_trust_cannot_be_read() {
    let haproxy = |bind: &str| {
        format!(
            "global\n  ca-base /ca\nfrontend f\n  mode tcp\n  bind 127.0.0.1:443 ssl crt a.pem {bind}\n  default_backend b\nbackend b\n  server s 127.0.0.1:80\n"
        )
    };
    for (bind, found) in [
        ("verify required ca-file store:x", "security: store:x"),
        ("verify required ca-file data:abc", "security: data:abc"),
        ("verify optional ca-file c.p12", "security: /ca/c.p12"),
        ("verify required ca-file c.pem crl-file store:x", "security: store:x"),
    ] {
        let (written, list) = valid(Peer::Haproxy, &haproxy(bind));
        assert!(written.is_empty() && list.contains(found), "{found} is not in\n{list}\n{written}");
    }
    let (written, _) = valid(Peer::Haproxy, &haproxy("verify required ca-file c.pem ca-verify-file store:x"));
    assert!(written.contains("ca = [\"/ca/c.pem\"]"), "{written}");
    for (peer, text) in [
        (
            Peer::Stunnel,
            "[a]\naccept = 127.0.0.1:443\nconnect = 127.0.0.1:80\ncert = a.pem\nverifyChain = yes\nCAfile = store:x\n",
        ),
        (
            Peer::Nginx,
            "stream { server { listen 127.0.0.1:443 ssl; ssl_certificate a.pem; ssl_certificate_key a.pem; ssl_verify_client on; ssl_client_certificate store:x; proxy_pass 127.0.0.1:80; } }",
        ),
        (
            Peer::Nginx,
            "stream { server { listen 127.0.0.1:443 ssl; ssl_certificate a.pem; ssl_certificate_key a.pem; proxy_pass 127.0.0.1:80; proxy_ssl on; proxy_ssl_verify on; proxy_ssl_trusted_certificate store:x; } }",
        ),
    ] {
        let (written, list) = valid(peer, text);
        assert!(written.is_empty() && list.contains("security: store:x"), "{list}\n{written}");
    }
}

#[test]
fn a_service_that_refuses_what_no_route_takes_has_no_certificates() {
    let route = "[b]\nsni = a:b.test\ncert = b.pem\nconnect = 81\n";
    for own in ["connect = 80\nverifyChain = yes\nCAfile = c.pem\ncheckEmail = foo\n", "connect = nowhere\n"] {
        let (written, _) = valid(Peer::Stunnel, &format!("[a]\naccept = 127.0.0.1:443\ncert = a.pem\n{own}{route}"));
        assert!(written.contains("mode = \"reject\"") && !written.contains("a.pem"), "{written}");
    }
}
