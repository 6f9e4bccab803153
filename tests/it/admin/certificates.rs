//! Certificates are added, replaced and removed; a certificate that cannot be used changes nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use super::{ADD, BEARER, Scene, door, serial, served};
use crate::support::proxy::Proxy;

#[test]
fn a_certificate_is_added_replaced_and_removed() {
    for scene in [Scene::tcp(), Scene::unix()] {
        let before = scene.state();
        let (first, second) = (scene.pair("b.test"), scene.pair("b.test"));
        let added = scene.add("b", &first);
        assert_eq!(added.status, 201, "{added:?}");
        assert_eq!(added.json()["certificate"]["names"], json!(["b.test"]));
        assert_eq!(added.json()["changes"].as_array().unwrap().len(), 1, "{added:?}");
        assert_eq!(scene.served("b.test"), serial(first.0.as_bytes()));
        let mode = fs::metadata(scene.path("certs/b.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let replaced = scene.add("b", &second);
        assert_eq!(replaced.status, 200, "{replaced:?}");
        assert_eq!(scene.served("b.test"), serial(second.0.as_bytes()));
        let removed = scene.change("DELETE", &format!("{ADD}/b"), "");
        assert_eq!(removed.status, 200, "{removed:?}");
        assert_ne!(scene.served("b.test"), serial(second.0.as_bytes()));
        assert_eq!(scene.state(), before);
        assert_eq!(scene.change("DELETE", &format!("{ADD}/b"), "").status, 404);
    }
}

#[test]
fn what_was_added_survives_a_restart() {
    let scene = Scene::unix();
    let pair = scene.pair("b.test");
    assert_eq!(scene.add("b", &pair).status, 201);
    let text = fs::read_to_string(scene.path("tlsgate.toml")).unwrap();
    let Scene { pki, mut proxy, backend: _backend, .. } = scene;
    proxy.signal("KILL");
    proxy.wait();
    // The socket of a killed process is in the way, and is replaced.
    let proxy = Proxy::start(pki.folder(), &text);
    assert_eq!(served(&proxy, "b.test"), serial(pair.0.as_bytes()));
    assert_eq!(door(&proxy).get("/readyz").status, 200);
}

#[test]
fn a_certificate_that_cannot_be_used_is_refused_and_touches_nothing() {
    let scene = Scene::tcp();
    let before = scene.state();
    let (one, other) = (scene.pair("b.test"), scene.pair("c.test"));
    let sent = |name: &str, certificate: &str, key: &str| {
        json!({ "name": name, "certificate": certificate, "key": key }).to_string()
    };
    let combined = format!("{}{}", one.0, one.1);
    let cut = &one.1[..one.1.len() / 2];
    let cases = [
        (sent("b", &one.0, &other.1), 422, "certificate and key: the private key does not belong to the certificate"),
        (sent("b", "garbage", "garbage"), 422, "certificate and key: no certificate found"),
        (sent("b", "", &one.1), 422, "certificate: is empty"),
        (sent("b", &one.0, cut), 422, "key: is cut short"),
        (sent("b", &combined, &one.1), 422, "certificate: contains a private key"),
        (sent("../b", &one.0, &one.1), 422, "name: found \"../b\", expected"),
        (sent(".b", &one.0, &one.1), 422, "name: found \".b\", expected"),
        (sent("", &one.0, &one.1), 422, "name: found \"\", expected"),
        ("garbage".to_owned(), 400, "the body is not JSON"),
        ("[]".to_owned(), 400, "unexpected body"),
        (json!({ "name": "b", "certificate": one.0 }).to_string(), 400, "unexpected body"),
        (json!({ "name": "b", "certificate": one.0, "key": one.1, "x": 1 }).to_string(), 400, "unexpected body"),
        (json!({ "name": "b", "certificate": one.0, "key": [one.1] }).to_string(), 400, "unexpected body"),
    ];
    for (body, status, message) in &cases {
        let answer = scene.change("POST", ADD, body);
        assert_eq!(answer.status, *status, "{body}: {answer:?}");
        assert!(answer.error().starts_with(message), "{message}: {answer:?}");
        assert!(!answer.body.contains(&one.1[40..80]), "{answer:?}");
    }
    let body = sent("b", &one.0, &one.1);
    assert_eq!(scene.change("POST", "/api/v1/listeners/none/certificates", &body).status, 404);
    assert_eq!(scene.change("POST", "/api/v1/listeners/..%2Fmain/certificates", &body).status, 404);
    assert_eq!(scene.door.ask("POST", ADD, &[BEARER], &body).status, 415);
    for name in ["..%2Fca", "%2e%2e", "a%00", "%ff"] {
        let answer = scene.change("DELETE", &format!("{ADD}/{name}"), "");
        assert!([404, 422].contains(&answer.status), "{name}: {answer:?}");
    }
    let last = scene.change("DELETE", &format!("{ADD}/a"), "");
    assert_eq!((last.status, last.error().as_str()), (409, "listener \"main\" would be left without a certificate"));
    assert_eq!(scene.state(), before);
    let tried = &scene.door.get("/api/v1/status").json()["reloads"];
    assert_eq!(tried["failure"], 0, "nothing was even tried");
}

#[test]
fn what_a_reload_refuses_is_taken_back() {
    let scene = Scene::unix();
    let pair = scene.pair("a.test");
    scene.write_config("idle_timeout = 3");
    let before = scene.state();
    for stem in ["a", "b"] {
        let answer = scene.add(stem, &pair);
        assert_eq!(answer.status, 409, "{answer:?}");
        let text = answer.json()["errors"][0]["text"].as_str().unwrap().to_owned();
        assert!(text.contains("idle_timeout: found 3, expected"), "{text}");
        assert_eq!(scene.state(), before);
    }
    scene.write_config("");
    assert_eq!(scene.add("a", &pair).status, 200);
    assert_eq!(scene.served("a.test"), serial(pair.0.as_bytes()));
}

#[test]
fn files_that_others_made_are_left_to_them() {
    let scene = Scene::unix();
    std::os::unix::fs::symlink("../elsewhere.crt", scene.path("certs/link.crt")).unwrap();
    fs::write(scene.path("certs/single.pem"), "x").unwrap();
    let before = scene.state();
    for (stem, message) in [("link", "is not a regular file"), ("single", "single.pem already exists")] {
        let answer = scene.add(stem, &scene.pair("b.test"));
        assert_eq!(answer.status, 409, "{answer:?}");
        assert!(answer.error().contains(message), "{answer:?}");
    }
    assert_eq!(scene.change("DELETE", &format!("{ADD}/link"), "").status, 409);
    let same = (
        fs::read_to_string(scene.path("certs/a.crt")).unwrap(),
        fs::read_to_string(scene.path("certs/a.key")).unwrap(),
    );
    let answer = scene.add("twin", &same);
    assert!(answer.status == 409 && answer.error().contains("this certificate already exists"), "{answer:?}");
    assert_eq!(scene.state(), before);
}
