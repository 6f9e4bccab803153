//! tlsgate in front of a small HTTP server, with one client after another, so that the newest access-log record is
//! always that of the last client. Must not know: the expected results.

use std::cell::Cell;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;

use super::tools::{Client, Seen, Version, sha256};
use crate::support::backend::Backend;
use crate::support::pki::Pki;
use crate::support::proxy::Proxy;

pub(crate) struct Scene {
    pub(crate) pki: Pki,
    pub(crate) proxy: Proxy,
    clients: Cell<usize>,
}

impl Scene {
    /// Starts tlsgate with `listeners`: a name and the other lines of its table, `certificates` at least.
    pub(crate) fn start(pki: Pki, listeners: &[(&str, &str)]) -> Self {
        let backend = Backend::start(|mut stream| {
            let mut asked = Vec::new();
            let mut buffer = [0; 4096];
            while !asked.ends_with(b"\r\n\r\n") {
                match stream.read(&mut buffer)? {
                    0 => return Ok(asked),
                    count => asked.extend_from_slice(&buffer[..count]),
                }
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")?;
            Ok(asked)
        });
        let mut config = format!("[backend.web]\nservers = [\"{}\"]\n", backend.address);
        for (name, rest) in listeners {
            let head = format!("name = \"{name}\"\nlisten = \"127.0.0.1:0\"\nbackend = \"web\"");
            write!(config, "\n[[listener]]\n{head}\n{rest}\n").unwrap();
        }
        let proxy = Proxy::start(pki.folder(), &config);
        Self { pki, proxy, clients: Cell::new(0) }
    }

    /// One connection: the client's report and the access log's record.
    pub(crate) fn connect(&self, listener: &str, client: &Client<'_>) -> (Seen, Value) {
        self.observe(|| client.connect(self.proxy.address(listener), &self.pki.ca()))
    }

    /// The same for any action that makes one connection.
    pub(crate) fn observe<T>(&self, connect: impl FnOnce() -> T) -> (T, Value) {
        let seen = connect();
        self.clients.set(self.clients.get() + 1);
        let mut records = self.proxy.records(self.clients.get());
        assert_eq!(records.len(), self.clients.get(), "more connections than clients: {records:#?}");
        (seen, records.pop().unwrap())
    }

    /// Connects, and asserts that the client received and trusts the certificate of `folder/stem.crt`, and that the
    /// access log says the same.
    pub(crate) fn serves(&self, listener: &str, client: &Client<'_>, stem: &str) {
        let (seen, record) = self.connect(listener, client);
        let context = format!("{listener}, {client:?}, expected {stem}\n{record:#}\n{}", seen.output);
        let certificate = self.path(stem);
        let hash = fingerprint(&certificate);
        assert_eq!(seen.certificate.as_ref(), Some(&hash), "{context}");
        assert!(seen.verified, "{context}");
        let offered: Vec<&str> = client.schemes.iter().map(|scheme| scheme.iana).collect();
        assert!(offered.contains(&record["tls.signature_scheme"].as_str().unwrap()), "{context}");
        assert_eq!(record["listener"], listener, "{context}");
        assert_eq!(record["outcome"], "completed", "{context}");
        assert_eq!(record["tls.protocol.version"], client.version.shown(), "{context}");
        assert_eq!(record["tls.server.hash.sha256"], hash, "{context}");
        assert_eq!(record["chosen_cert"], certificate.to_str().unwrap(), "{context}");
    }

    /// Connects, and asserts that the client is refused with that alert and the access log has that outcome.
    pub(crate) fn refuses(&self, listener: &str, client: &Client<'_>, alert: u8, outcome: &str) {
        let (seen, record) = self.connect(listener, client);
        let context = format!("{listener}, {client:?}, expected alert {alert}\n{record:#}\n{}", seen.output);
        assert_eq!(seen.alert, Some(alert), "{context}");
        assert_eq!(seen.certificate, None, "{context}");
        assert_eq!(record["listener"], listener, "{context}");
        assert_eq!(record["outcome"], outcome, "{context}");
        // A hello that is too old is refused before its name is read.
        if client.version != Version::Tls11 {
            assert_eq!(record["server.address"], client.name.unwrap_or("-"), "{context}");
        }
        for absent in ["chosen_cert", "tls.server.hash.sha256", "tls.protocol.version", "backend"] {
            assert_eq!(record.get(absent), None, "{context}");
        }
    }

    /// `folder/stem.crt`
    pub(crate) fn path(&self, stem: &str) -> PathBuf {
        self.pki.folder().join(format!("{stem}.crt"))
    }
}

/// SHA-256 of the certificate in a file.
pub(crate) fn fingerprint(path: &Path) -> String {
    sha256(&CertificateDer::from_pem_slice(&fs::read(path).unwrap()).unwrap())
}
