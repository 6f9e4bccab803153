//! `probe --grade`: servers that follow a guideline meet it, others break it for the reasons that sslscan and testssl.sh see too.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::Value;

use super::servers::{nginx, openssl, pair};
use super::{NAME, PROGRAM, probe};
use crate::policies::scan::{SslScan, TestSsl};
use crate::support::backend::Backend;
use crate::support::client;
use crate::support::pki::{Key, Pki};
use crate::support::proxy::Proxy;
use crate::support::tool;

/// The exit code, and the report.
fn graded(address: SocketAddr) -> (i32, Value) {
    let found = probe(address, &["--grade", "--format", "json"]);
    (found.code, found.json())
}

fn guideline<'r>(report: &'r Value, name: &str) -> &'r Value {
    let all = report["guidelines"].as_array().unwrap();
    all.iter().find(|one| one["name"] == name).unwrap_or_else(|| panic!("no {name}: {report:#}"))
}

#[track_caller]
fn meets(report: &Value, names: &[&str]) {
    for name in names {
        let one = guideline(report, name);
        assert_eq!((&one["met"], one["breaches"].as_array().unwrap().len()), (&Value::Bool(true), 0), "{one:#}");
    }
}

fn breaches(report: &Value, name: &str) -> Vec<String> {
    let one = guideline(report, name);
    assert_eq!(one["met"], false, "{one:#}");
    one["breaches"].as_array().unwrap().iter().map(|breach| breach.as_str().unwrap().to_owned()).collect()
}

#[test]
fn tlsgate_meets_the_guidelines_that_its_policy_follows() {
    let pki = Pki::new();
    pair(&pki, "ec", Key::P256);
    let backend = Backend::echo();
    let listener = |name: &str, policy: &str| {
        format!(
            "[[listener]]\nname = \"{name}\"\nlisten = \"127.0.0.1:0\"\nbackend = \"echo\"\n\
             certificates = [\"certs\"]\npolicy = \"{policy}\"\n"
        )
    };
    let config = format!(
        "[policy.modern]\nversions = [\"TLSv1.3\"]\nciphers = [\"TLS_AES_128_GCM_SHA256\", \"TLS_AES_256_GCM_SHA384\"]\n\
         groups = [\"X25519MLKEM768\", \"x25519\", \"secp256r1\", \"secp384r1\"]\n{}{}\
         [backend.echo]\nservers = [\"{}\"]\n",
        listener("modern", "modern"),
        listener("classic", "TLS13-1-2-Res-2021-06"),
        backend.address
    );
    let proxy = Proxy::start(pki.folder(), &config);
    let (code, modern) = graded(proxy.address("modern"));
    assert_eq!((code, &modern["good"]), (0, &Value::Bool(true)), "{:#}", modern["guidelines"]);
    // The certificates of the tests are valid for 91 days: yesterday, and the next 90.
    assert_eq!(
        breaches(&modern, "Mozilla modern 6.0"),
        ["certificate 1: it is valid for 91 days: the guideline allows 90"]
    );
    meets(&modern, &["Mozilla intermediate 6.0", "AWS TLS13-1-3-PQ-2025-09", "AWS TLS13-1-2-Res-PQ-2025-09"]);
    let (code, classic) = graded(proxy.address("classic"));
    assert_eq!(code, 0, "{:#}", classic["guidelines"]);
    meets(
        &classic,
        &["Mozilla intermediate 6.0", "Mozilla intermediate 5.8", "AWS TLS13-1-2-Res-2021-06", "AWS 2016-08"],
    );
    let found = breaches(&classic, "AWS TLS13-1-3-2021-06");
    assert_eq!(found, ["TLSv1.2 is accepted: the guideline allows TLSv1.3"]);
    assert_eq!(
        breaches(&classic, "AWS TLS13-1-2-PQ-2025-09"),
        ["no post-quantum group is accepted: the guideline requires one"]
    );
}

#[test]
fn nginx_as_mozilla_configures_it_meets_intermediate() {
    let pki = Pki::new();
    let (rsa, ec) = (pair(&pki, "rsa", Key::Rsa2048), pair(&pki, "ec", Key::P256));
    let suites = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:\
                  ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
    let server = nginx(
        "http",
        &format!(
            "server {{ listen LISTEN ssl; ssl_certificate {}; ssl_certificate_key {}; ssl_certificate {};
             ssl_certificate_key {}; ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers {suites};
             ssl_ecdh_curve X25519:prime256v1:secp384r1; ssl_prefer_server_ciphers off; }}",
            rsa.certificate.display(),
            rsa.key.display(),
            ec.certificate.display(),
            ec.key.display()
        ),
    );
    let (_, report) = graded(server.address);
    // The CA of the tests has an ECDSA key.
    meets(&report, &["Mozilla intermediate 6.0", "Mozilla intermediate 5.8"]);
    let modern = breaches(&report, "Mozilla modern 6.0");
    assert!(modern.contains(&"TLSv1.2 is accepted: the guideline allows TLSv1.3".to_owned()), "{modern:?}");
    assert!(
        modern.iter().any(|breach| breach.contains("its key is RSA 2048: the guideline allows ECDSA")),
        "{modern:?}"
    );
}

#[test]
fn what_breaks_a_guideline_is_what_sslscan_and_testssl_find() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (certificate, key) = (path("old.pem"), path("old.key"));
    let subject = format!("/CN={NAME}");
    let made = ["req", "-x509", "-newkey", "rsa:1024", "-nodes", "-sha1", "-days", "1000", "-subj", &subject];
    let output = tool::run("openssl", &[&made[..], &["-out", &certificate, "-keyout", &key]].concat(), b"");
    assert!(output.status.success(), "{}", tool::shown(&output));
    let server = openssl(&["-cert", &certificate, "-key", &key, "-cipher", "ALL:@SECLEVEL=0"]);
    let (code, report) = graded(server.address);
    assert_eq!((code, &report["good"]), (1, &Value::Bool(false)));
    let intermediate = breaches(&report, "Mozilla intermediate 6.0");

    // Every version that sslscan finds and the guideline does not have is a breach, and no other; so is every suite.
    let scan = SslScan::run(server.address, &["--no-heartbleed", "--no-groups", "--timeout=60"]);
    for version in scan.versions() {
        let shown = format!("{version} is accepted: the guideline allows TLSv1.2, TLSv1.3");
        assert_eq!(
            intermediate.contains(&shown),
            ["TLSv1.0", "TLSv1.1"].contains(&version.as_str()),
            "{shown}: {intermediate:#?}"
        );
    }
    let named: usize = intermediate
        .iter()
        .filter(|breach| breach.contains("the guideline does not allow"))
        .map(|breach| breach.split(", ").count())
        .sum();
    let allowed = scan.suites("TLSv1.2").iter().filter(|suite| suite.starts_with("ECDHE-") && is_aead(suite)).count();
    assert_eq!(named, scan.suites("TLSv1.2").len() - allowed, "{intermediate:#?}");
    assert!(named > 20, "{named}");

    // And what testssl.sh reports of the certificate.
    let scan = TestSsl::run(server.address, &["--server-defaults"], &folder.path().join("report.json"));
    assert!(scan.finding("cert_keySize").contains("1024"), "{}", scan.finding("cert_keySize"));
    assert!(scan.finding("cert_signatureAlgorithm").contains("SHA1"), "{}", scan.finding("cert_signatureAlgorithm"));
    let has =
        |part: &str| assert!(intermediate.iter().any(|breach| breach.contains(part)), "{part}: {intermediate:#?}");
    has("its RSA key has 1024 bits: the guideline requires 2048");
    has("it is signed with sha1WithRSAEncryption");
    has("it is valid for 1000 days: the guideline allows 366");
    let defects: Vec<&str> =
        report["certificates"][0]["defects"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
    for part in ["no subjectAltName", "is valid for 1000 days", "SHA1", "1024 bits", "a CA's certificate"] {
        assert!(defects.iter().any(|defect| defect.contains(part)), "{part}: {defects:#?}");
    }
}

fn is_aead(suite: &str) -> bool {
    let is_gcm = suite.contains("AES") && suite.contains("GCM");
    is_gcm || suite.contains("CHACHA20")
}

#[test]
fn defects_of_a_chain_are_named() {
    let (pki, other) = (Pki::new(), Pki::new());
    let good = pair(&pki, "ec", Key::P256);
    // A CA of the same name, with another key.
    let (certificate, chain) = (good.certificate.to_str().unwrap(), other.ca());
    let server =
        openssl(&["-cert", certificate, "-key", good.key.to_str().unwrap(), "-cert_chain", chain.to_str().unwrap()]);
    let address = server.address.to_string();
    let arguments = ["probe", &address, "--sni", "other.test", "--grade", "--timeout", "30s", "--format", "json"];
    let output = tool::run(PROGRAM, &arguments, b"");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let defects = report["certificates"][0]["defects"].to_string();
    assert!(defects.contains("it is not for other.test"), "{defects}");
    assert!(defects.contains("certificate 2 of the chain has not issued certificate 1"), "{defects}");
    assert_eq!(report["certificates"][0]["defects"].as_array().unwrap().len(), 2, "{defects}");
}

#[test]
fn every_form_has_every_guideline_and_text_fits_a_terminal() {
    let pki = Pki::new();
    let rsa = pair(&pki, "rsa", Key::Rsa2048);
    let (certificate, key) = (rsa.certificate.to_str().unwrap(), rsa.key.to_str().unwrap());
    let server = openssl(&["-cert", certificate, "-key", key, "-cipher", "ALL:@SECLEVEL=0"]);
    let (_, report) = graded(server.address);
    let (text, markdown) = (probe(server.address, &["--grade"]), probe(server.address, &["--grade", "--markdown"]));
    let all = report["guidelines"].as_array().unwrap();
    assert_eq!(all.len(), 5 + 10, "{report:#}");
    for one in all {
        let name = one["name"].as_str().unwrap();
        assert!(text.out.contains(name) && markdown.out.contains(&format!("| {name} |")), "{name}: {text:?}");
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        for breach in one["breaches"].as_array().unwrap() {
            let breach = words(breach.as_str().unwrap());
            assert!(words(&text.out).contains(&breach) && words(&markdown.out).contains(&breach), "{breach}");
        }
    }
    assert!(text.out.lines().all(|line| line.chars().count() <= 100), "{}", text.out);
}

/// One handshake message's record from the start of a connection.
fn record(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut record = vec![0; 5];
    stream.read_exact(&mut record)?;
    record.resize(5 + usize::from(u16::from_be_bytes([record[3], record[4]])), 0);
    stream.read_exact(&mut record[5..])?;
    Ok(record)
}

/// Copies both ways until one side ends.
fn relay(mut client: TcpStream, mut server: TcpStream) -> std::io::Result<()> {
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        let _ = std::io::copy(&mut from_client, &mut to_server);
        to_server.shutdown(Shutdown::Write)
    });
    std::io::copy(&mut server, &mut client).map(drop)
}

/// In front of a server: ends a connection with that instead of the alert that refuses its ClientHello.
fn without_alerts(to: SocketAddr, end: impl Fn(TcpStream) + Send + Sync + 'static) -> Backend {
    Backend::start(move |mut client| {
        let hello = record(&mut client)?;
        without_alert(client, &hello, to, &end)
    })
}

/// The same for one connection.
fn without_alert(mut client: TcpStream, hello: &[u8], to: SocketAddr, end: impl Fn(TcpStream)) -> std::io::Result<()> {
    let mut server = TcpStream::connect(to)?;
    server.write_all(hello)?;
    let answer = record(&mut server)?;
    if answer[0] == ALERT {
        end(client);
        return Ok(());
    }
    client.write_all(&answer)?;
    relay(client, server)
}

const ALERT: u8 = 21;

#[test]
fn a_server_that_always_resets_or_closes_instead_of_refusing_is_graded() {
    let pki = Pki::new();
    let rsa = pair(&pki, "rsa", Key::Rsa2048);
    let suites = "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384";
    let server = nginx(
        "http",
        &format!(
            "server {{ listen LISTEN ssl; ssl_certificate {}; ssl_certificate_key {}; ssl_protocols TLSv1.2 TLSv1.3;
             ssl_ciphers {suites}; ssl_ecdh_curve X25519:prime256v1; }}",
            rsa.certificate.display(),
            rsa.key.display(),
        ),
    );
    let (_, plain) = graded(server.address);
    meets(&plain, &["Mozilla intermediate 6.0"]);
    for (front, how) in [
        (without_alerts(server.address, client::reset), "it resets the connection"),
        (without_alerts(server.address, drop), "it closes the connection"),
    ] {
        let (code, report) = graded(front.address);
        assert_eq!((code, &report["good"]), (0, &Value::Bool(true)), "{report:#}");
        // The same is found, and the same is said of it.
        for (before, now) in
            plain["guidelines"].as_array().unwrap().iter().zip(report["guidelines"].as_array().unwrap())
        {
            assert_eq!((&before["name"], &before["breaches"]), (&now["name"], &now["breaches"]));
        }
        for version in ["TLSv1.3", "TLSv1.2"] {
            let of = |report: &Value| {
                let all = report["found"]["versions"].as_array().unwrap();
                all.iter().find(|one| one["version"] == version).unwrap().clone()
            };
            let (before, now) = (of(&plain), of(&report));
            assert_eq!((&before["suites"], &before["groups"]), (&now["suites"], &now["groups"]), "{version}");
            assert_eq!(
                (&before["refuses_without_alert"], &now["incomplete"]),
                (&Value::Null, &Value::Null),
                "{version}"
            );
            assert_eq!(now["refuses_without_alert"], how, "{version}");
            let note = format!("{version}: asked for what no server accepts, {how}: this counts as its way to refuse");
            assert!(report["found"]["notes"].to_string().contains(&note), "{report:#}");
        }
        let text = probe(front.address, &["--grade"]);
        assert_eq!(text.code, 0, "{text:?}");
        assert!(text.out.contains("note: TLSv1.2: asked for what no server accepts"), "{text:?}");
    }
}

#[test]
fn a_server_that_resets_from_some_time_on_may_have_more_than_was_seen() {
    let pki = Pki::new();
    let rsa = pair(&pki, "rsa", Key::Rsa2048);
    let (certificate, key) = (rsa.certificate.to_str().unwrap(), rsa.key.to_str().unwrap());
    let server = openssl(&["-cert", certificate, "-key", key]);
    let to = server.address;
    // As one that blocks clients whose handshakes fail, and who come again.
    let blocks = AtomicBool::new(false);
    let front = Backend::start(move |mut client| {
        let hello = record(&mut client)?;
        let mut server = TcpStream::connect(to)?;
        server.write_all(&hello)?;
        let answer = record(&mut server)?;
        if answer[0] == ALERT {
            blocks.store(true, Ordering::SeqCst);
        }
        if blocks.load(Ordering::SeqCst) {
            client::reset(client);
            return Ok(());
        }
        client.write_all(&answer)?;
        relay(client, server)
    });
    let (code, report) = graded(front.address);
    assert_eq!((code, &report["good"]), (1, &Value::Bool(false)), "{report:#}");
    let why = "TLSv1.3: the list of suites may be incomplete: asked for the rest, it resets the connection, twice";
    assert!(breaches(&report, "Mozilla intermediate 6.0").contains(&why.to_owned()), "{report:#}");
}

#[test]
fn a_middlebox_that_resets_a_long_hello_and_some_suites_hides_what_it_resets() {
    let pki = Pki::new();
    let rsa = pair(&pki, "rsa", Key::Rsa2048);
    let (certificate, key) = (rsa.certificate.to_str().unwrap(), rsa.key.to_str().unwrap());
    let suites = "ECDHE-RSA-AES128-GCM-SHA256:AES128-SHA";
    let server = openssl(&["-cert", certificate, "-key", key, "-tls1_2", "-cipher", suites, "-groups", "P-256"]);
    let to = server.address;
    // Also where the server behind it resets instead of refusing, so that both look alike.
    for alike in [false, true] {
        // Every hello that has the weak suite, whatever else it has.
        let front = Backend::start(move |mut client| {
            let hello = record(&mut client)?;
            if offered(&hello[5..]).contains(&[0, 0x2f]) {
                client::reset(client);
                return Ok(());
            }
            if alike {
                return without_alert(client, &hello, to, client::reset);
            }
            let mut server = TcpStream::connect(to)?;
            server.write_all(&hello)?;
            relay(client, server)
        });
        let (code, report) = graded(front.address);
        assert_eq!((code, &report["good"]), (1, &Value::Bool(false)), "{report:#}");
        let why = "TLSv1.2: the list of suites may be incomplete: asked for the rest, it resets the connection, twice";
        assert!(breaches(&report, "Mozilla intermediate 5.8").contains(&why.to_owned()), "{report:#}");
    }
}

/// The suites in a ClientHello.
fn offered(hello: &[u8]) -> Vec<[u8; 2]> {
    let session = usize::from(hello[38]);
    let length = usize::from(u16::from_be_bytes([hello[39 + session], hello[40 + session]]));
    hello[41 + session..][..length].chunks(2).map(|one| [one[0], one[1]]).collect()
}

#[test]
fn a_server_that_resets_some_hellos_instead_of_refusing_may_have_more_than_was_seen() {
    let pki = Pki::new();
    let rsa = pair(&pki, "rsa", Key::Rsa2048);
    let (certificate, key) = (rsa.certificate.to_str().unwrap(), rsa.key.to_str().unwrap());
    let suites = "ECDHE-RSA-AES128-GCM-SHA256:AES128-SHA";
    let server = openssl(&["-cert", certificate, "-key", key, "-tls1_2", "-cipher", suites, "-groups", "P-256"]);
    let to = server.address;
    // Hides the second suite: a hello that still offers it, but no longer the first, is answered with a reset.
    let front = Backend::start(move |mut client| {
        let hello = record(&mut client)?;
        let all = offered(&hello[5..]);
        if all.contains(&[0, 0x2f]) && !all.contains(&[0xc0, 0x2f]) {
            client::reset(client);
            return Ok(());
        }
        let mut server = TcpStream::connect(to)?;
        server.write_all(&hello)?;
        relay(client, server)
    });
    let (code, report) = graded(front.address);
    assert_eq!((code, &report["good"]), (1, &Value::Bool(false)), "{report:#}");
    let why = "TLSv1.2: the list of suites may be incomplete: asked for the rest, it resets the connection, twice";
    assert!(breaches(&report, "Mozilla intermediate 5.8").contains(&why.to_owned()), "{report:#}");
    assert!(report["found"]["notes"].to_string().contains(why), "{report:#}");
}
