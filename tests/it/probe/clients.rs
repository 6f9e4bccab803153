//! `probe --clients`: what it says that a client gets is what that client gets, at tlsgate and at other servers.

use std::fs;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tempfile::TempDir;
use tlsgate::explain::clients;
use tlsgate::tls::wire::draft::Draft;

use super::real::{self, LOCALHOST, Seen};
use super::servers::{combined, haproxy, nginx};
use super::{PROGRAM, Probed};
use crate::clients::scene::fingerprint;
use crate::support::backend::Backend;
use crate::support::pki::{Extra, Key, Pki};
use crate::support::proxy::Proxy;
use crate::support::slapd::Slapd;
use crate::support::tool;

pub(super) fn clients(address: SocketAddr, more: &[&str]) -> Probed {
    let address = address.to_string();
    let arguments = ["probe", &address, "--clients", "--sni", LOCALHOST, "--timeout", "30s"];
    let output = tool::run(PROGRAM, &[&arguments, more].concat(), b"");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Probed { code: output.status.code().unwrap(), out: text(&output.stdout), err: text(&output.stderr) }
}

/// Certificates for localhost, with an RSA and an ECDSA key.
pub(super) fn pairs(pki: &Pki) -> [(String, String); 2] {
    [("rsa", Key::Rsa2048), ("ec", Key::P256)].map(|(stem, key)| {
        let (certificate, key) = pki.write("certs", stem, &[LOCALHOST], key, &Extra::default());
        (certificate.display().to_string(), key.display().to_string())
    })
}

/// What the probe reports for each of these clients, by their own hellos, and by the recorded ones where these offer the
/// same, is what they have reported.
#[track_caller]
fn agree(address: SocketAddr, more: &[&str], seen: &[Seen]) {
    let folder = TempDir::new().unwrap();
    let mut arguments = vec!["--format".to_owned(), "json".to_owned()];
    for one in seen {
        let path = folder.path().join(format!("{}.bin", one.client));
        fs::write(&path, &one.hello).unwrap();
        arguments.extend(["--hello".to_owned(), path.display().to_string()]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).chain(more.iter().copied()).collect();
    let installed = clients(address, &arguments);
    assert_eq!(installed.code, 0, "{installed:?}");
    let recorded = clients(address, &[&["--format", "json"], more].concat());
    assert_eq!(recorded.code, 0, "{recorded:?}");
    let (installed, recorded) = (installed.json(), recorded.json());
    assert_eq!(installed["clients"].as_array().unwrap().len(), seen.len());
    assert_eq!(recorded["clients"].as_array().unwrap().len(), clients::ALL.len());
    for one in seen {
        agrees(one, &installed);
        let known = clients::named(one.client).unwrap();
        if offers(&known.hello().unwrap()) == offers(&one.hello) {
            agrees(one, &recorded);
        } else {
            // Other versions, and other systems, may offer something else.
            let is_it = is_debian_12() && known.source.contains(&series(&one.program));
            assert!(!is_it, "{} is of the series of {:?} and offers something else", one.program, known.source);
        }
    }
}

/// The system on which clients were recorded.
fn is_debian_12() -> bool {
    fs::read_to_string("/etc/debian_version").is_ok_and(|version| version.starts_with("12."))
}

/// The first two numbers of a version, as in `OpenSSL 3.0.19 27 Jan 2026`: fixes within a series do not change what a client
/// offers.
fn series(version: &str) -> String {
    let is_number = |word: &&str| word.starts_with(|first: char| first.is_ascii_digit()) && word.contains('.');
    let word = version.split([' ', '"']).find(is_number).unwrap_or_else(|| panic!("no version: {version}"));
    let mut numbers = word.split('.');
    format!(" {}.{}.", numbers.next().unwrap(), numbers.next().unwrap())
}

/// What a hello offers, without the values that change each time (RFC 8701).
fn offers(hello: &[u8]) -> [Vec<u16>; 4] {
    let offers = Draft::parse(hello).unwrap().offers();
    let is_grease = |code: u16| code & 0x0f0f == 0x0a0a && code >> 8 == code & 0xff;
    [offers.versions, offers.suites, offers.groups.unwrap_or_default(), offers.schemes.unwrap_or_default()]
        .map(|list| list.into_iter().filter(|code| !is_grease(*code)).collect())
}

#[track_caller]
fn agrees(seen: &Seen, report: &Value) {
    let row = report["clients"].as_array().unwrap().iter().find(|row| row["client"] == seen.client).unwrap();
    let context = format!("{row:#}\n{}: {:?} {:?} {:?}", seen.client, seen.version, seen.suite, seen.group);
    assert_eq!(row["result"], "served", "{context}");
    let text = |key: &str| row[key].as_str().unwrap_or_else(|| panic!("no {key}: {context}"));
    assert!(seen.version.is_some() && seen.suite.is_some(), "{context}");
    assert_eq!(Some(text("version")), seen.version.as_deref(), "{context}");
    assert!(text("suite").contains(seen.suite.as_deref().unwrap()), "{context}");
    if let Some(group) = &seen.group {
        assert_eq!(text("group"), group, "{context}");
    }
    if let Some(scheme) = &seen.scheme {
        assert!(text("signature_scheme").starts_with(scheme.as_str()), "{scheme}: {context}");
    }
    let number = usize::try_from(row["certificate"].as_u64().unwrap()).unwrap();
    if !seen.certificate.is_empty() {
        assert_eq!(report["certificates"][number - 1]["sha256"], seen.certificate.as_str(), "{context}");
    }
}

pub(super) fn http() -> Backend {
    Backend::start(|mut stream| {
        let _ = stream.read(&mut [0; 16 * 1024])?;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
    })
}

pub(super) fn tlsgate(folder: &Path, backend: SocketAddr, more: &str) -> Proxy {
    Proxy::start(
        folder,
        &format!(
            "[[listener]]\nname = \"main\"\nlisten = \"127.0.0.1:0\"\nbackend = \"http\"\ncertificates = [\"certs\"]\n{more}\n\
             [backend.http]\nservers = [\"{backend}\"]\n"
        ),
    )
}

#[test]
fn real_clients_agree_on_tlsgate() {
    let pki = Pki::new();
    pairs(&pki);
    let backend = http();
    let proxy = tlsgate(pki.folder(), backend.address, "");
    let address = proxy.address("main");
    let mut seen = real::all(address, &pki.ca());
    seen.push(real::chromium(address));
    agree(address, &[], &seen);
}

#[test]
fn real_clients_agree_on_nginx() {
    let pki = Pki::new();
    let [rsa, ec] = pairs(&pki);
    for more in ["", "ssl_protocols TLSv1.2;", "ssl_ecdh_curve secp384r1; ssl_prefer_server_ciphers on;"] {
        let server = nginx(
            "http",
            &format!(
                "server {{ listen LISTEN ssl; ssl_certificate {}; ssl_certificate_key {}; ssl_certificate {};
                 ssl_certificate_key {}; {more} location / {{ return 200 ok; }} }}",
                rsa.0, rsa.1, ec.0, ec.1
            ),
        );
        let mut seen = real::all(server.address, &pki.ca());
        seen.push(real::chromium(server.address));
        agree(server.address, &[], &seen);
    }
}

#[test]
fn real_clients_agree_on_haproxy() {
    let pki = Pki::new();
    let [(certificate, key), _] = pairs(&pki).map(|(certificate, key)| (certificate.into(), key.into()));
    let file = combined(pki.folder(), &super::servers::Pair { certificate, key });
    let bind = format!("ssl crt {} alpn h2,http/1.1", file.display());
    let server =
        haproxy("ssl-default-bind-options ssl-min-ver TLSv1.2", &bind, "mode http\n    http-request return status 200");
    let mut seen = real::all(server.address, &pki.ca());
    seen.push(real::chromium(server.address));
    agree(server.address, &[], &seen);
}

#[test]
fn real_clients_agree_on_openldap_with_and_without_starttls() {
    let pki = Pki::new();
    let directory = Slapd::start_over_tls("", &pki);
    let seen = real::all(directory.address, &pki.ca());
    agree(directory.address, &[], &seen);
    drop(directory);
    // The same program with a new certificate: what came before TLS makes no difference.
    let directory = Slapd::start_with_tls("", &pki);
    let certificate = fingerprint(&pki.folder().join("slapd/ldap.crt"));
    let renewed = |one: Seen| {
        assert_ne!(one.certificate, certificate);
        Seen { certificate: certificate.clone(), ..one }
    };
    let seen: Vec<Seen> = seen.into_iter().map(renewed).collect();
    agree(directory.address, &["--starttls", "ldap"], &seen);
}

#[test]
fn every_form_says_the_same_and_text_fits_a_terminal() {
    let pki = Pki::new();
    pairs(&pki);
    let backend = http();
    let proxy = tlsgate(pki.folder(), backend.address, "policy = \"TLS13-1-2-2021-06\"");
    let address = proxy.address("main");
    let ca = pki.ca();
    let ca = ["--ca", ca.to_str().unwrap()];
    let began = Timestamp::now();
    let report = clients(address, &[&ca[..], &["--format", "json"]].concat()).json();
    let (text, markdown) = (clients(address, &ca), clients(address, &[&ca[..], &["--markdown"]].concat()));
    assert_eq!((text.code, markdown.code), (0, 0), "{text:?}");
    for found in [&text.out, &markdown.out] {
        let words: Vec<&str> = found.lines().find(|line| line.starts_with("probed at ")).unwrap().split(' ').collect();
        let ["probed", "at", time, "by", "tlsgate", VERSION] = words[..] else { panic!("{words:?}") };
        assert!(is_since(began, time), "{began} {time}");
    }
    assert!(is_since(began, report["probed_at"].as_str().unwrap()), "{began} {report:#}");
    assert_eq!(report["probed_by"], format!("tlsgate {VERSION}"));
    let table = text.out.split("\n\ncertificate 1").next().unwrap();
    let (mut served, mut refused) = (0, 0);
    for row in report["clients"].as_array().unwrap() {
        let name = row["client"].as_str().unwrap();
        let line = table
            .lines()
            .find(|line| line.split(' ').next() == Some(name))
            .unwrap_or_else(|| panic!("{name}: {table}"));
        let cells = markdown.out.lines().find(|line| line.starts_with(&format!("| {name} |"))).unwrap();
        let expected = match row["result"].as_str().unwrap() {
            "served" => {
                served += 1;
                ["openssl_suite", "group", "signature_scheme"]
                    .map(|key| row[key].as_str().unwrap_or("-").to_owned())
                    .to_vec()
            }
            _ => {
                refused += 1;
                vec![format!("refused: {}", row["reason"].as_str().unwrap())]
            }
        };
        for part in expected {
            assert!(line.contains(&part) && cells.contains(&part), "{part}: {line}\n{cells}");
        }
    }
    assert!(served > 10, "{served} {refused}");
    assert!(text.out.lines().all(|line| line.chars().count() <= 100), "{}", text.out);
    assert_eq!(report["certificates"].as_array().unwrap().len(), 2, "{report}");
    assert!(report["certificates"].as_array().unwrap().iter().all(|one| one["trust"]["verified"] == true));
}

/// Whether it is a time between that one and now, in whole seconds.
fn is_since(began: Timestamp, time: &str) -> bool {
    let time: Timestamp = time.parse().unwrap();
    (began.as_second()..=Timestamp::now().as_second()).contains(&time.as_second())
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

#[test]
fn a_client_that_is_not_served_has_the_reason_and_a_server_that_serves_nobody_is_an_error() {
    let pki = Pki::new();
    pairs(&pki);
    let backend = http();
    let proxy = tlsgate(pki.folder(), backend.address, "policy = \"TLS13-1-3-2021-06\"");
    let report = clients(proxy.address("main"), &["--format", "json"]).json();
    let rows = report["clients"].as_array().unwrap();
    let of = |name: &str| rows.iter().find(|row| row["client"] == name).unwrap();
    assert_eq!((&of("java8")["result"], &of("java8")["alert"]), (&"refused".into(), &"protocol_version".into()));
    assert_eq!(of("java8")["alert_code"], 70);
    assert_eq!((&of("chrome")["result"], &of("chrome")["version"]), (&"served".into(), &"TLSv1.3".into()));

    let nobody = Backend::start(|mut stream| {
        let _ = stream.read(&mut [0; 8192])?;
        stream.write_all(&[21, 3, 3, 0, 2, 2, 40])
    });
    let found = clients(nobody.address, &[]);
    assert_eq!(found.code, 1, "{found:?}");
    assert!(found.out.contains("refused: alert handshake_failure"), "{found:?}");
}

#[test]
fn servers_that_misbehave_are_reported_and_do_not_hold_it_up() {
    let answers: [(&[u8], &str); 4] = [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "it is plain HTTP"),
        (&[22, 3, 3, 0xff, 0xff], "a record of 65535 bytes"),
        (&[22, 3, 3, 0, 4, 2, 0xff, 0xff, 0xff], "a handshake message of 16777215 bytes"),
        (&[], "it closes the connection"),
    ];
    for (answer, reason) in answers {
        let server = Backend::start(move |mut stream| {
            let _ = stream.read(&mut [0; 8192])?;
            stream.write_all(answer)
        });
        let found = clients(server.address, &[]);
        assert_eq!(found.code, 1, "{found:?}");
        assert!(found.out.contains(reason) || found.err.contains(reason), "{reason}: {found:?}");
    }
    let silent = Backend::start(|stream| {
        thread::park_timeout(Duration::from_secs(60));
        Ok(stream)
    });
    let address = silent.address.to_string();
    let output = tool::run(PROGRAM, &["probe", &address, "--clients", "--timeout", "300ms"], b"");
    assert_eq!(output.status.code(), Some(1));
    assert!(tool::shown(&output).contains("no answer to 3 ClientHellos"), "{}", tool::shown(&output));
}

#[test]
fn a_hello_in_a_file_that_is_none_is_an_error() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("none.hex");
    fs::write(&file, "1603").unwrap();
    let output = tool::run(PROGRAM, &["probe", "127.0.0.1:1", "--clients", "--hello", file.to_str().unwrap()], b"");
    assert_eq!(output.status.code(), Some(1), "{}", tool::shown(&output));
    assert!(tool::shown(&output).contains("none.hex: "), "{}", tool::shown(&output));
}
