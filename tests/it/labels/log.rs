//! Which labels a connection has in the access log, whichever way it takes and however it ends; `tlsgate explain` says the
//! same.

use std::io::Write;
use std::net::TcpStream;

use serde_json::{Value, json};

use super::{Scene, hostile};

#[test]
fn a_connection_has_the_labels_of_its_listener_route_and_backend() {
    let scene = Scene::new();
    let main = json!({ "team": "platform", "env": "prod", "site": hostile() });
    let apps = json!({ "team": "directory", "env": "prod", "tier": "1" });
    let through = json!({ "team": "network", "env": "prod" });
    let own = json!({ "team": "platform", "env": "prod" });
    for (name, expected) in [("a.test", &main), ("apps.test", &apps), ("through.test", &through), ("gone.test", &own)] {
        scene.connect("main", name, &[]);
        assert_eq!(scene.labels(|record| record["server.address"] == name), *expected, "{name}");
        let explained: Value = serde_json::from_str(&scene.explained(name, "json")).unwrap();
        assert_eq!(explained["labels"], *expected, "{name}");
        let asked = scene.door.get(&format!("/api/v1/explain?listener=main&sni={name}")).json();
        assert_eq!(asked["labels"], *expected, "{name}: {asked}");
    }
    assert!(scene.explained("apps.test", "text").contains(r#"{env="prod",team="directory",tier="1"}"#));
}

#[test]
fn the_end_of_a_connection_does_not_change_its_labels() {
    let scene = Scene::new();
    // The handshake fails, so that the backend is never reached.
    scene.connect("main", "apps.test", &["-sigalgs", "RSA-PSS+SHA256"]);
    let failed = scene.proxy.record(|record| record["outcome"] == "no_common_scheme");
    assert_eq!(failed["labels"], json!({ "team": "directory", "env": "prod", "tier": "1" }));
    assert!(failed["backend"].is_null(), "{failed}");
    // No route is known of one that sends nothing, and what is not TLS has a way of its own.
    drop(TcpStream::connect(scene.proxy.address("main")).unwrap());
    let silent = scene.labels(|record| record["route"].is_null());
    assert_eq!(silent, json!({ "team": "platform", "env": "prod" }));
    TcpStream::connect(scene.proxy.address("main")).unwrap().write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let plain = scene.labels(|record| record["route"] == "not_tls");
    assert_eq!(plain, json!({ "team": "platform", "env": "prod", "site": hostile() }));
}

#[test]
fn without_labels_there_is_no_field() {
    let scene = Scene::new();
    scene.connect("bare", "a.test", &[]);
    let record = scene.proxy.record(|record| record["listener"] == "bare");
    assert!(record.get("labels").is_none(), "{record}");
}

#[test]
fn a_reload_changes_the_labels_of_new_connections() {
    let scene = Scene::new();
    scene.connect("main", "apps.test", &[]);
    assert_eq!(scene.labels(|record| record["route"] == "apps")["env"], "prod");
    scene.reload("test");
    scene.connect("main", "apps.test", &[]);
    let both = scene.proxy.records(2);
    assert_eq!(both[1]["labels"], json!({ "team": "directory", "env": "test", "tier": "1" }), "{both:?}");
}
