//! Where the commands of a page are run: a folder, the program under test as `tlsgate`, and the addresses that stand for
//! those in the page. Must not know: which pages there are.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::proxy::{PROGRAM, Proxy};
use crate::support::tool::{self, shown};

pub(super) struct Scene {
    root: TempDir,
    /// Where the last block left the shell.
    folder: PathBuf,
    /// What is written in the page, and what stands for it here.
    replaced: Vec<(String, String)>,
    /// Names of the page that stand for this machine.
    hosts: Vec<String>,
    pub(super) environment: Vec<(&'static str, String)>,
    proxies: Vec<Proxy>,
    /// What the commands have written to standard output so far.
    pub(super) printed: String,
}

impl Scene {
    /// With names of the page that stand for this machine.
    pub(super) fn new(hosts: &[&str]) -> Self {
        let root = TempDir::new().unwrap();
        let (bin, folder) = (root.path().join("bin"), root.path().join("page"));
        fs::create_dir(&bin).unwrap();
        fs::create_dir(&folder).unwrap();
        symlink(PROGRAM, bin.join("tlsgate")).unwrap();
        Self {
            root,
            folder,
            replaced: Vec::new(),
            hosts: hosts.iter().map(|&host| host.to_owned()).collect(),
            environment: Vec::new(),
            proxies: Vec::new(),
            printed: String::new(),
        }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Lets something stand for what the page has.
    pub(super) fn replace(&mut self, written: &str, here: &str) {
        assert_ne!(written, here);
        self.replaced.push((written.to_owned(), here.to_owned()));
    }

    /// Runs commands in the folder in which the last ones ended. They have to succeed.
    pub(super) fn sh(&mut self, place: &str, text: &str) {
        let (bin, end) = (self.root.path().join("bin"), self.root.path().join("end"));
        let script = format!(
            "set -euo pipefail\nexport PATH=\"$1:$PATH\"\ncd \"$2\"\n{}\npwd >\"$3\"",
            self.here(text).trim_end()
        );
        let set: Vec<String> = self.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let arguments = [
            set.iter().map(String::as_str).collect(),
            vec!["bash", "-c", &script, "bash"],
            [&bin, &self.folder, &end].map(|path| path.to_str().unwrap()).to_vec(),
        ]
        .concat();
        let output = tool::run("env", &arguments, b"");
        assert!(output.status.success(), "{place}:\n{script}\n{}", shown(&output));
        self.printed += &String::from_utf8_lossy(&output.stdout);
        self.folder = fs::read_to_string(end).unwrap().trim_end().into();
    }

    /// Starts the program with a configuration of the page, on ports of its own. From then on they stand for the page's.
    pub(super) fn serve(&mut self, text: &str) {
        let (mut name, mut listeners, mut config) = ("", Vec::new(), String::new());
        for line in text.lines() {
            match line.split_once(" = ") {
                Some(("name", value)) => name = value.trim_matches('"'),
                Some(("listen", value)) => listeners.push((name, port(value))),
                _ => {}
            }
            let line = if line.starts_with("listen = ") { "listen = \"127.0.0.1:0\"" } else { line };
            config += &format!("{line}\n");
        }
        let proxy = self.start(&self.here(&config), listeners.len());
        for (listener, written) in listeners {
            let here = proxy.address(listener).port();
            for host in ["127.0.0.1", "localhost"] {
                self.replace(&format!("{host}:{written}"), &format!("{host}:{here}"));
            }
            for host in self.hosts.clone() {
                self.replace(&format!("{host}:{written}"), &format!("127.0.0.1:{here}"));
                // libpq connects to `hostaddr`, and verifies `host`.
                self.replace(&format!("host={host} "), &format!("host={host} hostaddr=127.0.0.1 port={here} "));
            }
        }
        self.proxies.push(proxy);
    }

    /// In a file that no other has, since each watches its own.
    fn start(&self, config: &str, listeners: usize) -> Proxy {
        if self.proxies.is_empty() {
            return Proxy::start(&self.folder, config);
        }
        let file = self.folder.join(format!("tlsgate-{}.toml", self.proxies.len()));
        fs::write(&file, config).unwrap();
        let mut command = Command::new(PROGRAM);
        command.args(["run", "-c"]).arg(&file).current_dir(&self.folder).stdin(Stdio::null());
        Proxy::spawn(command, listeners).unwrap_or_else(|log| panic!("tlsgate did not start:\n{log}"))
    }

    /// Waits for an access-log record of the configuration that was served last.
    pub(super) fn record(&self, is_it: impl Fn(&Value) -> bool) -> Value {
        self.proxies.last().unwrap().record(is_it)
    }

    /// The text with what stands for its addresses.
    fn here(&self, text: &str) -> String {
        self.replaced.iter().fold(text.to_owned(), |text, (written, here)| text.replace(written, here))
    }
}

/// The port of the first address in a value of `listen`.
fn port(listen: &str) -> String {
    let (_, rest) = listen.split_once(':').unwrap();
    rest.chars().take_while(char::is_ascii_digit).collect()
}
