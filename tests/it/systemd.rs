//! As a service of systemd: sockets that it passes, what it is notified of, its watchdog, its credentials, and the units in
//! `config/systemd`.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::PATIENCE;
use crate::support::pki::Pki;
use crate::support::proxy::{PROGRAM, Proxy};

mod credentials;
pub(crate) mod machine;
mod notified;
mod passed;
pub(crate) mod restarted;
mod units;
mod watchdog;

/// Passes sockets as systemd does; see there for how they are written.
fn activator(sockets: &[&str]) -> Command {
    let mut command = Command::new("python3");
    command.arg(script()).args(sockets).arg("--").stdin(Stdio::null());
    command
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/systemd/activate.py")
}

/// A proxy that was passed these sockets; or its log where it ends instead of listening with all of `listening`.
fn activated(pki: &Pki, config: &str, sockets: &[&str], listening: usize) -> Result<Proxy, String> {
    let path = pki.folder().join("tlsgate.toml");
    std::fs::write(&path, config).unwrap();
    let mut command = activator(sockets);
    command.args([PROGRAM, "run", "-c"]).arg(&path);
    Proxy::spawn(command, listening)
}

/// The socket on which a service manager is notified.
struct Manager {
    socket: UnixDatagram,
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Manager {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        Self { socket, path, _folder: folder }
    }

    /// The next message, as lines.
    fn next(&self) -> Vec<String> {
        self.next_within(PATIENCE).expect("no message for the service manager")
    }

    fn next_within(&self, patience: Duration) -> Option<Vec<String>> {
        self.socket.set_read_timeout(Some(patience)).unwrap();
        let mut bytes = [0; 4096];
        let length = self.socket.recv(&mut bytes).ok()?;
        Some(std::str::from_utf8(&bytes[..length]).unwrap().lines().map(str::to_owned).collect())
    }

    /// The next message that has this line; those before it are thrown away.
    fn until(&self, line: &str) -> Vec<String> {
        loop {
            let message = self.next();
            if message.iter().any(|one| one == line) {
                return message;
            }
        }
    }
}

/// The value of a line such as `STATUS=…`.
fn value<'m>(message: &'m [String], name: &str) -> &'m str {
    let value = message.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    value.unwrap_or_else(|| panic!("no {name} in {message:?}"))
}
