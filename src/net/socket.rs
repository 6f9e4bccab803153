//! Socket options, and listening sockets. Must not know: who listens, or why.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::TcpStream;

/// What every connection gets, on both sides: no delay for small writes, and keepalive probes.
pub fn prepare(stream: &TcpStream) -> io::Result<()> {
    set_options(SockRef::from(stream))
}

/// Has every connection that is accepted inherit the same (accept(2) does so on Linux), which saves it five calls.
pub fn prepare_listening(socket: &std::net::TcpListener) -> io::Result<()> {
    set_options(SockRef::from(socket))
}

fn set_options(socket: SockRef<'_>) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    let probes =
        TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE_INTERVAL).with_retries(KEEPALIVE_PROBES);
    socket.set_tcp_keepalive(&probes)
}

/// A listening socket, not blocking. An IPv6 address takes IPv6 only, so that `0.0.0.0` and `[::]` can stand side by
/// side on one port.
pub fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Connections of a former process in TIME_WAIT must not keep the port.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Time without traffic before the first probe.
const KEEPALIVE: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
const KEEPALIVE_PROBES: u32 = 4;

/// The kernel cuts it to net.core.somaxconn, 4096 by default.
const BACKLOG: i32 = 4096;
