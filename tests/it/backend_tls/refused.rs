//! Servers that are not the expected ones, or that require a client certificate: each is refused with its reason, and
//! never used without TLS.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::{SERVER, Scene, certified_server, counted, nginx, server_config};
use crate::support::backend::Backend;
use crate::support::client::{Client, Ending, Tls, connect};
use crate::support::http::Door;
use crate::support::pki::{Extra, Key, Pki};
use crate::support::proxy::Proxy;
use crate::support::stage::{NAME, certified};
use crate::support::tool;

/// Connects, and checks that the backend was not reached for that reason.
pub(super) fn refused(scene: &Scene, label: &str, words: &str) {
    for tls in Tls::BOTH {
        let mut client = scene.client(tls);
        assert_eq!(client.read_to_end(), (Vec::new(), Ending::Fin), "no close_notify");
        let record = scene.record(client.close());
        assert_eq!(record["outcome"], "backend_unreachable", "{record}");
        assert!(record["reason"].as_str().unwrap().contains(words), "{record}");
    }
    let reason = scene.proxy.log();
    assert!(!reason.contains("OtherError"), "{reason}");
    let server = scene.metrics();
    assert!(
        server.contains("tlsgate_backend_connect_failures_total{backend=\"b\",reason=\"") && server.contains(label),
        "{server}"
    );
    counted(scene, &format!("reason=\"{label}\""));
}

fn trusting(name: &str) -> String {
    format!("ca = \"ca.pem\"\nserver_name = \"{name}\"")
}

#[test]
fn a_certificate_from_another_ca() {
    let (pki, other) = (certified_server(&[SERVER], &Extra::default()), Pki::new());
    let nginx = nginx(&pki, "server", "");
    fs::copy(other.ca(), pki.folder().join("other.pem")).unwrap();
    let tls = trusting(SERVER).replace("ca.pem", "other.pem");
    let scene = Scene::new(pki, &[nginx.address], "", &tls);
    refused(&scene, "tls_untrusted", "its certificate is not from a CA that is trusted");
}

#[test]
fn a_certificate_for_another_name() {
    let pki = certified_server(&["another.test"], &Extra::default());
    let nginx = nginx(&pki, "server", "");
    let scene = Scene::new(pki, &[nginx.address], "", &trusting(SERVER));
    refused(&scene, "tls_name", "its certificate is not valid for the name server.test");
}

#[test]
fn an_expired_certificate() {
    let pki = certified_server(&[SERVER], &Extra { validity: Some((-20, -10)), ..Extra::default() });
    let nginx = nginx(&pki, "server", "");
    let scene = Scene::new(pki, &[nginx.address], "", &trusting(SERVER));
    refused(&scene, "tls_expired", "its certificate is expired, or not valid yet");
}

/// The pin of a certificate, as OpenSSL and sha256sum compute it.
fn pin(pki: &Pki, file: &str) -> String {
    let path = pki.folder().join(file).display().to_string();
    let key = tool::run("openssl", &["x509", "-in", &path, "-noout", "-pubkey"], b"").stdout;
    let der = tool::run("openssl", &["pkey", "-pubin", "-outform", "DER"], &key).stdout;
    let hash = String::from_utf8(tool::run("sha256sum", &[], &der).stdout).unwrap();
    hash.split_whitespace().next().unwrap().to_owned()
}

#[test]
fn a_key_that_is_not_the_pinned_one() {
    let pki = certified_server(&[SERVER], &Extra::default());
    let pinned = pin(&pki, "servers/server.crt");
    let good = {
        let nginx = nginx(&pki, "server", "");
        let tls = format!("pins = [\"sha256/{pinned}\"]\nserver_name = \"{SERVER}\"");
        let scene = Scene::new(pki, &[nginx.address], "", &tls);
        assert!(scene.ask(Tls::V13).starts_with("TLSv1.2"));
        scene.pki
    };
    // The same name from the same CA, with another key.
    good.write("servers", "server", &[SERVER], Key::P256, &Extra::default());
    let nginx = nginx(&good, "server", "");
    let tls = format!("{}\npins = [\"{pinned}\"]", trusting(SERVER));
    let scene = Scene::new(good, &[nginx.address], "", &tls);
    refused(&scene, "tls_pin", "no certificate that it sent has a pinned key");
}

#[test]
fn another_server_is_tried_as_when_one_cannot_be_reached() {
    let pki = certified_server(&[SERVER], &Extra::default());
    pki.write("servers", "wrong", &["another.test"], Key::P256, &Extra::default());
    let (wrong, right) = (nginx(&pki, "wrong", ""), nginx(&pki, "server", ""));
    let scene = Scene::new(pki, &[wrong.address, right.address], "", &trusting(SERVER));
    assert!(scene.ask(Tls::V13).starts_with("TLSv1.2"));
    let record = scene.proxy.record(|record| record["outcome"] == "completed");
    assert_eq!(record["backend.address"], right.address.to_string());
    counted(&scene, "reason=\"tls_name\"");
}

#[test]
fn one_without_tls() {
    let backend = crate::support::backend::Backend::start(|mut stream| {
        std::io::Write::write_all(&mut stream, b"220 in clear text\r\n")?;
        std::io::Read::read(&mut stream, &mut [0; 1000])
    });
    let scene = Scene::new(certified(), &[backend.address], "", &trusting(SERVER));
    refused(&scene, "tls_failed", "TLS: ");
}

/// A server that supports these application protocols.
fn speaking(pki: &Pki, protocols: &[&str]) -> Backend {
    let mut settings = ServerConfig::clone(&server_config(pki.folder(), &rustls::version::TLS13));
    settings.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let settings = Arc::new(settings);
    Backend::start(move |stream| {
        let connection = ServerConnection::new(Arc::clone(&settings)).map_err(std::io::Error::other)?;
        let mut tls = StreamOwned::new(connection, stream);
        let mut buffer = [0; 100];
        while let count @ 1.. = tls.read(&mut buffer)? {
            tls.write_all(&buffer[..count])?;
        }
        Ok(())
    })
}

/// With `alpn = "client"`, what a server is offered depends on the client.
#[test]
fn a_client_whose_protocol_a_server_does_not_support_takes_it_from_nobody() {
    // The first answers with an alert, the second one with no protocol.
    for (first, usual, label) in [(&["h2"][..], &["h2"][..], "tls_alert"), (&[], &[], "tls_alpn")] {
        let pki = certified_server(&[SERVER], &Extra::default());
        let (first, second) = (speaking(&pki, first), speaking(&pki, &["h2", "http/1.1"]));
        let tls = format!("{}\nalpn = \"client\"", trusting(SERVER));
        let text = super::config(&[first.address, second.address], "", &tls)
            .replace("name = \"main\"\n", "name = \"main\"\nalpn = [\"h2\", \"http/1.1\"]\n");
        let proxy = Proxy::start(pki.folder(), &text);
        for (offered, server) in
            [(&["http/1.1"][..], &second), (usual, &first), (&["http/1.1"], &second), (usual, &first)]
        {
            let mut config = crate::support::client::trusting(&pki.ca(), Tls::V13);
            config.alpn_protocols = offered.iter().map(|name| name.as_bytes().to_vec()).collect();
            let mut client = Client::on(connect(proxy.address("main")), &Arc::new(config), NAME);
            client.handshake().unwrap();
            client.send(b"hello").unwrap();
            assert_eq!(client.read_exact(5), b"hello");
            client.close_notify().unwrap();
            let port = client.close();
            let record = proxy.record(|record| record["client.port"] == port);
            assert_eq!(record["backend.address"], server.address.to_string(), "{offered:?} {record}");
        }
        // It is a failure nevertheless.
        let metrics = Door::Unix(pki.folder().join("admin.sock")).get("/metrics").body;
        assert!(metrics.contains(&format!("reason=\"{label}\"")), "{metrics}");
    }
}

/// `openssl s_server`, which requires a client certificate; it sends back what it receives, each line reversed.
struct Demanding {
    address: SocketAddr,
    child: Child,
}

impl Demanding {
    fn start(pki: &Pki, version: &str) -> Self {
        let path = |file: &str| pki.folder().join(file).display().to_string();
        let mut child = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0", "-Verify", "1", "-verify_return_error", "-rev", version])
            .args([
                "-CAfile",
                &path("ca.pem"),
                "-cert",
                &path("servers/server.crt"),
                "-key",
                &path("servers/server.key"),
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines
            .by_ref()
            .find_map(|line| line.unwrap().strip_prefix("ACCEPT ").map(|address| address.parse().unwrap()))
            .unwrap();
        // It must not block because nothing reads its output.
        std::thread::spawn(move || lines.for_each(drop));
        Self { address, child }
    }
}

impl Drop for Demanding {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn one_that_requires_a_certificate_where_there_is_none() {
    for (version, tls) in [("-tls1_2", Tls::V12), ("-tls1_3", Tls::V13)] {
        let pki = certified_server(&[SERVER], &Extra::default());
        let server = Demanding::start(&pki, version);
        let scene = Scene::new(pki, &[server.address], "", &trusting(SERVER));
        let mut client = scene.client(tls);
        assert_eq!(client.read_to_end(), (Vec::new(), Ending::Fin));
        let record = scene.record(client.close());
        match tls {
            Tls::V12 => assert!(record["reason"].as_str().unwrap().contains("refused with the alert"), "{record}"),
            // Its refusal comes after the handshake is complete on this side.
            Tls::V13 => assert_eq!(record["outcome"], "backend_alert", "{record}"),
        }
        counted(&scene, "reason=\"tls_alert\"");
    }
}

#[test]
fn one_that_requires_a_certificate_and_gets_it() {
    for (version, tls) in [("-tls1_2", Tls::V12), ("-tls1_3", Tls::V13)] {
        let pki = certified_server(&[SERVER], &Extra::default());
        pki.write("own", "client", &["tlsgate.test"], Key::P256, &Extra { client: true, ..Extra::default() });
        let server = Demanding::start(&pki, version);
        let lines = format!("{}\ncert = \"own/client.crt\"\nkey = \"own/client.key\"", trusting(SERVER));
        let scene = Scene::new(pki, &[server.address], "", &lines);
        let mut client = scene.client(tls);
        client.send(b"abc\n").unwrap();
        assert_eq!(client.read_exact(4), b"cba\n");
        client.close_notify().unwrap();
    }
}
