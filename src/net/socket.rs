//! Socket options, and listening sockets. Must not know: who listens, or why.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// What every connection gets, on both sides: no delay for small writes, keepalive probes, and a limit for how long a peer
/// may be silent.
pub fn prepare(stream: &impl AsFd) -> io::Result<()> {
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
    socket.set_tcp_keepalive(&probes)?;
    socket.set_tcp_user_timeout(Some(SILENCE))
}

/// Sets or takes away the time after which the kernel gives a silent peer up. It counts while bytes are not acknowledged, and
/// also while a peer that is there has no room (tcp(7), TCP_USER_TIMEOUT).
pub(super) fn limit_silence(socket: &impl AsFd, on: bool) -> io::Result<()> {
    SockRef::from(socket).set_tcp_user_timeout(on.then_some(SILENCE))
}

/// Whether anything waits that was not sent even once.
pub(super) fn has_unsent(socket: &impl AsFd) -> bool {
    let socket = SockRef::from(socket);
    // With this, "writable" means that nothing waits; 0 is what is there by default.
    if socket.set_tcp_notsent_lowat(1).is_err() {
        return false;
    }
    let unsent = !is_writable(&*socket);
    // It fails only where the line above does.
    let _ = socket.set_tcp_notsent_lowat(0);
    unsent
}

/// Whether a write would be taken now.
pub(super) fn is_writable(socket: &impl AsFd) -> bool {
    let mut fds = [PollFd::new(socket, PollFlags::OUT)];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    // An error here would repeat; it counts as writable so that no wait is endless.
    !matches!(poll(&mut fds, Some(&at_once)), Ok(0))
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

/// Has the runtime in which this is called watch it. Where that fails, `socket` is dropped.
#[expect(
    deprecated,
    reason = "what replaces it is unsafe, and whoever owns its descriptor keeps what is asked for there"
)]
pub(super) fn watch<S: AsFd + AsRawFd>(socket: S, interest: Interest) -> io::Result<AsyncFd<S>> {
    AsyncFd::with_interest(socket, interest)
}

/// Time without traffic before the first probe.
const KEEPALIVE: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
const KEEPALIVE_PROBES: u32 = 4;

/// As long as all probes take. It stands in for their number (tcp(7)), so that a peer that is gone is found after the same
/// time whether bytes are on their way to it or not. Without it, bytes that are not acknowledged are sent again for a quarter of
/// an hour or more (tcp_retries2).
const SILENCE: Duration = Duration::from_secs(60 + 4 * 15);

/// The kernel cuts it to net.core.somaxconn, 4096 by default.
const BACKLOG: i32 = 4096;

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use super::*;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        prepare_listening(&listener).unwrap();
        let here = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (there, _) = listener.accept().unwrap();
        (here, there)
    }

    #[test]
    fn both_sides_have_the_options_whether_accepted_or_connected() {
        let (connected, accepted) = pair();
        prepare(&connected).unwrap();
        for stream in [&connected, &accepted] {
            let socket = SockRef::from(stream);
            assert_eq!(socket.tcp_user_timeout().unwrap(), Some(SILENCE));
            assert!(socket.keepalive().unwrap() && socket.tcp_nodelay().unwrap());
            assert_eq!(socket.tcp_keepalive_time().unwrap(), KEEPALIVE);
            assert_eq!(socket.tcp_keepalive_interval().unwrap() * KEEPALIVE_PROBES, SILENCE - KEEPALIVE);
            limit_silence(stream, false).unwrap();
            assert_eq!(socket.tcp_user_timeout().unwrap(), None);
            limit_silence(stream, true).unwrap();
            assert_eq!(socket.tcp_user_timeout().unwrap(), Some(SILENCE));
        }
    }

    #[test]
    fn what_a_peer_has_no_room_for_is_unsent_until_it_reads() {
        let (mut here, mut there) = pair();
        assert!(!has_unsent(&here));
        here.write_all(b"little").unwrap();
        assert!(!has_unsent(&here), "it is on its way");
        here.set_nonblocking(true).unwrap();
        let mut sent = 6;
        while let Ok(count) = here.write(&[7; 100_000]) {
            sent += count;
        }
        assert!(has_unsent(&here));
        there.set_nonblocking(false).unwrap();
        let mut came = vec![0; sent];
        there.read_exact(&mut came).unwrap();
        assert!(!has_unsent(&here) && is_writable(&here));
    }
}
