//! Requests to the admin server that may fail, since the process behind its socket changes. Must not know: what they are
//! for.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Debug)]
pub(crate) struct Api(PathBuf);

impl Api {
    pub(crate) fn new(folder: &Path) -> Self {
        Self(folder.join("admin.sock"))
    }

    /// The answer's status and body.
    pub(crate) fn ask(&self, method: &str, path: &str) -> io::Result<(u16, String)> {
        let mut stream = UnixStream::connect(&self.0)?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_write_timeout(Some(LIMIT))?;
        let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let none = || io::Error::other(format!("no answer, but {answer:?}"));
        let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(none)?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(none)?;
        Ok((status, body.to_owned()))
    }

    /// The sum of a metric's series.
    pub(crate) fn metric(&self, name: &str) -> io::Result<f64> {
        let (_, body) = self.ask("GET", "/metrics")?;
        let series = body.lines().filter(|line| line.split(['{', ' ']).next() == Some(name));
        Ok(series.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum())
    }
}

const LIMIT: Duration = Duration::from_secs(30);
