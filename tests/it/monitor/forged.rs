//! What the monitor refuses, whoever asks for it.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use tlsgate::monitor::message::{Item, Request};
use tlsgate::monitor::{Allowed, Monitor};

use super::{Scene, addresses, at, bare, pair, send};
use crate::support::procfs::eventually;
use crate::support::proxy::PROGRAM;

#[test]
fn only_addresses_that_the_configuration_names_are_bound() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let free = free.to_string();
    let scene = Scene::new(&["127.0.0.1:0"], addresses(&["127.0.0.1:0"]));
    let bound = TcpListener::from(scene.monitor.bind(&at("127.0.0.1:0"), 0).unwrap().socket);
    // Nobody gets in before the process that has asked for it says so.
    socket2::SockRef::from(&bound).detach_filter().unwrap();
    let mut client = TcpStream::connect(bound.local_addr().unwrap()).unwrap();
    bound.set_nonblocking(false).unwrap();
    client.write_all(b"x").unwrap();
    bound.accept().unwrap().0.read_exact(&mut [0]).unwrap();
    for address in [free.as_str(), "unix:/tmp/main.sock"] {
        let error = scene.bind(address).unwrap_err();
        let path = scene.path("tlsgate.toml");
        assert!(error.contains(address) && error.contains(path.to_str().unwrap()), "{error}");
        assert!(error.contains("expected an address"), "{error}");
    }
    // What the file names now is bound; what it named at the start as well, since the serving process may go back to it.
    scene.names(&[&free], "");
    assert_eq!(scene.bind(&free), Ok(()));
    assert_eq!(scene.bind("127.0.0.1:0"), Ok(()));
    scene.names(&[], "");
    let error = scene.bind(&free).unwrap_err();
    assert!(error.contains(&free) && error.contains("tlsgate.toml") && error.contains("listen"), "{error}");
}

#[test]
fn the_admin_server_and_http_01_have_addresses_too() {
    let scene = Scene::new(&["127.0.0.1:0"], Allowed::default());
    let more = "[admin]\nlisten = \"127.0.0.2:0\"\n[state]\ndirectory = \"state\"\n[acme.inside]\n\
                directory = \"https://127.0.0.1:1/directory\"\nhttp = [\"127.0.0.3:0\"]\nchallenges = [\"http-01\"]\n";
    for address in ["127.0.0.2:0", "127.0.0.3:0"] {
        assert!(scene.bind(address).is_err());
    }
    scene.names(&["127.0.0.1:0"], more);
    for address in ["127.0.0.2:0", "127.0.0.3:0", "127.0.0.1:0"] {
        assert_eq!(scene.bind(address), Ok(()));
    }
}

#[test]
fn a_configuration_from_a_pipe_is_not_read_again() {
    let allowed = addresses(&["127.0.0.1:0"]);
    let monitor = Monitor::start_program(Path::new(PROGRAM), Vec::new(), allowed, None, None, "- - auto").unwrap();
    assert!(monitor.bind(&at("127.0.0.1:0"), 0).is_ok());
    let error = monitor.bind(&at("127.0.0.2:0"), 0).unwrap_err().to_string();
    assert!(error.contains("127.0.0.2:0") && error.contains("cannot be read again"), "{error}");
    // A successor would read what the serving process gives it as its configuration.
    let (_ours, theirs) = UnixStream::pair().unwrap();
    let error = monitor.start_successor(theirs.into()).unwrap_err().to_string();
    assert!(error.contains("expected a file"), "{error}");
}

#[test]
fn a_successor_gets_nothing_to_read_but_a_channel() {
    let scene = Scene::new(&["127.0.0.1:0"], Allowed::default());
    let file = tempfile::tempfile().unwrap();
    let error = scene.monitor.start_successor(file.into()).unwrap_err().to_string();
    assert!(error.contains("pair of sockets"), "{error}");
}

#[test]
fn an_error_of_the_system_has_the_advice_that_it_has_elsewhere() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let scene = Scene::new(&[], addresses(&[&address]));
    let error = scene.bind(&address).unwrap_err();
    assert!(error.contains("expected a free port"), "{error}");
}

#[test]
fn whoever_sends_something_else_ends_it() {
    let bind = Request::Bind { address: at("127.0.0.1:0"), mode: 0 };
    let known = Request::Start { items: vec![Item::Address(at("127.0.0.1:0"))], last: true };
    let program = Request::Program { path: "/bin/true".into(), arguments: Vec::new(), limit: Duration::ZERO };
    let cases: [&[Vec<u8>]; 6] = [
        &[vec![0xff]],
        &[vec![b'x'; 100_000]],
        // A request before the end of the start, without a descriptor for its answer, and the start a second time.
        &[bind.encode().to_vec()],
        &[known.encode().to_vec(), bind.encode().to_vec()],
        &[known.encode().to_vec(), program.encode()[..5].to_vec()],
        &[known.encode().to_vec(), known.encode().to_vec()],
    ];
    for (index, packets) in cases.into_iter().enumerate() {
        let (mut child, channel) = bare();
        for (position, packet) in packets.iter().enumerate() {
            // A start that comes a second time has a descriptor: it is refused for what it is.
            let with_descriptor = index == 5 && position == 1;
            send(&channel, packet, with_descriptor.then(|| pair().0));
        }
        let status = eventually("it ends", || child.try_wait().unwrap());
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(status.code() == Some(1) && said.contains("received"), "case {index}: {status}: {said}");
    }
}

/// An answer comes from a process with more rights than the one that asks: it is sent to nobody else.
#[test]
fn an_answer_goes_only_to_the_end_of_a_pair() {
    let known = Request::Start { items: vec![Item::Address(at("127.0.0.1:0"))], last: true };
    let bind = Request::Bind { address: at("127.0.0.1:0"), mode: 0 };
    let folder = tempfile::tempdir().unwrap();
    let other = UnixDatagram::bind(folder.path().join("other")).unwrap();
    let connected = UnixDatagram::unbound().unwrap();
    connected.connect(folder.path().join("other")).unwrap();
    let (mut child, channel) = bare();
    send(&channel, &known.encode(), None);
    send(&channel, &bind.encode(), Some(connected.into()));
    eventually("it ends", || child.try_wait().unwrap());
    other.set_nonblocking(true).unwrap();
    assert_eq!(other.recv(&mut [0; 9]).unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn started_by_hand_it_says_who_starts_it() {
    let ended = Command::new(PROGRAM).arg("monitor").stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(ended.status.code() == Some(1) && said.contains("tlsgate run"), "{said}");
}

#[test]
fn a_flood_of_requests_is_answered_and_ends_nothing() {
    let scene = Scene::new(&["127.0.0.1:0"], addresses(&["127.0.0.1:0"]));
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                for _ in 0..50 {
                    // Some may be refused, since there are too many at the time.
                    let _ = scene.bind("127.0.0.1:0");
                    assert!(scene.bind("127.0.0.9:9").is_err());
                }
            });
        }
    });
    assert_eq!(scene.bind("127.0.0.1:0"), Ok(()));
}
