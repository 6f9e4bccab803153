//! A backend that the test itself acts as, step by step.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream};

use socket2::{Domain, SockRef, Socket, Type};

use super::PATIENCE;
use super::client::patient;

/// A listening socket; it accepts only when the test does.
pub(crate) struct ByHand {
    pub(crate) address: SocketAddr,
    listener: TcpListener,
}

impl ByHand {
    pub(crate) fn new() -> Self {
        Self::at("127.0.0.1")
    }

    /// On that address of this thread's network.
    pub(crate) fn at(host: &str) -> Self {
        let listener = TcpListener::bind((host, 0)).unwrap();
        // On Linux accept waits for as long as a read may (socket(7)).
        SockRef::from(&listener).set_read_timeout(Some(PATIENCE)).unwrap();
        Self { address: listener.local_addr().unwrap(), listener }
    }

    /// Gives its connections small kernel buffers.
    pub(crate) fn narrow(self) -> Self {
        narrow(&SockRef::from(&self.listener));
        self
    }

    /// Waits for the next connection.
    pub(crate) fn accept(&self) -> TcpStream {
        let (stream, _) = self.listener.accept().expect("no connection to the backend");
        patient(&stream);
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// Whether no connection came, not even one that has ended again.
    pub(crate) fn is_untouched(&self) -> bool {
        self.listener.set_nonblocking(true).unwrap();
        let accepted = self.listener.accept();
        self.listener.set_nonblocking(false).unwrap();
        matches!(accepted, Err(error) if error.kind() == ErrorKind::WouldBlock)
    }
}

/// Makes the kernel buffers small, so that a test sees what the other side does with data that it cannot pass on. This
/// must happen before the connection: if the buffer shrinks later, the kernel drops data for which it has announced
/// room.
pub(crate) fn narrow(socket: &Socket) {
    socket.set_recv_buffer_size(256 * 1024).unwrap();
    socket.set_send_buffer_size(256 * 1024).unwrap();
}

/// An address that refuses connections, and that no other process can take while this lives.
pub(crate) struct Refusing {
    pub(crate) address: SocketAddr,
    _bound: Socket,
}

impl Refusing {
    pub(crate) fn new() -> Self {
        // Bound but not listening: the kernel answers with a reset, and the port is taken.
        let bound = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        bound.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        Self { address: bound.local_addr().unwrap().as_socket().unwrap(), _bound: bound }
    }
}
