//! Unix sockets to listen on: who may connect, replacement of leftovers, handing on in reloads, removal at the end.

use std::fs;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::support::backend::Backend;
use crate::support::client::{Tls, trusting};
use crate::support::haproxy::Haproxy;
use crate::support::http::Door;
use crate::support::ldap;
use crate::support::nginx::{self, Nginx};
use crate::support::pki::{Extra, Key, Pki};
use crate::support::procfs::eventually;
use crate::support::proxy::Proxy;
use crate::support::slapd::{SUFFIX, Slapd};
use crate::support::stage::{NAME, certified};
use crate::support::stream::bytes;
use crate::support::tool;

fn config(listener: &str, backend: &str) -> String {
    format!(
        "[[listener]]\nname = \"main\"\ncertificates = [\"certs\"]\nbackend = \"b\"\nlisten = [\"127.0.0.1:0\", \
         \"unix:main.sock\"]\n{listener}\n\n[backend.b]\n{backend}\n"
    )
}

fn start(pki: &Pki, listener: &str) -> (Proxy, Backend) {
    let echo = Backend::echo();
    let servers = format!("servers = [\"{}\"]", echo.address);
    (Proxy::start(pki.folder(), &config(listener, &servers)), echo)
}

fn connect(pki: &Pki, path: &Path, tls: Tls) -> StreamOwned<ClientConnection, UnixStream> {
    let trust: Arc<ClientConfig> = trusting(&pki.ca(), tls).into();
    let connection = ClientConnection::new(trust, ServerName::try_from(NAME).unwrap()).unwrap();
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(crate::support::PATIENCE)).unwrap();
    StreamOwned::new(connection, stream)
}

fn echoes(mut client: StreamOwned<ClientConnection, UnixStream>) {
    client.write_all(b"hello").unwrap();
    let mut answer = [0; 5];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"hello");
    client.conn.send_close_notify();
    client.flush().unwrap();
    assert_eq!(client.read(&mut answer).unwrap(), 0, "close_notify");
}

#[test]
fn clients_are_served_over_it_and_logged_by_its_path() {
    let pki = certified();
    // A socket that a killed process left behind.
    drop(UnixListener::bind(pki.folder().join("main.sock")).unwrap());
    let (mut proxy, _echo) = start(&pki, "socket_mode = \"0660\"\nmax_connections_per_client = 1");
    let path = pki.folder().join("main.sock");
    proxy.log_line(&format!("listening listener=main address=unix:{}", path.display()));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
    let _another = connect(&pki, &path, Tls::V13);
    for tls in Tls::BOTH {
        echoes(connect(&pki, &path, tls));
    }
    let record = proxy.record(|record| record["outcome"] == "completed");
    assert_eq!(record["client.address"], format!("unix:{}", path.display()));
    assert_eq!(record["network.peer.address"], format!("unix:{}", path.display()));
    assert!(record.get("client.port").is_none(), "{record}");
    proxy.signal("QUIT");
    proxy.wait();
    assert!(!path.exists(), "it removes its socket");
}

#[test]
fn a_reload_keeps_it_gives_it_to_another_listener_and_changes_its_permissions() {
    let pki = certified();
    let (proxy, echo) = start(&pki, "");
    let path = pki.folder().join("main.sock");
    let inode = |path: &Path| std::os::unix::fs::MetadataExt::ino(&fs::metadata(path).unwrap());
    let before = inode(&path);
    let servers = format!("servers = [\"{}\"]", echo.address);
    let text = config("socket_mode = \"0666\"", &servers).replace("\"main\"", "\"other\"");
    fs::write(pki.folder().join("tlsgate.toml"), text).unwrap();
    proxy.log_line("listener \"main\": removed");
    eventually("the permissions change", || {
        (fs::metadata(&path).unwrap().permissions().mode() & 0o777 == 0o666).then_some(())
    });
    assert_eq!(inode(&path), before, "the path always led to a listener");
    echoes(connect(&pki, &path, Tls::V13));
    assert_eq!(proxy.record(|record| record["outcome"] == "completed")["listener"], "other");
    let gone = config("", &servers).replace(", \"unix:main.sock\"", "");
    fs::write(pki.folder().join("tlsgate.toml"), gone).unwrap();
    eventually("the file goes with the socket", || (!path.exists()).then_some(()));
}

#[test]
fn what_stands_in_its_place_is_not_touched() {
    let pki = certified();
    let path = pki.folder().join("main.sock");
    let servers = "servers = [\"127.0.0.1:1\"]";
    fs::write(&path, "precious").unwrap();
    let message = Proxy::try_start(pki.folder(), &config("", servers)).err().unwrap();
    assert!(message.contains("main.sock: a file that is not a socket is in its place"), "{message}");
    assert_eq!(fs::read(&path).unwrap(), b"precious");
    fs::remove_file(&path).unwrap();
    let _listening = UnixListener::bind(&path).unwrap();
    let message = Proxy::try_start(pki.folder(), &config("", servers)).err().unwrap();
    assert!(message.contains("main.sock: another process listens there"), "{message}");
    assert!(fs::metadata(&path).unwrap().file_type().is_socket());
    let nowhere = config("", servers).replace("unix:main.sock", "unix:no/such/folder/x.sock");
    let message = Proxy::try_start(pki.folder(), &nowhere).err().unwrap();
    assert!(message.contains("cannot listen on unix:") && message.contains("No such file"), "{message}");
}

/// slapd listens on a Unix socket of its own (ldapi).
#[test]
fn a_socket_of_another_process_that_accepts_nothing_is_not_waited_for() {
    let pki = certified();
    let path = pki.folder().join("main.sock");
    let name = SocketAddrUnix::new(&path).unwrap();
    let socket = || socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::NONBLOCK, None).unwrap();
    let listening = socket();
    bind(&listening, &name).unwrap();
    listen(&listening, 0).unwrap();
    let mut waiting = Vec::new();
    loop {
        let one = socket();
        if net::connect(&one, &name).is_err() {
            break;
        }
        waiting.push(one);
    }
    let Err(log) = Proxy::try_start(pki.folder(), &config("", "servers = [\"127.0.0.1:9\"]")) else {
        panic!("it started");
    };
    assert!(log.contains("another process listens there"), "{log}");
}

#[test]
fn a_directory_behind_one_is_served_checked_and_logged_by_its_path() {
    let pki = Pki::new();
    pki.write("certs", "main", &[NAME, "127.0.0.1"], Key::P256, &Extra::default());
    let mut slapd = Slapd::start("");
    let path = slapd.socket();
    let backend =
        format!("servers = [\"unix:{}\"]\n\n[backend.b.health]\ntype = \"ldap\"\ninterval = \"100ms\"", path.display());
    let text = config("", &backend).replace("[[listener]]", "[admin]\nlisten=\"unix:admin.sock\"\n\n[[listener]]");
    let proxy = Proxy::start(pki.folder(), &text);
    let url = format!("ldaps://{}", proxy.address("main"));
    let output = ldap::run("ldapsearch", &url, &pki.ca(), &["-x", "-b", SUFFIX, "-s", "base", "dc"]);
    assert!(output.status.success(), "{}", tool::shown(&output));
    let shown = format!("unix:{}", path.display());
    assert_eq!(proxy.record(|record| record["outcome"] == "completed")["backend.address"], shown);
    let door = Door::Unix(pki.folder().join("admin.sock"));
    let up = format!("tlsgate_backend_up{{backend=\"b\",server=\"{shown}\"}} 1");
    eventually("it is up", || door.get("/metrics").body.contains(&up).then_some(()));
    assert_eq!(door.get("/api/v1/backends").json()["backends"][0]["servers"][0]["address"], shown);
    slapd.kill();
    let down = up.replace("} 1", "} 0");
    eventually("it is down", || door.get("/metrics").body.contains(&down).then_some(()));
}

#[test]
fn clients_and_checks_beyond_a_short_queue_wait_until_the_server_accepts_them() {
    let pki = certified();
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
    bind(&socket, &SocketAddrUnix::new(pki.folder().join("busy.sock")).unwrap()).unwrap();
    listen(&socket, 1).unwrap();
    let backend = "servers = [\"unix:busy.sock\"]\nconnect_timeout = \"30s\"\n\n[backend.b.health]\ntype = \"tcp\"\n\
                   interval = \"100ms\"\ntimeout = \"30s\"\nfall = 1";
    let text = config("", backend).replace("[[listener]]", "[admin]\nlisten=\"unix:admin.sock\"\n\n[[listener]]");
    let proxy = Proxy::start(pki.folder(), &text);
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let mut client = connect(&pki, &pki.folder().join("main.sock"), Tls::V13);
            client.conn.complete_io(&mut client.sock).unwrap();
            client
        })
        .collect();
    let door = Door::Unix(pki.folder().join("admin.sock"));
    let server = || door.get("/api/v1/backends").json()["backends"][0]["servers"][0].clone();
    eventually("all of them wait", || (server()["connections_active"] == 8).then_some(()));
    let listener = UnixListener::from(socket);
    thread::spawn(move || listener.incoming().map_while(Result::ok).for_each(echo));
    clients.into_iter().for_each(echoes);
    let records = proxy.records(8);
    assert!(records.iter().all(|record| record["outcome"] == "completed"), "{records:?}");
    let server = server();
    assert_eq!(
        (&server["health"], &server["passed_over_seconds"]),
        (&"up".into(), &serde_json::Value::Null),
        "{server}"
    );
}

/// Echoes on a thread of its own, and ends when the other side does.
fn echo(mut client: UnixStream) {
    let mut reading = client.try_clone().unwrap();
    thread::spawn(move || {
        let _ = io::copy(&mut reading, &mut client);
        let _ = client.shutdown(Shutdown::Write);
    });
}

#[test]
fn both_ways_through_one_and_every_end_handed_on() {
    let pki = certified();
    let path = pki.folder().join("echo.sock");
    let listener = UnixListener::bind(&path).unwrap();
    thread::spawn(move || listener.incoming().map_while(Result::ok).for_each(echo));
    let proxy = Proxy::start(pki.folder(), &config("", "servers = [\"unix:echo.sock\"]"));
    let sent = bytes(3_000_000);
    for tls in Tls::BOTH {
        let mut client = connect(&pki, &pki.folder().join("main.sock"), tls);
        for piece in sent.chunks(16_000) {
            client.write_all(piece).unwrap();
            let mut came = vec![0; piece.len()];
            client.read_exact(&mut came).unwrap();
            assert!(came == piece);
        }
        echoes(client);
    }
    let records = proxy.records(2);
    assert!(records.iter().all(|record| record["outcome"] == "completed"), "{records:?}");
    assert!(records.iter().all(|record| record["sent_bytes"] == 3_000_005), "{records:?}");
}

/// HAProxy 2.6 accepts only version 1 from such a client: it misreads a version 2 header of any family but IPv4 and
/// IPv6. nginx takes it.
#[test]
fn others_behind_it_learn_of_a_client_without_an_ip_address() {
    let pki = certified();
    let haproxy = Haproxy::start(
        "127.0.0.1:0",
        "frontend told\n    mode http\n    bind fd@0 accept-proxy\n    http-request return status 200 content-type \
         text/plain string told\n",
    );
    let nginx = Nginx::with("127.0.0.1:0", |folder, address| {
        let head = nginx::head(folder);
        let folder = folder.display();
        format!(
            "{head}http {{ access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; \
             fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi; server {{ \
             listen {address} proxy_protocol; return 200 told; }} }}\n"
        )
    });
    for (version, server) in [("v1", haproxy.address), ("v1", nginx.address), ("v2", nginx.address)] {
        let backend = format!("servers = [\"{server}\"]\nproxy_protocol = \"{version}\"");
        let _proxy = Proxy::start(pki.folder(), &config("", &backend));
        let mut client = connect(&pki, &pki.folder().join("main.sock"), Tls::V13);
        client.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("told"), "{version}: {answer}");
    }
}

/// The longest possible path of a Unix socket can be bound, whatever temporary name is needed next to it.
#[test]
fn a_path_as_long_as_there_can_be_is_listened_on() {
    let pki = certified();
    let most = 107 - pki.folder().as_os_str().len() - "/".len();
    let folder = "d".repeat(most - "/s".len());
    fs::create_dir(pki.folder().join(&folder)).unwrap();
    for name in [format!("{folder}/s"), "n".repeat(most)] {
        let text = config("", "servers = [\"127.0.0.1:9\"]").replace("unix:main.sock", &format!("unix:{name}"));
        let _proxy = Proxy::start(pki.folder(), &text);
        eventually("it listens", || UnixStream::connect(pki.folder().join(&name)).ok());
    }
}
