//! The same over IPv6, where the kernel has options of its own, and servers of the other family.

use std::io::{Read, Write};

use super::seen::{Gate, config};
use super::{Between, FRONT, between, ip};
use crate::support::by_hand::ByHand;

const CLIENT: &str = "fd77:1::2";
const SERVER: &str = "fd77:2::2";
const SPARE: &str = "fd77:2::9";

/// The two networks have addresses of both families. `nodad`: an address can be used at once (ip-address(8)).
fn both_families(both: &Between, way_back: bool) {
    ip("-6 addr add fd77:1::1/64 dev front nodad");
    ip("-6 addr add fd77:2::1/64 dev back nodad");
    ip(&format!("-6 addr add {SPARE}/64 dev back nodad"));
    both.clients.within(|| ip(&format!("-6 addr add {CLIENT}/64 dev eth0 nodad")));
    both.servers.within(|| {
        ip(&format!("-6 addr add {SERVER}/64 dev eth0 nodad"));
        ip("-6 route add default via fd77:2::1");
    });
    if way_back {
        // As docs/transparent.md has it.
        ip("-6 rule add iif back lookup 100");
        ip("-6 route add local ::/0 dev lo table 100");
    }
}

fn open(listen: &str, backend: &str) -> Gate {
    Gate::with(&config("", backend).replace(&format!("{FRONT}:0"), listen))
}

#[test]
fn a_server_sees_the_client_and_its_answers_find_the_way_back() {
    between(false, |both| {
        both_families(both, true);
        let backend = both.servers.within(|| ByHand::at(SERVER));
        let gate = open("[fd77:1::1]:0", &format!("servers = [\"{}\"]\nsource = \"client\"", backend.address));
        let mut client = gate.client(both, CLIENT, b"");
        let mut server = backend.accept();
        assert_eq!(server.peer_addr().unwrap().ip().to_string(), CLIENT);
        server.read_exact(&mut [0]).unwrap();
        server.write_all(b"!").unwrap();
        assert_eq!(client.read_exact(1), b"!");
    });
}

#[test]
fn a_fixed_source_needs_no_right() {
    between(false, |both| {
        both_families(both, false);
        let backend = both.servers.within(|| ByHand::at(SERVER));
        let gate = open("[fd77:1::1]:0", &format!("servers = [\"{}\"]\nsource = \"{SPARE}\"", backend.address));
        let mut client = gate.client(both, CLIENT, b"");
        let mut server = backend.accept();
        assert_eq!(server.peer_addr().unwrap().ip().to_string(), SPARE);
        server.write_all(b"!").unwrap();
        assert_eq!(client.read_exact(1), b"!");
        assert!(gate.proxy.log_line("rights given up: ").contains("no capabilities"));
    });
}

#[test]
fn a_server_of_the_other_family_gets_no_connection_from_our_own_address() {
    between(true, |both| {
        both_families(both, true);
        for (server, listen, from) in
            [(SERVER, format!("{FRONT}:0"), super::CLIENT), (super::SERVER, "[fd77:1::1]:0".into(), CLIENT)]
        {
            let backend = both.servers.within(move || ByHand::at(server));
            let gate = open(&listen, &format!("servers = [\"{}\"]\nsource = \"client\"", backend.address));
            let _client = gate.client(both, from, b"");
            let record = &gate.proxy.records(1)[0];
            assert_eq!(record["outcome"], "backend_unreachable", "{record:#}");
            let said = record.to_string();
            assert!(said.contains("IPv4") && said.contains("IPv6") && said.contains(from), "{record:#}");
            assert!(backend.is_untouched(), "{server}");
        }
    });
}
