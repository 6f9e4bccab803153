//! Settings: files that cannot be read, checks that change in a reload, and servers taken out of service.

use std::fs;
use std::io::Read;

use serde_json::json;

use super::{QUICK, becomes, down_for, metrics, names, server, stage};
use crate::support::backend::Backend;
use crate::support::by_hand::ByHand;
use crate::support::check::check;
use crate::support::pki::{Extra, Key, Pki, write_private};
use crate::support::procfs::eventually;

#[test]
fn what_a_check_needs_and_cannot_be_read_is_an_error() {
    let pki = Pki::new();
    pki.write("certs", "a", &["a.test"], Key::P256, &Extra::default());
    fs::create_dir(pki.folder().join("folder")).unwrap();
    write_private(&pki.folder().join("empty"), "\n");
    fs::write(pki.folder().join("empty.pem"), "").unwrap();
    let bind = |file| format!("type = \"ldap\"\nbind_dn = \"cn=a\"\npassword_file = \"{file}\"");
    for (health, wanted) in [
        (bind("none"), "none"),
        (bind("folder"), "folder: is a folder, expected a file"),
        (bind("empty"), "health: password_file: holds no password"),
        ("type = \"tls\"\nca = \"none.pem\"".to_owned(), "none.pem: no such file"),
        ("type = \"tls\"\nca = \"empty.pem\"".to_owned(), "empty.pem: is empty"),
        ("type = \"tls\"\nca = \"certs/a.key\"".to_owned(), "certs/a.key: holds no certificate"),
    ] {
        let config = format!(
            "[[listener]]\nname = \"main\"\nlisten = \"127.0.0.1:0\"\ncertificates = [\"certs\"]\nbackend = \"a\"\n\
             [backend.a]\nservers = \"127.0.0.1:1\"\n[backend.a.health]\n{health}\n"
        );
        let checked = check(pki.folder(), &config);
        assert_eq!(checked.errors.len(), 1, "{:?}", checked.errors);
        assert!(checked.errors[0].contains("health") && checked.errors[0].contains(wanted), "{:?}", checked.errors);
    }
}

#[test]
fn what_is_not_read_of_a_checks_ca_file_is_a_warning() {
    let pki = Pki::new();
    pki.write("certs", "a", &["a.test"], Key::P256, &Extra::default());
    let ca = fs::read_to_string(pki.ca()).unwrap();
    let strange = "-----BEGIN STRANGE THING-----\nAAAA\n-----END STRANGE THING-----\n";
    let warnings = |text: &str| {
        fs::write(pki.folder().join("roots.pem"), text).unwrap();
        let config = "[[listener]]\nname = \"main\"\nlisten = \"127.0.0.1:0\"\ncertificates = [\"certs\"]\nbackend = \"a\"\n\
             [backend.a]\nservers = \"127.0.0.1:1\"\n\
             [backend.a.health]\ntype = \"tls\"\nca = \"roots.pem\"\nserver_name = \"a.test\"\n";
        let checked = check(pki.folder(), config);
        assert!(checked.ok, "{:?}", checked.errors);
        checked.warnings.into_iter().filter(|warning| warning.contains("roots.pem")).collect::<Vec<_>>()
    };
    assert_eq!(warnings(&ca), Vec::<String>::new());
    let found = warnings(&(ca + strange));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("backend \"a\": health: ca") && found[0].contains("STRANGE THING"), "{found:?}");
}

#[test]
fn checks_go_on_through_reloads_and_begin_anew_when_they_change() {
    let server = Backend::start(|mut stream| stream.read_to_end(&mut Vec::new()));
    let stage = stage(&[server.address], "type = \"tcp\"", "");
    becomes(&stage, 0, "up");
    let passed = || {
        let text = metrics(&stage);
        let line = text.lines().find(|line| line.contains("health_checks_total") && line.contains("passed")).unwrap();
        line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()
    };
    let before = passed();
    stage.reload(&names(&[server.address]), &format!("connect_attempts = 1\nhealth = {{ type = \"tcp\", {QUICK} }}"));
    assert_eq!(self::server(&stage, 0)["health"], "up");
    assert!(passed() >= before);
    let ldap = format!("health = {{ type = \"ldap\", timeout = \"100ms\", fall = 1000, {QUICK} }}");
    stage.reload(&names(&[server.address]), &ldap);
    down_for(&stage, 0, "no answer within 100ms");
    stage.reload(&names(&[server.address]), "");
    becomes(&stage, 0, "unknown");
    assert_eq!(self::server(&stage, 0)["last_check"], json!(null));
    stage.proxy.log_line("health: type = \"ldap\" (was \"tcp\")");
    stage.proxy.log_line("health is not set (was { type = \"ldap\"");
    // Its series are removed together with the server.
    let other = Backend::echo();
    stage.reload(&names(&[other.address]), &format!("health = {{ type = \"tcp\", {QUICK} }}"));
    eventually("no series of it", || (!metrics(&stage).contains(&server.address.to_string())).then_some(()));
}

#[test]
fn a_server_in_maintenance_is_not_checked() {
    let server = ByHand::new();
    let health = "type = \"tcp\"";
    let stage = stage(&[server.address], health, "");
    becomes(&stage, 0, "up");
    let path = format!("/api/v1/backends/servers/{}/state", server.address);
    let answer = stage.door().ask("PUT", &path, &[("Content-Type", "application/json")], "{\"state\":\"maint\"}");
    assert_eq!(answer.status, 200, "{answer:?}");
    let text = metrics(&stage);
    assert!(
        text.contains(&format!("tlsgate_backend_up{{backend=\"servers\",server=\"{}\"}} 0", server.address)),
        "{text}"
    );
    // Checks under way finish, and then no more follow.
    let last = || self::server(&stage, 0)["last_check"]["time"].clone();
    let mut seen = last();
    let mut same = 0;
    eventually("twenty looks without another check", || {
        let now = last();
        same = if now == seen { same + 1 } else { 0 };
        seen = now;
        std::thread::sleep(std::time::Duration::from_millis(20));
        (same >= 20).then_some(())
    });
}
