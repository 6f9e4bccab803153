//! The metrics show what happened, and contain nothing about removed objects and nothing that clients invent.

use std::fs;

use crate::support::backend::Backend;
use crate::support::http::Door;
use crate::support::pki::{Extra, Key, Pki};
use crate::support::procfs::eventually;
use crate::support::proxy::Proxy;
use crate::support::tool;

struct Scene {
    pki: Pki,
    proxy: Proxy,
    door: Door,
}

impl Scene {
    fn new(validity: (i64, i64)) -> Self {
        let (pki, backend) = (Pki::new(), Backend::echo());
        let extra = Extra { validity: Some(validity), ..Extra::default() };
        pki.write("certs", "a", &["a.test", "*.wild.test"], Key::P256, &extra);
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let config = format!(
            "[admin]\nlisten=\"unix:admin.sock\"\n\n[[listener]]\nname = \"main\"\nlisten = \"127.0.0.1:0\"\n\
             certificates = [\"certs\"]\nbackend = \"echo\"\n\n[backend.echo]\nbalance = \"round_robin\"\n\
             servers = [\"{}\", \"{}\"]\n",
            nobody.local_addr().unwrap(),
            backend.address
        );
        drop(nobody);
        let proxy = Proxy::start(pki.folder(), &config);
        let door = Door::Unix(pki.folder().join("admin.sock"));
        Self { pki, proxy, door }
    }

    fn connect(&self, arguments: &[&str]) {
        let address = self.proxy.address("main").to_string();
        tool::run("openssl", &[&["s_client", "-connect", &address], arguments].concat(), b"");
    }

    /// The value of a series, found by the beginning of its line.
    fn value(&self, series: &str) -> Option<f64> {
        let text = self.door.get("/metrics").body;
        text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
    }

    fn comes_to(&self, series: &str, wanted: f64) {
        eventually(series, || (self.value(series) == Some(wanted)).then_some(()));
    }

    fn path(&self, below: &str) -> String {
        self.pki.folder().join(below).display().to_string()
    }
}

#[test]
fn what_happens_is_counted_by_what_it_was() {
    let scene = Scene::new((-1, 90));
    scene.connect(&["-servername", "a.test"]);
    scene.connect(&["-servername", "x.wild.test", "-tls1_2"]);
    scene.connect(&["-servername", "unknown.example"]);
    scene.connect(&["-servername", "a.test", "-sigalgs", "RSA-PSS+SHA256"]);
    let certificate = scene.path("certs/a.crt");
    scene.comes_to("tlsgate_connections_total{listener=\"main\"}", 4.0);
    scene.comes_to("tlsgate_connections_closed_total{listener=\"main\",outcome=\"completed\"}", 3.0);
    scene.comes_to("tlsgate_connections_closed_total{listener=\"main\",outcome=\"no_common_scheme\"}", 1.0);
    scene.comes_to("tlsgate_tls_handshake_failures_total{listener=\"main\",reason=\"no_common_scheme\"}", 1.0);
    for (matched, count) in [("exact", 1.0), ("wildcard", 1.0), ("default", 1.0)] {
        let labels = format!("certificate=\"{certificate}\",listener=\"main\",match=\"{matched}\"");
        scene.comes_to(&format!("tlsgate_certificate_selections_total{{{labels}}}"), count);
    }
    let handshake =
        "cipher=\"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256\",group=\"x25519\",listener=\"main\",resumed=\"false\"";
    scene.comes_to(&format!("tlsgate_tls_handshakes_total{{{handshake},version=\"TLSv1.2\"}}"), 1.0);
    let text = scene.door.get("/metrics").body;
    assert!(text.contains("tlsgate_backend_connect_failures_total{backend=\"echo\",reason=\"refused\""), "{text}");
    for name in [
        "tlsgate_connections_active{listener=\"main\"} 0",
        "tlsgate_connection_duration_seconds_count{listener=\"main\"} 4",
        "tlsgate_tls_handshake_duration_seconds_count{listener=\"main\"} 3",
        "tlsgate_backend_connect_duration_seconds_count{backend=\"echo\"} 3",
        "tlsgate_access_log_dropped_total 0",
        "tlsgate_config_last_reload_successful 1",
        "tlsgate_certificate_load_failures{listener=\"main\"} 0",
        "key_type=\"ECDSA P-256\"",
    ] {
        assert!(text.contains(name), "{name} is not in\n{text}");
    }
    // Bytes from a client never become a label.
    assert!(!text.contains("unknown.example") && !text.contains("127.0.0.1\""), "{text}");
}

#[test]
fn the_use_of_an_expired_certificate_is_counted_separately() {
    let scene = Scene::new((-20, -10));
    scene.connect(&["-servername", "a.test"]);
    let certificate = scene.path("certs/a.crt");
    let labels = format!("certificate=\"{certificate}\",listener=\"main\",match=\"exact_invalid\"");
    scene.comes_to(&format!("tlsgate_certificate_selections_total{{{labels}}}"), 1.0);
}

#[test]
fn a_reload_that_fails_shows_and_what_is_removed_disappears() {
    let scene = Scene::new((-1, 90));
    scene.pki.write("certs", "b", &["b.test"], Key::P256, &Extra::default());
    scene.proxy.log_line("b.crt added");
    scene.connect(&["-servername", "b.test"]);
    let config = scene.path("tlsgate.toml");
    let good = fs::read_to_string(&config).unwrap();
    fs::write(&config, "listener = 3").unwrap();
    scene.comes_to("tlsgate_config_last_reload_successful", 0.0);
    assert!(scene.value("tlsgate_config_reloads_total{result=\"failure\"}") >= Some(1.0));
    fs::write(&config, good).unwrap();
    scene.comes_to("tlsgate_config_last_reload_successful", 1.0);
    fs::write(scene.path("certs/b.key"), "").unwrap();
    scene.comes_to("tlsgate_certificate_load_failures{listener=\"main\"}", 1.0);
    assert!(scene.door.get("/metrics").body.contains("b.crt"));
    fs::remove_file(scene.path("certs/b.key")).unwrap();
    fs::remove_file(scene.path("certs/b.crt")).unwrap();
    eventually("no series of a removed certificate", || {
        (!scene.door.get("/metrics").body.contains("b.crt")).then_some(())
    });
    scene.comes_to("tlsgate_certificate_load_failures{listener=\"main\"}", 0.0);
}
