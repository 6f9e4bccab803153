//! The program with output that nothing reads, unless the test does; also behind shell commands such as `ulimit`.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};

use super::procfs::eventually;
use super::proxy::PROGRAM;

/// A running `tlsgate run` with one listener. Dropping it kills it.
pub(crate) struct Bare {
    pub(crate) address: SocketAddr,
    /// What it wrote to standard error until it started to listen.
    pub(crate) first_lines: String,
    pub(crate) stdout: Option<BufReader<ChildStdout>>,
    pub(crate) stderr: Option<BufReader<ChildStderr>>,
    child: Child,
}

impl Bare {
    /// Starts it after the shell command `before`. Standard error is read until the program listens, and then no
    /// more.
    pub(crate) fn start(folder: &Path, config: &str, before: &str) -> Self {
        let path = folder.join("tlsgate.toml");
        std::fs::write(&path, config).unwrap();
        let mut child = Command::new("sh")
            .args(["-c", &format!("{before}\nexec \"$0\" run -c \"$1\""), PROGRAM])
            .arg(&path)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().map(BufReader::new);
        let stderr = child.stderr.take().map(BufReader::new);
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut started = Self { address: nowhere, first_lines: String::new(), stdout, stderr, child };
        loop {
            let start = started.first_lines.len();
            let read = started.stderr.as_mut().map(|stderr| stderr.read_line(&mut started.first_lines).unwrap());
            assert_ne!(read, Some(0), "it did not start:\n{}", started.first_lines);
            if let Some((_, address)) = started.first_lines[start..].split_once("listening listener=main address=") {
                started.address = address.trim().parse().unwrap();
                return started;
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends TERM, and waits until it has ended.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        let status = Command::new("kill").arg(self.pid().to_string()).status().unwrap();
        assert!(status.success());
        eventually("it ends", || self.child.try_wait().unwrap())
    }

    /// The rest of its standard error. The program must have ended.
    pub(crate) fn last_lines(&mut self) -> String {
        let mut lines = String::new();
        self.stderr.take().unwrap().read_to_string(&mut lines).unwrap();
        lines
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
