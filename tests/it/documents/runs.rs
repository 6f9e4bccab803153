//! Pages whose commands are run as they stand, in their order: each block marked `sh`, with the program under test, real
//! clients and real servers.

use std::fs;

use super::blocks;
use super::scene::Scene;
use crate::support::backend::Backend;
use crate::support::nginx::Nginx;
use crate::support::pki::{Extra, Key, Pki, write_private};
use crate::support::postgres::{PASSWORD, Postgres, USER};
use crate::support::slapd::Slapd;

/// The pages, and the tests that run them.
const PAGES: &[(&str, fn())] = &[
    ("docs/client-certificates.md", pins_of_clients),
    ("docs/convert.md", converting),
    ("docs/ldaps.md", ldaps),
    ("docs/operations.md", keys_for_tickets_and_pins),
    ("docs/passthrough-test.md", proof_of_passthrough),
    ("docs/postgresql.md", postgresql),
    ("docs/private-ca.md", private_ca),
    ("docs/start.md", the_first_handshake),
];

/// Whether all commands of a document are run that are not marked.
pub(super) fn is_run(document: &str) -> bool {
    PAGES.iter().any(|(page, _)| *page == document)
}

/// Runs a page's commands, and serves its whole configurations where it comes to them.
fn run(document: &str, scene: &mut Scene) {
    run_with(document, scene, true);
}

/// Runs a page's commands; its configurations are parts, or for servers that are not here.
fn run_commands(document: &str, scene: &mut Scene) {
    run_with(document, scene, false);
}

fn run_with(document: &str, scene: &mut Scene, serves: bool) {
    let mut commands = 0;
    for block in blocks::of(document) {
        match &*block.language {
            "sh" if !block.marked => {
                scene.sh(&block.place(), &block.text);
                commands += 1;
            }
            "toml" if serves && block.text.starts_with("[[listener]]\n") => scene.serve(&block.text),
            _ => {}
        }
    }
    assert!(is_run(document) && commands > 0, "{document}: {commands} blocks");
}

#[test]
fn the_first_handshake() {
    let web = Nginx::start();
    fs::write(web.file("index.html"), "hello").unwrap();
    let mut scene = Scene::new(&[]);
    scene.replace("127.0.0.1:8000", &web.address.to_string());
    run("docs/start.md", &mut scene);
    // curl, then the client that knows RSA only.
    let curl = scene.record(|record| record["sent_bytes"].as_u64() > Some(0));
    assert_eq!((&curl["server.address"], &curl["outcome"]), (&"localhost".into(), &"completed".into()));
    scene.record(|record| record["chosen_cert"].to_string().contains("localhost.rsa-2048"));
}

#[test]
fn postgresql() {
    let database = Postgres::start();
    let mut scene = Scene::new(&["db.example.com"]);
    scene.replace("10.0.4.10:5432", &database.address.to_string());
    scene.replace("user=me dbname=app", &format!("user={USER} dbname=postgres"));
    scene.environment.push(("PGPASSWORD", PASSWORD.to_owned()));
    run("docs/postgresql.md", &mut scene);
    let record = scene.record(|record| record["received_bytes"].as_u64() > Some(0));
    assert_eq!(record["server.address"], "db.example.com");
}

#[test]
fn ldaps() {
    let directories = [Slapd::start(""), Slapd::start("")];
    let mut scene = Scene::new(&["ldap.corp.example.com"]);
    for (written, directory) in ["10.0.1.10:389", "10.0.2.10:389"].iter().zip(&directories) {
        scene.replace(written, &directory.address.to_string());
    }
    run("docs/ldaps.md", &mut scene);
    let rsa = |record: &serde_json::Value| record["chosen_cert"].to_string().contains("ldap-rsa");
    assert_eq!(scene.record(rsa)["server.address"], "ldap.corp.example.com");
}

#[test]
fn proof_of_passthrough() {
    let echo = Backend::echo();
    let mut scene = Scene::new(&[]);
    scene.replace("127.0.0.1:8000", &echo.address.to_string());
    run("docs/passthrough-test.md", &mut scene);
    assert!(scene.printed.contains("TLS passes through to"), "{}", scene.printed);
    assert!(scene.printed.contains("TLS is opened on the way"), "{}", scene.printed);
}

#[test]
fn converting() {
    let mut scene = Scene::new(&[]);
    let (certificate, key) = Pki::new().pair(&["www.example.com"], Key::P256, &Extra::default());
    write_private(&scene.folder().join("www.pem"), &(certificate + &key));
    let text = "global\n    log stdout local0\ndefaults\n    mode tcp\n    timeout client 1h\n    timeout server 1h\n\
                frontend www\n    bind :443 ssl crt www.pem\n    default_backend web\n\
                backend web\n    server one 10.0.0.1:80\n";
    fs::write(scene.folder().join("haproxy.cfg"), text).unwrap();
    run_commands("docs/convert.md", &mut scene);
    assert!(scene.folder().join("tlsgate.toml").is_file());
}

#[test]
fn keys_for_tickets_and_pins() {
    prints_a_pin("docs/operations.md", "ldap.crt");
}

#[test]
fn pins_of_clients() {
    prints_a_pin("docs/client-certificates.md", "alice.crt");
}

/// That the last command of a page makes a pin: 32 bytes in base64.
fn prints_a_pin(document: &str, certificate: &str) {
    let mut scene = Scene::new(&[]);
    let (pem, _) = Pki::new().pair(&["example.com"], Key::P256, &Extra::default());
    fs::write(scene.folder().join(certificate), pem).unwrap();
    run_commands(document, &mut scene);
    let pin = scene.printed.lines().last().unwrap();
    assert!(pin.len() == 44 && pin.ends_with('='), "{document}: {}", scene.printed);
}

fn private_ca() {
    crate::private_ca::document::every_command_of_the_document_does_what_the_document_says();
}
