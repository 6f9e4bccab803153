//! Socket options, and listening sockets. Must not know: what the sockets are for.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{Domain, Protocol, SockAddr, SockFilter, SockRef, Socket, TcpKeepalive, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::sleep;

/// How many bytes may wait in the kernel that were not sent even once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsent {
    /// As many as the system allows: megabytes for a peer that has read quickly before.
    Usual,
    /// Enough for a fast transfer.
    Some,
    Little,
}

/// Sets the options of every connection, to clients and to servers: no delay for small writes, keepalive probes, and a
/// limit for how long a peer may be silent.
pub fn prepare(stream: &impl AsFd) -> io::Result<()> {
    set_options(SockRef::from(stream))
}

/// Sets the same options on a listening socket. Accepted connections inherit them on Linux, which saves five calls for
/// each.
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

/// Sets or removes the time after which the kernel ends the connection of a silent peer. It counts while bytes are not
/// acknowledged, and also while a peer is there but has no room (tcp(7), TCP_USER_TIMEOUT).
pub(super) fn limit_silence(socket: &impl AsFd, on: bool) -> io::Result<()> {
    SockRef::from(socket).set_tcp_user_timeout(on.then_some(SILENCE))
}

/// Sets or removes a limit for the bytes that wait in the kernel and were not sent even once (tcp(7),
/// TCP_NOTSENT_LOWAT).
pub(super) fn limit_unsent(socket: &impl AsFd, limit: Unsent) -> io::Result<()> {
    SockRef::from(socket).set_tcp_notsent_lowat(match limit {
        // The default: the system's limit, which is none unless an operator has set one.
        Unsent::Usual => 0,
        Unsent::Some => 128 * 1024,
        // One TLS record.
        Unsent::Little => 16 * 1024,
    })
}

/// Whether bytes wait that were not sent even once.
pub(super) fn has_unsent(socket: &impl AsFd) -> bool {
    let socket = SockRef::from(socket);
    let before = socket.tcp_notsent_lowat().unwrap_or(0);
    // With TCP_NOTSENT_LOWAT at 1, "writable" means that nothing waits to be sent.
    if socket.set_tcp_notsent_lowat(1).is_err() {
        return false;
    }
    let unsent = !is_writable(&*socket);
    // It fails only if the call above fails.
    let _ = socket.set_tcp_notsent_lowat(before);
    unsent
}

/// Whether the socket accepts a write now.
pub(super) fn is_writable(socket: &impl AsFd) -> bool {
    let mut fds = [PollFd::new(socket, PollFlags::OUT)];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    // An error here would repeat; it counts as writable so that no wait is endless.
    !matches!(poll(&mut fds, Some(&at_once)), Ok(0))
}

/// Whether a read would return something now: bytes, the end, or an error.
pub(super) fn is_readable(socket: &impl AsFd) -> bool {
    let mut fds = [PollFd::new(socket, PollFlags::IN)];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    !matches!(poll(&mut fds, Some(&at_once)), Ok(0))
}

/// An error where a socket that was to be connected to `peer` is connected to itself. The kernel does that where nobody listens
/// at an address of this machine, and the port that it has chosen for this end is the very one: the open is simultaneous (RFC 9293
/// section 3.5). Whatever is sent comes back, and nobody else can listen there meanwhile.
pub fn not_itself(socket: SockRef<'_>, peer: SocketAddr) -> io::Result<()> {
    if socket.local_addr()?.as_socket() != Some(peer) {
        return Ok(());
    }
    // Ends it at once: after a FIN to itself, the port would stay in use for a minute.
    let _ = rustix::net::connect_unspec(&*socket);
    Err(io::ErrorKind::ConnectionRefused.into())
}

/// Connects a non-blocking Unix socket. While the queue of its listener is full, the kernel does not wait for room as it does
/// over TCP: it returns EAGAIN (connect(2)), and reports no room later. So this tries again until there is some; the caller sets
/// the deadline.
pub(super) async fn connect_unix(socket: &Socket, address: SockAddr) -> io::Result<()> {
    let mut pause = FIRST_PAUSE;
    loop {
        match socket.connect(&address) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                // A random part of it, so that those who came at once do not return at once.
                sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            result => return result,
        }
    }
}

/// A listening, non-blocking socket, to which nobody can connect until `suspend` is undone. An IPv6 address accepts only
/// IPv6, so that `0.0.0.0` and `[::]` can be used together on one port.
pub fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Connections of an earlier process that are in TIME_WAIT must not block the port.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    // Before it listens: a client that came in between would wait in the queue. Where there are no filters, clients wait.
    let _ = socket.attach_filter(&[DROP_ALL]);
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Lets nobody connect to a listening socket, or everybody again. What comes meanwhile is dropped, as by a firewall: a client
/// tries again after a second, and gets in then, or is refused if the socket was closed.
pub(super) fn suspend(socket: &std::net::TcpListener, on: bool) -> io::Result<()> {
    let socket = SockRef::from(socket);
    if on { socket.attach_filter(&[DROP_ALL]) } else { socket.detach_filter() }
}

/// Registers the socket with the runtime in which this is called. If that fails, `socket` is dropped.
#[expect(
    deprecated,
    reason = "its replacement is unsafe; all callers own the descriptor, which is what that one requires"
)]
pub fn watch<S: AsFd + AsRawFd>(socket: S, interest: Interest) -> io::Result<AsyncFd<S>> {
    AsyncFd::with_interest(socket, interest)
}

/// Time without traffic before the first probe.
const KEEPALIVE: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
const KEEPALIVE_PROBES: u32 = 4;

/// As long as all probes take together. The kernel uses it instead of their number (tcp(7)), so that a dead peer is
/// noticed after the same time whether bytes are on their way to it or not. Without it, unacknowledged bytes are sent
/// again for a quarter of an hour or longer (tcp_retries2).
const SILENCE: Duration = Duration::from_secs(60 + 4 * 15);

/// A program of one instruction (BPF_RET with 0): no byte of a packet is passed on (socket(7), SO_ATTACH_FILTER).
const DROP_ALL: SockFilter = SockFilter::new(0x06, 0, 0, 0);

/// Between two attempts to connect to a Unix socket whose queue is full. A server takes less than the shortest for one that it
/// accepts; the longest is what a client may wait longer than needed.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// The kernel reduces it to net.core.somaxconn, which is 4096 by default.
const BACKLOG: i32 = 4096;

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use super::*;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        suspend(&listener, false).unwrap();
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
    fn nobody_connects_to_a_suspended_socket_and_it_keeps_its_address() {
        let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let nobody_connects = || {
            let client = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            client.set_nonblocking(true).unwrap();
            assert!(client.connect(&address.into()).is_err(), "it is under way");
            assert!(listen(address).is_err(), "the address is taken");
            assert!(listener.accept().is_err(), "nobody is there");
        };
        // From the first moment on, and again.
        nobody_connects();
        for _ in 0..2 {
            suspend(&listener, false).unwrap();
            TcpStream::connect(address).unwrap();
            assert!(listener.accept().is_ok());
            suspend(&listener, true).unwrap();
            nobody_connects();
        }
    }

    #[test]
    fn with_a_limit_less_waits_in_the_kernel() {
        let waiting = |limited| {
            let (mut here, _there) = pair();
            here.set_nonblocking(true).unwrap();
            limit_unsent(&here, limited).unwrap();
            let mut sent = 0;
            while let Ok(count) = here.write(&[7; 4096]) {
                sent += count;
            }
            sent
        };
        let [usual, some, little] = [Unsent::Usual, Unsent::Some, Unsent::Little].map(waiting);
        assert!(little < some && some < usual, "{little} {some} {usual}");
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
