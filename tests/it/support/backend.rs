//! Backends whose behaviour a test decides.

use std::io::{Read, Result, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use super::PATIENCE;

/// A TCP server on a port of its own, a thread for each connection. It ends with the test's process.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    ended: Mutex<Receiver<Result<Vec<u8>>>>,
}

impl Backend {
    /// Runs `serve` for each connection. What it returns can be had from [`Backend::next`].
    pub(crate) fn start(serve: impl Fn(TcpStream) -> Result<Vec<u8>> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, ended) = channel();
        let serve = Arc::new(serve);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (serve, sender) = (Arc::clone(&serve), sender.clone());
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                thread::spawn(move || sender.send(serve(stream)));
            }
        });
        Self { address, ended: Mutex::new(ended) }
    }

    /// Sends back what it gets, and ends when the other side does.
    pub(crate) fn echo() -> Self {
        Self::start(|mut stream| {
            let mut buffer = vec![0; 64 * 1024];
            loop {
                match stream.read(&mut buffer)? {
                    0 => {
                        stream.shutdown(Shutdown::Write)?;
                        return Ok(Vec::new());
                    }
                    count => stream.write_all(&buffer[..count])?,
                }
            }
        })
    }

    /// Reads to the end, then answers with `answer` and ends. Returns what it read.
    pub(crate) fn read_then_answer(answer: &'static [u8]) -> Self {
        Self::start(move |mut stream| {
            let mut read = Vec::new();
            stream.read_to_end(&mut read)?;
            stream.write_all(answer)?;
            Ok(read)
        })
    }

    /// Waits for the next connection to end: what it returned, or the error that ended it.
    pub(crate) fn next(&self) -> Result<Vec<u8>> {
        self.ended.lock().unwrap().recv_timeout(PATIENCE).expect("no connection to the backend ended")
    }

    /// Whether no connection has ended so far.
    pub(crate) fn untouched(&self) -> bool {
        self.ended.lock().unwrap().try_recv().is_err()
    }
}

/// An address on which nobody listens: it was free a moment ago.
pub(crate) fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
