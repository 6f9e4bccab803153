//! Connections that are closed before they are relayed, and requests that close none.

use std::net::{SocketAddr, TcpStream};

use super::{PATH, close, closes, stage, wait_for};
use crate::support::by_hand::ByHand;
use crate::support::client::{Ending, Tls, close as leave, connect, drain};
use crate::support::http::Door;
use crate::support::pki::write_private;
use crate::support::stage::{Lines, Stage};

#[test]
fn one_that_has_sent_nothing_yet_can_be_closed() {
    let backend = ByHand::new();
    let stage = stage(&backend, "", "");
    for (mode, ending) in [("polite", Ending::Fin), ("now", Ending::Reset)] {
        let mut tcp = connect(stage.address());
        let one = &wait_for(&stage.door(), "", 1)[0];
        for unknown in ["server_name", "route", "mode", "version", "certificate", "backend", "server", "closing"] {
            assert!(one[unknown].is_null(), "{unknown}: {one}");
        }
        closes(&stage.door(), &format!("id={}&mode={mode}", one["id"].as_str().unwrap()), 1);
        assert_eq!(drain(&mut tcp), (Vec::new(), ending));
        assert_eq!(stage.outcome(leave(tcp)), "closed_by_operator");
    }
    assert!(backend.is_untouched());
    let failed = stage.door().get("/metrics").body;
    assert!(!failed.contains("tlsgate_tls_handshake_failures_total{"), "it is no failed handshake");
    assert!(failed.contains("tlsgate_connections_closed_total{listener=\"main\",outcome=\"closed_by_operator\"} 2"));
}

#[test]
fn one_in_the_middle_of_its_handshake_can_be_closed() {
    let backend = ByHand::new();
    let stage = stage(&backend, "", "");
    for (mode, ending) in [("polite", Ending::Fin), ("now", Ending::Reset)] {
        let mut client = stage.silent(Tls::V13);
        let hello = client.flight();
        std::io::Write::write_all(&mut client.tcp, &hello).unwrap();
        wait_for(&stage.door(), "server_name=MAIN.test", 1);
        closes(&stage.door(), &format!("route=default&mode={mode}"), 1);
        assert_eq!(drain(&mut client.tcp).1, ending);
        assert_eq!(stage.outcome(client.close()), "closed_by_operator");
    }
}

#[test]
fn without_a_filter_or_with_a_wrong_one_nothing_is_closed() {
    let backend = ByHand::new();
    let stage = stage(&backend, "", "");
    let _tcp = connect(stage.address());
    wait_for(&stage.door(), "", 1);
    for (query, expected) in [
        ("", "found no filter, expected at least one of id, listener, route"),
        ("mode=now", "found no filter"),
        ("lisener=main", "unknown parameter \"lisener\""),
        ("listener=main&mode=soon", "mode: found \"soon\", expected \"polite\" or \"now\""),
        ("client=localhost", "client: found \"localhost\", expected an IP address or a prefix"),
        ("listener=main&limit=1", "unknown parameter \"limit\""),
        ("listener=main&listener=main", "listener: found \"main\" and \"main\", expected one value"),
    ] {
        let answer = close(&stage.door(), query);
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.error().contains(expected), "{query}: {}", answer.error());
    }
    closes(&stage.door(), "listener=other", 0);
    closes(&stage.door(), &format!("server_name={}", "a".repeat(20_000)), 0);
    let line = stage.proxy.log_line("filters=\"server_name=aa");
    assert!(line.len() < 1000, "{} bytes", line.len());
    wait_for(&stage.door(), "", 1);
}

#[test]
fn who_may_make_no_changes_closes_nothing_and_who_may_is_in_the_log() {
    let backend = ByHand::new();
    let pki = crate::support::stage::certified();
    write_private(&pki.folder().join("token"), "correct-horse-battery-staple\n");
    let top = "[admin]\nlisten=\"127.0.0.1:0\"\ntoken_file = \"token\"\n";
    let config = crate::support::stage::config(&[backend.address], Lines { top, ..Lines::default() });
    let proxy = crate::support::proxy::Proxy::start(pki.folder(), &config);
    let line = proxy.log_line("admin API listening address=");
    let door = Door::Tcp(line.split_once("address=").unwrap().1.trim().parse().unwrap());
    let mut tcp = connect(proxy.address("main"));
    crate::support::procfs::eventually("it is listed", || {
        // Everybody who reaches the API may read.
        let answer = door.get(PATH);
        (answer.status == 200 && answer.json()["connections"].as_array().unwrap().len() == 1).then_some(())
    });
    let path = format!("{PATH}?client=127.0.0.0%2F8&mode=now");
    for (headers, status) in [(&[][..], 401), (&[("Authorization", "Bearer wrong")], 401)] {
        assert_eq!(door.ask("DELETE", &path, headers, "").status, status);
    }
    assert_eq!(door.get(PATH).json()["connections"].as_array().unwrap().len(), 1);
    let bearer = ("Authorization", "Bearer correct-horse-battery-staple");
    assert_eq!(door.ask("DELETE", &path, &[bearer], "").json()["closed"], 1);
    assert_eq!(drain(&mut tcp), (Vec::new(), Ending::Reset));
    let line = proxy.log_line("connections were closed through the admin API");
    for part in ["peer=127.0.0.1:", "filters=\"client=127.0.0.0/8\"", "mode=\"now\"", "count=1"] {
        assert!(line.contains(part), "{part}: {line}");
    }
}

/// A server that accepts nothing: the queue of its socket is full.
struct Full {
    address: SocketAddr,
    _held: (socket2::Socket, TcpStream),
}

impl Full {
    fn new() -> Self {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        socket.listen(0).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        Self { address, _held: (socket, connect(address)) }
    }
}

#[test]
fn one_whose_server_does_not_answer_can_be_closed() {
    let full = Full::new();
    let top = "[admin]\nlisten=\"unix:admin.sock\"\n";
    let stage = Stage::new(&[full.address], Lines { top, listener: "", backend: "connect_timeout = \"1h\"" });
    let mut client = stage.client(Tls::V13);
    let one = &wait_for(&Door::unix(stage.pki.folder()), "backend=servers", 1)[0];
    assert!(one["server"].is_null() && one["version"] == "TLSv1.3", "{one}");
    closes(&stage.door(), "backend=servers", 1);
    assert_ne!(client.read_to_end().1, Ending::CloseNotify, "an empty answer is none");
    assert_eq!(stage.outcome(client.close()), "closed_by_operator");
}

#[test]
fn one_that_is_to_be_passed_through_sees_no_end_that_its_server_has_not_sent() {
    let full = Full::new();
    let pki = crate::support::stage::certified();
    let config = format!(
        "[admin]\nlisten=\"unix:admin.sock\"\n[runtime]\nshutdown_timeout = \"100ms\"\n[[listener]]\nname = \"main\"\nlisten = \"127.0.0.1:0\"\nmode = \"passthrough\"\nbackend = \"b\"\nnot_tls = \"b\"\n[backend.b]\nservers = [\"{}\"]\nconnect_timeout = \"1h\"\n",
        full.address
    );
    let proxy = crate::support::proxy::Proxy::start(pki.folder(), &config);
    let door = Door::unix(pki.folder());
    let trust = std::sync::Arc::new(crate::support::client::trusting(&pki.ca(), Tls::V13));
    let mut hello = crate::support::client::Client::silent(proxy.address("main"), &trust, crate::support::stage::NAME);
    let hello = hello.flight();
    for sent in [&hello[..], b"GET / HTTP/1.0\r\n\r\n"] {
        for mode in ["polite", "now"] {
            let mut tcp = connect(proxy.address("main"));
            std::io::Write::write_all(&mut tcp, sent).unwrap();
            wait_for(&door, "backend=b", 1);
            closes(&door, &format!("backend=b&mode={mode}"), 1);
            assert_eq!(drain(&mut tcp), (Vec::new(), Ending::Reset), "{mode}");
            let port = leave(tcp);
            assert_eq!(proxy.record(|record| record["client.port"] == port)["outcome"], "closed_by_operator");
        }
    }
    // The same where the whole process ends.
    let mut tcp = connect(proxy.address("main"));
    std::io::Write::write_all(&mut tcp, b"GET / HTTP/1.0\r\n\r\n").unwrap();
    wait_for(&door, "backend=b", 1);
    proxy.signal("TERM");
    assert_eq!(drain(&mut tcp), (Vec::new(), Ending::Reset));
}
