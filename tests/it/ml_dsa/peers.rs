//! Certificates of clients and of backends with ML-DSA keys, in both directions.

use std::fs;

use serde_json::{Value, json};

use super::{NAME, SETS, config, write};
use crate::support::backend::Backend;
use crate::support::http::Door;
use crate::support::node;
use crate::support::pki::{Extra, Key, Pki};
use crate::support::procfs::eventually;
use crate::support::proxy::Proxy;

fn client_extra() -> Extra {
    Extra { client: true, common_name: Some("alice".into()), ..Extra::default() }
}

#[test]
fn clients_prove_who_they_are_with_ml_dsa_in_tls_1_3() {
    for (key, _, _) in SETS {
        let (pki, clients) = (Pki::new(), Pki::with_ca_key(key));
        write(&pki, "server", Key::P256);
        let [cert, private] = <[_; 2]>::from(clients.write("alice", "alice", &[], key, &client_extra()));
        let shown = json!({ "cert": cert, "key": private });
        let auth = format!("client_auth = {{ mode = \"require\", ca = \"{}\" }}", clients.ca().display());
        let proxy = Proxy::start(pki.folder(), &config(&auth, Backend::echo().address));
        let seen = node::connect(proxy.address("main"), &pki.ca(), NAME, shown.clone());
        assert_eq!(seen.answer, "hello", "{seen:?}\n{}", proxy.log());
        let record = proxy.records(1).pop().unwrap();
        assert!(record["tls.client.subject"].as_str().unwrap().contains("alice"), "{record:#}");
        // In TLS 1.2 there is no scheme for it, and the client has no other certificate.
        let mut older = shown;
        older["maxVersion"] = json!("TLSv1.2");
        let seen = node::connect(proxy.address("main"), &pki.ca(), NAME, older);
        assert_eq!(seen.answer, "", "{seen:?}");
        // One that another CA has issued.
        let stranger = Pki::with_ca_key(key);
        let [cert, private] = <[_; 2]>::from(stranger.write("alice", "alice", &[], key, &client_extra()));
        let seen = node::connect(proxy.address("main"), &pki.ca(), NAME, json!({ "cert": cert, "key": private }));
        assert_eq!(seen.answer, "", "{seen:?}");
        let outcomes: Vec<Value> = proxy.records(3).iter().map(|record| record["outcome"].clone()).collect();
        // The other CA has the same name and another key.
        let expected = ["completed", "client_certificate_missing", "client_certificate_invalid"];
        assert_eq!(outcomes, expected, "{outcomes:?}");
    }
}

#[test]
fn a_backend_with_ml_dsa_is_verified_and_sees_a_certificate_of_ours_with_it() {
    let pki = Pki::with_ca_key(Key::MlDsa65);
    write(&pki, "front", Key::P256);
    let [cert, key] = <[_; 2]>::from(pki.write("server", "server", &["server.test"], Key::MlDsa87, &Extra::default()));
    pki.write("own", "own", &["own.test"], Key::MlDsa44, &client_extra());
    let server = node::Server::start(&json!({
        "cert": cert, "key": key, "ca": pki.ca(), "requestCert": true, "rejectUnauthorized": true,
    }));
    let other = Pki::with_ca_key(Key::MlDsa65);
    fs::copy(other.ca(), pki.folder().join("other.pem")).unwrap();
    for (ca, wanted) in [("ca.pem", "up"), ("other.pem", "down")] {
        let tls = format!(
            "health = {{ type = \"tls\", interval = \"1s\", ca = \"{ca}\", server_name = \"server.test\" }}\n\
             [backend.echo.tls]\nca = \"{ca}\"\nserver_name = \"server.test\"\n\
             cert = \"own/own.crt\"\nkey = \"own/own.key\"\n"
        );
        let config = format!("[admin]\nlisten=\"unix:admin.sock\"\n{}{tls}", config("", server.address));
        let proxy = Proxy::start(pki.folder(), &config);
        let door = Door::Unix(pki.folder().join("admin.sock"));
        let seen = node::connect(proxy.address("main"), &pki.ca(), NAME, json!({}));
        assert_eq!(seen.answer == "hello", wanted == "up", "{ca}: {seen:?}\n{}", proxy.log());
        let health = || {
            let backends = door.get("/api/v1/backends").json();
            (backends["backends"][0]["servers"][0]["health"] == wanted).then_some(())
        };
        eventually("the check has the same result", health);
    }
}
