//! The address and the token of the admin API: at the start, in `tlsgate check`, and after a reload.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::{Scene, config};
use crate::support::backend::Backend;
use crate::support::check::check;
use crate::support::pki::{Extra, Key, Pki, write_private};
use crate::support::proxy::Proxy;

#[test]
fn the_socket_is_its_owners_alone_unless_configured_otherwise() {
    for (lines, mode) in [("", 0o600), ("\nsocket_mode=\"0660\"", 0o660)] {
        let scene = Scene::new(&format!("listen=\"unix:admin.sock\"{lines}"));
        let found = fs::metadata(scene.path("admin.sock")).unwrap().permissions().mode();
        assert_eq!(found & 0o777, mode);
    }
}

#[test]
fn where_it_listens_changes_at_the_next_start_and_the_token_at_once() {
    let scene = Scene::tcp();
    let other = "another-token-that-is-long-enough";
    write_private(&scene.path("other"), other);
    let admin = "listen=\"unix:elsewhere.sock\"\ntoken_file=\"other\"";
    fs::write(scene.path("tlsgate.toml"), config(&scene.backend, admin, "")).unwrap();
    scene.proxy.log_line("take effect at the next start");
    assert!(!scene.path("elsewhere.sock").exists());
    assert_eq!(scene.change("POST", "/api/v1/reload", "").status, 401);
    let bearer = format!("Bearer {other}");
    assert_eq!(scene.door.ask("POST", "/api/v1/reload", &[("Authorization", &bearer)], "").status, 200);
    assert_eq!(scene.door.get("/api/v1/config").json()["admin"]["listen"], "127.0.0.1:0");
}

#[test]
fn check_reports_what_is_wrong_with_the_token() {
    let pki = Pki::new();
    pki.write("certs", "a", &["a.test"], Key::P256, &Extra::default());
    let backend = Backend::echo();
    let checked = check(pki.folder(), &config(&backend, "listen=\"127.0.0.1:0\"\ntoken_file=\"none\"", ""));
    assert!(!checked.ok && checked.errors[0].contains("admin: token_file: "), "{:?}", checked.errors);
}

#[test]
fn an_admin_server_that_cannot_start_is_reported() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let pki = Pki::new();
    pki.write("certs", "a", &["a.test"], Key::P256, &Extra::default());
    write_private(&pki.folder().join("short"), "abc\n");
    let other = Scene::unix();
    let socket = other.path("admin.sock");
    let cases = [
        (format!("listen=\"{}\"", taken.local_addr().unwrap()), "admin: listen: cannot listen on 127.0.0.1:"),
        ("listen=\"unix:certs/a.crt\"".to_owned(), "a file that is not a socket is in its place"),
        (format!("listen=\"unix:{}\"", socket.display()), "another process listens there"),
        ("listen=\"127.0.0.1:0\"\ntoken_file=\"none\"".to_owned(), "admin: token_file: "),
        (
            "listen=\"127.0.0.1:0\"\ntoken_file=\"short\"".to_owned(),
            "found a token of 3 characters, expected at least 16",
        ),
    ];
    for (admin, message) in cases {
        let Err(log) = Proxy::try_start(pki.folder(), &config(&other.backend, &admin, "")) else {
            panic!("{admin} started");
        };
        assert!(log.contains(message), "{message}: {log}");
    }
    assert_eq!(other.door.get("/livez").status, 200);
    assert!(pki.folder().join("certs/a.crt").exists());
}
