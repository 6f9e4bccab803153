//! Application protocols: which are agreed on, which are refused, and that no route is taken by accident.

use super::{OWN, answers_once, pki, s_client, start};
use crate::support::backend::Backend;
use crate::support::proxy::Proxy;
use crate::support::{reports, tool};

#[test]
fn the_servers_order_counts_and_clients_without_alpn_are_served() {
    let (pki, plain) = (pki(), answers_once());
    let proxy = start(&pki, &format!("{OWN}\nalpn = [\"h2\", \"postgresql\"]"), &[], &[("plain", plain.address)]);
    let to = proxy.address("main");
    for version in ["-tls1_2", "-tls1_3"] {
        let cases = [("postgresql,h2", Some("h2")), ("x,postgresql", Some("postgresql")), ("", None)];
        for (offered, agreed) in cases {
            let alpn = if offered.is_empty() { vec![version] } else { vec![version, "-alpn", offered] };
            let printed = s_client(to, Some("main.test"), &pki.ca(), &alpn);
            assert!(reports::protocol(&printed) == agreed && reports::verified(&printed), "{printed}");
        }
        let printed = s_client(to, Some("main.test"), &pki.ca(), &[version, "-alpn", "imap,x"]);
        assert_eq!(reports::alert(&printed), Some(120), "{printed}");
    }
    let (host, port) = (to.ip().to_string(), to.port().to_string());
    let arguments =
        ["--x509cafile", pki.ca().to_str().unwrap(), "--sni-hostname", "main.test", "--port", &port].map(str::to_owned);
    let gnutls = |protocol: &str| {
        let more = ["--verify-hostname", "main.test", "--alpn", protocol, &host].map(str::to_owned);
        let all: Vec<String> = arguments.iter().cloned().chain(more).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        tool::shown(&tool::run("gnutls-cli", &all, b"hello\n"))
    };
    let printed = gnutls("postgresql");
    assert_eq!(reports::protocol(&printed), Some("postgresql"), "{printed}");
    let printed = gnutls("imap");
    assert_eq!(reports::alert(&printed), Some(120), "{printed}");

    let records = proxy.records(10);
    let count = |test: &dyn Fn(&serde_json::Value) -> bool| records.iter().filter(|record| test(record)).count();
    assert_eq!(count(&|record| record["tls.next_protocol"] == "h2"), 2, "{records:#?}");
    assert_eq!(count(&|record| record["tls.next_protocol"] == "postgresql"), 3, "{records:#?}");
    assert_eq!(count(&|record| record["outcome"] == "no_common_protocol"), 3, "{records:#?}");
    assert_eq!(count(&|record| record["tls.client.alpn"] == "\"imap\",\"x\""), 2, "{records:#?}");
}

#[test]
fn where_no_protocol_is_asked_for_none_is_agreed_on() {
    let (pki, plain) = (pki(), answers_once());
    let proxy = start(&pki, OWN, &[], &[("plain", plain.address)]);
    let printed = s_client(proxy.address("main"), Some("main.test"), &pki.ca(), &["-alpn", "h2,imap"]);
    assert!(reports::protocol(&printed).is_none() && reports::verified(&printed), "{printed}");
}

#[test]
fn a_route_is_chosen_by_the_protocol_that_the_client_likes_best() {
    let (pki, plain) = (pki(), answers_once());
    let answering =
        |word: &'static str| Backend::start(move |mut stream| std::io::Write::write_all(&mut stream, word.as_bytes()));
    let (http, imap) = (answering("from http"), answering("from imap"));
    let routes = [
        "server_names = [\"main.test\"]\nclient_alpn = [\"h2\", \"http/1.1\"]\nbackend = \"http\"",
        "client_alpn = [\"imap\"]\nbackend = \"imap\"",
    ];
    let backends = [("plain", plain.address), ("http", http.address), ("imap", imap.address)];
    let proxy = start(&pki, OWN, &routes, &backends);
    let cases = [
        ("main.test", "http/1.1", "http", Some("http/1.1")),
        ("main.test", "imap,h2", "http", Some("h2")),
        ("main.test", "imap", "imap", Some("imap")),
        ("a.main.test", "h2,imap", "imap", Some("imap")),
        ("a.main.test", "h2", "hello", None),
    ];
    for (name, offered, from, agreed) in cases {
        let printed = s_client(proxy.address("main"), Some(name), &pki.ca(), &["-alpn", offered]);
        assert!(printed.contains(from) && reports::protocol(&printed) == agreed, "{name} {offered}: {printed}");
    }
}

#[test]
fn a_challenge_of_a_certificate_authority_goes_nowhere_unless_a_route_asks_for_it() {
    let (pki, plain, touched) = (pki(), answers_once(), answers_once());
    let passes = "server_names = [\"main.test\", \"pass.test\"]\nmode = \"passthrough\"\nbackend = \"passed\"";
    let backends = [("plain", plain.address), ("passed", touched.address)];
    let offered = ["-alpn", "acme-tls/1"];
    let refused = |proxy: &Proxy, name: &str| {
        for offered in ["acme-tls/1", "h2,acme-tls/1"] {
            let printed = s_client(proxy.address("main"), Some(name), &pki.ca(), &["-alpn", offered]);
            assert_eq!(reports::alert(&printed), Some(120), "{name} {offered}: {printed}");
        }
    };
    let proxy = start(&pki, OWN, &[passes], &backends);
    for name in ["main.test", "pass.test", "other.test"] {
        refused(&proxy, name);
    }
    let records = proxy.records(6);
    assert!(records.iter().all(|record| record["outcome"] == "no_common_protocol"), "{records:#?}");
    assert!(records.iter().all(|record| record.get("backend").is_none()), "{records:#?}");
    drop(proxy);
    let asks =
        "server_names = [\"pass.test\"]\nclient_alpn = [\"acme-tls/1\"]\nmode = \"passthrough\"\nbackend = \"passed\"";
    let proxy = start(&pki, OWN, &[passes, asks], &backends);
    refused(&proxy, "main.test");
    s_client(proxy.address("main"), Some("pass.test"), &pki.ca(), &offered);
    let record = proxy.record(|record| record["mode"] == "passthrough");
    assert_eq!((&record["route"], &record["backend"]), (&"pass.test".into(), &"passed".into()), "{record:#}");
}
