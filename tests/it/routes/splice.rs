//! Large amounts of passed-through data go through pipes: complete and in order between sockets of either kind, also
//! while a peer does not read; and the pipes are closed when they are no longer needed.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::pipe::PipeFlags;
use socket2::{Domain, SockAddr, SockRef, Socket, Type};

use super::hellos;
use crate::support::PATIENCE;
use crate::support::by_hand::narrow;
use crate::support::pki::Pki;
use crate::support::procfs::{eventually, open_files};
use crate::support::proxy::Proxy;
use crate::support::stream::Stream;

#[test]
fn much_goes_both_ways_between_sockets_of_either_kind() {
    for backend in Kind::BOTH {
        let scene = Scene::new(backend);
        for (count, client) in Kind::BOTH.into_iter().enumerate() {
            let (client, server, hello) = scene.joined(client);
            thread::scope(|scope| {
                for (mut from, mut to, seed) in [(&client, &server, 1), (&server, &client, 2)] {
                    scope.spawn(move || {
                        send(&mut from, seed, SIZE);
                        from.shutdown(Shutdown::Write).unwrap();
                    });
                    scope.spawn(move || assert_eq!(receive(&mut to, seed), (SIZE, true)));
                }
            });
            let record = scene.proxy.records(count + 1).swap_remove(count);
            assert_eq!(record["outcome"], "completed", "{record:#}");
            assert_eq!((&record["received_bytes"], &record["sent_bytes"]), (&(SIZE + hello).into(), &SIZE.into()));
        }
        assert!(!scene.pipes().is_empty(), "nothing was spliced");
    }
}

#[test]
fn a_peer_that_stops_reading_stops_the_other_and_loses_nothing() {
    for (backend, kind) in [(Kind::Tcp, Kind::Tcp), (Kind::Unix, Kind::Tcp), (Kind::Tcp, Kind::Unix)] {
        let scene = Scene::new(backend);
        let (client, server, _) = scene.joined(kind);
        for (mut from, mut to, seed) in [(&server, &client, 1), (&client, &server, 2)] {
            thread::scope(|scope| {
                let writer = scope.spawn(move || {
                    send(&mut from, seed, SIZE);
                    from.shutdown(Shutdown::Write).unwrap();
                });
                scene.wait_for_a_full_pipe();
                assert!(!writer.is_finished(), "the write never stalls");
                assert_eq!(receive(&mut to, seed), (SIZE, true));
            });
        }
        let record = scene.proxy.records(1).swap_remove(0);
        assert_eq!((&record["outcome"], &record["sent_bytes"]), (&"completed".into(), &SIZE.into()));
    }
}

#[test]
fn a_reset_while_a_pipe_is_full_is_handed_on_and_the_pipe_is_closed() {
    let scene = Scene::new(Kind::Tcp);
    let mut before = 0;
    for round in 0..12 {
        let (client, server, hello) = scene.joined(Kind::Tcp);
        let from_server = round % 2 == 0;
        let (sender, receiver) = if from_server { (server, client) } else { (client, server) };
        scene.send_until_held_up(&sender);
        let sender_resets = round % 4 < 2;
        let (resetting, mut other) = if sender_resets { (sender, receiver) } else { (receiver, sender) };
        resetting.set_linger(Some(Duration::ZERO)).unwrap();
        drop(resetting);
        // The data that has come already is correct, and there is no more.
        let (count, ended) = receive(&mut other, 1);
        assert!(!ended && (count > 0) == sender_resets, "round {round}: {count} bytes, ended: {ended}");
        let record = scene.proxy.records(round + 1).swap_remove(round);
        let by = if from_server == sender_resets { "backend_reset" } else { "client_reset" };
        assert_eq!(record["outcome"], by, "round {round}: {record:#}");
        let key = if from_server { "sent_bytes" } else { "received_bytes" };
        assert!(record[key].as_u64().unwrap() >= (count + if from_server { 0 } else { hello }) as u64, "{record:#}");
        drop(other);
        // By now each side has reset once in each direction, so later rounds may add no descriptor.
        if round == 3 {
            before = settled(&scene.proxy);
        }
    }
    eventually("its descriptors are as many as before", || (open_files(scene.proxy.pid()) <= before).then_some(()));
    assert!(scene.held().is_empty(), "a pipe with bytes in it is kept");
}

/// The number of its open files, once that is stable for a while.
fn settled(proxy: &Proxy) -> usize {
    let (mut last, mut same) = (0, 0);
    eventually("it settles", || {
        let now = open_files(proxy.pid());
        same = if now == last { same + 1 } else { 0 };
        last = now;
        (same == LOOKS).then_some(now)
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Tcp,
    Unix,
}

impl Kind {
    const BOTH: [Self; 2] = [Self::Tcp, Self::Unix];
}

/// A proxy with one worker that passes everything through to a backend of that kind, and the backend.
struct Scene {
    proxy: Proxy,
    pki: Pki,
    backend: Socket,
    /// The pipes that it has from the beginning.
    own: Vec<PathBuf>,
}

impl Scene {
    fn new(kind: Kind) -> Self {
        let pki = Pki::new();
        let (backend, server) = match kind {
            Kind::Tcp => {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                narrow(&SockRef::from(&listener));
                let address = listener.local_addr().unwrap().to_string();
                (Socket::from(listener), address)
            }
            Kind::Unix => {
                (Socket::from(UnixListener::bind(pki.folder().join("hand.sock")).unwrap()), "unix:hand.sock".into())
            }
        };
        // On Linux accept waits for as long as a read may (socket(7)).
        backend.set_read_timeout(Some(PATIENCE)).unwrap();
        let text = format!(
            "[runtime]\nworkers = 1\n\n[[listener]]\nname = \"main\"\nlisten = [\"127.0.0.1:0\", \
             \"unix:main.sock\"]\nmode = \"passthrough\"\nbackend = \"hand\"\n\n[backend.hand]\nservers = [\"{server}\"]\n"
        );
        let proxy = Proxy::start(pki.folder(), &text);
        let own = pipes_of(proxy.pid());
        Self { proxy, pki, backend, own }
    }

    /// A client that has sent a hello, the backend's side, which has received it, and the length of that hello.
    fn joined(&self, kind: Kind) -> (Socket, Socket, usize) {
        let (_, hello) = hellos::recorded().swap_remove(0);
        let (domain, address) = match kind {
            Kind::Tcp => (Domain::IPV4, SockAddr::from(self.proxy.address("main"))),
            Kind::Unix => (Domain::UNIX, SockAddr::unix(self.pki.folder().join("main.sock")).unwrap()),
        };
        let mut client = Socket::new(domain, Type::STREAM, None).unwrap();
        narrow(&client);
        client.connect(&address).unwrap();
        client.write_all(&hello).unwrap();
        let (mut server, _) = self.backend.accept().expect("no connection to the backend");
        for socket in [&client, &server] {
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            socket.set_write_timeout(Some(PATIENCE)).unwrap();
        }
        let mut got = vec![0; hello.len()];
        server.read_exact(&mut got).unwrap();
        assert!(got == hello);
        (client, server, hello.len())
    }

    /// The descriptors of pipes that were made for connections.
    fn pipes(&self) -> Vec<PathBuf> {
        let mut pipes = pipes_of(self.proxy.pid());
        pipes.retain(|pipe| !self.own.contains(pipe));
        pipes
    }

    /// How many bytes are in each of them that is not empty.
    fn held(&self) -> Vec<u64> {
        let count = |pipe: PathBuf| {
            // A pipe that is closed meanwhile holds no bytes.
            let flags = PipeFlags::NONBLOCK.bits().cast_signed();
            let file = File::options().read(true).custom_flags(flags).open(pipe).ok()?;
            rustix::io::ioctl_fionread(&file).ok()
        };
        self.pipes().into_iter().filter_map(count).filter(|count| *count > 0).collect()
    }

    /// Sends until nothing moves and bytes are in a pipe.
    fn send_until_held_up(&self, mut from: &Socket) {
        let (mut stream, mut rest, mut sent) = (Stream::new(1), Vec::new(), 0);
        from.set_write_timeout(Some(STALL)).unwrap();
        eventually("a pipe is full", || {
            if rest.is_empty() {
                rest.extend_from_slice(stream.next(SIZE));
            }
            match from.write(&rest) {
                Ok(count) => {
                    rest.drain(..count);
                    sent += count;
                    assert!(sent < SIZE, "the write never stalls");
                    None
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => (!self.held().is_empty()).then_some(()),
                Err(error) => panic!("{error}"),
            }
        });
    }

    /// Waits until bytes are in a pipe and stay there: the receiver's socket accepts no more.
    fn wait_for_a_full_pipe(&self) {
        let (mut last, mut same) = (Vec::new(), 0);
        eventually("a pipe is full", || {
            let now = self.held();
            same = if !now.is_empty() && now == last { same + 1 } else { 0 };
            last = now;
            (same == LOOKS).then_some(())
        });
    }
}

fn pipes_of(pid: u32) -> Vec<PathBuf> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().map(|entry| entry.unwrap().path());
    let is_pipe = |path: &Path| fs::read_link(path).is_ok_and(|to| to.to_string_lossy().starts_with("pipe:"));
    entries.filter(|path| is_pipe(path)).collect()
}

fn send(to: &mut impl Write, seed: u8, size: usize) {
    let (mut stream, mut sent) = (Stream::new(seed), 0);
    while sent < size {
        let piece = stream.next(size - sent);
        to.write_all(piece).unwrap();
        sent += piece.len();
    }
}

/// Reads to the end, or to a reset, and checks every byte. Returns their number, and whether the end was orderly.
fn receive(from: &mut impl Read, seed: u8) -> (usize, bool) {
    let (mut stream, mut got, mut buffer) = (Stream::new(seed), 0, vec![0; 100_000]);
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return (got, true),
            Ok(count) => {
                stream.check(&buffer[..count]);
                got += count;
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return (got, false),
            Err(error) => panic!("after {got} bytes: {error}"),
        }
    }
}

/// Longer than the proxy takes for a piece, and short enough for waits without a result.
const STALL: Duration = Duration::from_millis(100);

const SIZE: usize = 64 << 20;

/// The number of equal looks after which something counts as unchanged.
const LOOKS: usize = 40;
