//! The verbs that talk to a running tlsgate, where its admin server has TLS: whom they trust, what they present, and what
//! they report.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::secure::{Secure, tls};
use super::{TOKEN, configured};
use crate::support::clients_pki::Credentials;
use crate::support::pki::{Extra, Key, self_signed, write_private};
use crate::support::procfs::eventually;
use crate::support::proxy::PROGRAM;

const REQUIRE: &str = "client_auth={mode=\"require\", ca=\"clients.pem\"}";

/// Whether `tlsgate reload` succeeds, and what it prints.
fn reload(scene: &Secure, arguments: &[&str]) -> (bool, String) {
    run(&[&["reload", "--admin", &scene.url("")], arguments].concat())
}

fn run(arguments: &[&str]) -> (bool, String) {
    let output = Command::new(PROGRAM).args(arguments).output().unwrap();
    (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A configuration whose admin server has the certificates in that folder.
fn other(scene: &Secure, folder: &str) -> String {
    let admin = tls(&format!("certificates=[{folder:?}]"));
    let file = scene.path("other.toml");
    fs::write(&file, configured(&scene.backend, &admin, "certificates = [\"certs\"]", "")).unwrap();
    text(&file).to_owned()
}

#[test]
fn the_certificate_that_the_configuration_names_is_trusted() {
    let scene = Secure::open("");
    let config = scene.path("tlsgate.toml");
    let (fine, printed) = reload(&scene, &["-c", text(&config)]);
    assert!(fine && printed.contains("reloaded"), "{printed}");
    // The key of the server is not for everyone, and is not needed.
    for file in ["admin/own.key", "certs/a.key"] {
        let kept = scene.path("kept");
        fs::rename(scene.path(file), &kept).unwrap();
        let (fine, printed) = run(&["acme", "list", "--admin", &scene.url(""), "-c", text(&config)]);
        assert!(fine, "{printed}");
        fs::rename(&kept, scene.path(file)).unwrap();
    }
    // One without its address, one for a wildcard only, and one without any name but its subject's.
    for names in [&["admin.test"][..], &["*.admin.test"], &[]] {
        let common_name = Some("admin.test".to_owned());
        let (certificate, key) = scene.pki.pair(names, Key::P256, &Extra { common_name, ..Extra::default() });
        let before = scene.served();
        write_private(&scene.path("admin/own.key"), &key);
        fs::write(scene.path("admin/own.crt"), certificate).unwrap();
        eventually("it is served", || (scene.served() != before).then_some(()));
        let (fine, printed) = reload(&scene, &["-c", text(&config)]);
        assert!(fine, "{names:?}: {printed}");
    }
}

#[test]
fn another_certificate_is_reported_with_what_was_expected() {
    let scene = Secure::open("");
    scene.pki.write("elsewhere", "b", &["b.test"], Key::P256, &Extra::default());
    let (made, key) = self_signed("c.test", false, (-1, 9));
    write_private(&scene.path("elsewhere/b.key"), &key);
    fs::write(scene.path("elsewhere/b.crt"), made).unwrap();
    let (fine, printed) = reload(&scene, &["-c", &other(&scene, "elsewhere")]);
    assert!(!fine && printed.contains("found CN=admin.test, serial number "), "{printed}");
    assert!(printed.contains(&scene.served()), "{printed}");
    assert!(printed.contains("elsewhere/b.crt") && printed.contains("[admin.tls] names"), "{printed}");
    assert!(printed.contains("c.test"), "{printed}");
    // Nobody here trusts the CA of a test.
    let token = scene.path("token");
    let (fine, printed) = reload(&scene, &["--token-file", text(&token)]);
    assert!(!fine && printed.contains("this system trusts") && printed.contains("admin.test"), "{printed}");
    assert!(!scene.proxy.log().contains(TOKEN), "the token was sent to a server that is not trusted");
}

#[test]
fn the_trusted_certificates_can_be_named() {
    let scene = Secure::open("");
    let (ca, token) = (scene.pki.ca(), scene.path("token"));
    let named = ["--ca", text(&ca), "--token-file", text(&token)];
    let (fine, printed) = reload(&scene, &named);
    assert!(fine, "{printed}");
    let at = |host: &str| format!("https://{host}:{}", scene.address.port());
    let (fine, printed) = run(&[&["reload", "--admin", &at("localhost")], &named[..]].concat());
    assert!(!fine && printed.contains("localhost") && printed.contains("127.0.0.1"), "{printed}");
    let (fine, printed) = run(&[&["reload", "--admin", &format!("http://{}", scene.address)], &named[2..]].concat());
    assert!(!fine && printed.contains("expected TLS"), "{printed}");
    for (arguments, expected) in [
        (&["--admin", "unix:/a", "--ca", "b"][..], "unix:/a has no TLS"),
        (&["--admin", "http://127.0.0.1:1", "--cert", "b"], "has no TLS"),
        (&["--admin", &scene.url(""), "--ca", "/none"], "/none: "),
        (&["--admin", &scene.url(""), "--cert", text(&ca)], "ca.pem: "),
    ] {
        let (fine, printed) = run(&[&["reload"], arguments].concat());
        assert!(!fine && printed.contains(expected), "{arguments:?}: {printed}");
    }
}

#[test]
fn a_certificate_can_be_presented_instead_of_the_token() {
    let scene = Secure::open(REQUIRE);
    let config = scene.path("tlsgate.toml");
    let Credentials { chain, key } = scene.client("operator", 5, 9);
    let (fine, printed) = reload(&scene, &["-c", text(&config)]);
    assert!(!fine && printed.contains("certificate_required"), "{printed}");
    fs::remove_file(scene.path("token")).unwrap();
    let with_key = ["-c", text(&config), "--cert", text(&chain), "--cert-key", text(&key)];
    let (fine, printed) = reload(&scene, &with_key);
    assert!(fine, "{printed}");
    let combined = scene.path("combined.pem");
    write_private(&combined, &(fs::read_to_string(&chain).unwrap() + &fs::read_to_string(&key).unwrap()));
    let (fine, printed) = reload(&scene, &["-c", text(&config), "--cert", text(&combined)]);
    assert!(fine, "{printed}");
    let line = scene.proxy.log_line("a change was requested through the admin API");
    assert!(line.contains("Operator One"), "{line}");
}

#[test]
fn an_authority_of_tlsgate_is_enough_for_both_sides() {
    let scene = Secure::open("");
    let folder = scene.pki.folder();
    let ca = |arguments: &[&str]| {
        let output = Command::new(PROGRAM).arg("ca").args(arguments).current_dir(folder).output().unwrap();
        let printed = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(output.status.success(), "{arguments:?}: {printed}");
        scene.path(printed.split_once(": ").map_or("", |(path, _)| path))
    };
    ca(&["new", "authority"]);
    let server = ca(&["issue", "authority", "admin.test", "127.0.0.1", "--out", "issued"]);
    let client = ca(&["issue", "authority", "email:root@example.com", "--client", "--out", "issued"]);
    let root = scene.path("authority/ca.pem");
    let names = "names=[\"email:root@example.com\"]";
    scene.rewrite(&tls(&format!(
        "certificates=[{:?}]\nclient_auth={{mode=\"require\", ca={:?}, {names}}}",
        text(&server),
        text(&root)
    )));
    let (chain, key) = (client.join("tls.crt"), client.join("tls.key"));
    eventually("they are known", || {
        let arguments = ["--ca", text(&root), "--cert", text(&chain), "--cert-key", text(&key)];
        reload(&scene, &arguments).0.then_some(())
    });
    assert!(scene.proxy.log_line("serial=").contains("method=\"POST\""));
    let curl = ["--cacert", text(&root), "--cert", text(&chain), "--key", text(&key), &scene.url("/livez")];
    assert_eq!(scene.curl(None, &curl).status(), 200);
}
