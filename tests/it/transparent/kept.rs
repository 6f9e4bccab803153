//! What code that an attacker has brought into the process can do with the right to connect from clients' addresses.

use std::io::{Read, Write};

use serde_json::json;

use super::seen::Gate;
use super::{CLIENT, SERVER, between};
use crate::support::attacker::{Call, assert_each, bytes, fails, result, threads, works};
use crate::support::by_hand::ByHand;

#[test]
fn with_the_right_a_compromised_process_can_neither_use_raw_sockets_nor_change_the_network() {
    between(true, |both| {
        let backend = both.servers.within(|| ByHand::at(SERVER));
        let gate = Gate::open("", &format!("servers = [\"{}\"]\nsource = \"client\"", backend.address));
        for thread in threads(gate.proxy.pid()) {
            assert_each(&calls(), thread);
        }
        // It still serves, and from the client's address.
        let mut client = gate.client(both, CLIENT, b"");
        let mut server = backend.accept();
        assert_eq!(server.peer_addr().unwrap().ip().to_string(), CLIENT);
        server.read_exact(&mut [0]).unwrap();
        server.write_all(b"!").unwrap();
        assert_eq!(client.read_exact(1), b"!");
    });
}

fn calls() -> Vec<Call> {
    let socket = |family: i32, kind: i32, protocol: i32| json!([family, kind, protocol]);
    let set = |of: &str, level: i32, name: i32| json!([result(of), level, name, bytes(&[1, 0, 0, 0]), 4]);
    // 192.0.2.77, which is nobody's here.
    let mut foreign = libc::AF_INET.to_le_bytes()[..2].to_vec();
    foreign.extend([0, 0, 192, 0, 2, 77, 0, 0, 0, 0, 0, 0, 0, 0]);
    let number = libc::SYS_socket;
    vec![
        works("a socket", number, socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0)),
        works("a socket for names", number, socket(libc::AF_INET6, libc::SOCK_DGRAM | libc::SOCK_NONBLOCK, 0)),
        works("a foreign address", libc::SYS_setsockopt, set("a socket", libc::IPPROTO_IP, libc::IP_TRANSPARENT)),
        works("bind to it", libc::SYS_bind, json!([result("a socket"), bytes(&foreign), 16])),
        works("another socket", number, socket(libc::AF_INET, libc::SOCK_STREAM, 0)),
        fails(libc::EPERM, "raw", number, socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_TCP)),
        fails(libc::EPERM, "raw with a flag", number, socket(libc::AF_INET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 255)),
        fails(libc::EPERM, "raw over IPv6", number, socket(libc::AF_INET6, libc::SOCK_RAW, libc::IPPROTO_ICMPV6)),
        // SOCK_PACKET, which the kernel makes a socket of AF_PACKET.
        fails(libc::EPERM, "packets of old", number, socket(libc::AF_INET, 10, 0x0300)),
        fails(libc::EPERM, "packets", number, socket(libc::AF_PACKET, libc::SOCK_DGRAM, 0x0300)),
        fails(libc::EPERM, "all packets", number, socket(libc::AF_PACKET, libc::SOCK_RAW, 0x0300)),
        // With CAP_NET_ADMIN this would work, and so would the packet filter's options.
        fails(libc::EPERM, "repair", libc::SYS_setsockopt, set("another socket", libc::IPPROTO_TCP, libc::TCP_REPAIR)),
    ]
}
