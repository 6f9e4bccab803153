//! What the process gives up after its start: as root it becomes the user nobody, otherwise it stays who it is. Files and
//! system calls are restricted in both cases.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::backend::Backend;
use crate::support::check::check;
use crate::support::http::{Door, Response};
use crate::support::pki::{Extra, Key, Pki};
use crate::support::proxy::{PROGRAM, Proxy};
use crate::support::tool;

mod checked;
mod compromised;
mod inside;
mod kernels;
mod users;

/// A proxy with the folder `certs` and an admin API, in a folder that belongs to the user that it becomes.
struct Scene {
    pki: Pki,
    backend: Backend,
    proxy: Proxy,
}

impl Scene {
    /// With one certificate in each of these folders. `top` are more lines of the configuration.
    fn new(top: &str, folders: &[&str]) -> Self {
        let (pki, backend) = (Pki::new(), Backend::echo());
        for folder in folders {
            let name = format!("{}.test", Path::new(folder).file_name().unwrap().to_str().unwrap());
            pki.write(folder, "a", &[&name], Key::P256, &Extra::default());
        }
        Self::with(pki, backend, top, &list(folders))
    }

    /// With what is in that folder.
    fn with(pki: Pki, backend: Backend, top: &str, certificates: &str) -> Self {
        // In a folder of its own, since a process can read the folder of its configuration.
        for folder in ["conf", "logs"] {
            fs::create_dir(pki.folder().join(folder)).unwrap();
        }
        let path = pki.folder().join(CONFIGURATION);
        fs::write(&path, configuration(&backend, top, certificates)).unwrap();
        give(pki.folder());
        let proxy = Proxy::spawn(command(&path), 1);
        Self { proxy: proxy.unwrap_or_else(|log| panic!("tlsgate did not start:\n{log}")), pki, backend }
    }

    fn path(&self, below: &str) -> PathBuf {
        self.pki.folder().join(below)
    }

    fn configure(&self, top: &str, certificates: &str) {
        fs::write(self.path(CONFIGURATION), configuration(&self.backend, top, certificates)).unwrap();
    }

    fn door(&self) -> Door {
        Door::unix(self.pki.folder())
    }

    fn reload(&self) -> Response {
        self.door().ask("POST", "/api/v1/reload", &[], "")
    }

    /// The serial of the certificate that a new client gets for that name.
    fn served(&self, name: &str) -> String {
        let address = self.proxy.address("main").to_string();
        let output = tool::run("openssl", &["s_client", "-connect", &address, "-servername", name], b"");
        serial(&output.stdout)
    }

    /// Writes a certificate, and returns its serial.
    fn write(&self, folder: &str, stem: &str, name: &str) -> String {
        let (certificate, key) = self.pki.write(folder, stem, &[name], Key::P256, &Extra::default());
        give(certificate.parent().unwrap());
        give(&key);
        serial(&fs::read(certificate).unwrap())
    }
}

/// As the configuration has them.
fn list(folders: &[&str]) -> String {
    let folders: Vec<String> = folders.iter().map(|folder| format!("../{folder}")).collect();
    format!("{folders:?}")
}

const CONFIGURATION: &str = "conf/tlsgate.toml";

/// The log goes to standard output, which needs no file, unless `top` has another.
fn configuration(backend: &Backend, top: &str, certificates: &str) -> String {
    let user = if is_root() { "user = \"nobody\"\n" } else { "" };
    let process = if top.contains("[process]\n") { "" } else { "[process]\n" };
    let top = format!("{process}{top}").replacen("[process]\n", &format!("[process]\n{user}"), 1);
    format!(
        "{top}\n[admin]\nlisten = \"unix:../admin.sock\"\n\n[[listener]]\nname = \"main\"\nlisten = \"127.0.0.1:0\"\n\
         certificates = {certificates}\nbackend = \"echo\"\n\n[backend.echo]\nservers = [\"{}\"]\n",
        backend.address
    )
}

/// As anyone but root, the program runs in a user namespace: only in one of its own may a user look into a process that has
/// made itself invisible.
fn command(config: &Path) -> Command {
    let mut command = match is_root() {
        true => Command::new(PROGRAM),
        false => {
            let mut command = Command::new("unshare");
            command.args(["--map-root-user", PROGRAM]);
            command
        }
    };
    command.args(["run", "-c"]).arg(config).stdin(Stdio::null());
    command
}

/// Makes the user that the program becomes the owner of a path and of all below it.
pub(crate) fn give(path: &Path) {
    if is_root() {
        let given = tool::run("chown", &["-R", "nobody", path.to_str().unwrap()], b"");
        assert!(given.status.success(), "{}", tool::shown(&given));
    }
}

pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

fn serial(pem: &[u8]) -> String {
    let output = tool::run("openssl", &["x509", "-noout", "-serial"], pem);
    assert!(output.status.success(), "no certificate: {}", tool::shown(&output));
    String::from_utf8(output.stdout).unwrap().trim().trim_start_matches("serial=").to_owned()
}

/// The version of Landlock that the kernel has, as `tlsgate check` reports it; 0 for none.
pub(crate) fn landlock() -> u64 {
    let (pki, backend) = (Pki::new(), Backend::echo());
    pki.write("certs", "a", &["a.test"], Key::P256, &Extra::default());
    fs::create_dir(pki.folder().join("conf")).unwrap();
    let checked = check(&pki.folder().join("conf"), &configuration(&backend, "", "\"../certs\""));
    assert!(checked.ok, "{:?}", checked.errors);
    checked.report["process"]["landlock"].as_u64().unwrap_or(0)
}
