//! The server for http-01: pending tokens, redirects, and clients that mean no good. It runs in the test's process, so that
//! a token can be pending without an authority.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use tlsgate::acme::responder::{MOST_CONNECTIONS, Responder, Tokens};
use tlsgate::net::address::Address;
use tlsgate::net::listen::Listening;
use tokio::sync::watch;

use crate::support::{PATIENCE, tool};

struct Stage {
    tokens: Tokens,
    address: SocketAddr,
    responder: Responder,
    socket: Listening,
    stop: watch::Sender<bool>,
}

fn stage() -> Stage {
    let tokens = Tokens::default();
    let responder = Responder::start(tokens.clone(), MOST_CONNECTIONS).unwrap();
    let socket = Listening::bind(&Address::Tcp("127.0.0.1:0".parse().unwrap()), 0).unwrap();
    let Ok(Address::Tcp(address)) = socket.address() else { panic!("no port") };
    let (stop, stopped) = watch::channel(false);
    responder.open(responder.register(&socket).unwrap(), stopped);
    Stage { tokens, address, responder, socket, stop }
}

/// curl's exit status, and what it prints: the head and the body.
fn curl(to: SocketAddr, path: &str, more: &[&str]) -> (Option<i32>, String) {
    let url = format!("http://{to}{path}");
    let arguments = [&["-sS", "-i", "--path-as-is", "-m", "60"], more, &[&url]].concat();
    let output = tool::run("curl", &arguments, b"");
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

/// A connection on which these bytes were sent.
fn sends(to: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(bytes).unwrap();
    stream
}

fn rest(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset after the answer is an end, too.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

const PATH: &str = "/.well-known/acme-challenge/token";

#[test]
fn a_token_is_answered_while_it_is_pending_and_everything_else_is_redirected() {
    let stage = stage();
    let host = format!("https://{}", stage.address.ip());
    let redirected = |path: &str, more: &[&str]| {
        let (code, printed) = curl(stage.address, path, more);
        let location = printed.lines().find_map(|line| line.strip_prefix("location: ")).map(str::trim);
        assert_eq!((code, location), (Some(0), Some(format!("{host}{path}").as_str())), "{printed}");
        assert!(printed.starts_with("HTTP/1.1 308 "), "{printed}");
    };
    redirected(PATH, &[]);
    assert!(stage.tokens.put("token", "token.thumb".into()));
    let (code, printed) = curl(stage.address, PATH, &[]);
    assert!(
        code == Some(0) && printed.starts_with("HTTP/1.1 200 ") && printed.ends_with("\r\n\r\ntoken.thumb"),
        "{printed}"
    );
    assert!(printed.contains("content-type: application/octet-stream\r\n"), "{printed}");
    let (code, printed) = curl(stage.address, PATH, &["-I"]);
    assert!(
        code == Some(0) && printed.contains("content-length: 11\r\n") && printed.ends_with("\r\n\r\n"),
        "{printed}"
    );
    redirected("/a/b?c=d", &["-I"]);
    redirected("/a", &["-X", "DELETE"]);
    stage.tokens.remove("token");
    redirected(PATH, &[]);
}

#[test]
fn a_body_that_nobody_reads_does_not_cost_the_answer() {
    let stage = stage();
    let body = stage_file(&vec![b'x'; 200 * 1024]);
    let data = format!("@{}", body.path().display());
    // Without `Expect`, so that the whole body is sent whatever the answer is.
    let (code, printed) = curl(stage.address, "/form", &["-H", "Expect:", "--data-binary", &data]);
    assert!(code == Some(0) && printed.starts_with("HTTP/1.1 308 "), "{code:?} {printed}");
}

fn stage_file(bytes: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file
}

#[test]
fn clients_that_send_nothing_keep_nobody_out() {
    let stage = stage();
    assert!(stage.tokens.put("token", "token.thumb".into()));
    let mut silent: Vec<_> = (0..MOST_CONNECTIONS + 10).map(|_| sends(stage.address, b"GET / HTTP/1.1\r\n")).collect();
    for _ in 0..3 {
        let answer = rest(sends(stage.address, format!("GET {PATH} HTTP/1.1\r\nhost: a.test\r\n\r\n").as_bytes()));
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    // The oldest made room.
    assert_eq!(rest(silent.remove(0)), "");
}

#[test]
fn what_is_not_http_or_too_long_ends_only_its_own_connection() {
    let stage = stage();
    let long = format!("GET /{} HTTP/1.1\r\nhost: a.test\r\n\r\n", "x".repeat(64 * 1024));
    let fields = format!("GET / HTTP/1.1\r\nhost: a.test\r\n{}\r\n", "x: y\r\n".repeat(5000));
    let bad: [&[u8]; 5] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
        long.as_bytes(),
        fields.as_bytes(),
    ];
    for bytes in bad {
        let mut stream = TcpStream::connect(stage.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // The server may close before it has read all of it.
        let _ = stream.write_all(bytes);
        let answer = rest(stream);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    let answer = rest(sends(stage.address, b"GET /x HTTP/1.1\r\nhost: a.test\r\n\r\n"));
    assert!(answer.contains("location: https://a.test/x\r\n"), "{answer}");
}

#[test]
fn whoever_is_connected_is_still_answered_when_the_socket_is_given_up() {
    let Stage { address, responder, socket, stop, .. } = stage();
    let mut open = sends(address, b"GET /x HTTP/1.1\r\n");
    // The next one is answered only after the first was accepted.
    assert!(rest(sends(address, b"GET / HTTP/1.1\r\nhost: a.test\r\n\r\n")).starts_with("HTTP/1.1 308 "));
    stop.send(true).unwrap();
    drop(socket);
    while TcpStream::connect(address).is_ok() {}
    open.write_all(b"host: a.test\r\n\r\n").unwrap();
    let answer = rest(open);
    assert!(answer.contains("location: https://a.test/x\r\n"), "{answer}");
    drop(responder);
}
