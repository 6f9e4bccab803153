//! What a route asks of its clients is its own, and the backend learns what the client showed.

use std::io::Read;

use serde_json::Value;

use super::VERSIONS;
use crate::routes::{config, pki, s_client};
use crate::support::by_hand::ByHand;
use crate::support::clients_pki::{ClientCa, Credentials, Kind};
use crate::support::proxy::Proxy;
use crate::support::reports;

fn arguments(shown: &Credentials) -> [String; 4] {
    ["-cert", shown.chain.to_str().unwrap(), "-key", shown.key.to_str().unwrap()].map(str::to_owned)
}

#[test]
fn a_route_asks_for_certificates_where_its_listener_does_not_and_the_other_way_round() {
    let (pki, backend) = (pki(), crate::routes::answers_once());
    let ca = ClientCa::new(pki.folder(), "client-ca");
    let good = arguments(&ca.issue("good", &Kind::default()));
    let good: Vec<&str> = good.iter().map(String::as_str).collect();
    let asks = "client_auth = { mode = \"require\", ca = \"client-ca.pem\" }";
    let plain = "client_auth = { mode = \"off\" }";
    let own = "certificates = [\"certs\"]\nbackend = \"plain\"";
    let name = "server_names = [\"a.main.test\"]";
    for (listener, route, asked) in [(plain, asks, "a.main.test"), (asks, plain, "main.test")] {
        let text = config(&format!("{own}\n{listener}"), &[&format!("{name}\n{route}")], &[("plain", backend.address)]);
        let proxy = Proxy::start(pki.folder(), &text);
        for version in VERSIONS {
            for name in ["main.test", "a.main.test"] {
                let bare = s_client(proxy.address("main"), Some(name), &pki.ca(), &[version]);
                let shown = s_client(proxy.address("main"), Some(name), &pki.ca(), &[&[version], &*good].concat());
                assert!(shown.contains("hello\n"), "{name}: {shown}");
                assert_eq!(reports::alert(&bare) == Some(116), name == asked, "{name}: {bare}");
                assert_eq!(bare.contains("hello\n"), name != asked, "{name}: {bare}");
            }
        }
        let records = proxy.records(8);
        let subjects = records.iter().filter(|record| record["tls.client.subject"] == "CN=alice").count();
        // OpenSSL sends a certificate only if the server asks for one.
        assert_eq!(subjects, 2, "{records:#?}");
    }
}

#[test]
fn a_route_without_its_own_asks_what_the_listener_asks() {
    let (pki, backend) = (pki(), crate::routes::answers_once());
    ClientCa::new(pki.folder(), "client-ca");
    let own =
        "certificates = [\"certs\"]\nbackend = \"plain\"\nclient_auth = { mode = \"require\", ca = \"client-ca.pem\" }";
    let text = config(own, &["server_names = [\"a.main.test\"]"], &[("plain", backend.address)]);
    let proxy = Proxy::start(pki.folder(), &text);
    let printed = s_client(proxy.address("main"), Some("a.main.test"), &pki.ca(), &[]);
    assert_eq!(reports::alert(&printed), Some(116), "{printed}");
    let record = proxy.record(|record| record["route"] == "a.main.test");
    assert_eq!(record["outcome"], "client_certificate_missing", "{record:#}");
    assert_eq!(record.get("tls.client.subject"), None::<&Value>);
}

#[test]
fn the_backend_gets_the_clients_common_name() {
    let (pki, hand) = (pki(), ByHand::new());
    let ca = ClientCa::new(pki.folder(), "client-ca");
    let good = arguments(&ca.issue("good", &Kind::default()));
    let good: Vec<&str> = good.iter().map(String::as_str).collect();
    let own =
        "certificates = [\"certs\"]\nbackend = \"hand\"\nclient_auth = { mode = \"optional\", ca = \"client-ca.pem\" }";
    let text = config(own, &[], &[("hand", hand.address)]) + "proxy_protocol = \"v2\"\n";
    let proxy = Proxy::start(pki.folder(), &text);
    // PP2_SUBTYPE_SSL_CN (0x22), with its length.
    let common_name = b"\x22\x00\x05alice";
    for (more, named) in [(&good[..], true), (&[][..], false)] {
        let to = proxy.address("main");
        let received = std::thread::scope(|scope| {
            scope.spawn(|| s_client(to, Some("main.test"), &pki.ca(), more));
            let mut server = hand.accept();
            let mut received = [0; 4096];
            let mut filled = 0;
            while !received[..filled].ends_with(b"hello\n") {
                filled += server.read(&mut received[filled..]).unwrap();
            }
            received[..filled].to_vec()
        });
        assert!(received.starts_with(b"\r\n\r\n\0\r\nQUIT\n"), "{received:?}");
        assert_eq!(received.windows(common_name.len()).any(|window| window == common_name), named, "{received:?}");
    }
}
