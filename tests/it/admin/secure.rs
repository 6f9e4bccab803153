//! A proxy whose admin server has TLS, and clients of it: curl, and one that does what others do not.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Output;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, version};

use super::{TOKEN, configured, serial};
use crate::support::backend::Backend;
use crate::support::client::{Client, Tls, trusting};
use crate::support::clients_pki::{ClientCa, Credentials, Kind};
use crate::support::http::Response;
use crate::support::pki::{Extra, Key, Pki, write_private};
use crate::support::proxy::Proxy;
use crate::support::tool;

/// The proxy, a CA for its clients, and the certificate `admin/own.crt` for `admin.test`, `*.wild.test` and 127.0.0.1.
pub(super) struct Secure {
    pub(super) pki: Pki,
    pub(super) clients: ClientCa,
    pub(super) backend: Backend,
    pub(super) proxy: Proxy,
    pub(super) address: SocketAddr,
    config: Arc<ClientConfig>,
}

/// The names in the certificate.
const NAMES: &[&str] = &["admin.test", "*.wild.test", "127.0.0.1"];
/// The serial number of a certificate that is on the list `clients.crl`.
pub(super) const REVOKED: u64 = 66;

impl Secure {
    /// With these lines of `[admin.tls]`.
    pub(super) fn open(lines: &str) -> Self {
        Self::with(lines, "")
    }

    /// And with these tables.
    pub(super) fn with(lines: &str, tables: &str) -> Self {
        let (pki, backend) = (Pki::new(), Backend::echo());
        pki.write("certs", "a", &["a.test"], Key::P256, &Extra::default());
        pki.write("admin", "own", NAMES, Key::P256, &Extra::default());
        write_private(&pki.folder().join("token"), TOKEN);
        let clients = ClientCa::new(pki.folder(), "clients");
        fs::write(pki.folder().join("clients.crl"), clients.list(&[REVOKED], 30)).unwrap();
        let proxy = Proxy::start(pki.folder(), &text(&backend, &tls(lines), tables));
        let line = proxy.log_line("admin API listening address=");
        let address = line.split_once("address=").unwrap().1.trim().parse().unwrap();
        let config = Arc::new(trusting(&pki.ca(), Tls::V13));
        Self { pki, clients, backend, proxy, address, config }
    }

    /// Writes another configuration, with these lines below `[admin]`.
    pub(super) fn rewrite(&self, admin: &str) {
        fs::write(self.path("tlsgate.toml"), text(&self.backend, admin, "")).unwrap();
    }

    pub(super) fn path(&self, below: &str) -> PathBuf {
        self.pki.folder().join(below)
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.address)
    }

    /// Makes a client's certificate.
    pub(super) fn client(&self, stem: &str, serial: u64, days: i64) -> Credentials {
        let common_name = "Operator One";
        let kind = Kind { serial, common_name, validity: (-9, days), ..Kind::default() };
        self.clients.issue(stem, &kind)
    }

    /// Runs curl, which trusts the CA of the server's certificate, with the certificate of a client.
    pub(super) fn curl(&self, shown: Option<&Credentials>, arguments: &[&str]) -> Curl {
        let ca = self.pki.ca();
        let mut all = vec!["--silent", "--show-error", "--max-time", "60", "--cacert", ca.to_str().unwrap()];
        all.extend(["--write-out", "\n%{http_code}"]);
        if let Some(Credentials { chain, key }) = shown {
            all.extend(["--cert", chain.to_str().unwrap(), "--key", key.to_str().unwrap()]);
        }
        all.extend(arguments);
        Curl(tool::run("curl", &all, b""))
    }

    /// A request for a path, without anything else.
    pub(super) fn get(&self, path: &str) -> Curl {
        self.curl(None, &[&self.url(path)])
    }

    /// A value of a metric.
    pub(super) fn value(&self, shown: Option<&Credentials>, series: &str) -> u64 {
        let text = self.curl(shown, &[&self.url("/metrics")]).body();
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {series} in {text}")).parse().unwrap()
    }

    /// A client of the tests, which has sent nothing yet.
    pub(super) fn silent(&self) -> Client {
        Client::silent(self.address, &self.config, "admin.test")
    }

    /// The same after its handshake, which may have failed.
    pub(super) fn shaken(&self) -> io::Result<Client> {
        let mut client = self.silent();
        client.handshake()?;
        Ok(client)
    }

    /// The same with a certificate, under TLS 1.2, where the server has judged it before the handshake ends here.
    pub(super) fn shaken_with(&self, Credentials { chain, key }: &Credentials) -> Client {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.pki.ca()).unwrap()).unwrap();
        let chain = CertificateDer::pem_file_iter(chain).unwrap().map(Result::unwrap).collect();
        let config = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_protocol_versions(&[&version::TLS12])
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(key).unwrap())
            .unwrap();
        let mut client = Client::silent(self.address, &Arc::new(config), "admin.test");
        client.handshake().unwrap();
        client
    }

    /// The serial number of the certificate that is served now.
    pub(super) fn served(&self) -> String {
        let output = tool::run("openssl", &["s_client", "-connect", &self.address.to_string()], b"");
        serial(&output.stdout)
    }
}

/// Lines below `[admin]` with these of `[admin.tls]`.
pub(super) fn tls(lines: &str) -> String {
    let lines =
        if lines.contains("certificates") { lines.to_owned() } else { format!("certificates=[\"admin\"]\n{lines}") };
    format!("listen=\"127.0.0.1:0\"\ntoken_file=\"token\"\n[admin.tls]\n{lines}")
}

fn text(backend: &Backend, admin: &str, tables: &str) -> String {
    configured(backend, admin, "certificates = [\"certs\"]", tables)
}

/// How curl has ended.
pub(super) struct Curl(Output);

impl Curl {
    /// The status of the answer; 0 where there is none.
    pub(super) fn status(&self) -> u16 {
        let text = String::from_utf8_lossy(&self.0.stdout).into_owned();
        text.rsplit_once('\n').unwrap().1.parse().unwrap()
    }

    pub(super) fn body(&self) -> String {
        assert!(self.0.status.success(), "{}", tool::shown(&self.0));
        String::from_utf8_lossy(&self.0.stdout).rsplit_once('\n').unwrap().0.to_owned()
    }
}

/// A request on a connection that stays open, and the answer, which must have a length.
pub(super) fn exchange(client: &mut Client, request: &str) -> Response {
    client.send(request.as_bytes()).unwrap();
    let mut text = Vec::new();
    let whole = |text: &[u8]| {
        let text = String::from_utf8_lossy(text).to_lowercase();
        let (head, body) = text.split_once("\r\n\r\n")?;
        let length = head.split("content-length: ").nth(1)?.lines().next()?.trim().parse::<usize>().ok()?;
        (body.len() >= length).then_some(())
    };
    while whole(&text).is_none() {
        let mut piece = [0; 4096];
        let count = client.read(&mut piece).unwrap_or_else(|ending| panic!("{ending:?} after {text:?}"));
        text.extend_from_slice(&piece[..count]);
    }
    Response::read(text.as_slice())
}
