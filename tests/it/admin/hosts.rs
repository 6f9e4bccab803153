//! The host names that the admin API accepts over TCP.

use std::fs;

use super::{Scene, TOKEN, config};
use crate::support::backend::Backend;
use crate::support::check::check;
use crate::support::pki::{Extra, Key, Pki};
use crate::support::procfs::eventually;

#[test]
fn it_may_be_asked_by_the_names_it_has_and_no_others() {
    let scene = Scene::new("listen=\"127.0.0.1:0\"\nhosts=[\"tlsgate\", \"proxy.example.com\", \"203.0.113.5\"]");
    let ask = |host: &str| scene.door.ask("GET", "/metrics", &[("Host", host)], "").status;
    for host in ["tlsgate:9900", "TLSGATE", "proxy.example.com.", "203.0.113.5:80", "localhost:1"] {
        assert_eq!(ask(host), 200, "{host}");
    }
    for host in ["evil.test", "tlsgate.evil.test", "evil.tlsgate", "example.com", "203.0.113.6", "*", ""] {
        assert_eq!(ask(host), 421, "{host}");
    }
    assert_eq!(scene.door.get("/api/v1/config").json()["admin"]["hosts"][0], "tlsgate");
}

#[test]
fn a_client_that_names_no_host_is_no_browser() {
    let scene = Scene::tcp();
    for version in ["1.0", "1.1"] {
        let bare = format!("GET /livez HTTP/{version}\r\nConnection: close\r\n\r\n");
        assert_eq!(scene.door.raw(bare.as_bytes()).status, 200, "{version}");
        let proxied = format!("GET http://evil.test/livez HTTP/{version}\r\nConnection: close\r\n\r\n");
        assert_eq!(scene.door.raw(proxied.as_bytes()).status, 421, "{version}");
    }
    let two = "GET /livez HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert_eq!(scene.door.raw(two.as_bytes()).status, 400);
    let change = "POST /api/v1/reload HTTP/1.0\r\n\r\n";
    assert_eq!(scene.door.raw(change.as_bytes()).status, 401, "a change needs the token all the same");
}

#[test]
fn a_web_page_changes_nothing_through_a_unix_socket_and_other_clients_do() {
    let scene = Scene::new("listen=\"unix:admin.sock\"\ntoken_file=\"token\"");
    let host = ("Host", "localhost:8080");
    let reload = |headers: &[(&str, &str)]| {
        let headers = [&[host][..], headers].concat();
        scene.door.ask("POST", "/api/v1/reload", &headers, "").status
    };
    for own in [&[][..], &[("Sec-Fetch-Site", "none")], &[("Sec-Fetch-Site", "same-origin")]] {
        assert_eq!(reload(own), 200, "{own:?}");
    }
    let bearer = format!("Bearer {TOKEN}");
    for foreign in [
        &[("Origin", "http://evil.example"), ("Sec-Fetch-Site", "cross-site")][..],
        &[("Origin", "http://evil.example")],
        &[("Origin", "null")],
        &[("Sec-Fetch-Site", "same-site")],
    ] {
        assert_eq!(reload(foreign), 403, "{foreign:?}");
        assert_eq!(reload(&[foreign, &[("Authorization", "Bearer x")]].concat()), 401, "{foreign:?}");
        assert_eq!(reload(&[foreign, &[("Authorization", &*bearer)]].concat()), 200, "{foreign:?}");
    }
    scene.proxy.log_line("reason=\"page\"");
    let close = scene.door.ask("DELETE", "/api/v1/connections?older_than=0s", &[host, ("Origin", "null")], "");
    assert_eq!(close.status, 403);
}

#[test]
fn the_names_change_with_a_reload() {
    let scene = Scene::tcp();
    let ask = || scene.door.ask("GET", "/metrics", &[("Host", "tlsgate:9900")], "").status;
    assert_eq!(ask(), 421);
    let admin = "listen=\"127.0.0.1:0\"\ntoken_file=\"token\"\nhosts=\"tlsgate\"";
    fs::write(scene.path("tlsgate.toml"), config(&scene.backend, admin, "")).unwrap();
    eventually("it may be asked by its name", || (ask() == 200).then_some(()));
    let log = scene.proxy.log_line("admin: hosts = [\"tlsgate\"]");
    assert!(!log.contains("next start"), "{log}");
}

#[test]
fn check_reports_an_invalid_host_name() {
    let pki = Pki::new();
    pki.write("certs", "a", &["a.test"], Key::P256, &Extra::default());
    let backend = Backend::echo();
    for name in ["*", "*.example.com", "tlsgate:9900", "a b", "http://a", ".", "a..b"] {
        let checked = check(pki.folder(), &config(&backend, &format!("listen=\"127.0.0.1:0\"\nhosts=[{name:?}]"), ""));
        let expected = format!("admin: hosts[0]: found {name:?}, expected the name or IP address of a host");
        assert!(!checked.ok && checked.errors[0].contains(&expected), "{:?}", checked.errors);
    }
}
