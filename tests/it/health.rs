//! Health checks: a server that does not do its work is noticed, whatever it still does, and clients are led past it.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use crate::support::backend::Backend;
use crate::support::by_hand::{ByHand, Refusing};
use crate::support::check::check;
use crate::support::client::{Ending, Tls, drain};
use crate::support::pki::{Extra, Key, Pki, write_private};
use crate::support::procfs::eventually;
use crate::support::slapd::{ADMIN, PASSWORD, Slapd};
use crate::support::stage::Stage;
use crate::support::tool;

mod load;

/// As often as is of use in a test.
const QUICK: &str = "interval = \"50ms\", jitter = \"5ms\"";

fn stage(servers: &[SocketAddr], health: &str, more: &str) -> Stage {
    Stage::of(&names(servers), &format!("health = {{ {health}, {QUICK} }}\n{more}"))
}

fn names(servers: &[SocketAddr]) -> String {
    servers.iter().map(|server| format!("\"{server}\"")).collect::<Vec<_>>().join(", ")
}

fn server(stage: &Stage, index: usize) -> Value {
    stage.door().get("/api/v1/backends").json()["backends"][0]["servers"][index].clone()
}

/// Waits until checks say so of a server; what is shown of it then.
fn becomes(stage: &Stage, index: usize, health: &str) -> Value {
    eventually(health, || Some(server(stage, index)).filter(|server| server["health"] == health))
}

fn reason(server: &Value) -> &str {
    server["last_check"]["reason"].as_str().unwrap()
}

/// Waits until a server is down, for that reason.
fn down_for(stage: &Stage, index: usize, wanted: &str) {
    let server = becomes(stage, index, "down");
    assert!(reason(&server).contains(wanted), "wanted {wanted}: {server}");
}

fn metrics(stage: &Stage) -> String {
    stage.door().get("/metrics").body
}

/// A server that speaks TLS, with that certificate, and then does what it is told to.
fn tls_backend(
    (certificate, key): &(String, String),
    serve: impl Fn(&mut StreamOwned<ServerConnection, TcpStream>) -> std::io::Result<()> + Send + Sync + 'static,
) -> Backend {
    let chain = CertificateDer::pem_slice_iter(certificate.as_bytes()).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let config = Arc::new(config);
    Backend::start(move |stream| {
        let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream);
        stream.conn.complete_io(&mut stream.sock)?;
        serve(&mut stream)
    })
}

/// A server that answers every request with these bytes.
fn http_backend(answer: &'static [u8]) -> Backend {
    Backend::start(move |mut stream| {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            request.extend_from_slice(&byte);
        }
        stream.write_all(answer)
    })
}

#[test]
fn a_server_that_refuses_is_down_and_comes_up_when_it_accepts() {
    let (up, down) = (Backend::echo(), Refusing::new());
    let stage = stage(&[up.address, down.address], "type = \"tcp\"", "");
    becomes(&stage, 0, "up");
    down_for(&stage, 1, "connection refused");
    let text = metrics(&stage);
    for (server, value) in [(up.address, 1), (down.address, 0)] {
        let series = format!("tlsgate_backend_up{{backend=\"servers\",server=\"{server}\"}} {value}");
        assert!(text.contains(&series), "{series} is not in {text}");
    }
    for (server, result) in [(up.address, "passed"), (down.address, "connect")] {
        let labels = format!("{{backend=\"servers\",result=\"{result}\",server=\"{server}\"}}");
        assert!(text.contains(&format!("tlsgate_backend_health_checks_total{labels}")), "{text}");
    }
    let line = stage.proxy.log_line("server is down");
    assert!(line.contains(&format!("backend=servers server={}", down.address)) && line.contains("refused"), "{line}");
    let address = down.address;
    drop(down);
    let _listening = std::net::TcpListener::bind(address).unwrap();
    becomes(&stage, 1, "up");
    stage.proxy.log_line("server is up");
}

#[test]
fn a_server_that_accepts_and_says_nothing_passes_tcp_and_no_other_check() {
    let silent = Backend::start(|mut stream| stream.read_to_end(&mut Vec::new()));
    for (health, passes) in [
        ("type = \"tcp\"", true),
        ("type = \"tls\", verify = false", false),
        ("type = \"http\"", false),
        ("type = \"ldap\"", false),
        ("type = \"ldap\", start_tls = true, verify = false", false),
    ] {
        let stage = stage(&[silent.address], &format!("{health}, timeout = \"200ms\""), "");
        match passes {
            true => drop(becomes(&stage, 0, "up")),
            false => down_for(&stage, 0, "no answer within 200ms"),
        }
    }
}

#[test]
fn it_takes_several_checks_in_a_row_to_change_what_is_known() {
    // Answers as told: every third check fails, which is not two in a row.
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let flaky = Backend::start(move |mut stream| {
        let answer: &[u8] = match counted.fetch_add(1, Ordering::Relaxed) % 3 {
            2 => b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n",
            _ => b"HTTP/1.1 200 Yes\r\nContent-Length: 0\r\n\r\n",
        };
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        stream.write_all(answer)
    });
    let stage = stage(&[flaky.address], "type = \"http\", rise = 2, fall = 2", "");
    eventually("thirty checks", || (count.load(Ordering::Relaxed) >= 30).then_some(()));
    assert_eq!(server(&stage, 0)["health"], "up");
    assert!(!stage.proxy.log().contains("server is down"), "{}", stage.proxy.log());
    assert!(metrics(&stage).contains("result=\"answer\""));
}

#[test]
fn a_server_that_comes_and_goes_does_not_fill_the_log() {
    let up = Arc::new(AtomicBool::new(true));
    let now = Arc::clone(&up);
    let flapping = Backend::start(move |mut stream| {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        // Another answer each time.
        match now.fetch_xor(true, Ordering::Relaxed) {
            true => stream.write_all(b"HTTP/1.1 200 Yes\r\nContent-Length: 0\r\n\r\n"),
            false => stream.write_all(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"),
        }
    });
    let stage = stage(&[flapping.address], "type = \"http\", rise = 1, fall = 1", "");
    let answers = || {
        let text = metrics(&stage);
        let line = text.lines().find(|line| line.contains("result=\"answer\""))?;
        line.rsplit(' ').next()?.parse::<usize>().ok().filter(|count| *count >= 20)
    };
    eventually("it has come and gone twenty times", answers);
    let log = stage.proxy.log();
    let told = log.lines().filter(|line| line.contains("server is ")).count();
    assert!((1..=4).contains(&told), "{log}");
}

#[test]
fn http_is_checked_by_status_text_host_and_method() {
    let yes = http_backend(b"HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\nso far all is well");
    let moved = http_backend(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n");
    let no = http_backend(b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\n");
    let chunked =
        http_backend(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nis we\r\n2\r\nll\r\n0\r\n\r\n");
    let noise = http_backend(b"220 mail.example.com ESMTP\r\n");
    for (backend, health, wanted) in [
        (&yes, "", None),
        (&yes, ", body = \"all is well\"", None),
        (&chunked, ", body = \"is well\"", None),
        (&yes, ", body = \"all is lost\"", Some("status 200, but the text is not in the body")),
        (&yes, ", status = [201, \"300-399\"]", Some("status 200")),
        (&moved, "", None),
        (&moved, ", status = 200", Some("status 302")),
        (&no, "", Some("status 503")),
        (&no, ", status = \"500-599\"", None),
        (&noise, "", Some("invalid HTTP version parsed")),
    ] {
        let stage = stage(&[backend.address], &format!("type = \"http\"{health}"), "");
        match wanted {
            None => drop(becomes(&stage, 0, "up")),
            Some(reason) => down_for(&stage, 0, reason),
        }
    }
}

#[test]
fn an_http_request_is_what_was_asked_for() {
    let backend = ByHand::new();
    let health = "type = \"http\", method = \"HEAD\", path = \"/a?b=c\", host = \"www.example.com\", timeout = \"1m\"";
    let _stage = stage(&[backend.address], health, "");
    let mut stream = backend.accept();
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        request.extend_from_slice(&byte);
    }
    let request = String::from_utf8(request).unwrap();
    assert!(request.starts_with("HEAD /a?b=c HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("host: www.example.com\r\n") && request.contains("connection: close\r\n"), "{request}");
}

#[test]
fn tls_is_verified_by_ca_and_name_or_by_pin_or_not_at_all() {
    let (pki, other) = (Pki::new(), Pki::new());
    fs::write(pki.folder().join("other.pem"), fs::read(other.ca()).unwrap()).unwrap();
    let good = pki.pair(&["ldap.test"], Key::P256, &Extra::default());
    let expired = pki.pair(&["ldap.test"], Key::P256, &Extra { validity: Some((-9, -2)), ..Extra::default() });
    let soon = pki.pair(&["ldap.test"], Key::P256, &Extra { validity: Some((-9, 5)), ..Extra::default() });
    let serve = |pair: &(String, String)| tls_backend(pair, |stream| stream.read_to_end(&mut Vec::new()).map(drop));
    let (ca, others) = (pki.ca().display().to_string(), other.ca().display().to_string());
    let (pin, ca_pin, wrong) = (pin(&good.0), pin(&fs::read_to_string(pki.ca()).unwrap()), pin(&expired.0));
    // With the CA's certificate sent along, its key can be pinned.
    let with_ca = (format!("{}{}", good.0, fs::read_to_string(pki.ca()).unwrap()), good.1.clone());
    let named = "server_name = \"ldap.test\"";
    for (pair, trust, wanted) in [
        (&good, format!("ca = \"{ca}\", {named}"), None),
        (&good, format!("pins = \"{pin}\""), None),
        (&good, format!("ca = \"{ca}\", pins = [\"{wrong}\", \"{pin}\"], {named}"), None),
        (&with_ca, format!("pins = \"{ca_pin}\", {named}"), None),
        (&expired, "verify = false".to_owned(), None),
        (&good, format!("ca = \"{others}\", {named}"), Some("TLS: invalid peer certificate")),
        (&good, format!("ca = \"{ca}\", server_name = \"other.test\""), Some("not valid for name \"other.test\"")),
        (&good, format!("ca = \"{ca}\""), Some("not valid for name")),
        (&expired, format!("ca = \"{ca}\", {named}"), Some("expired")),
        (&good, format!("pins = \"{wrong}\", {named}"), Some("no certificate that the server sent has a pinned key")),
        (&with_ca, format!("pins = \"{ca_pin}\", server_name = \"other.test\""), Some("not valid for name")),
        (&soon, format!("ca = \"{ca}\", {named}"), None),
    ] {
        let backend = serve(pair);
        let stage = stage(&[backend.address], &format!("type = \"tls\", {trust}"), "");
        match wanted {
            None => drop(becomes(&stage, 0, "up")),
            Some(reason) => down_for(&stage, 0, reason),
        }
        if std::ptr::eq(pair, &soon) {
            let line = stage.proxy.log_line("the server's certificate expires soon");
            assert!(line.contains("days=4"), "{line}");
            assert!(metrics(&stage).contains("tlsgate_backend_certificate_not_after_timestamp_seconds{"));
            assert!(server(&stage, 0)["certificate_not_after"].is_string());
        }
    }
}

/// As the documentation says it is made.
fn pin(certificate: &str) -> String {
    let script =
        "openssl x509 -noout -pubkey | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64";
    let output = tool::run("sh", &["-c", script], certificate.as_bytes());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn http_and_ldap_are_checked_over_tls_too() {
    let pki = Pki::new();
    let pair = pki.pair(&["a.test"], Key::P256, &Extra::default());
    let https = tls_backend(&pair, |stream| {
        stream.read_exact(&mut [0; 10])?;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")?;
        stream.flush()
    });
    let trust = format!("tls = true, ca = \"{}\", server_name = \"a.test\"", pki.ca().display());
    let stage = stage(&[https.address], &format!("type = \"http\", {trust}, body = \"hello\""), "");
    becomes(&stage, 0, "up");
    let slapd = Slapd::start_with_tls("", &pki);
    for health in [
        format!("type = \"ldap\", start_tls = true, ca = \"{}\", server_name = \"localhost\"", pki.ca().display()),
        "type = \"ldap\", start_tls = true, verify = false".to_owned(),
    ] {
        let stage = self::stage(&[slapd.address], &health, "");
        assert!(becomes(&stage, 0, "up")["certificate_not_after"].is_string());
    }
    let wrong = Pki::new();
    let health = format!("type = \"ldap\", start_tls = true, ca = \"{}\"", wrong.ca().display());
    down_for(&self::stage(&[slapd.address], &health, ""), 0, "TLS: invalid peer certificate");
    let plain = Slapd::start("");
    let stage = self::stage(&[plain.address], "type = \"ldap\", start_tls = true, verify = false", "");
    down_for(&stage, 0, "StartTLS: protocolError (2)");
}

#[test]
fn a_directory_is_checked_by_its_root_entry_or_by_a_bind() {
    let slapd = Slapd::start("");
    becomes(&stage(&[slapd.address], "type = \"ldap\"", ""), 0, "up");
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("password");
    let bind = format!("type = \"ldap\", bind_dn = \"{ADMIN}\", password_file = \"{}\"", file.display());
    for (password, wanted) in [(format!("{PASSWORD}\n"), None), ("wrong".to_owned(), Some("invalidCredentials (49)"))] {
        write_private(&file, &password);
        let stage = stage(&[slapd.address], &bind, "");
        match wanted {
            None => drop(becomes(&stage, 0, "up")),
            Some(reason) => down_for(&stage, 0, reason),
        }
    }
    // The right password, and another one when the file changes.
    write_private(&file, PASSWORD);
    let stage = stage(&[slapd.address], &bind, "");
    becomes(&stage, 0, "up");
    write_private(&file, "changed");
    down_for(&stage, 0, "invalidCredentials (49)");
    let all = stage.proxy.log() + &stage.door().get("/api/v1/config").body + &stage.door().get("/api/v1/backends").body;
    assert!(!all.contains(PASSWORD) && all.contains("password_file"), "{all}");
}

#[test]
fn what_a_check_needs_and_cannot_be_read_is_an_error() {
    let pki = Pki::new();
    pki.write("certs", "a", &["a.test"], Key::P256, &Extra::default());
    fs::write(pki.folder().join("open"), "secret").unwrap();
    set_mode(&pki.folder().join("open"), 0o644);
    write_private(&pki.folder().join("empty"), "\n");
    fs::write(pki.folder().join("empty.pem"), "").unwrap();
    let bind = |file| format!("type = \"ldap\"\nbind_dn = \"cn=a\"\npassword_file = \"{file}\"");
    for (health, wanted) in [
        (bind("none"), "none"),
        (bind("open"), "open"),
        (bind("empty"), "health: password_file: holds no password"),
        ("type = \"tls\"\nca = \"none.pem\"".to_owned(), "none.pem: No such file"),
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

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
}

#[test]
fn with_every_server_down_clients_are_refused_or_led_to_any() {
    let (pki, server) = (Pki::new(), Backend::echo());
    for (when_all_down, served) in [("fail", false), ("any", true)] {
        // It does its work, but does not pass.
        let health = format!("type = \"tls\", ca = \"{}\"", pki.ca().display());
        let stage = stage(&[server.address], &health, &format!("when_all_down = \"{when_all_down}\""));
        becomes(&stage, 0, "down");
        let mut client = stage.client(Tls::V13);
        if served {
            client.send(b"hello").unwrap();
            assert_eq!(client.read_exact(5), b"hello");
        } else {
            assert_eq!(client.read_to_end(), (Vec::new(), Ending::Fin));
            let record = &stage.proxy.records(1)[0];
            assert_eq!(record["outcome"], "backend_unreachable");
            assert_eq!(record["reason"], "every server is down or taken out of service");
        }
    }
}

#[test]
fn connections_of_a_server_that_goes_down_are_kept_or_cut_as_wanted() {
    for (on_down, cut) in [("keep", false), ("close", true)] {
        let server = ByHand::new();
        let checked = ByHand::new();
        let health = format!("type = \"tcp\", port = {}", checked.address.port());
        let stage = stage(&[server.address], &health, &format!("on_down = \"{on_down}\""));
        becomes(&stage, 0, "up");
        let (mut client, mut stream) = stage.joined(&server, Tls::V13);
        drop(checked);
        becomes(&stage, 0, "down");
        if cut {
            assert_eq!(client.read_to_end(), (Vec::new(), Ending::Fin));
            assert_eq!(drain(&mut stream), (Vec::new(), Ending::Reset));
            assert_eq!(stage.outcome(client.port()), "backend_down");
        } else {
            stream.write_all(b"still").unwrap();
            assert_eq!(client.read_exact(5), b"still");
        }
    }
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
    stage.proxy.log_line("health check changed");
    // Its series go with the server.
    let other = Backend::echo();
    stage.reload(&names(&[other.address]), &format!("health = {{ type = \"tcp\", {QUICK} }}"));
    eventually("no series of it", || (!metrics(&stage).contains(&server.address.to_string())).then_some(()));
}

#[test]
fn a_server_in_maintenance_is_not_checked() {
    let server = ByHand::new();
    let health = "type = \"tcp\"";
    let stage = stage(&[server.address], health, "");
    drop(server.accept());
    let path = format!("/api/v1/backends/servers/{}/state", server.address);
    let answer = stage.door().ask("PUT", &path, &[("Content-Type", "application/json")], "{\"state\":\"maint\"}");
    assert_eq!(answer.status, 200, "{answer:?}");
    let text = metrics(&stage);
    assert!(
        text.contains(&format!("tlsgate_backend_up{{backend=\"servers\",server=\"{}\"}} 0", server.address)),
        "{text}"
    );
    // What was under way comes to its end, and then nothing more.
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
