//! The programs whose configurations are converted, each started with one. Must not know: what is compared.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::PATIENCE;

/// A running program. Dropping it stops it.
pub(crate) struct Peer {
    child: Child,
}

impl Peer {
    /// Starts `program` with the file, and waits until it accepts connections on the address.
    pub(crate) fn start(program: &str, file: &Path, address: SocketAddr) -> Self {
        let folder = file.parent().unwrap();
        let mut command = Command::new(program);
        match program {
            "haproxy" => command.arg("-db").arg("-f").arg(file),
            "nginx" => command.args(["-e", "stderr", "-p"]).arg(folder).arg("-c").arg(file),
            "stunnel" => command.arg(file),
            _ => command.arg(format!("--config={}", file.display())),
        };
        let log = fs::File::create(folder.join("peer.log")).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let mut child = command.spawn().unwrap_or_else(|_| panic!("{program} is not installed; tests/run installs it"));
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            let ended = child.try_wait().unwrap();
            let log = || fs::read_to_string(folder.join("peer.log")).unwrap_or_default();
            assert!(ended.is_none() && Instant::now() < deadline, "{program} does not listen:\n{}", log());
            thread::sleep(Duration::from_millis(5));
        }
        Self { child }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Some have workers, which a plain kill would leave behind.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

/// A port that was free a moment ago: these programs take no socket that a test has bound.
pub(crate) fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
