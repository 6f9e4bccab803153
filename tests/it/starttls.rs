//! Listeners on which clients ask for TLS in the clear: LDAP's StartTLS, PostgreSQL's SSLRequest, and STARTTLS of SMTP, IMAP
//! and POP3; and servers that are asked for it.

mod behind;
mod ldap;
mod mail;
mod mail_servers;
mod postgres;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use crate::support::backend::Backend;
use crate::support::client::{Client, Tls, connect};
use crate::support::stage::{Lines, NAME, Stage};

/// A backend that records what it receives, and answers each piece with one byte.
struct Recorded {
    backend: Backend,
    bytes: Arc<Mutex<Vec<u8>>>,
}

impl Recorded {
    fn start() -> Self {
        Self::greeting(b"")
    }

    /// The same, which sends that first. It is not recorded.
    fn greeting(greeting: &'static [u8]) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&bytes);
        let backend = Backend::start(move |mut stream| {
            let mut buffer = [0; 4096];
            stream.write_all(greeting)?;
            while let count @ 1.. = stream.read(&mut buffer)? {
                shared.lock().unwrap().extend_from_slice(&buffer[..count]);
                stream.write_all(b"!")?;
            }
            Ok(())
        });
        Self { backend, bytes }
    }

    fn bytes(&self) -> Vec<u8> {
        self.bytes.lock().unwrap().clone()
    }
}

fn stage(protocol: &str, backend: &Recorded, more: &str) -> Stage {
    let listener = format!("starttls = \"{protocol}\"\n{more}");
    Stage::new(&[backend.backend.address], Lines { listener: &listener, ..Lines::default() })
}

/// Sends that in the clear, and returns the answer of that many bytes.
fn asked(tcp: &mut TcpStream, request: &[u8], answer: usize) -> Vec<u8> {
    tcp.write_all(request).unwrap();
    let mut bytes = vec![0; answer];
    tcp.read_exact(&mut bytes).unwrap();
    bytes
}

/// Sends that in the clear, and reads to the end.
fn last_words(stage: &Stage, request: &[u8]) -> (Vec<u8>, String) {
    let mut tcp = connect(stage.address());
    tcp.write_all(request).unwrap();
    let mut bytes = Vec::new();
    tcp.read_to_end(&mut bytes).unwrap();
    let port = crate::support::client::port(&tcp);
    (bytes, stage.outcome(port))
}

/// Continues with TLS, sends that, and waits until the backend has it.
fn inside(stage: &Stage, tcp: TcpStream, tls: Tls, secret: &[u8]) -> u16 {
    let mut client = Client::on(tcp, stage.config(tls), NAME);
    client.handshake().unwrap();
    client.send(secret).unwrap();
    assert_eq!(client.read_exact(1), b"!");
    client.close_notify().unwrap();
    let _ = client.read_to_end();
    client.close()
}
