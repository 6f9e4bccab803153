//! Whom servers see: in their logs, in their rules, and in what comes first.

use std::io::{Read, Write};
use std::net::{IpAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;

use socket2::{Domain, Socket, Type};

use super::{BACK, Between, CLIENT, FRONT, OTHER, SERVER, SPARE, between};
use crate::support::by_hand::ByHand;
use crate::support::client::{Client, Tls, patient, trusting};
use crate::support::pki::{Extra, Key, Pki};
use crate::support::procfs::eventually;
use crate::support::proxy::Proxy;
use crate::support::slapd::{SUFFIX, Slapd};
use crate::support::{PATIENCE, ldap, tool};

/// tlsgate between the two networks, as a user with no rights, in its sandbox.
pub(super) struct Gate {
    pub(super) pki: Pki,
    pub(super) proxy: Proxy,
}

pub(super) fn certified() -> Pki {
    let pki = Pki::new();
    pki.write("certs", "main", &["main.test", FRONT], Key::P256, &Extra::default());
    let given = tool::run("chown", &["-R", "nobody", pki.folder().to_str().unwrap()], b"");
    assert!(given.status.success(), "{}", tool::shown(&given));
    pki
}

pub(super) fn config(listener: &str, backend: &str) -> String {
    format!(
        "[process]\nuser = \"nobody\"\n[admin]\nlisten=\"unix:admin.sock\"\n[[listener]]\nname = \"main\"\n\
         listen = \"{FRONT}:0\"\ncertificates = [\"certs\"]\nbackend = \"servers\"\n{listener}\n[backend.servers]\n{backend}\n"
    )
}

impl Gate {
    pub(super) fn open(listener: &str, backend: &str) -> Self {
        Self::with(&config(listener, backend))
    }

    pub(super) fn with(config: &str) -> Self {
        let pki = certified();
        let proxy = Proxy::start(pki.folder(), config);
        Self { pki, proxy }
    }

    /// A client's handshake from that address, and the first byte.
    pub(super) fn client(&self, both: &Between, from: &'static str, before: &'static [u8]) -> Client {
        let (address, config) = (self.proxy.address("main"), Arc::new(trusting(&self.pki.ca(), Tls::V13)));
        both.clients.within(move || {
            let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
            let from: IpAddr = from.parse().unwrap();
            socket.bind(&std::net::SocketAddr::new(from, 0).into()).unwrap();
            socket.connect_timeout(&address.into(), PATIENCE).unwrap();
            let mut tcp = TcpStream::from(socket);
            patient(&tcp);
            tcp.write_all(before).unwrap();
            let mut client = Client::on(tcp, &config, "main.test");
            client.handshake().unwrap();
            client.send(b"?").unwrap();
            client
        })
    }
}

#[test]
fn a_directorys_log_and_its_rules_see_the_client() {
    between(true, |both| {
        // Nobody else reads anything, tlsgate neither.
        let rules = format!("access to * by peername.ip={CLIENT} read by * none\n");
        let slapd = both.servers.within(move || Slapd::start_at(SERVER, &rules, ""));
        let gate = Gate::open("", &format!("servers = [\"{}\"]\nsource = \"client\"", slapd.address));
        let url = format!("ldaps://{}", gate.proxy.address("main"));
        let search = |from: &'static str| {
            let (url, ca): (String, PathBuf) = (url.clone(), gate.pki.ca());
            both.clients.within(move || {
                // The kernel takes the address of the route.
                super::ip(&format!("route replace 10.77.1.0/24 dev eth0 src {from}"));
                ldap::run("ldapsearch", &url, &ca, &["-x", "-LLL", "-b", SUFFIX, "-s", "base"])
            })
        };
        let found = search(CLIENT);
        assert!(found.status.success() && tool::shown(&found).contains("dc: example"), "{}", tool::shown(&found));
        let hidden = search(OTHER);
        assert!(!tool::shown(&hidden).contains("dc: example"), "{}", tool::shown(&hidden));
        let log = eventually("both are logged", || {
            Some(slapd.log()).filter(|log| [CLIENT, OTHER].iter().all(|client| log.contains(&format!("{client}:"))))
        });
        assert!(!log.contains(&format!("{BACK}:")) && !log.contains(&format!("{SPARE}:")), "{log}");
        for record in gate.proxy.records(2) {
            assert_eq!(record["outcome"], "completed", "{record:#}");
        }
        // That one right is all that is left to it.
        let line = gate.proxy.log_line("rights given up: ");
        assert!(line.contains("user nobody") && line.contains("only CAP_NET_RAW,"), "{line}");
        let status = std::fs::read_to_string(format!("/proc/{}/status", gate.proxy.pid())).unwrap();
        for set in ["CapPrm", "CapEff", "CapBnd"] {
            // CAP_NET_RAW is number 13 (capabilities(7)).
            assert!(status.contains(&format!("{set}:\t{:016x}\n", 1_u64 << 13)), "{status}");
        }
    });
}

#[test]
fn a_client_that_a_trusted_proxy_names_is_the_one_that_servers_see() {
    between(true, |both| {
        let backend = both.servers.within(|| ByHand::at(SERVER));
        let listener = format!("proxy_protocol = \"require\"\ntrusted_proxies = [\"{CLIENT}\"]");
        let gate = Gate::open(&listener, &format!("servers = [\"{}\"]\nsource = \"client\"", backend.address));
        let mut client = gate.client(both, CLIENT, b"PROXY TCP4 192.0.2.77 10.77.1.1 50000 636\r\n");
        let mut server = backend.accept();
        assert_eq!(server.peer_addr().unwrap().ip().to_string(), "192.0.2.77");
        server.read_exact(&mut [0]).unwrap();
        server.write_all(b"!").unwrap();
        assert_eq!(client.read_exact(1), b"!");
    });
}

/// As docs/transparent.md has it for a machine that other traffic passes as well.
#[test]
fn only_the_answers_to_its_own_sockets_need_to_be_taken() {
    between(false, |both| {
        let chain = "{ type filter hook prerouting priority mangle; }";
        super::run("nft", &["add", "table", "inet", "tlsgate"]);
        super::run("nft", &["add", "chain", "inet", "tlsgate", "answers", chain]);
        let rule = "add rule inet tlsgate answers iifname back meta l4proto tcp socket transparent 1 meta mark set 1";
        super::run("nft", &rule.split(' ').collect::<Vec<_>>());
        super::ip("rule add fwmark 1 lookup 100");
        super::ip("route add local 0.0.0.0/0 dev lo table 100");
        let backend = both.servers.within(|| ByHand::at(SERVER));
        let gate = Gate::open("", &format!("servers = [\"{}\"]\nsource = \"client\"", backend.address));
        let mut client = gate.client(both, CLIENT, b"");
        let mut server = backend.accept();
        assert_eq!(server.peer_addr().unwrap().ip().to_string(), CLIENT);
        server.write_all(b"!").unwrap();
        assert_eq!(client.read_exact(1), b"!");
    });
}

#[test]
fn many_connections_of_one_client_have_ports_of_their_own() {
    between(true, |both| {
        let backend = both.servers.within(|| ByHand::at(SERVER));
        let gate = Gate::open("", &format!("servers = [\"{}\"]\nsource = \"client\"", backend.address));
        let pairs: Vec<_> = (0..20).map(|_| (gate.client(both, CLIENT, b""), backend.accept())).collect();
        let ports: std::collections::BTreeSet<u16> =
            pairs.iter().map(|(_, server)| server.peer_addr().unwrap().port()).collect();
        assert_eq!(ports.len(), 20);
        assert!(pairs.iter().all(|(_, server)| server.peer_addr().unwrap().ip().to_string() == CLIENT));
    });
}

#[test]
fn a_fixed_source_is_that_of_clients_and_of_health_checks() {
    between(false, |both| {
        let [backend, checked] = [(), ()].map(|()| both.servers.within(|| ByHand::at(SERVER)));
        let gate = Gate::open("", &format!("servers = [\"{}\"]\nsource = \"{SPARE}\"", backend.address));
        let mut client = gate.client(both, CLIENT, b"");
        let mut server = backend.accept();
        assert_eq!(server.peer_addr().unwrap().ip().to_string(), SPARE);
        server.read_exact(&mut [0]).unwrap();
        server.write_all(b"!").unwrap();
        assert_eq!(client.read_exact(1), b"!");
        // It needs no right.
        assert!(gate.proxy.log_line("rights given up: ").contains("no capabilities"));
        // Checks come from there as well, but not from a client's address, since they have no client.
        for (source, from) in [(SPARE, SPARE), ("client", BACK)] {
            let health = "[backend.servers.health]\ntype = \"http\"\ninterval = \"1s\"\npath = \"/\"";
            let backend = format!("servers = [\"{}\"]\nsource = \"{source}\"\n{health}", checked.address);
            let _gate = Gate::open("", &backend);
            assert_eq!(checked.accept().peer_addr().unwrap().ip().to_string(), from, "{source}");
        }
    });
}
