//! A token of SoftHSM's with keys in it, and a proxy that serves them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::pki::{Extra, Key, Pki, write_private};
use crate::support::proxy::{PROGRAM, Proxy};
use crate::support::tool::{self, shown};

/// The PIN, which is nowhere else in the memory of a process.
pub(super) const PIN: &str = "83016624597";

/// For a process whose module reads and writes files besides its token's.
pub(super) const OPEN: &str = "[process]\nsandbox_paths = [\".\"]\n";

/// Where Debian has it.
pub(super) const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";

/// A token, and certificates whose keys are in it alone.
pub(super) struct Token {
    pub(super) pki: Pki,
}

impl Token {
    /// An empty token. Its PIN is in the file `pin`.
    pub(super) fn new() -> Self {
        let token = Self { pki: Pki::new() };
        fs::create_dir_all(token.path("hsm/tokens")).unwrap();
        let tokens = token.path("hsm/tokens");
        let text =
            format!("directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n", tokens.display());
        fs::write(token.path("hsm/softhsm2.conf"), text).unwrap();
        write_private(&token.path("pin"), &format!("{PIN}\n"));
        token.softhsm(&["--init-token", "--free", "--label", "the token", "--so-pin", "12345678", "--pin", PIN]);
        token
    }

    /// The same with a key of that kind for each name, which is also its label.
    pub(super) fn with(keys: &[(&str, Key)]) -> Self {
        let token = Self::new();
        for (name, key) in keys {
            token.add(name, name, *key);
        }
        token
    }

    /// Makes a certificate for `name` in the file `label.crt`, and puts its key into the token.
    pub(super) fn add(&self, name: &str, label: &str, key: Key) {
        let (certificate, key) = self.pki.pair(&[name], key, &Extra::default());
        fs::write(self.path(&format!("{label}.crt")), certificate).unwrap();
        self.import(label, &key);
    }

    pub(super) fn import(&self, label: &str, key: &str) {
        let file = self.path("once.key");
        write_private(&file, key);
        let id: String = label.bytes().map(|byte| format!("{byte:02x}")).collect();
        let file = file.to_str().unwrap();
        self.softhsm(&["--import", file, "--token", "the token", "--label", label, "--id", &id, "--pin", PIN]);
        fs::remove_file(file).unwrap();
    }

    fn softhsm(&self, arguments: &[&str]) {
        let environment = self.environment();
        let output = tool::run("env", &[&[environment.as_str(), "softhsm2-util"], arguments].concat(), b"");
        assert!(output.status.success(), "{}", shown(&output));
    }

    fn environment(&self) -> String {
        format!("SOFTHSM2_CONF={}", self.path("hsm/softhsm2.conf").display())
    }

    /// Below the folder of everything.
    pub(super) fn path(&self, below: &str) -> PathBuf {
        self.pki.folder().join(below)
    }

    /// A source of certificates: that file with the key of that label.
    pub(super) fn source(&self, label: &str) -> String {
        self.source_with(label, MODULE)
    }

    /// The same by the module in that file.
    pub(super) fn source_with(&self, label: &str, module: &str) -> String {
        let uri = format!("pkcs11:token=the%20token;object={label}?module-path={module}&pin-source=file:pin");
        format!("{{ cert = \"{label}.crt\", key = \"{uri}\" }}")
    }

    /// Builds the module that can be slow and away.
    pub(super) fn shim(&self) -> String {
        self.build("shim", include_str!("shim.c"))
    }

    /// Builds a library from C.
    pub(super) fn build(&self, name: &str, text: &str) -> String {
        let (code, module) = (self.path(&format!("{name}.c")), self.path(&format!("{name}.so")));
        fs::write(&code, text).unwrap();
        let arguments =
            ["-shared", "-fPIC", "-o", module.to_str().unwrap(), code.to_str().unwrap(), "-ldl", "-lpthread"];
        let output = tool::run("cc", &arguments, b"");
        assert!(output.status.success(), "{}", shown(&output));
        module.to_str().unwrap().to_owned()
    }

    /// The shim is slow or away as long as the file of that name is there.
    pub(super) fn becomes(&self, what: &str) {
        fs::write(self.path(what), "").unwrap();
    }

    pub(super) fn no_longer(&self, what: &str) {
        fs::remove_file(self.path(what)).unwrap();
    }

    /// How many times the shim has noted that.
    pub(super) fn noted(&self, what: &str) -> usize {
        fs::read(self.path(what)).map_or(0, |bytes| bytes.len())
    }

    /// The program with these arguments, in the environment of the token.
    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(arguments).stdin(Stdio::null());
        self.equip(&mut command);
        command
    }

    pub(super) fn equip(&self, command: &mut Command) {
        command.env("SOFTHSM2_CONF", self.path("hsm/softhsm2.conf")).env("SHIM", self.pki.folder()).env("REAL", MODULE);
    }

    pub(super) fn configure(&self, config: &str) -> PathBuf {
        let path = self.path("tlsgate.toml");
        fs::write(&path, config).unwrap();
        path
    }

    pub(super) fn start(&self, config: &str) -> Proxy {
        self.try_start(config).unwrap_or_else(|log| panic!("tlsgate did not start:\n{log}"))
    }

    pub(super) fn try_start(&self, config: &str) -> Result<Proxy, String> {
        let path = self.configure(config);
        Proxy::spawn(self.command(&["run", "-c", path.to_str().unwrap()]), 1)
    }

    /// The report of `tlsgate check`, and all that it has printed.
    pub(super) fn check(&self, config: &str) -> (Value, String) {
        let path = self.configure(config);
        let output = self.command(&["check", "--format", "json", "-c", path.to_str().unwrap()]).output().unwrap();
        (serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", shown(&output))), shown(&output))
    }
}

/// A configuration with that listener's certificates, a backend, and an admin server; `more` are more keys of the listener.
pub(super) fn config(top: &str, certificates: &[String], more: &str, backend: &str) -> String {
    format!(
        "{top}\n[admin]\nlisten=\"unix:admin.sock\"\n[[listener]]\nname = \"main\"\nlisten = \"127.0.0.1:0\"\n\
         certificates = [{}]\nbackend = \"echo\"\n{more}\n[backend.echo]\nservers = [\"{backend}\"]\n",
        certificates.join(", ")
    )
}

/// What a client of OpenSSL's reports that asks for `name`, and has these options besides.
pub(super) fn openssl(proxy: &Proxy, ca: &Path, name: &str, options: &[&str]) -> String {
    let address = proxy.address("main").to_string();
    let ca = ca.to_str().unwrap();
    let common = ["s_client", "-connect", &address, "-servername", name, "-CAfile", ca, "-verify_return_error"];
    let output = tool::run("openssl", &[&common, options].concat(), b"");
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
