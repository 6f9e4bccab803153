//! What is missing for a source, and how that shows: a right, an address, a way back.

use std::fs;
use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use super::seen::{Gate, config};
use super::{CLIENT, FRONT, OTHER, SERVER, alone, between, run};
use crate::support::by_hand::ByHand;
use crate::support::check;
use crate::support::client::{Client, Ending, Tls, trusting};
use crate::support::http::Door;
use crate::support::proxy::{PROGRAM, Proxy};
use crate::support::stage::{self, Lines};
use crate::support::tool;

#[test]
fn without_the_right_it_does_not_start_and_says_what_is_missing() {
    let pki = stage::certified();
    let lines = Lines { backend: "source = \"client\"", ..Lines::default() };
    fs::write(pki.folder().join("tlsgate.toml"), stage::config(&[([127, 0, 0, 1], 9).into()], lines)).unwrap();
    let path = pki.folder().join("tlsgate.toml");
    let without = ["--bounding-set=-net_admin", PROGRAM, "run", "-c", path.to_str().unwrap()];
    let output = tool::run("setpriv", &without, b"");
    let shown = tool::shown(&output);
    assert_eq!(output.status.code(), Some(1), "{shown}");
    for part in ["backend \"servers\": source", "CAP_NET_ADMIN", "AmbientCapabilities"] {
        assert!(shown.contains(part), "{shown}");
    }
    // Who only asks need not have it.
    let (code, said) = checked(&path);
    assert!(code == Some(0) && said.contains("needs the capability CAP_NET_ADMIN"), "{said}");
}

fn checked(path: &std::path::Path) -> (Option<i32>, String) {
    let output = tool::run(PROGRAM, &["check", "-c", path.to_str().unwrap()], b"");
    (output.status.code(), tool::shown(&output))
}

#[test]
fn a_process_that_has_given_up_the_right_refuses_to_be_asked_for_it_later() {
    between(true, |both| {
        let backend = both.servers.within(|| ByHand::at(SERVER));
        let servers = format!("servers = [\"{}\"]", backend.address);
        let gate = Gate::open("", &servers);
        let door = Door::unix(gate.pki.folder());
        for source in ["client", FRONT] {
            let text = config("", &format!("{servers}\nsource = \"{source}\""));
            fs::write(gate.pki.folder().join("tlsgate.toml"), text).unwrap();
            let answer = door.ask("POST", "/api/v1/reload", &[], "");
            assert!(answer.status == 422 && answer.body.contains("source"), "{answer:?}");
        }
        // Everything stays as it was.
        gate.client(both, CLIENT, b"");
        assert_eq!(backend.accept().peer_addr().unwrap().ip().to_string(), super::BACK);
    });
}

#[test]
fn without_a_way_back_a_client_gets_no_server_and_others_keep_theirs() {
    between(false, |both| {
        let backend = both.servers.within(|| ByHand::at(SERVER));
        let more = "connect_timeout = \"500ms\"\nfail_timeout = \"1m\"";
        let gate = Gate::open("", &format!("servers = [\"{}\"]\nsource = \"client\"\n{more}", backend.address));
        for _ in 0..2 {
            let mut client = gate.client(both, CLIENT, b"");
            assert_ne!(client.read_to_end().1, Ending::CloseNotify);
            let port = client.close();
            let record = gate.proxy.record(|record| record["client.port"] == port);
            let reason = record["reason"].as_str().unwrap();
            // Also the second time: that one client has no answer makes no server unusable.
            assert!(reason.contains("no answer within 500ms") && reason.contains("way back"), "{record:#}");
        }
    });
}

#[test]
fn a_client_that_a_servers_firewall_rejects_takes_the_server_from_nobody() {
    between(true, |both| {
        let (first, second) = both.servers.within(|| {
            let (first, second) = (ByHand::at(SERVER), ByHand::at(SERVER));
            // As fail2ban does.
            run("nft", &["add", "table", "inet", "ban"]);
            let chain = "add chain inet ban input { type filter hook input priority 0 ; }";
            run("nft", &[chain]);
            let port = first.address.port();
            run("nft", &[&format!("add rule inet ban input tcp dport {port} ip saddr {CLIENT} reject with tcp reset")]);
            (first, second)
        });
        let servers = format!("servers = [\"{}\", \"{}\"]", first.address, second.address);
        let more = "source = \"client\"\nbalance = \"first\"\nfail_timeout = \"1m\"";
        let gate = Gate::open("", &format!("{servers}\n{more}"));
        for (from, server) in [(CLIENT, &second), (OTHER, &first)] {
            let client = gate.client(both, from, b"");
            let mut tcp = server.accept();
            assert_eq!(tcp.peer_addr().unwrap().ip().to_string(), from);
            tcp.read_exact(&mut [0]).unwrap();
            client.close();
        }
    });
}

#[test]
fn a_client_of_the_other_family_or_without_an_address_gets_no_server() {
    let own = || {
        alone();
        let pki = stage::certified();
        let backend = ByHand::new();
        let lines =
            Lines { top: "[admin]\nlisten=\"unix:admin.sock\"\n", backend: "source = \"client\"", ..Lines::default() };
        let socket = pki.folder().join("main.sock");
        let text = stage::config(&[backend.address], lines).replace(
            "listen = \"127.0.0.1:0\"",
            &format!("listen = [\"127.0.0.1:0\", \"[::1]:0\", \"unix:{}\"]", socket.display()),
        );
        let proxy = Proxy::start(pki.folder(), &text);
        let log = proxy.log();
        let six = log.lines().find_map(|line| line.split_once("address=[::1]:")?.1.trim().parse::<u16>().ok()).unwrap();
        let config = Arc::new(trusting(&pki.ca(), Tls::V13));
        let tcp = TcpStream::connect(SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, six))).unwrap();
        let mut client = Client::on(tcp, &config, "main.test");
        client.handshake().unwrap();
        let _ = client.read_to_end();
        let record = proxy.record(|record| record["client.address"] == "::1");
        assert_eq!(record["outcome"], "backend_unreachable", "{record:#}");
        let reason = record["reason"].as_str().unwrap();
        assert!(reason.contains("IPv4") && reason.contains("IPv6"), "{record:#}");
        let metrics = Door::unix(pki.folder()).get("/metrics").body;
        let counted = metrics.lines().find(|line| line.starts_with("tlsgate_backend_connect_failures_total{"));
        assert!(counted.is_some_and(|line| line.contains("reason=\"source\"")), "{metrics}");
        // From an address of this machine it is as usual.
        let four =
            log.lines().find_map(|line| line.split_once("address=127.0.0.1:")?.1.trim().parse::<u16>().ok()).unwrap();
        let mut client = Client::silent(([127, 0, 0, 1], four).into(), &config, "main.test");
        client.handshake().unwrap();
        assert!(backend.accept().peer_addr().unwrap().ip().is_loopback());
        // Over a Unix socket there is no address.
        let arguments = ["s_client", "-unix", socket.to_str().unwrap(), "-servername", "main.test"];
        tool::run("openssl", &arguments, b"");
        let record = proxy
            .record(|record| record["client.address"].as_str().is_some_and(|address| address.starts_with("unix:")));
        assert!(record["reason"].as_str().unwrap().contains("no IP address"), "{record:#}");
    };
    std::thread::spawn(own).join().unwrap();
}

#[test]
fn a_source_that_reaches_no_server_is_an_error_of_the_configuration() {
    let pki = stage::certified();
    for (servers, source, expected) in [
        ("\"127.0.0.1:9\"", "::1", "same family"),
        ("\"127.0.0.1:9\", \"unix:/run/x\"", "client", "without an IP address"),
        ("\"127.0.0.1:9\"", "eth0", "\"client\" or an address of this machine"),
        ("\"127.0.0.1:9\"", "0.0.0.0", "\"client\" or an address of this machine"),
    ] {
        let text = stage::config(&[], Lines { backend: &format!("source = \"{source}\""), ..Lines::default() });
        let text = text.replace("servers = []", &format!("servers = [{servers}]"));
        let errors = check::check(pki.folder(), &text).errors;
        assert!(errors.len() == 1 && errors[0].contains(expected), "{source}: {errors:?}");
    }
}
