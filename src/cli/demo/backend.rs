//! The demo's backend: answers one request per connection with what it received. Must not know: TLS.

use std::io::{BufRead, BufReader, Read, Result, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// Starts it on a free port of 127.0.0.1; it ends with the process.
pub(super) fn start() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::Builder::new().name("demo-backend".into()).spawn(move || {
        for client in listener.incoming().flatten() {
            // An error only means that the client has gone.
            let _ = thread::Builder::new().spawn(move || drop(answer(client)));
        }
    })?;
    Ok(address)
}

/// Reads a line, or the head of an HTTP request, and answers in kind.
fn answer(client: TcpStream) -> Result<()> {
    client.set_read_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new((&client).take(MOST));
    let mut request = Vec::new();
    reader.read_until(b'\n', &mut request)?;
    // curl sends a request that ends with an empty line; the command for s_client sends one line.
    let is_http = request.ends_with(b"HTTP/1.1\r\n");
    while is_http && !request.ends_with(b"\r\n\r\n") && reader.read_until(b'\n', &mut request)? > 0 {}
    let seen = format!(
        "The backend saw {} bytes of plain text:\n{}",
        request.len(),
        request.escape_ascii().to_string().replace("\\n", "\\n\n")
    );
    let header = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        seen.len()
    );
    (&client).write_all(if is_http { header.as_bytes() } else { b"" })?;
    (&client).write_all(seen.as_bytes())
}

/// How long a client may take to send its request.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes of a request.
const MOST: u64 = 16 * 1024;
