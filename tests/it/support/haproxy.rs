//! A real HAProxy in a folder of its own, on a port that the test has bound for it.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// Dropping it stops it.
pub(crate) struct Haproxy {
    pub(crate) address: SocketAddr,
    child: Child,
    _folder: TempDir,
}

impl Haproxy {
    /// `sections` follow the defaults; `fd@0` in a `bind` line is the port of [`Haproxy::address`].
    pub(crate) fn start(listen: &str, sections: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let listener = TcpListener::bind(listen).unwrap();
        let address = listener.local_addr().unwrap();
        let config = folder.path().join("haproxy.cfg");
        let defaults = "global\n    nbthread 1\ndefaults\n    mode tcp\n    timeout connect 30s\n    timeout client 60s\n    \
                        timeout server 60s\n";
        fs::write(&config, format!("{defaults}{sections}")).unwrap();
        let child = Command::new("haproxy")
            .args(["-db", "-f"])
            .arg(&config)
            .stdin(Stdio::from(OwnedFd::from(listener)))
            .spawn()
            .expect("haproxy is not installed; tests/run installs it");
        Self { address, child, _folder: folder }
    }
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
