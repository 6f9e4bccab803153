//! Sources of certificates that an authority issues, without the authority: what is pending, what is put into its place,
//! and what an operator gets wrong. Must not know: how certificates are ordered.

mod faults;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::AlertDescription as Alert;
use tlsgate::acme::settings::{Identifier, KeyKind, Wanted};
use tlsgate::state::Folder;
use tlsgate::tls::certificate::name::Name;

use crate::support::backend::Backend;
use crate::support::check::check;
use crate::support::client::{Client, Tls, trusting};
use crate::support::pki::{Extra, Key, Pki};
use crate::support::procfs::eventually;
use crate::support::proxy::Proxy;

const AUTHORITY: &str = "[state]\ndirectory = \"state\"\n[acme.a]\ndirectory = \"https://127.0.0.1:1/directory\"\n";

/// What is ordered in most tests.
const NAMES: &[&str] = &["x.test", "*.y.test"];

const SOURCE: &str = "{ acme = \"a\", names = [\"x.test\", \"*.y.test\"] }";

struct Scene {
    pki: Pki,
    proxy: Proxy,
    _backend: Backend,
}

impl Scene {
    /// With these lines of the listener; `certs` has a certificate for `main.test`.
    fn new(lines: &str) -> Self {
        let (pki, backend) = (Pki::new(), Backend::echo());
        pki.write("certs", "main", &["main.test"], Key::P256, &Extra::default());
        let proxy = Proxy::start(pki.folder(), &config(&backend, lines));
        Self { pki, proxy, _backend: backend }
    }

    fn address(&self) -> SocketAddr {
        self.proxy.address("main")
    }

    fn state(&self) -> PathBuf {
        self.pki.folder().join("state")
    }

    /// The certificate that a client gets, or the alert that it receives or sends; and its port.
    fn asked(&self, name: &str, tls: Tls) -> (Result<Vec<u8>, rustls::Error>, u16) {
        let config = Arc::new(trusting(&self.pki.ca(), tls));
        let mut client = Client::silent(self.address(), &config, name);
        let result = match client.handshake() {
            Ok(()) => Ok(client.tls.peer_certificates().unwrap()[0].to_vec()),
            Err(error) => Err(error.get_ref().unwrap().downcast_ref::<rustls::Error>().unwrap().clone()),
        };
        (result, client.close())
    }

    fn served(&self, name: &str, tls: Tls) -> Result<Vec<u8>, rustls::Error> {
        self.asked(name, tls).0
    }

    fn outcome(&self, port: u16) -> String {
        self.proxy.record(|record| record["client.port"] == port)["outcome"].as_str().unwrap().to_owned()
    }

    fn is_pending(&self, name: &str) {
        for tls in Tls::BOTH {
            let (result, port) = self.asked(name, tls);
            assert_eq!(result, Err(rustls::Error::AlertReceived(Alert::UnrecognisedName)), "{name} {tls:?}");
            assert_eq!(self.outcome(port), "certificate_pending", "{name} {tls:?}");
        }
    }

    /// Puts a certificate where an order would, and returns it.
    fn put(&self, names: &[&str], key: KeyKind) -> Vec<u8> {
        let (kind, folder) = match key {
            KeyKind::Rsa2048 => (Key::Rsa2048, folder(names, key)),
            _ => (Key::P256, folder(names, key)),
        };
        let (certificate, private) = self.pki.pair(names, kind, &Extra::default());
        let files = [("tls.crt", certificate.as_bytes()), ("tls.key", private.as_bytes())];
        // At its start the process tidies the folder, of which it is the only writer otherwise: what is half made there goes.
        let state = Folder::open(&self.state()).unwrap();
        eventually("it can be put there", || state.replace(&folder, &files).ok());
        der(&certificate)
    }

    fn comes_to(&self, name: &str, tls: Tls, expected: &[u8]) {
        eventually("the new certificate is served", || {
            let served = self.served(name, tls);
            (served.as_deref() == Ok(expected)).then_some(())
        });
    }
}

fn der(pem: &str) -> Vec<u8> {
    use rustls::pki_types::pem::PemObject as _;
    rustls::pki_types::CertificateDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec()
}

fn config(backend: &Backend, lines: &str) -> String {
    format!(
        "{AUTHORITY}[backend.echo]\nservers = [\"{}\"]\n[[listener]]\nname = \"main\"\nlisten = \"127.0.0.1:0\"\nbackend = \"echo\"\n{lines}\n",
        backend.address
    )
}

fn folder(names: &[&str], key: KeyKind) -> PathBuf {
    let identifiers = names.iter().map(|name| Identifier::Dns(Name::parse(name).unwrap())).collect();
    Wanted { authority: "a".into(), identifiers, key }.folder()
}

#[test]
fn a_client_that_asks_for_a_pending_name_gets_no_other_certificate_instead() {
    for unknown in ["default", "reject"] {
        let scene = Scene::new(&format!("certificates = [\"certs\", {SOURCE}]\nunknown_name = \"{unknown}\""));
        for name in ["x.test", "X.Test", "a.y.test"] {
            scene.is_pending(name);
        }
        for tls in Tls::BOTH {
            scene.served("main.test", tls).unwrap();
            // A wildcard covers one label, and not its parent.
            for other in ["y.test", "b.a.y.test", "z.test"] {
                // The default certificate, which the client refuses since it does not have the name; or an alert.
                let outcome = scene.outcome(scene.asked(other, tls).1);
                assert_eq!(outcome, if unknown == "reject" { "unknown_name" } else { "handshake_alert" }, "{other}");
            }
        }
        assert!(
            !scene.state().join("acme/a/certificates").exists(),
            "nothing was ordered from an authority that is away"
        );
    }
}

#[test]
fn a_listener_whose_only_source_is_pending_starts_and_refuses_everybody() {
    for lines in [format!("certificates = {SOURCE}"), format!("certificates = {SOURCE}\nunknown_name = \"reject\"")] {
        let scene = Scene::new(&lines);
        for name in ["x.test", "a.y.test", "other.test", "127.0.0.1"] {
            scene.is_pending(name);
        }
        let expected = scene.put(NAMES, KeyKind::EcdsaP256);
        scene.comes_to("x.test", Tls::V13, &expected);
        assert_eq!(scene.served("a.y.test", Tls::V12).unwrap(), expected);
    }
}

#[test]
fn a_route_has_pending_names_of_its_own_or_its_listeners() {
    let routes = "[[listener.route]]\nserver_names = [\"x.test\"]\n[[listener.route]]\nserver_names = [\"r.test\"]\ncertificates = { acme = \"a\", names = [\"r.test\"], keys = [\"ecdsa-p256\"] }";
    let scene = Scene::new(&format!("certificates = [\"certs\", {SOURCE}]\n{routes}"));
    for name in ["x.test", "r.test", "a.y.test"] {
        scene.is_pending(name);
    }
    let expected = scene.put(&["r.test"], KeyKind::EcdsaP256);
    scene.comes_to("r.test", Tls::V13, &expected);
    scene.is_pending("x.test");
    let expected = scene.put(NAMES, KeyKind::EcdsaP256);
    scene.comes_to("x.test", Tls::V13, &expected);
}

#[test]
fn what_is_put_into_its_place_is_served_and_each_later_one_too() {
    let scene = Scene::new(&format!("certificates = [\"certs\", {SOURCE}]"));
    scene.is_pending("x.test");
    for round in 0..10 {
        let kind = if round % 3 == 2 { KeyKind::Rsa2048 } else { KeyKind::EcdsaP256 };
        let expected = scene.put(NAMES, kind);
        if kind == KeyKind::EcdsaP256 {
            scene.comes_to("x.test", Tls::V13, &expected);
            assert_eq!(scene.served("a.y.test", Tls::V12).unwrap(), expected, "{round}");
        } else {
            let line = format!("{} ", scene.state().join(folder(NAMES, kind)).join("tls.crt").display());
            scene.proxy.log_line(line.trim());
        }
    }
    // Once one kind of key is there, a client that cannot use it is refused as ever.
    assert!(!scene.proxy.log().contains("skipped"), "{}", scene.proxy.log());
}

#[test]
fn a_folder_that_is_moved_into_its_place_is_noticed_wherever_the_path_ended_before() {
    // The state folder, the folder of the authority, and that of the names may be there already.
    let place = folder(NAMES, KeyKind::EcdsaP256);
    for depth in 0..place.components().count() {
        let (pki, backend) = (Pki::new(), Backend::echo());
        let state = pki.folder().join("state");
        let made: PathBuf = place.components().take(depth).collect();
        if depth > 0 {
            fs::create_dir_all(state.join(made)).unwrap();
        }
        let proxy = Proxy::start(pki.folder(), &config(&backend, &format!("certificates = {SOURCE}")));
        let scene = Scene { pki, proxy, _backend: backend };
        scene.is_pending("x.test");
        let (certificate, key) = scene.pki.pair(NAMES, Key::P256, &Extra::default());
        let made = scene.pki.folder().join("made");
        fs::create_dir(&made).unwrap();
        fs::write(made.join("tls.crt"), &certificate).unwrap();
        fs::write(made.join("tls.key"), key).unwrap();
        fs::create_dir_all(state.join(&place).parent().unwrap()).unwrap();
        fs::rename(made, state.join(&place)).unwrap();
        scene.comes_to("x.test", Tls::V13, &der(&certificate));
    }
}

#[test]
fn a_broken_certificate_keeps_its_last_good_version_and_before_the_first_one_it_is_pending() {
    let scene = Scene::new(&format!("certificates = [\"certs\", {SOURCE}]"));
    let place = folder(NAMES, KeyKind::EcdsaP256);
    let state = Folder::open(&scene.state()).unwrap();
    state.replace(&place, &[("tls.crt", b"no certificate"), ("tls.key", b"")]).unwrap();
    scene.proxy.log_line("skipped: ");
    scene.is_pending("x.test");
    let expected = scene.put(NAMES, KeyKind::EcdsaP256);
    scene.comes_to("x.test", Tls::V13, &expected);
    let (_, other) = scene.pki.pair(NAMES, Key::P256, &Extra::default());
    let crt = fs::read(scene.state().join(&place).join("tls.crt")).unwrap();
    state.replace(&place, &[("tls.crt", &crt), ("tls.key", other.as_bytes())]).unwrap();
    scene.proxy.log_line("keeps its last good version: ");
    assert_eq!(scene.served("x.test", Tls::V13).unwrap(), expected);
    state.remove(&place).unwrap();
    scene.proxy.signal("HUP");
    assert_eq!(scene.served("x.test", Tls::V13).unwrap(), expected);
    let expected = scene.put(NAMES, KeyKind::EcdsaP256);
    scene.comes_to("x.test", Tls::V13, &expected);
}

#[test]
fn what_others_have_is_served_while_a_name_is_pending() {
    let source = "{ acme = \"a\", names = [\"p.w.test\", \"*.y.test\"] }";
    let scene = Scene::new(&format!("certificates = [\"certs\", {source}]"));
    scene.is_pending("p.w.test");
    // A certificate from elsewhere has two of the names, one of them by a wildcard.
    let (crt, _) = scene.pki.write("certs", "own", &["*.w.test", "a.y.test"], Key::P256, &Extra::default());
    let expected = der(&fs::read_to_string(crt).unwrap());
    for name in ["p.w.test", "a.y.test"] {
        scene.comes_to(name, Tls::V13, &expected);
    }
    scene.is_pending("b.y.test");
}

#[test]
fn explain_and_check_say_that_a_certificate_is_pending() {
    let (pki, backend) = (Pki::new(), Backend::echo());
    pki.write("certs", "main", &["main.test"], Key::P256, &Extra::default());
    let text = config(&backend, &format!("certificates = [\"certs\", {SOURCE}]"));
    let checked = check(pki.folder(), &text);
    assert!(checked.ok, "{:?}", checked.errors);
    assert!(!pki.folder().join("state").exists(), "check makes nothing");
    assert_eq!(checked.report["listeners"][0]["pending"], serde_json::json!(["*.y.test", "x.test"]));
    let notes = checked.report["notes"].as_array().unwrap();
    let expected = "listener \"main\": certificates[1]: the certificate for x.test, *.y.test is pending";
    assert!(notes.iter().any(|note| note.as_str().unwrap().starts_with(expected)), "{notes:?}");
    let explained = explained(pki.folder(), "a.y.test");
    assert_eq!(
        (&explained["result"], &explained["alert"]),
        (&"refused".into(), &"unrecognized_name".into()),
        "{explained}"
    );
    assert!(explained["reason"].as_str().unwrap().contains("pending are *.y.test and x.test"), "{explained}");
    // With nothing else to serve, check is as content.
    let alone = check(pki.folder(), &config(&backend, &format!("certificates = {SOURCE}")));
    assert!(alone.ok, "{:?}", alone.errors);
    assert_eq!(alone.report["listeners"][0]["certificates"], 0);
}

fn explained(folder: &Path, name: &str) -> serde_json::Value {
    let output = std::process::Command::new(crate::support::proxy::PROGRAM)
        .args(["explain", "--format", "json", "--listener", "main", "--sni", name, "--config"])
        .arg(folder.join("tlsgate.toml"))
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}
