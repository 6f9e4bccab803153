//! Clients that know no tickets resume sessions of TLS 1.2 by their ids, on the same terms as others with tickets.

use std::fs;
use std::path::Path;

use rustls::ClientConfig;
use rustls::client::{Resumption, Tls12Resumption};

use crate::support::backend::Backend;
use crate::support::client::{Client, Tls, trusting};
use crate::support::http::Door;
use crate::support::pki::{Extra, Key, Pki, write_private};
use crate::support::proxy::Proxy;
use crate::support::{reports, tool};
use crate::tickets::{answers_once, config, new_key, pki};

const LAYERS: [&str; 2] = ["tlsgate", "rustls"];

fn start(pki: &Pki, backend: &Backend, lines: &str) -> Proxy {
    Proxy::start(pki.folder(), &config(backend, lines))
}

fn on_layer(layer: &str, pki: &Pki, backend: &Backend) -> Proxy {
    let top = format!("[runtime]\nrecord_layer = \"{layer}\"");
    Proxy::start(pki.folder(), &format!("{top}\n{}", config(backend, "unknown_name = \"default\"")))
}

/// Connects with OpenSSL; keeps the session in `session` if that file is missing, and offers it if it exists. `settings` are
/// variables of the environment. Returns what OpenSSL prints.
fn s_client(proxy: &Proxy, listener: &str, name: &str, session: &Path, settings: &[&str]) -> String {
    let address = proxy.address(listener).to_string();
    let keep = if session.exists() { "-sess_in" } else { "-sess_out" };
    let session = session.to_str().unwrap();
    let arguments = ["openssl", "s_client", "-ign_eof", "-connect", &address, "-servername", name];
    let arguments = [settings, &arguments, &["-tls1_2", "-no_ticket", keep, session, "-msg"]].concat();
    tool::shown(&tool::run("env", &arguments, b"hello\n"))
}

/// The same for a connection that must succeed; returns whether it resumed.
fn connect(proxy: &Proxy, listener: &str, session: &Path) -> bool {
    let printed = s_client(proxy, listener, "a.test", session, &[]);
    assert!(printed.contains("hello"), "{printed}");
    reports::resumed(&printed)
}

/// What OpenSSL knows of a session.
fn text(session: &Path) -> String {
    let output = tool::run("openssl", &["sess_id", "-noout", "-text", "-in", session.to_str().unwrap()], b"");
    String::from_utf8(output.stdout).unwrap()
}

/// Which of the connections so far were resumed, by the access log, in the order of their ends.
fn resumed(proxy: &Proxy, count: usize) -> Vec<bool> {
    let records = proxy.records(count);
    assert_eq!(records.len(), count, "{records:#?}");
    assert!(records.iter().all(|record| record["outcome"] == "completed"), "{records:#?}");
    records.iter().map(|record| record["tls.resumed"].as_bool().unwrap()).collect()
}

#[test]
fn a_session_is_resumed_on_its_own_listener_and_on_no_other() {
    for layer in LAYERS {
        let (pki, backend) = (pki(), answers_once());
        let proxy = on_layer(layer, &pki, &backend);
        let session = pki.folder().join("session");
        let connections = ["one", "one", "one", "two", "one"].map(|listener| connect(&proxy, listener, &session));
        assert_eq!(connections, [false, true, true, false, true], "{layer}");
        assert_eq!(resumed(&proxy, 5), connections, "{layer}");
        // The client has no ticket that could have done it.
        let text = text(&session);
        assert!(text.contains("Session-ID") && !text.contains("ticket:"), "{text}");
    }
}

#[test]
fn how_many_sessions_a_listener_keeps_is_shown() {
    let (pki, backend) = (pki(), answers_once());
    let text = format!("[admin]\nlisten=\"unix:admin.sock\"\n{}", config(&backend, "unknown_name = \"default\""));
    let proxy = Proxy::start(pki.folder(), &text);
    let session = |number: usize| pki.folder().join(format!("session-{number}"));
    let resumed = [0, 1, 0].map(|number| connect(&proxy, "one", &session(number)));
    assert_eq!(resumed, [false, false, true]);
    let metrics = Door::unix(pki.folder()).get("/metrics").body;
    for (listener, count) in [("one", 2), ("two", 0)] {
        let line = format!("tlsgate_limits_sessions_by_id{{listener=\"{listener}\"}} {count}\n");
        assert!(metrics.contains(&line), "{line} is not in {metrics}");
    }
}

#[test]
fn openssl_that_reconnects_resumes_each_time() {
    let (pki, backend) = (pki(), Backend::echo());
    let proxy = start(&pki, &backend, "");
    let address = proxy.address("one").to_string();
    let arguments = ["s_client", "-connect", &address, "-servername", "a.test", "-tls1_2", "-no_ticket", "-reconnect"];
    let printed = tool::shown(&tool::run("openssl", &arguments, b""));
    assert!(reports::session(&printed).is_some(), "{printed}");
    let records = proxy.records(6);
    let resumed = records.iter().filter(|record| record["tls.resumed"] == true).count();
    assert_eq!((records.len(), resumed), (6, 5), "{records:#?}");
}

#[test]
fn java_without_tickets_resumes_as_java_8_does() {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/session_ids/Client.java");
    for layer in LAYERS {
        let (pki, backend) = (pki(), answers_once());
        let proxy = on_layer(layer, &pki, &backend);
        let port = proxy.address("one").port().to_string();
        let old = ["-Djdk.tls.client.protocols=TLSv1.2", "-Djdk.tls.client.enableSessionTicketExtension=false"];
        let output = tool::run("java", &[&old[..], &[program.to_str().unwrap(), &port, "4"]].concat(), b"");
        assert_eq!(resumed(&proxy, 4), [false, true, true, true], "{layer}: {}", tool::shown(&output));
        let text = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.len() == 4 && lines.iter().all(|line| line.starts_with("TLSv1.2 ")), "{text}");
    }
}

#[test]
fn gnutls_without_tickets_resumes() {
    let (pki, backend) = (pki(), answers_once());
    let proxy = start(&pki, &backend, "");
    let port = proxy.address("one").port().to_string();
    let priority = "NORMAL:-VERS-ALL:+VERS-TLS1.2:%NO_TICKETS";
    let arguments = ["--resume", "--waitresumption", "--insecure", "--sni-hostname", "a.test", "--port", &port];
    let output =
        tool::run("gnutls-cli", &[&arguments[..], &["--priority", priority, "127.0.0.1"]].concat(), b"hello\n");
    let records = proxy.records(2);
    let versions: Vec<_> = records.iter().map(|record| &record["tls.protocol.version"]).collect();
    let logged: Vec<_> = records.iter().map(|record| record["tls.resumed"] == true).collect();
    assert_eq!(logged, [false, true], "{versions:?} {}", tool::shown(&output));
}

/// RFC 6066 section 3: a session is of one server name.
#[test]
fn a_session_is_not_resumed_under_another_name() {
    let (pki, backend) = (pki(), answers_once());
    pki.write("certs", "b", &["b.test"], Key::P256, &Extra::default());
    let proxy = start(&pki, &backend, "");
    let session = pki.folder().join("session");
    assert!(!connect(&proxy, "one", &session));
    let text = text(&session);
    let id = text.split_once("Session-ID: ").unwrap().1.lines().next().unwrap().to_lowercase();
    assert_eq!(id.len(), 64);
    for (name, resumed) in [("b.test", false), ("a.test", true)] {
        let printed = s_client(&proxy, "one", name, &session, &[]);
        let dump: String =
            printed.lines().filter(|line| line.starts_with("    ")).flat_map(str::split_whitespace).collect();
        assert!(dump.contains(&id), "the session was not offered: {printed}");
        assert_eq!(reports::resumed(&printed), resumed, "{name}: {printed}");
    }
}

/// RFC 7627 section 5.3: a session with an extended master secret is not resumed without one, nor the reverse.
#[test]
fn a_session_keeps_its_kind_of_master_secret() {
    let (pki, backend) = (pki(), answers_once());
    let proxy = start(&pki, &backend, "");
    let [extended, plain] = ["extended", "plain"].map(|name| pki.folder().join(name));
    let ask = |session: &Path, settings: &[&str]| s_client(&proxy, "one", "a.test", session, settings);
    let file = pki.folder().join("old.cnf");
    let head = "openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\nsystem_default = tls\n[tls]\n";
    fs::write(&file, format!("{head}Options = -ExtendedMasterSecret\n")).unwrap();
    let old = format!("OPENSSL_CONF={}", file.display());
    assert!(!reports::resumed(&ask(&extended, &[])) && !reports::resumed(&ask(&plain, &[&old])));
    assert_eq!(reports::alert(&ask(&extended, &[&old])), Some(47), "illegal_parameter");
    assert!(!reports::resumed(&ask(&plain, &[])));
    assert!(reports::resumed(&ask(&extended, &[])));
}

#[test]
fn a_session_is_resumed_after_a_reload() {
    for lines in ["", "ticket_keys = [\"tickets.keys\"]"] {
        let (pki, backend) = (pki(), answers_once());
        write_private(&pki.folder().join("tickets.keys"), &format!("{}{}", new_key(), new_key()));
        let proxy = start(&pki, &backend, lines);
        let session = pki.folder().join("session");
        assert!(!connect(&proxy, "one", &session));
        pki.write("certs", "a", &["a.test"], Key::P256, &Extra::default());
        proxy.log_line("a.crt replaced");
        assert!(connect(&proxy, "one", &session), "{lines}");
    }
}

#[test]
fn a_process_with_the_same_key_file_opens_tickets_but_knows_no_ids() {
    let (pki, backend) = (pki(), answers_once());
    write_private(&pki.folder().join("tickets.keys"), &format!("{}{}", new_key(), new_key()));
    let [first, second] = [(); 2].map(|()| start(&pki, &backend, "ticket_keys = [\"tickets.keys\"]"));
    let session = pki.folder().join("session");
    assert!(!connect(&first, "one", &session));
    assert!(!connect(&second, "one", &session));
    assert!(connect(&first, "one", &session));
}

#[test]
fn without_tickets_there_are_no_sessions_by_id_either() {
    let (pki, backend) = (pki(), answers_once());
    let proxy = start(&pki, &backend, "session_tickets = false");
    let session = pki.folder().join("session");
    assert!(!connect(&proxy, "one", &session));
    assert!(!connect(&proxy, "one", &session));
    assert_eq!(resumed(&proxy, 2), [false, false]);
    assert_eq!(id_length(&proxy, &offering(&pki, Tls::V12, Tls12Resumption::SessionIdOnly)), 0);
}

/// A client that offers TLS of this version, with or without tickets.
fn offering(pki: &Pki, tls: Tls, how: Tls12Resumption) -> ClientConfig {
    let mut config = trusting(&pki.ca(), tls);
    config.resumption = Resumption::in_memory_sessions(16).tls12_resumption(how);
    config
}

/// The length of the session id in the server's answer to this client's first hello.
fn id_length(proxy: &Proxy, config: &ClientConfig) -> u8 {
    use std::io::{Read, Write};
    let mut client = Client::silent(proxy.address("one"), &config.clone().into(), "a.test");
    let mut hello = Vec::new();
    client.tls.write_tls(&mut hello).unwrap();
    client.tcp.write_all(&hello).unwrap();
    // A record's header, a message's header, version, random: then the length.
    let mut answer = [0; 5 + 4 + 2 + 32 + 1];
    client.tcp.read_exact(&mut answer).unwrap();
    assert_eq!((answer[0], answer[5]), (22, 2), "a ServerHello");
    answer[43]
}

/// Whoever knows tickets needs no room in the store.
#[test]
fn only_a_client_of_tls12_that_knows_no_tickets_is_given_an_id() {
    let (pki, backend) = (pki(), answers_once());
    let proxy = start(&pki, &backend, "");
    assert_eq!(id_length(&proxy, &offering(&pki, Tls::V12, Tls12Resumption::SessionIdOnly)), 32);
    assert_eq!(id_length(&proxy, &offering(&pki, Tls::V12, Tls12Resumption::SessionIdOrTickets)), 0);
    // TLS 1.3 sends the client's own bytes back (RFC 8446 section 4.1.3).
    assert_eq!(id_length(&proxy, &offering(&pki, Tls::V13, Tls12Resumption::SessionIdOnly)), 32);
}
