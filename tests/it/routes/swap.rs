//! Routes and their tickets, while everything is swapped.

use std::fs;
use std::path::Path;

use super::{OWN, answers_once, config, pki, s_client, start};
use crate::support::backend::Backend;
use crate::support::check::check;
use crate::support::pki::{Extra, Key};
use crate::support::reports;

#[test]
fn routes_come_go_and_change_with_a_reload() {
    let (pki, plain, echo) = (pki(), answers_once(), Backend::echo());
    pki.write("apps", "app", &["app.test"], Key::P256, &Extra::default());
    let backends = [("plain", plain.address), ("echo", echo.address)];
    let write = |routes: &[&str]| {
        fs::write(pki.folder().join("tlsgate.toml"), config(OWN, routes, &backends)).unwrap();
    };
    let proxy = start(&pki, &format!("{OWN}\nunknown_name = \"reject\""), &[], &backends);
    let ask = || s_client(proxy.address("main"), Some("app.test"), &pki.ca(), &[]);
    assert_eq!(reports::alert(&ask()), Some(112));
    write(&["server_names = [\"app.test\"]\ncertificates = [\"apps\"]"]);
    proxy.log_line("route \"app.test\": added");
    let printed = ask();
    assert!(reports::verified(&printed) && printed.contains("hello"), "{printed}");
    // A certificate of a route is watched and swapped like any other.
    pki.write("apps", "app", &["app.test"], Key::P256, &Extra::default());
    proxy.log_line("app.crt replaced");
    write(&["server_names = [\"app.test\"]\nmode = \"reject\""]);
    proxy.log_line("route \"app.test\": mode = \"reject\" (was \"terminate\")");
    assert_eq!(reports::alert(&ask()), Some(112));
    let record = proxy.record(|record| record["outcome"] == "route_rejected");
    assert_eq!((&record["route"], &record["mode"]), (&"app.test".into(), &"reject".into()), "{record:#}");
    write(&["server_names = [\"app.test\"]", "server_names = [\"App.Test\"]"]);
    proxy.log_line("would never match: route \"app.test\" already takes app.test");
    assert_eq!(reports::alert(&ask()), Some(112));
    write(&[]);
    proxy.log_line("route \"app.test\": removed");
}

#[test]
fn a_ticket_of_one_route_opens_on_no_other() {
    let (pki, plain) = (pki(), answers_once());
    let route = "name = \"imap\"\nserver_names = [\"main.test\"]\nclient_alpn = [\"imap\"]";
    let proxy = start(&pki, &format!("{OWN}\nalpn = [\"h2\"]"), &[route], &[("plain", plain.address)]);
    // The last one has no ticket: its session is found by its id.
    for way in [&["-tls1_2"][..], &["-tls1_3"], &["-tls1_2", "-no_ticket"]] {
        let version = way.concat();
        let session = pki.folder().join(&version);
        let connect = |protocol: &str, keep: &str, session: &Path| {
            let more = [way, &["-alpn", protocol, keep, session.to_str().unwrap()]].concat();
            let printed = s_client(proxy.address("main"), Some("main.test"), &pki.ca(), &more);
            assert_eq!(reports::protocol(&printed), Some(protocol), "{printed}");
            reports::resumed(&printed)
        };
        assert!(!connect("h2", "-sess_out", &session));
        assert!(connect("h2", "-sess_in", &session), "{version}");
        assert!(!connect("imap", "-sess_in", &session), "{version}: another route");
        assert!(!connect("imap", "-sess_out", &session));
        assert!(connect("imap", "-sess_in", &session), "{version}");
        assert!(!connect("h2", "-sess_in", &session), "{version}: another route");
    }
}

#[test]
fn a_listener_whose_routes_all_pass_through_needs_neither_certificates_nor_a_backend() {
    let (pki, echo) = (pki(), Backend::echo());
    let route = "server_names = [\"pass.test\"]\nmode = \"passthrough\"\nbackend = \"echo\"";
    let checked = check(pki.folder(), &config("", &[route], &[("echo", echo.address)]));
    assert!(checked.ok && checked.warnings.is_empty(), "{:?}", checked.report);
    assert_eq!(checked.report["listeners"][0]["mode"], "reject");
    let proxy = start(&pki, "", &[route], &[("echo", echo.address)]);
    for name in [Some("main.test"), None] {
        let printed = s_client(proxy.address("main"), name, &pki.ca(), &[]);
        assert_eq!(reports::alert(&printed), Some(112), "{printed}");
    }
    let records = proxy.records(2);
    for record in records {
        let logged = (&record["outcome"], &record["route"], &record["mode"]);
        assert_eq!(logged, (&"no_route".into(), &"default".into(), &"reject".into()), "{record:#}");
    }
}
