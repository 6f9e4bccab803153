//! PyPI's acme2certifier, an authority that offers renewal information, profiles and dns-persist-01 itself. It asks pebble's
//! name server.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::thread;

use serde_json::Value;

use super::pebble::{Pebble, Tied};
use super::reissue::authority;
use super::{free_port, own_address};
use crate::support::pki::{Extra, Key, Pki, generate, write_private};
use crate::support::procfs::eventually;
use crate::support::tool;

/// The authority. Its certificates live for a day.
pub(crate) struct Certifier {
    address: SocketAddr,
    /// Of its HTTPS, and the folder of its files.
    pki: Pki,
    _process: Tied,
}

/// The name by which it is known in records for dns-persist-01.
pub(crate) const ISSUER: &str = "issuer.test";

impl Certifier {
    /// Starts one that proposes to renew certificates in a window that begins at `percent` of their lifetime.
    pub(crate) fn start(names: &Pebble, percent: &str, seconds: u64) -> Self {
        let (pki, ip) = (Pki::new(), own_address());
        let folder = pki.folder().to_owned();
        pki.write("", "server", &[&ip.to_string()], Key::P256, &Extra::default());
        // Clients that can verify one kind of key verify this one in any case.
        let key = generate(Key::Rsa2048);
        fs::write(folder.join("root.pem"), authority("an issuer").self_signed(&key).unwrap().pem()).unwrap();
        write_private(&folder.join("root.key"), &key.serialize_pem());
        fs::create_dir(folder.join("issued")).unwrap();
        let settings = SETTINGS.replace("FOLDER", folder.to_str().unwrap());
        let settings = settings.replace("PERCENT", percent).replace("SECONDS", &seconds.to_string());
        fs::write(folder.join("certifier.cfg"), settings).unwrap();
        fs::write(folder.join("certifier.py"), include_str!("certifier.py")).unwrap();
        let address = SocketAddr::from((ip, free_port()));
        let (python, resolver) = (tool::from_pypi("python"), names.resolver);
        let mut command = Tied::command(python.to_str().unwrap());
        command.arg(folder.join("certifier.py")).args([ip.to_string(), address.port().to_string()]);
        command.arg(&folder).args([resolver.ip().to_string(), resolver.port().to_string()]);
        command.env("ACME_SRV_CONFIGFILE", folder.join("certifier.cfg"));
        let process = Tied::start(&mut command, &folder, "certifier");
        let certifier = Self { address, pki, _process: process };
        eventually("acme2certifier listens", || TcpStream::connect(address).ok());
        certifier
    }

    pub(crate) fn directory(&self) -> String {
        format!("https://{}/directory", self.address)
    }

    /// What its HTTPS is verified with.
    pub(crate) fn https_root(&self) -> PathBuf {
        self.pki.ca()
    }

    /// What its certificates are verified with.
    pub(crate) fn root(&self) -> PathBuf {
        self.pki.folder().join("root.pem")
    }

    /// Every request whose path begins so, in their order: `method`, `path`, `payload`.
    pub(crate) fn requests(&self, path: &str) -> Vec<Value> {
        let lines = fs::read_to_string(self.pki.folder().join("requests")).unwrap_or_default();
        let requests = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        requests.filter(|request| request["path"].as_str().unwrap().starts_with(path)).collect()
    }
}

impl Drop for Certifier {
    fn drop(&mut self) {
        if thread::panicking() {
            let log = fs::read_to_string(self.pki.folder().join("certifier.log"));
            eprintln!("acme2certifier's log:\n{}", log.unwrap_or_default());
        }
    }
}

/// There are two profiles, since it takes the only one whatever is asked for.
const SETTINGS: &str = r#"
[DEFAULT]
debug: False
[CAhandler]
handler_module: acme2certifier.cahandlers.openssl_ca_handler
issuing_ca_key: FOLDER/root.key
issuing_ca_cert: FOLDER/root.pem
issuing_ca_crl: FOLDER/crl.pem
cert_save_path: FOLDER/issued
cert_validity_days: 1
[DBhandler]
handler: wsgi
dbfile: FOLDER/certifier.db
[Directory]
caaidentities: ["issuer.test"]
tos_url: https://issuer.test/terms
[Challenge]
dns_persist_01_support: True
dns_persist_allow_policy_wildcard: True
[Order]
profiles: {"long": "https://issuer.test/long", "short": "https://issuer.test/short"}
[Renewalinfo]
renewalthreshold_pctg: PERCENT
renewal_window_duration: SECONDS
"#;
