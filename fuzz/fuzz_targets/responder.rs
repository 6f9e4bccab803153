//! The server for http-01 as its clients see it: every complete request has one answer, a challenge's or a redirect to https,
//! and nothing of the request gets into the redirect that could be another header.
#![no_main]

use std::net::SocketAddr;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tlsgate::acme::responder::{MOST_CONNECTIONS, Responder, Tokens};
use tlsgate::net::address::Address;
use tlsgate::net::listen::Listening;
use tokio::sync::watch;

#[path = "shared/http.rs"]
mod http;

use http::{Asked, exchange};

static SERVER: LazyLock<SocketAddr> = LazyLock::new(|| {
    let tokens = Tokens::default();
    tokens.put("token", AUTHORIZATION.into());
    let responder = Responder::start(tokens, MOST_CONNECTIONS).expect("a thread");
    let socket = Listening::bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into(), 0o600).expect("a socket");
    let (stop, stopped) = watch::channel(false);
    responder.open(responder.register(&socket).expect("a socket"), stopped);
    let address = socket.address().expect("an address");
    Box::leak(Box::new((responder, socket, stop)));
    match address {
        Address::Tcp(address) => address,
        Address::Unix(_) => unreachable!("it is bound to an IP address"),
    }
});

fuzz_target!(|data: &[u8]| {
    let Some((choice, bytes)) = data.split_first() else { return };
    if choice & 1 == 1 {
        exchange(*SERVER, bytes, true);
        return;
    }
    let Some(asked) = Asked::of(bytes) else { return };
    let Some(answered) = asked.send(*SERVER) else {
        // The beginning of HTTP/2 is not answered.
        assert!(asked.lines[0].starts_with(b"PRI "), "no answer to {:?}", String::from_utf8_lossy(&asked.lines[0]));
        return;
    };
    let (method, path) = asked.target();
    match answered.status {
        200 => {
            assert_eq!((method == "GET" || method == "HEAD", path), (true, "/.well-known/acme-challenge/token"));
            assert!(method == "HEAD" || answered.body == AUTHORIZATION.as_bytes());
        }
        308 => {
            let location = answered.field("location").expect("a place");
            assert!(
                location.starts_with("https://") && location.bytes().all(|byte| byte.is_ascii_graphic()),
                "{location:?}"
            );
            assert!(answered.body.is_empty());
        }
        status => assert!(matches!(status, 400 | 414 | 431), "{method} {path}: {status}"),
    }
});

const AUTHORIZATION: &str = "token.thumbprint";
