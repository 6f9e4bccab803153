//! A check over TCP alone: whether a server accepts connections. Must not know: what is sent on them.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::TcpSocket;

use crate::net::socket;
use crate::net::source::Source;

/// Connects, and resets the connection before the handshake is complete.
// The server's SYN-ACK shows that it accepts. Without quick acknowledgements, the kernel delays the last ACK, and the reset
// replaces it. So the server's program is not woken, neither side keeps state, and the check costs half as much.
pub(super) async fn knock(source: Option<Source>, server: SocketAddr) -> io::Result<()> {
    let knocking = if server.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    let options = SockRef::from(&knocking);
    // If an option cannot be set, the check costs more, but has the same result. A linger time of zero makes closing a
    // reset.
    let _ = options.set_tcp_quickack(false);
    let _ = options.set_linger(Some(Duration::ZERO));
    if let Some(source) = source {
        source.bind(SockRef::from(&knocking), server.ip())?;
    }
    let stream = knocking.connect(server).await?;
    socket::not_itself(SockRef::from(&stream), server)
}
