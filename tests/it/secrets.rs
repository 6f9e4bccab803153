//! Files of secrets that everyone may read, as Docker and Kubernetes mount them by default: one rule for
//! each kind. They are used, with a warning, which `check --strict` counts as an error.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::check::check;
use crate::support::http::Door;
use crate::support::pki::{Extra, Key, Pki};
use crate::support::procfs::eventually;
use crate::support::proxy::{PROGRAM, Proxy};
use crate::support::tool;

const TOKEN: &str = "correct-horse-battery-staple";

/// The lines in `[admin]`, in the listener and in the backend, and the file that everyone may read.
struct Kind {
    name: &'static str,
    admin: &'static str,
    certificates: &'static str,
    listener: &'static str,
    backend: &'static str,
    file: &'static str,
}

const PLAIN: Kind = Kind { name: "", admin: "", certificates: "[\"certs\"]", listener: "", backend: "", file: "" };

const KINDS: [Kind; 8] = [
    Kind { name: "token", admin: "token_file = \"token\"", file: "token", ..PLAIN },
    Kind {
        name: "password",
        backend: "[backend.none.health]\ntype = \"ldap\"\nbind_dn = \"cn=a\"\npassword_file = \"password\"",
        file: "password",
        ..PLAIN
    },
    Kind { name: "ticket keys", listener: "ticket_keys = \"tickets\"", file: "tickets", ..PLAIN },
    Kind {
        name: "ticket keys of routes",
        listener: "ticket_keys = \"tickets\"\n[[listener.route]]\nserver_names = [\"a.test\"]\n[[listener.route]]\nserver_names = [\"b.test\"]",
        file: "tickets",
        ..PLAIN
    },
    Kind { name: "key in a folder", file: "certs/a.key", ..PLAIN },
    Kind {
        name: "key of a pair",
        certificates: "{ cert = \"certs/a.crt\", key = \"certs/a.key\" }",
        file: "certs/a.key",
        ..PLAIN
    },
    Kind { name: "combined file", certificates: "[\"combined.pem\"]", file: "combined.pem", ..PLAIN },
    Kind {
        name: "key shown to a backend",
        backend: "[backend.none.tls]\nca = \"ca.pem\"\nserver_name = \"a.test\"\ncert = \"shown.crt\"\nkey = \"shown.key\"",
        file: "shown.key",
        ..PLAIN
    },
];

fn scene() -> Pki {
    let pki = Pki::new();
    let folder = pki.folder();
    pki.write("certs", "a", &["a.test"], Key::P256, &Extra::default());
    pki.write("", "shown", &["shown.test"], Key::P256, &Extra { client: true, ..Extra::default() });
    let (certificate, key) = pki.pair(&["a.test"], Key::P256, &Extra::default());
    let tickets = tool::run(PROGRAM, &["ticket-key", "new"], b"").stdout;
    let files = [
        ("combined.pem", certificate + &key),
        ("token", format!("{TOKEN}\n")),
        ("password", "secret\n".to_owned()),
        ("tickets", String::from_utf8(tickets).unwrap()),
    ];
    for (name, text) in files {
        fs::write(folder.join(name), text).unwrap();
        permit(&folder.join(name), 0o440);
    }
    pki
}

fn permit(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn config(Kind { admin, certificates, listener, backend, .. }: &Kind) -> String {
    format!(
        "[admin]\nlisten=\"127.0.0.1:0\"\n{admin}\n[[listener]]\nname = \"main\"\nlisten = \"127.0.0.1:0\"\ncertificates = {certificates}\nbackend = \"none\"\n{listener}\n[backend.none]\nservers = [\"127.0.0.1:1\"]\n{backend}\n"
    )
}

#[test]
fn each_kind_of_secret_that_everybody_may_read_is_one_warning_and_with_strict_an_error() {
    let pki = scene();
    let path = pki.folder().join("tlsgate.toml").display().to_string();
    let strict = || tool::run(PROGRAM, &["check", "--strict", "-c", &path], b"").status.code();
    for kind in KINDS {
        let file = pki.folder().join(kind.file);
        for mode in [0o600, 0o440] {
            permit(&file, mode);
            let checked = check(pki.folder(), &config(&kind));
            assert_eq!((checked.errors, checked.warnings), (vec![], vec![]), "{} {mode:o}", kind.name);
            assert_eq!(strict(), Some(0), "{}", kind.name);
        }
        for mode in [0o444, 0o644] {
            permit(&file, mode);
            let checked = check(pki.folder(), &config(&kind));
            assert!(checked.ok && checked.errors.is_empty(), "{} {mode:o}: {:?}", kind.name, checked.errors);
            let [warning] = checked.warnings.as_slice() else { panic!("{}: {:?}", kind.name, checked.warnings) };
            let named = warning.contains(&file.display().to_string()) && warning.contains("can be read by everyone");
            assert!(named, "{}: {warning}", kind.name);
            assert_eq!(strict(), Some(1), "{}", kind.name);
        }
        permit(&file, 0o440);
    }
}

#[test]
fn they_are_used_all_the_same_and_the_log_warns() {
    let pki = scene();
    permit(&pki.folder().join("token"), 0o444);
    permit(&pki.folder().join("tickets"), 0o444);
    let kind = Kind { admin: KINDS[0].admin, listener: KINDS[2].listener, ..PLAIN };
    let proxy = Proxy::start(pki.folder(), &config(&kind));
    for key in ["admin: token_file: ", "ticket_keys"] {
        let line = proxy.log_line(key);
        assert!(line.contains("WARN") && line.contains("can be read by everyone"), "{line}");
    }
    let line = proxy.log_line("admin API listening address=");
    let door = Door::Tcp(line.split_once("address=").unwrap().1.trim().parse().unwrap());
    eventually("it is ready", || (door.get("/readyz").status == 200).then_some(()));
    let bearer = format!("Bearer {TOKEN}");
    let ask = || door.ask("POST", "/api/v1/reload", &[("Authorization", &bearer)], "");
    let answer = ask();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["warnings"].as_array().unwrap().len(), 2, "{answer:?}");
    permit(&pki.folder().join("token"), 0o440);
    permit(&pki.folder().join("tickets"), 0o440);
    assert_eq!(ask().json()["warnings"].as_array().unwrap().len(), 0, "it is seen at the next reload");
}

#[test]
fn a_token_that_cannot_be_read_any_more_is_a_warning_of_the_reload() {
    let pki = scene();
    let proxy = Proxy::start(pki.folder(), &config(&KINDS[0]));
    fs::remove_file(pki.folder().join("token")).unwrap();
    proxy.signal("HUP");
    let line = proxy.log_line("changes over TCP are refused");
    assert!(line.contains("admin: token_file: ") && line.contains("no such file"), "{line}");
}
