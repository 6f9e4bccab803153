//! What is listed of connections: each fact, each filter, and pages.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;

use super::{PATH, greet, list, stage, wait_for};
use crate::support::by_hand::ByHand;
use crate::support::client::{Client, Tls, connect};
use crate::support::clients_pki::{ClientCa, Credentials, Kind};
use crate::support::http::Door;
use crate::support::proxy::Proxy;
use crate::support::stage::{Lines, NAME, certified, config};

/// A client of that CA with a certificate of its own.
fn presenting(ca: &std::path::Path, Credentials { chain, key }: &Credentials) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
    let chain = CertificateDer::pem_file_iter(chain).unwrap().map(Result::unwrap).collect();
    let config = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(key).unwrap())
        .unwrap();
    Arc::new(config)
}

#[test]
fn every_fact_is_shown_and_every_filter_finds_it() {
    let (pki, backend) = (certified(), ByHand::new());
    let ca = ClientCa::new(pki.folder(), "client-ca");
    let shown = ca.issue("operator", &Kind::default());
    let top = "[admin]\nlisten=\"unix:admin.sock\"\n";
    let listener = format!("client_auth = {{ mode = \"require\", ca = {:?} }}", ca.file().to_str().unwrap());
    let written = config(&[backend.address], Lines { top, listener: &listener, backend: "" });
    let proxy = Proxy::start(pki.folder(), &written);
    let door = Door::unix(pki.folder());
    let mut client = Client::silent(proxy.address("main"), &presenting(&pki.ca(), &shown), NAME);
    client.handshake().unwrap();
    let mut server = backend.accept();
    greet(&mut client, &mut server);
    // Another one, which has sent nothing: no filter may find it.
    let _silent = connect(proxy.address("main"));
    wait_for(&door, "", 2);
    let one = list(&door, "listener=main").remove(0);
    let port = client.port();
    assert_eq!(one["client"], format!("127.0.0.1:{port}"));
    for (key, expected) in [
        ("listener", "main"),
        ("route", "default"),
        ("mode", "terminate"),
        ("server_name", NAME),
        ("version", "TLSv1.3"),
        ("backend", "servers"),
    ] {
        assert_eq!(one[key], expected, "{one}");
    }
    assert_eq!(one["server"], backend.address.to_string());
    assert_eq!((&one["received_bytes"], &one["sent_bytes"], &one["closing"]), (&1.into(), &1.into(), &Value::Null));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (certificate, presented) = (&one["certificate"], &one["client_certificate"]);
    let served = door.get("/api/v1/certificates").json();
    assert_eq!(certificate["sha256"], served["certificates"][0]["sha256"]);
    let queries = [
        format!("id={}", text(&one["id"])),
        format!("route={}", text(&one["route"])),
        format!("client=127.0.0.1&backend={}", text(&one["backend"])),
        format!("client=127.0.0.0%2F8&server={}", text(&one["server"])),
        "server_name=MAIN.test".to_owned(),
        format!("certificate={}", text(&certificate["certificate"])),
        format!("certificate={}", text(&certificate["sha256"]).to_uppercase()),
        format!("client_certificate={}", text(&presented["subject"]).replace(' ', "%20")),
        format!("client_certificate={}", text(&presented["pin"])),
    ];
    for query in queries {
        assert_eq!(wait_for(&door, &query, 1)[0]["id"], one["id"], "{query}");
    }
    for query in
        ["listener=other", "client=127.0.0.2", "server_name=-&backend=servers", "older_than=1h", "server=127.0.0.1:1"]
    {
        assert!(list(&door, query).is_empty(), "{query}");
    }
    assert_eq!(list(&door, "older_than=0s").len(), 2);
    drop(client);
    let record = proxy.record(|record| record["client.port"] == port);
    assert_eq!(record["connection.id"], one["id"], "it is the id in the log");
}

#[test]
fn what_is_wrong_in_a_query_is_named() {
    let backend = ByHand::new();
    let stage = stage(&backend, "", "");
    for (query, expected) in [
        ("limit=0", "limit: found \"0\", expected a number from 1 to 1000"),
        ("after=9", "after: found \"9\", expected the value of \"next\" from the page before"),
        ("after=00000000-00000001", "after: found an id of another process"),
        ("port=9", "unknown parameter \"port\" (expected one of id, listener, route, client, "),
        ("older_than=9", "older_than: found \"9\", expected a duration"),
        ("server=main", "server: found \"main\", expected an address with a port"),
        ("id=%ff", "id: found \"%ff\", expected a name and a value in UTF-8"),
        ("limit=+5", "limit: found \"+5\", expected a number from 1 to 1000"),
        ("client=::ffff:0:0%2F90", "client: found \"::ffff:0:0/90\", expected an IP address or a prefix"),
        ("route=", "route: found \"\", expected a value"),
    ] {
        let answer = stage.door().get(&format!("{PATH}?{query}"));
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.error().contains(expected), "{query}: {}", answer.error());
    }
    let answer = stage.door().ask("POST", PATH, &[], "");
    assert_eq!(answer.status, 405);
    assert!(answer.head.contains("allow: get, head, delete"), "{answer:?}");
}

#[test]
fn bytes_are_counted_while_they_move() {
    let backend = ByHand::new();
    let stage = stage(&backend, "", "");
    let (mut client, mut server) = stage.joined(&backend, Tls::V12);
    for round in 1..=3 {
        greet(&mut client, &mut server);
        let one = list(&stage.door(), "").remove(0);
        assert_eq!((&one["received_bytes"], &one["sent_bytes"]), (&round.into(), &round.into()));
    }
}
