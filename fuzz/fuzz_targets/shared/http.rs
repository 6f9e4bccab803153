//! One request to a real HTTP server on this machine, made from the bytes of an input, and its answer. Must not know: what
//! is requested.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// A request: its first line and its fields, without what frames it, and its body.
pub struct Asked {
    pub lines: Vec<Vec<u8>>,
    pub body: Vec<u8>,
}

/// The last answer on a connection.
#[derive(Debug)]
pub struct Answered {
    pub status: u16,
    fields: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
}

impl Asked {
    /// What is before the first empty line, and what is behind it. `None` where nothing is before it.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let (mut lines, mut rest) = (Vec::new(), bytes);
        while !rest.is_empty() {
            let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
            let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
            rest = rest.get(end + 1..).unwrap_or_default();
            if line.is_empty() {
                break;
            }
            // The length is added below. Without these, the request is complete, and its answer does not have to be waited for.
            let name = line.split(|byte| *byte == b':').next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
            if !matches!(&name[..], b"content-length" | b"transfer-encoding" | b"expect" | b"connection") {
                lines.push(line.to_vec());
            }
        }
        (!lines.is_empty()).then(|| Self { lines, body: rest.to_vec() })
    }

    /// The method, and the path without the query; empty where there is none.
    pub fn target(&self) -> (&str, &str) {
        let mut words = self.lines[0].split(|byte| *byte == b' ').map(|word| std::str::from_utf8(word).unwrap_or(""));
        let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        // A fragment is no part of a target (RFC 9112 section 3.2), and what follows it none of a path.
        let target = target.split(['?', '#']).next().unwrap_or("");
        let target = match target.split_once("://") {
            // In its absolute form (RFC 9112 section 3.2.2) it begins with a scheme, and no path contains one.
            Some((scheme, rest)) if !scheme.contains('/') => rest.find('/').map_or("/", |at| &rest[at..]),
            _ => target,
        };
        (method, target)
    }

    /// Sends it, and reads until the server closes. The answer, if there is one.
    pub fn send(&self, server: SocketAddr) -> Option<Answered> {
        let mut request = self.lines.join(&b"\r\n"[..]);
        request.extend(format!("\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", self.body.len()).as_bytes());
        request.extend(&self.body);
        answers(&exchange(server, &request, false))
    }
}

impl Answered {
    pub fn field(&self, name: &str) -> Option<&str> {
        let (_, value) = self.fields.iter().find(|(known, _)| known == name)?;
        std::str::from_utf8(value).ok()
    }
}

/// Sends bytes as they are, and reads until the server closes; `ends` if nothing follows.
pub fn exchange(server: SocketAddr, bytes: &[u8], ends: bool) -> Vec<u8> {
    let mut stream = TcpStream::connect(server).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a time limit");
    // The server may have refused it before all of it was sent.
    let _ = stream.write_all(bytes);
    if ends {
        let _ = stream.shutdown(Shutdown::Write);
    }
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
            panic!("no answer in 20 seconds")
        }
        _ => answer,
    }
}

/// The last answer in what a server has sent.
fn answers(bytes: &[u8]) -> Option<Answered> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let mut lines = bytes[..end].split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let status = std::str::from_utf8(lines.next()?.get(9..12)?).ok()?.parse().ok()?;
    let fields = lines.filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        Some((String::from_utf8_lossy(&line[..colon]).to_ascii_lowercase(), line[colon + 1..].trim_ascii().to_vec()))
    });
    let answered = Answered { status, fields: fields.collect(), body: bytes[end + 4..].to_vec() };
    if (100..200).contains(&status) { answers(&answered.body) } else { Some(answered) }
}
