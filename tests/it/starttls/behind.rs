//! `tls.starttls` of a backend: real servers that require TLS, and servers that do not grant it as they should.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};

use crate::support::backend::Backend;
use crate::support::client::{Client, Tls};
use crate::support::exim::{Exim, Security};
use crate::support::http::Door;
use crate::support::pki::{Extra, Key, Pki};
use crate::support::postgres::{self, Postgres};
use crate::support::procfs::eventually;
use crate::support::slapd::{ADMIN, PASSWORD, SUFFIX, Slapd};
use crate::support::stage::{NAME, certified};
use crate::support::{ldap, tool};

/// A PKI with a certificate that is for the address as well, to which clients of LDAP connect.
fn pki() -> Pki {
    let pki = Pki::new();
    pki.write("certs", "main", &["127.0.0.1", NAME], Key::P256, &Extra::default());
    pki
}

/// A proxy for the server, which is asked for TLS in this protocol and has to be `name`.
fn proxy(pki: &Pki, listener: &str, protocol: &str, server: SocketAddr, name: &str) -> crate::support::proxy::Proxy {
    let config = format!(
        "[admin]\nlisten=\"unix:admin.sock\"\n[[listener]]\nname = \"main\"\nlisten = \"127.0.0.1:0\"\n\
         certificates = [\"certs\"]\nbackend = \"b\"\n{listener}\n[backend.b]\nservers = [\"{server}\"]\n\
         [backend.b.tls]\nstarttls = \"{protocol}\"\nca = \"ca.pem\"\nserver_name = \"{name}\"\n"
    );
    crate::support::proxy::Proxy::start(pki.folder(), &config)
}

#[test]
fn a_directory_that_requires_tls_is_asked_for_it() {
    let pki = pki();
    let slapd = Slapd::start_requiring_tls("", &pki);
    let search = ["-x", "-LLL", "-D", ADMIN, "-w", PASSWORD, "-b", SUFFIX];
    let direct = ldap::run("ldapsearch", &slapd.url(), &pki.ca(), &search);
    assert_eq!(direct.status.code(), Some(13), "confidentialityRequired: {}", tool::shown(&direct));
    for (listener, scheme, more) in [("", "ldaps", &[][..]), ("starttls = \"ldap\"", "ldap", &["-ZZ"][..])] {
        let proxy = proxy(&pki, listener, "ldap", slapd.address, "localhost");
        let url = format!("{scheme}://{}", proxy.address("main"));
        let through = ldap::run("ldapsearch", &url, &pki.ca(), &[more, &search].concat());
        assert!(through.status.success(), "{}", tool::shown(&through));
        assert!(String::from_utf8_lossy(&through.stdout).contains(SUFFIX), "{}", tool::shown(&through));
        assert_eq!(proxy.records(1)[0]["outcome"], "completed");
    }
    // The name in its certificate is another one.
    let proxy = proxy(&pki, "", "ldap", slapd.address, "other.test");
    let url = format!("ldaps://{}", proxy.address("main"));
    assert!(!ldap::run("ldapsearch", &url, &pki.ca(), &search).status.success());
    let record = &proxy.records(1)[0];
    assert!(record["reason"].as_str().unwrap().contains("is not valid for the name other.test"), "{record}");
}

#[test]
fn a_database_that_requires_tls_is_asked_for_it() {
    let pki = pki();
    let database = Postgres::start_with_tls(&pki);
    let proxy = proxy(&pki, "starttls = \"postgres\"", "postgres", database.address, "db.test");
    // Client and server have different sessions of TLS, and SCRAM would notice that.
    let connection = format!(
        "channel_binding=disable host={NAME} hostaddr=127.0.0.1 port={} user={} dbname=postgres sslmode=verify-full sslrootcert={}",
        proxy.address("main").port(),
        postgres::USER,
        pki.ca().display()
    );
    let secret = format!("PGPASSWORD={}", postgres::PASSWORD);
    let query = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
    let arguments = [&secret, "PGPASSFILE=/dev/null", "psql", "-X", "-w", "-A", "-t", &connection, "-c", query];
    let output = tool::run("env", &arguments, b"");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "t", "{}", tool::shown(&output));
}

#[test]
fn a_mail_server_that_requires_tls_is_asked_for_it_and_greets_the_client_once() {
    let pki = pki();
    let exim = Exim::start(Security::Starttls, &pki);
    let mut delivered = 0;
    for (listener, tls) in [("", "--tls-on-connect"), ("starttls = \"smtp\"", "--tls")] {
        for version in ["TLS13-1-3-2021-06", "TLS13-1-2-Res-PQ-2025-09"] {
            let listener = format!("{listener}\npolicy = \"{version}\"");
            let proxy = proxy(&pki, &listener, "smtp", exim.address, "mail.test");
            let (address, ca) = (proxy.address("main").to_string(), pki.ca().display().to_string());
            let arguments = [
                "--server",
                &address,
                tls,
                "--tls-verify",
                "--tls-ca-path",
                &ca,
                "--from",
                "a@a.test",
                "--to",
                "b@b.test",
            ];
            let output = tool::run("swaks", &arguments, b"");
            assert!(output.status.success(), "{}", tool::shown(&output));
            delivered += 1;
            eventually("Exim has the message", || (exim.messages().len() == delivered).then_some(()));
        }
    }
    // Without TLS it accepts nothing.
    let address = exim.address.to_string();
    let arguments = ["--server", &address, "--from", "a@a.test", "--to", "b@b.test"];
    assert!(!tool::run("swaks", &arguments, b"").status.success());
}

/// A server that answers what it receives with these texts, one after the other, and then closes. The first comes before
/// anything is received where the protocol has a greeting.
fn scripted(has_greeting: bool, answers: Vec<Vec<u8>>) -> (Backend, Arc<Mutex<Vec<u8>>>) {
    let received = Arc::new(Mutex::new(Vec::new()));
    let shared = Arc::clone(&received);
    let backend = Backend::start(move |mut stream: TcpStream| {
        for (index, answer) in answers.iter().enumerate() {
            if index > 0 || !has_greeting {
                let mut buffer = [0; 1000];
                let count = stream.read(&mut buffer)?;
                shared.lock().unwrap().extend_from_slice(&buffer[..count]);
            }
            stream.write_all(answer)?;
        }
        Ok(())
    });
    (backend, received)
}

const GRANTED: &[u8] = b"\x30\x24\x02\x01\x01\x78\x1f\x0a\x01\x00\x04\x00\x04\x00\x8a\x161.3.6.1.4.1.1466.20037";
const UNAVAILABLE: &[u8] = b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x34\x04\x00\x04\x00";

/// The answers of a server that grants TLS.
fn granting(protocol: &str) -> Vec<Vec<u8>> {
    let answers: &[&[u8]] = match protocol {
        "ldap" => &[GRANTED],
        "postgres" => &[b"S"],
        _ => &[b"220 a.test\r\n", b"250-a.test\r\n250 STARTTLS\r\n", b"220 go\r\n"],
    };
    answers.iter().map(|answer| answer.to_vec()).collect()
}

/// Connects through a proxy whose backend is that server, and returns what the record has as its reason.
fn reason(protocol: &str, server: SocketAddr) -> String {
    let pki = certified();
    let proxy = proxy(&pki, "", protocol, server, "server.test");
    let config = Arc::new(crate::support::client::trusting(&pki.ca(), Tls::V13));
    let mut client = Client::silent(proxy.address("main"), &config, NAME);
    client.handshake().unwrap();
    // Sent at once: it must not go to a server that was not verified.
    client.send(b"a secret").unwrap();
    client.read_to_end();
    let port = client.close();
    let record = proxy.record(|record| record["client.port"] == port);
    assert_eq!(record["outcome"], "backend_unreachable", "{record}");
    let metrics = Door::Unix(pki.folder().join("admin.sock")).get("/metrics").body;
    let reason = record["reason"].as_str().unwrap().to_owned();
    let label = if reason.contains("no StartTLS: ") { "starttls" } else { "tls_" };
    let failures = "tlsgate_backend_connect_failures_total{backend=\"b\",reason=\"";
    assert!(metrics.contains(&format!("{failures}{label}")), "{label}: {metrics}");
    reason
}

#[test]
fn a_server_that_refuses_or_continues_in_the_clear_or_closes_is_not_used() {
    for (protocol, refusals) in [
        ("ldap", vec![vec![UNAVAILABLE.to_vec()], vec![b"220 a.test\r\n".to_vec()]]),
        ("postgres", vec![vec![b"N".to_vec()], vec![b"E\0\0\0\x04".to_vec()]]),
        (
            "smtp",
            vec![
                vec![b"554 no\r\n".to_vec()],
                // STARTTLS was stripped on the way, or is not there.
                vec![b"220 a.test\r\n".to_vec(), b"250-a.test\r\n250 SIZE\r\n".to_vec()],
                vec![b"220 a.test\r\n".to_vec(), b"502 what\r\n".to_vec()],
                [&granting("smtp")[..2], &[b"454 4.7.0 later\r\n".to_vec()]].concat(),
                vec![b"* OK ready\r\n".to_vec()],
                vec![b"220 a.test\n".to_vec()],
            ],
        ),
    ] {
        let mut scripts = refusals;
        for step in 0..granting(protocol).len() {
            // It closes instead of an answer, or within it.
            scripts.push(granting(protocol)[..step].to_vec());
            let mut cut = granting(protocol)[..=step].to_vec();
            if cut[step].len() > 1 {
                cut[step].pop();
                scripts.push(cut);
            }
            // Bytes that were added behind an answer, which come in the same piece.
            let mut injected = granting(protocol);
            injected[step].extend_from_slice(b"250 injected\r\n");
            scripts.push(injected);
        }
        for script in scripts {
            let shown = format!(
                "{protocol} {:?}",
                script.iter().map(|answer| answer.escape_ascii().to_string()).collect::<Vec<_>>()
            );
            let (server, received) = scripted(protocol == "smtp", script);
            let reason = reason(protocol, server.address);
            assert!(reason.contains("no StartTLS: "), "{shown}: {reason}");
            let received = received.lock().unwrap();
            assert!(!received.windows(8).any(|bytes| bytes == b"a secret"), "{shown}");
        }
    }
}

#[test]
fn clear_text_after_the_answer_is_no_tls() {
    for protocol in ["ldap", "postgres", "smtp"] {
        let script = [granting(protocol), vec![b"250 injected\r\n".to_vec()]].concat();
        let (server, received) = scripted(protocol == "smtp", script);
        let reason = reason(protocol, server.address);
        assert!(reason.contains("TLS"), "{reason}");
        let received = received.lock().unwrap();
        assert!(!received.windows(8).any(|bytes| bytes == b"a secret"), "{protocol}");
    }
}

/// Whoever is on the way to the server can have written what came in the clear.
#[test]
fn nothing_that_a_server_sends_in_the_clear_reaches_the_client_inside_tls() {
    let pki = pki();
    pki.write("servers", "server", &["server.test"], Key::P256, &Extra::default());
    let settings = crate::backend_tls::server_config(pki.folder(), &rustls::version::TLS13);
    let backend = Backend::start(move |mut stream| {
        let forged: [&[u8]; 3] = [
            b"220-forged.test ESMTP\r\n220-send your password to forged.test\r\n220 forged\r\n",
            b"250-forged.test\r\n250 STARTTLS\r\n",
            b"220 forged\r\n",
        ];
        for (index, answer) in forged.iter().enumerate() {
            if index > 0 {
                let count = stream.read(&mut [0; 1000])?;
                assert!(count > 0);
            }
            stream.write_all(answer)?;
        }
        let connection = rustls::ServerConnection::new(Arc::clone(&settings)).map_err(std::io::Error::other)?;
        let mut tls = rustls::StreamOwned::new(connection, stream);
        let mut buffer = [0; 100];
        while let count @ 1.. = tls.read(&mut buffer)? {
            tls.write_all(&buffer[..count])?;
        }
        Ok(())
    });
    let proxy = proxy(&pki, "", "smtp", backend.address, "server.test");
    for tls in Tls::BOTH {
        let trust = Arc::new(crate::support::client::trusting(&pki.ca(), tls));
        let mut client = Client::silent(proxy.address("main"), &trust, NAME);
        client.handshake().unwrap();
        client.send(b"EHLO client.test\r\n").unwrap();
        let mut came = Vec::new();
        while !came.ends_with(b"EHLO client.test\r\n") {
            came.extend(client.read_exact(1));
        }
        let came = String::from_utf8(came).unwrap();
        let greeting = came.strip_suffix("EHLO client.test\r\n").unwrap();
        assert!(greeting.starts_with("220 ") && greeting.ends_with("\r\n"), "{greeting}");
        assert!(greeting.lines().count() == 1 && !greeting.contains("forged"), "{greeting}");
        client.close_notify().unwrap();
    }
}
