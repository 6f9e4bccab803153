//! A check over TCP alone: whether a server accepts connections. Must not know: what is sent on them.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::TcpSocket;

/// Connects, and resets the connection before it is one: once the server's SYN has been acknowledged by its kernel, all is
/// known. The last acknowledgement is held back, so that the server's program is not woken for nothing, neither side keeps
/// anything of it, and the cost of a check is half of what it would be.
pub(super) async fn knock(server: SocketAddr) -> io::Result<()> {
    let socket = if server.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    let options = SockRef::from(&socket);
    // Without either the check costs more, and has the same result.
    let _ = options.set_tcp_quickack(false);
    let _ = options.set_linger(Some(Duration::ZERO));
    socket.connect(server).await.map(drop)
}
