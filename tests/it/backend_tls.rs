//! TLS to the backend: relayed under either version by either record layer; never to a server that is not verified.

use std::fs;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

use crate::support::backend::Backend;
use crate::support::client::{Client, Ending, Tls, connect, trusting};
use crate::support::haproxy::Haproxy;
use crate::support::http::Door;
use crate::support::ldap;
use crate::support::nginx::{self, Nginx};
use crate::support::pki::{Extra, Key, Pki};
use crate::support::procfs::eventually;
use crate::support::proxy::Proxy;
use crate::support::slapd::{ADMIN, PASSWORD, SUFFIX, Slapd};
use crate::support::stage::{NAME, certified};
use crate::support::stream::bytes;
use crate::support::tool::shown;

mod known;
mod refused;

/// The name in a backend's certificate.
const SERVER: &str = "server.test";

/// A proxy for `main.test` in front of servers that use TLS.
struct Scene {
    pki: Pki,
    proxy: Proxy,
    clients: [Arc<ClientConfig>; 2],
}

impl Scene {
    /// `tls` are lines of the backend's `tls` table; relative paths start from the PKI's folder.
    fn new(pki: Pki, servers: &[SocketAddr], top: &str, tls: &str) -> Self {
        let proxy = Proxy::start(pki.folder(), &config(servers, top, tls));
        let clients = Tls::BOTH.map(|version| Arc::new(trusting(&pki.ca(), version)));
        Self { pki, proxy, clients }
    }

    fn client(&self, tls: Tls) -> Client {
        let mut client = Client::on(connect(self.proxy.address("main")), &self.clients[tls as usize], NAME);
        client.handshake().unwrap();
        client
    }

    /// Asks the backend, which is an HTTP server, and returns the body of its answer.
    fn ask(&self, tls: Tls) -> String {
        let mut client = self.client(tls);
        client.send(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        let (answer, ending) = client.read_to_end();
        assert_eq!(ending, Ending::CloseNotify);
        client.close_notify().unwrap();
        let answer = String::from_utf8(answer).unwrap();
        answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer}")).1.to_owned()
    }

    fn record(&self, port: u16) -> Value {
        self.proxy.record(|record| record["client.port"] == port)
    }

    fn metrics(&self) -> String {
        Door::Unix(self.pki.folder().join("admin.sock")).get("/metrics").body
    }
}

fn config(servers: &[SocketAddr], top: &str, tls: &str) -> String {
    let servers = servers.iter().map(|server| format!("\"{server}\"")).collect::<Vec<_>>().join(", ");
    format!(
        "[admin]\nlisten=\"unix:admin.sock\"\n{top}\n[[listener]]\nname = \"main\"\nlisten = \"127.0.0.1:0\"\n\
         certificates = [\"certs\"]\nbackend = \"b\"\n\n[backend.b]\nservers = [{servers}]\nbalance = \"first\"\n\n\
         [backend.b.tls]\n{tls}\n"
    )
}

/// An nginx that uses TLS with the certificate `stem` and answers with what it was asked.
fn nginx(pki: &Pki, stem: &str, more: &str) -> Nginx {
    let (folder, more) = (pki.folder().join("servers").join(stem), more.to_owned());
    Nginx::with("127.0.0.1:0", move |place, address| {
        let (head, place, pair) = (nginx::head(place), place.display(), folder.display());
        format!(
            "{head}http {{ access_log off; client_body_temp_path {place}/body; proxy_temp_path {place}/proxy; \
             fastcgi_temp_path {place}/fastcgi; uwsgi_temp_path {place}/uwsgi; scgi_temp_path {place}/scgi; server {{ \
             listen {address} ssl; ssl_certificate {pair}.crt; ssl_certificate_key {pair}.key; {more} return 200 \
             \"$ssl_protocol [$ssl_server_name] [$ssl_alpn_protocol] $ssl_client_verify $ssl_client_s_dn\"; }} }}\n"
        )
    })
}

fn certified_server(names: &[&str], extra: &Extra) -> Pki {
    let pki = certified();
    pki.write("servers", "server", names, Key::P256, extra);
    pki
}

#[test]
fn nginx_behind_it_is_used_in_either_version_under_the_name_that_is_set() {
    for (own, version) in [("TLSv1.2", Tls::V12), ("TLSv1.3", Tls::V13)] {
        let pki = certified_server(&[SERVER], &Extra::default());
        let nginx = nginx(&pki, "server", &format!("ssl_protocols {own};"));
        let tls = format!("ca = \"ca.pem\"\nserver_name = \"{SERVER}\"\nalpn = [\"http/1.1\"]");
        let scene = Scene::new(pki, &[nginx.address], "", &tls);
        assert_eq!(scene.ask(version), format!("{own} [{SERVER}] [http/1.1] NONE "));
    }
}

#[test]
fn a_proxy_header_comes_before_tls() {
    let pki = certified_server(&[SERVER], &Extra::default());
    let both =
        ["crt", "key"].map(|end| fs::read_to_string(pki.folder().join(format!("servers/server.{end}"))).unwrap());
    fs::write(pki.folder().join("both.pem"), both.concat()).unwrap();
    let haproxy = Haproxy::start(
        "127.0.0.1:0",
        &format!(
            "frontend told\n    mode http\n    bind fd@0 accept-proxy ssl crt {}\n    http-request return status 200 \
             content-type text/plain lf-string \"%[src_port] %[fc_pp_authority] %[ssl_fc]\"\n",
            pki.folder().join("both.pem").display()
        ),
    );
    let tls = format!("ca = \"ca.pem\"\nserver_name = \"{SERVER}\"");
    for (version, name) in [("v1", ""), ("v2", NAME)] {
        let send = format!("proxy_protocol = \"{version}\"\n\n[backend.b.tls]");
        let text = config(&[haproxy.address], "", &tls).replace("[backend.b.tls]", &send);
        let proxy = Proxy::start(pki.folder(), &text);
        let trust = Arc::new(trusting(&pki.ca(), Tls::V13));
        let mut client = Client::on(connect(proxy.address("main")), &trust, NAME);
        client.handshake().unwrap();
        client.send(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        let (answer, _) = client.read_to_end();
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.ends_with(&format!("\r\n\r\n{} {name} 1", client.port())), "{version}: {answer}");
    }
}

/// One tlsgate in front of another: five megabytes each way at the same time, and every end is passed on.
#[test]
fn what_goes_in_comes_out_by_either_record_layer() {
    let sent = bytes(5_000_000);
    for (layer, policy) in
        [("tlsgate", "TLS13-1-3-2021-06"), ("tlsgate", "FS-1-2-Res-2020-10"), ("rustls", "TLS13-1-2-Res-2021-06")]
    {
        let (pki, echo) = (certified_server(&[SERVER], &Extra::default()), Backend::echo());
        let behind = format!(
            "[[listener]]\nname = \"behind\"\nlisten = \"127.0.0.1:0\"\ncertificates = [\"servers\"]\npolicy = \"{policy}\"\n\
             backend = \"echo\"\n\n[backend.echo]\nservers = [\"{}\"]\n",
            echo.address
        );
        let folder = tempfile::tempdir_in(pki.folder()).unwrap();
        std::os::unix::fs::symlink(pki.folder().join("servers"), folder.path().join("servers")).unwrap();
        let behind = Proxy::start(folder.path(), &behind);
        let top = format!("[runtime]\nrecord_layer = \"{layer}\"");
        let tls = format!("ca = \"ca.pem\"\nserver_name = \"{SERVER}\"");
        let scene = Scene::new(pki, &[behind.address("behind")], &top, &tls);
        for version in Tls::BOTH {
            let client = scene.client(version);
            let (mut writing, mut reading) = (client.tcp.try_clone().unwrap(), client);
            for piece in sent.chunks(16_000) {
                // Written to the connection step by step; meanwhile only the kernels in between read it.
                let mut sealed = Vec::new();
                reading.tls.writer().write_all(piece).unwrap();
                while reading.tls.wants_write() {
                    reading.tls.write_tls(&mut sealed).unwrap();
                }
                writing.write_all(&sealed).unwrap();
                let came = reading.read_exact(piece.len());
                assert!(came == piece, "{layer} {policy} {version:?}");
            }
            reading.close_notify().unwrap();
            assert_eq!(reading.read_to_end(), (Vec::new(), Ending::CloseNotify));
            let record = scene.record(reading.close());
            assert_eq!(record["outcome"], "completed", "{record}");
        }
        let inner = behind.records(2);
        assert!(inner.iter().all(|record| record["outcome"] == "completed"), "{inner:?}");
    }
}

/// If nothing answers the client's Finished, its first data is decrypted together with it, and the rest waits in the
/// same bytes.
#[test]
fn data_that_comes_in_one_flight_with_the_clients_finished_is_passed_on_whole() {
    let pki = certified_server(&[SERVER], &Extra::default());
    let settings = server_config(pki.folder(), &rustls::version::TLS13);
    let backend = Backend::start(move |stream| {
        let connection = ServerConnection::new(Arc::clone(&settings)).map_err(std::io::Error::other)?;
        let mut tls = StreamOwned::new(connection, stream);
        let mut all = Vec::new();
        tls.read_to_end(&mut all)?;
        tls.write_all(&all)?;
        tls.conn.send_close_notify();
        tls.flush()
    });
    let tls = format!("ca = \"ca.pem\"\nserver_name = \"{SERVER}\"");
    for layer in ["tlsgate", "rustls"] {
        for session_tickets in [false, true] {
            let text = config(&[backend.address], &format!("[runtime]\nrecord_layer = \"{layer}\""), &tls)
                .replace("name = \"main\"\n", &format!("name = \"main\"\nsession_tickets = {session_tickets}\n"));
            let proxy = Proxy::start(pki.folder(), &text);
            let trust = Arc::new(trusting(&pki.ca(), Tls::V13));
            let mut client = Client::on(connect(proxy.address("main")), &trust, NAME);
            loop {
                let flight = client.flight();
                client.tcp.write_all(&flight).unwrap();
                client.tls.read_tls(&mut client.tcp).unwrap();
                client.tls.process_new_packets().unwrap();
                if !client.tls.is_handshaking() {
                    break;
                }
            }
            let mut flight = Vec::new();
            for piece in [&b"one, "[..], b"two, ", b"three"] {
                client.tls.writer().write_all(piece).unwrap();
                flight.extend(client.flight());
            }
            client.tls.send_close_notify();
            flight.extend(client.flight());
            client.tcp.write_all(&flight).unwrap();
            let (answer, ending) = client.read_to_end();
            assert_eq!(String::from_utf8_lossy(&answer), "one, two, three", "{layer}, tickets {session_tickets}");
            assert_eq!(ending, Ending::CloseNotify);
            let port = client.close();
            assert_eq!(proxy.record(|record| record["client.port"] == port)["outcome"], "completed");
        }
    }
}

#[test]
fn a_backend_that_ends_without_close_notify_has_not_ended() {
    let pki = certified_server(&[SERVER], &Extra::default());
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let pki_folder = pki.folder().to_owned();
        let settings = server_config(&pki_folder, version);
        let backend = Backend::start(move |stream| {
            let connection = ServerConnection::new(Arc::clone(&settings)).map_err(std::io::Error::other)?;
            let mut tls = StreamOwned::new(connection, stream);
            tls.read_exact(&mut [0; 5])?;
            tls.write_all(b"half of")?;
            tls.flush()
        });
        let tls = format!("ca = \"ca.pem\"\nserver_name = \"{SERVER}\"");
        let proxy = Proxy::start(pki.folder(), &config(&[backend.address], "", &tls));
        let trust = Arc::new(trusting(&pki.ca(), Tls::V13));
        let mut client = Client::on(connect(proxy.address("main")), &trust, NAME);
        client.handshake().unwrap();
        client.send(b"hello").unwrap();
        assert_eq!(client.read_to_end(), (b"half of".to_vec(), Ending::Fin));
        let port = client.close();
        assert_eq!(proxy.record(|record| record["client.port"] == port)["outcome"], "backend_truncated");
    }
}

pub(crate) fn server_config(folder: &Path, version: &'static rustls::SupportedProtocolVersion) -> Arc<ServerConfig> {
    let certificate = CertificateDer::from_pem_file(folder.join("servers/server.crt")).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join("servers/server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[version]).unwrap();
    Arc::new(builder.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap())
}

#[test]
fn the_certificate_that_servers_are_shown_is_swapped_by_a_reload() {
    let pki = certified_server(&[SERVER], &Extra::default());
    let show = |pki: &Pki, name: &str| {
        let extra = Extra { common_name: Some(name.to_owned()), client: true, ..Extra::default() };
        pki.write("own", "client", &["tlsgate.test"], Key::P256, &extra)
    };
    show(&pki, "the first");
    let more = format!("ssl_verify_client on; ssl_client_certificate {};", pki.ca().display());
    let nginx = nginx(&pki, "server", &more);
    let tls =
        format!("ca = \"ca.pem\"\nserver_name = \"{SERVER}\"\ncert = \"own/client.crt\"\nkey = \"own/client.key\"");
    let scene = Scene::new(pki, &[nginx.address], "", &tls);
    assert!(scene.ask(Tls::V13).ends_with("SUCCESS CN=the first"));
    show(&scene.pki, "the second");
    scene.proxy.log_line("backend \"b\": the settings or certificates of TLS to it changed");
    assert!(scene.ask(Tls::V13).ends_with("SUCCESS CN=the second"));
    fs::write(scene.pki.folder().join("own/client.key"), "no key").unwrap();
    scene.proxy.log_line("not reloaded, everything stays as it is");
    assert!(scene.ask(Tls::V12).ends_with("SUCCESS CN=the second"));
}

#[test]
fn a_directory_that_uses_ldaps_and_requires_a_certificate_is_served_as_ldaps() {
    let pki = Pki::new();
    pki.write("certs", "main", &[NAME, "127.0.0.1"], Key::P256, &Extra::default());
    let extra = Extra { client: true, ..Extra::default() };
    pki.write("own", "client", &["tlsgate.test"], Key::P256, &extra);
    let slapd = Slapd::start_ldaps("", &pki);
    let tls = "ca = \"ca.pem\"\nserver_name = \"localhost\"\ncert = \"own/client.crt\"\nkey = \"own/client.key\"";
    let scene = Scene::new(pki, &[slapd.address], "", tls);
    let url = format!("ldaps://{}", scene.proxy.address("main"));
    let arguments = ["-x", "-D", ADMIN, "-w", PASSWORD, "-b", SUFFIX, "-s", "base", "dc"];
    let output = ldap::run("ldapsearch", &url, &scene.pki.ca(), &arguments);
    assert!(output.status.success(), "{}\n{}", shown(&output), scene.proxy.records(1)[0]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("dc: example"), "{}", shown(&output));
}

/// A counter among the metrics.
fn counted(scene: &Scene, series: &str) {
    eventually(series, || scene.metrics().contains(series).then_some(()));
}
