//! Backends whose behaviour the test defines.

use std::io::{Read, Result, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use super::PATIENCE;

/// A TCP server on a port of its own, with a thread for each connection. It ends with the test's process.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
}

impl Backend {
    /// Runs `serve` for each connection.
    pub(crate) fn start<T>(serve: impl Fn(TcpStream) -> Result<T> + Send + Sync + 'static) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap(), serve)
    }

    /// The same on an existing socket.
    pub(crate) fn on<T>(listener: TcpListener, serve: impl Fn(TcpStream) -> Result<T> + Send + Sync + 'static) -> Self {
        let address = listener.local_addr().unwrap();
        let serve = Arc::new(serve);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let serve = Arc::clone(&serve);
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                // A client that breaks off ends only its own connection.
                thread::spawn(move || drop(serve(stream)));
            }
        });
        Self { address }
    }

    /// Echoes, and ends when the other side does.
    pub(crate) fn echo() -> Self {
        Self::echo_on(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    pub(crate) fn echo_on(listener: TcpListener) -> Self {
        Self::on(listener, |mut stream| {
            let mut buffer = vec![0; 64 * 1024];
            loop {
                match stream.read(&mut buffer)? {
                    0 => {
                        stream.shutdown(Shutdown::Write)?;
                        return Ok(());
                    }
                    count => stream.write_all(&buffer[..count])?,
                }
            }
        })
    }
}
