//! `tlsgate fleet`, against real etcd. Nodes are played where they have to refuse, to wait or to die at a certain moment.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::etcd::{Etcd, Version};
use crate::support::pki::{Extra, Key, Pki, write_private};
use crate::support::proxy::PROGRAM;
use crate::support::tool::shown;

mod documented;
mod elected;
mod held;
mod node;
mod published;
mod removed;
mod repaired;
mod rights;
mod secret;
mod staged;
mod wrong;

/// A store, and a folder with `fleet.toml` and with a configuration in `gate`.
struct Fleet {
    store: Etcd,
    folder: TempDir,
    pki: Pki,
}

impl Fleet {
    fn new() -> Self {
        Self::with(Etcd::one(Version::Debian))
    }

    fn with(store: Etcd) -> Self {
        let fleet = Self { store, folder: TempDir::new().unwrap(), pki: Pki::new() };
        fleet.does(&["key", "new", "-o", "fleet.key"]);
        fleet.write("fleet.toml", &fleet.fleet_toml("fleet.key", ""));
        fleet.certificate("a", "a.test");
        write_private(&fleet.path("gate/tickets.keys"), &ticket_key());
        fleet.configure("");
        fleet
    }

    fn fleet_toml(&self, secret: &str, more: &str) -> String {
        let urls = self.store.urls();
        format!("[fleet]\netcd = {urls:?}\nprefix = \"/tlsgate/test\"\nsecret_file = \"{secret}\"\n{more}")
    }

    /// A certificate with its key in the folder of certificates.
    fn certificate(&self, stem: &str, name: &str) {
        let (certificate, key) = self.pki.pair(&[name], Key::P256, &Extra::default());
        fs::create_dir_all(self.path("gate/certs")).unwrap();
        self.write(&format!("gate/certs/{stem}.crt"), &certificate);
        write_private(&self.path(&format!("gate/certs/{stem}.key")), &key);
    }

    /// Writes the configuration, with more lines in its listener.
    fn configure(&self, more: &str) {
        let text = format!(
            "[[listener]]\nname = \"ldaps\"\nlisten = \"127.0.0.1:0\"\ncertificates = \"certs\"\n\
             ticket_keys = \"tickets.keys\"\nbackend = \"directory\"\n{more}\n\
             [backend.directory]\nservers = [\"192.0.2.77:389\"]\n"
        );
        self.write("gate/tlsgate.toml", &text);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// `tlsgate fleet` in the folder.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.arg("fleet").args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// It must succeed. Returns what it printed.
    fn does(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", shown(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// It must fail with code 1. Returns its error.
    fn refuses(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", shown(&output));
        String::from_utf8(output.stderr).unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.does(&[arguments, &["--format", "json"]].concat())).unwrap()
    }

    fn publish(&self) -> u64 {
        let done = self.json(&["publish", "-c", "gate/tlsgate.toml"]);
        assert_eq!(done["published"], true, "{done}");
        done["release"]["number"].as_u64().unwrap()
    }

    /// The keys of the store, without the prefix.
    fn keys(&self, below: &str) -> Vec<String> {
        let all = self.store.all().into_keys();
        let all = all.map(|key| key.strip_prefix("/tlsgate/test/").expect("below the prefix").to_owned());
        all.filter(|key| key.starts_with(below)).collect()
    }
}

fn ticket_key() -> String {
    let output = Command::new(PROGRAM).args(["ticket-key", "new"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}
