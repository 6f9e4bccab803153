//! Certificates, servers, and the settings of clients. Must not know: when they change.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs::{self, cipher_suite};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, SupportedCipherSuite, version};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::backend::{Server, own_address};
use crate::configuration;
use crate::support::client::{Tls, trusting};
use crate::support::pki::{Extra, Key, Pki, write_private};

/// Names, and where they lead: to servers without TLS; to servers with TLS; unchanged to servers with TLS.
pub(crate) const PLAIN: &str = "plain.test";
pub(crate) const INNER: &str = "inner.test";
pub(crate) const THROUGH: &str = "through.test";

pub(crate) struct Material {
    pki: Mutex<Pki>,
    folder: PathBuf,
    ca: PathBuf,
    /// The newest generation of certificates that is known to be served.
    served: AtomicU64,
    pub(crate) plain: Vec<Server>,
    pub(crate) inner: Vec<Server>,
    pub(crate) through: Vec<Server>,
}

impl Material {
    pub(crate) fn new() -> Self {
        let pki = Pki::new();
        let settings = |name: &str| Some(Arc::new(server_side(&pki, name)));
        let (inner, through) = (settings("server.test"), settings(THROUGH));
        let material = Self {
            plain: (1..=3).map(|host| Server::new(own_address(host), None)).collect(),
            inner: (11..=12).map(|host| Server::new(own_address(host), inner.clone())).collect(),
            through: (21..=22).map(|host| Server::new(own_address(host), through.clone())).collect(),
            folder: pki.folder().to_owned(),
            ca: pki.ca(),
            served: AtomicU64::new(0),
            pki: Mutex::new(pki),
        };
        material.certify(0);
        material.configure(0);
        material
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn servers(&self) -> impl Iterator<Item = &Server> {
        self.plain.iter().chain(&self.inner).chain(&self.through)
    }

    /// New certificates for all names; each is swapped with its key in one step.
    pub(crate) fn certify(&self, generation: u64) {
        let pki = self.pki.lock().unwrap();
        let extra = Extra { common_name: Some(format!("{MARK}{generation}")), ..Extra::default() };
        fs::create_dir_all(self.folder.join("certs")).unwrap();
        for (name, key) in [(PLAIN, Key::P256), (INNER, Key::Rsa2048)] {
            let (certificate, key) = pki.pair(&[name], key, &extra);
            // A name that begins with a dot is not read.
            let fresh = self.folder.join(format!("certs/.{name}"));
            write_private(&fresh, &format!("{certificate}{key}"));
            fs::rename(fresh, self.folder.join(format!("certs/{name}.pem"))).unwrap();
        }
    }

    /// The configuration of a generation, swapped in one step.
    pub(crate) fn configure(&self, generation: u64) {
        let fresh = self.folder.join("tlsgate.toml.new");
        fs::write(&fresh, configuration::text(self, generation)).unwrap();
        fs::rename(fresh, self.folder.join("tlsgate.toml")).unwrap();
    }

    /// From now on, no client may get a certificate of an older generation.
    pub(crate) fn is_served(&self, generation: u64) {
        self.served.store(generation, Ordering::Release);
    }

    pub(crate) fn served(&self) -> u64 {
        self.served.load(Ordering::Acquire)
    }

    /// Settings for each version and suite, with and without resumption.
    pub(crate) fn clients(&self) -> Vec<Arc<ClientConfig>> {
        let mut all = Vec::new();
        for suites in SUITES {
            for tls in Tls::BOTH {
                for resumes in [true, false] {
                    let mut config = self.client(tls, suites);
                    if !resumes {
                        config.resumption = Resumption::disabled();
                    }
                    all.push(Arc::new(config));
                }
            }
        }
        all
    }

    /// Settings whose secrets can be extracted, for records that are forged.
    pub(crate) fn forgers(&self) -> [Arc<ClientConfig>; 2] {
        Tls::BOTH.map(|tls| Arc::new(trusting(&self.ca, tls)))
    }

    fn client(&self, tls: Tls, suites: &[SupportedCipherSuite]) -> ClientConfig {
        let mut provider = aws_lc_rs::default_provider();
        provider.cipher_suites = suites.to_vec();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&self.ca).unwrap()).unwrap();
        let version = match tls {
            Tls::V12 => &version::TLS12,
            Tls::V13 => &version::TLS13,
        };
        let builder = ClientConfig::builder_with_provider(provider.into());
        let builder = builder.with_protocol_versions(&[version]).unwrap();
        builder.with_root_certificates(roots).with_no_client_auth()
    }
}

/// The generation of the certificate that the client got.
pub(crate) fn generation(client: &ClientConnection) -> Option<u64> {
    let (_, certificate) = X509Certificate::from_der(client.peer_certificates()?.first()?).ok()?;
    certificate.subject().iter_common_name().next()?.as_str().ok()?.strip_prefix(MARK)?.parse().ok()
}

/// The PROXY header of a client that is its own proxy, so that the access log names it.
pub(crate) fn preface(own: SocketAddr, to: SocketAddr) -> Vec<u8> {
    format!("PROXY TCP4 {} {} {} {}\r\n", own.ip(), to.ip(), own.port(), to.port()).into_bytes()
}

/// The loopback address of a thread's clients: each has all ports of its own.
pub(crate) fn source(thread: u8) -> IpAddr {
    own_address(100 + thread).into()
}

/// The settings of a server that has TLS itself.
pub(crate) fn server_side(pki: &Pki, name: &str) -> ServerConfig {
    let (certificate, key) = pki.pair(&[name], Key::P256, &Extra::default());
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let builder = ServerConfig::builder_with_provider(aws_lc_rs::default_provider().into());
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    builder.with_single_cert(vec![certificate], key).unwrap()
}

/// The common name of a generation's certificates, without its number.
const MARK: &str = "generation ";

/// A suite of TLS 1.3, and of TLS 1.2 with either kind of key. ChaCha20 is not in every policy for TLS 1.2.
const SUITES: [&[SupportedCipherSuite]; 3] = [
    &[
        cipher_suite::TLS13_AES_128_GCM_SHA256,
        cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    ],
    &[
        cipher_suite::TLS13_AES_256_GCM_SHA384,
        cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    ],
    &[
        cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        cipher_suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    ],
];
