//! A web server with lists of revoked certificates that behaves as the test wishes: it can be slow, gone, or send anything.

use std::collections::HashMap;
use std::io::{Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::backend::Backend;

/// What is answered.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// Status 200 with this body, and an entity tag that goes with it.
    Body(Vec<u8>),
    /// This status and these headers, without a body.
    Status(u16, String),
    /// The connection is closed.
    Nothing,
    /// The head, and then no body.
    Stall,
    /// The head, and then a body of which a byte comes now and then.
    Trickle,
    /// A body without an end.
    Endless,
}

/// The server. It ends with the test's process.
pub(crate) struct ListServer {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    answers: HashMap<String, Answer>,
    /// The heads of requests.
    requests: Vec<String>,
}

impl ListServer {
    pub(crate) fn start() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let server = Backend::start(move |stream| serve(stream, &shared));
        Self { address: server.address, state }
    }

    /// From now on, this is the answer for `/name`; others get status 404.
    pub(crate) fn set(&self, name: &str, answer: Answer) {
        self.state.lock().unwrap().answers.insert(format!("/{name}"), answer);
    }

    /// The same for a list in PEM.
    pub(crate) fn list(&self, name: &str, pem: &str) {
        self.set(name, Answer::Body(pem.as_bytes().to_vec()));
    }

    pub(crate) fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.address)
    }

    /// The heads of all requests so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.state.lock().unwrap().requests.clone()
    }
}

/// The head of a request.
pub(crate) fn head(stream: &mut TcpStream) -> Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(String::from_utf8(head).unwrap())
}

fn serve(mut stream: TcpStream, state: &Mutex<State>) -> Result<()> {
    let head = head(&mut stream)?;
    let target = head.split(' ').nth(1).unwrap_or_default();
    // A proxy asks for the whole URL.
    let path = match target.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("/", |at| &rest[at..]),
        None => target,
    };
    let answer = {
        let mut state = state.lock().unwrap();
        state.requests.push(head.clone());
        state.answers.get(path).cloned().unwrap_or(Answer::Status(404, String::new()))
    };
    match answer {
        Answer::Body(body) => {
            let tag = format!("\"{}-{}\"", body.len(), body.iter().map(|byte| u64::from(*byte)).sum::<u64>());
            if head.to_lowercase().contains(&format!("if-none-match: {tag}")) {
                return stream.write_all(format!("HTTP/1.1 304 Not Modified\r\nETag: {tag}\r\n\r\n").as_bytes());
            }
            let length = body.len();
            let head = format!("HTTP/1.1 200 OK\r\nETag: {tag}\r\nContent-Length: {length}\r\n\r\n");
            stream.write_all(head.as_bytes())?;
            stream.write_all(&body)
        }
        Answer::Status(status, headers) => {
            stream.write_all(format!("HTTP/1.1 {status} -\r\n{headers}Content-Length: 0\r\n\r\n").as_bytes())
        }
        Answer::Nothing => Ok(()),
        Answer::Stall => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n0")?;
            // Until the other side gives up.
            stream.read(&mut [0]).map(drop)
        }
        Answer::Trickle => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")?;
            loop {
                thread::sleep(Duration::from_millis(50));
                stream.write_all(b"-")?;
            }
        }
        Answer::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
            let chunk = [&b"100000\r\n"[..], &vec![b'x'; 0x10_0000], b"\r\n"].concat();
            loop {
                stream.write_all(&chunk)?;
            }
        }
    }
}
