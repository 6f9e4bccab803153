//! Servers that are found by name: they follow the records, whatever the name server does, and no client notices.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::support::backend::Backend;
use crate::support::client::{Client, Ending, Tls, trusting};
use crate::support::dns::{Dns, Mood, Record};
use crate::support::http::Door;
use crate::support::procfs::{eventually, resident_kib};
use crate::support::proxy::Proxy;
use crate::support::stage::{NAME, Stage, certified};

/// Servers that listen on one port of several loopback addresses.
struct Fleet {
    port: u16,
    addresses: Vec<Ipv4Addr>,
    _servers: Vec<Backend>,
}

impl Fleet {
    fn new(network: u8, count: u8) -> Self {
        Self::of(network, count, Backend::echo_on)
    }

    fn of(network: u8, count: u8, serve: impl Fn(TcpListener) -> Backend) -> Self {
        let addresses: Vec<_> = (1..=count).map(|host| Ipv4Addr::new(127, 9, network, host)).collect();
        // A records have no port, so all servers need the same one, and it may be taken on some of the addresses.
        for _ in 0..100 {
            let first = TcpListener::bind((addresses[0], 0)).unwrap();
            let port = first.local_addr().unwrap().port();
            let rest: Result<Vec<_>, _> =
                addresses[1..].iter().map(|address| TcpListener::bind((*address, port))).collect();
            if let Ok(rest) = rest {
                let servers = std::iter::once(first).chain(rest).map(&serve).collect();
                return Self { port, addresses, _servers: servers };
            }
        }
        panic!("no port is free on all of them");
    }

    fn server(&self, index: usize) -> String {
        SocketAddr::from((self.addresses[index], self.port)).to_string()
    }

    fn records(&self, indices: &[usize]) -> Vec<Record> {
        indices.iter().map(|index| Record::A(self.addresses[*index])).collect()
    }

    fn servers(&self, indices: &[usize]) -> BTreeSet<String> {
        indices.iter().map(|index| self.server(*index)).collect()
    }
}

fn stage(dns: &Dns, servers: &str, backend: &str) -> Stage {
    Stage::with(&resolver(dns), servers, backend)
}

fn resolver(dns: &Dns) -> String {
    format!(
        "[resolver]\nnameservers = \"{}\"\nmin_ttl = \"20ms\"\nmax_ttl = \"100ms\"\ntimeout = \"300ms\"\n",
        dns.address
    )
}

fn backend(stage: &Stage) -> Value {
    let backends = stage.door().get("/api/v1/backends").json()["backends"].as_array().unwrap().clone();
    backends.into_iter().find(|backend| backend["name"] == "servers").unwrap()
}

fn shown(stage: &Stage) -> BTreeSet<String> {
    let servers = backend(stage)["servers"].as_array().unwrap().clone();
    servers.iter().map(|server| server["address"].as_str().unwrap().to_owned()).collect()
}

fn become_known(stage: &Stage, wanted: &BTreeSet<String>) {
    eventually(&format!("{wanted:?}"), || (shown(stage) == *wanted).then_some(()));
}

fn trouble(stage: &Stage) -> Option<String> {
    backend(stage)["sources"][0]["trouble"].as_str().map(str::to_owned)
}

fn talks(client: &mut Client) {
    client.send(b"hello").unwrap();
    assert_eq!(client.read_exact(5), b"hello");
}

/// One client that is served from beginning to end.
fn visit(stage: &Stage) {
    let mut client = stage.client(Tls::V13);
    talks(&mut client);
    client.close_notify().unwrap();
    assert_eq!(client.read_to_end(), (Vec::new(), Ending::CloseNotify));
}

#[test]
fn servers_follow_the_records_and_live_connections_stay() {
    let (dns, fleet) = (Dns::start(3600), Fleet::new(1, 3));
    dns.set("web.test", &fleet.records(&[0]));
    let stage = stage(&dns, &format!("\"dns:web.test:{}\"", fleet.port), "balance = \"round_robin\"");
    become_known(&stage, &fleet.servers(&[0]));
    let mut held = stage.client(Tls::V13);
    talks(&mut held);
    for indices in [&[0, 1][..], &[1], &[1, 2], &[0, 1, 2], &[2]] {
        dns.set("web.test", &fleet.records(indices));
        let known = fleet.servers(indices);
        become_known(&stage, &known);
        let found = format!("tlsgate_limits_servers_found{{backend=\"servers\"}} {}\n", indices.len());
        let metrics = stage.door().get("/metrics").body;
        assert!(metrics.contains(&found), "{found} is not in {metrics}");
        for _ in 0..4 {
            visit(&stage);
        }
        talks(&mut held);
    }
    let records = stage.proxy.records(20);
    assert!(records.iter().all(|record| record["outcome"] == "completed"), "{records:?}");
    let last: BTreeSet<_> = records[16..].iter().map(|record| record["backend.address"].as_str().unwrap()).collect();
    assert_eq!(last, BTreeSet::from([&*fleet.server(2)]));
    let line = stage.proxy.log_line("servers found");
    assert!(line.contains("source=dns:web.test:"), "{line}");
    // A removed server has no series any more.
    let gone = format!("server=\"{}\"", fleet.server(0));
    eventually("its series end", || (!stage.door().get("/metrics").body.contains(&gone)).then_some(()));
}

#[test]
fn what_was_found_stays_whatever_the_name_server_does() {
    let (dns, fleet) = (Dns::start(0), Fleet::new(2, 2));
    dns.set("web.test", &fleet.records(&[0, 1]));
    let stage = stage(&dns, &format!("\"dns:web.test:{}\"", fleet.port), "");
    become_known(&stage, &fleet.servers(&[0, 1]));
    for (mood, wanted) in [
        (Mood::ServFail, "Server Failure"),
        (Mood::NxDomain, "no address"),
        (Mood::Empty, "no address"),
        (Mood::Silent, ""),
    ] {
        dns.mood(mood);
        let reason = eventually("trouble is shown", || trouble(&stage));
        assert!(reason.contains(wanted), "{mood:?}: {reason}");
        assert_eq!(shown(&stage), fleet.servers(&[0, 1]), "{mood:?}");
        for _ in 0..4 {
            visit(&stage);
        }
        // It keeps asking.
        let asked = dns.asked();
        eventually("it asks again", || (dns.asked() > asked + 4).then_some(()));
        dns.mood(Mood::Good);
        eventually("trouble is over", || trouble(&stage).is_none().then_some(()));
    }
    stage.proxy.log_line("cannot be looked up, the servers found before stay in use");
}

#[test]
fn a_name_server_that_knows_no_ipv6_does_not_matter() {
    let (dns, fleet) = (Dns::start(1), Fleet::new(3, 1));
    dns.set("web.test", &fleet.records(&[0]));
    dns.mood(Mood::NoIpv6);
    let stage = stage(&dns, &format!("\"dns:web.test:{}\"", fleet.port), "");
    become_known(&stage, &fleet.servers(&[0]));
    visit(&stage);
    // The family that the name server answers for is followed; the other keeps its last addresses.
    dns.mood(Mood::Good);
    dns.set("web.test", &[Record::A(fleet.addresses[0]), Record::Aaaa("2001:db8::1".parse().unwrap())]);
    let both = BTreeSet::from([fleet.server(0), format!("[2001:db8::1]:{}", fleet.port)]);
    become_known(&stage, &both);
    dns.mood(Mood::NoIpv6);
    let asked = dns.asked();
    eventually("it asks again", || (dns.asked() > asked + 6).then_some(()));
    assert_eq!(shown(&stage), both);
}

#[test]
fn a_name_server_that_knows_no_edns_is_asked_without() {
    let (dns, fleet) = (Dns::start(1), Fleet::new(10, 1));
    dns.set("web.test", &fleet.records(&[0]));
    dns.mood(Mood::NoEdns);
    let stage = stage(&dns, &format!("\"dns:web.test:{}\"", fleet.port), "");
    become_known(&stage, &fleet.servers(&[0]));
    assert_eq!(trouble(&stage), None);
    visit(&stage);
}

#[test]
fn srv_records_with_port_0_are_left_out_and_warned_of_once() {
    let (dns, fleet) = (Dns::start(0), Fleet::new(11, 2));
    dns.set("a.test", &fleet.records(&[0]));
    dns.set("b.test", &fleet.records(&[1]));
    let service = |port, target| Record::Srv { priority: 1, weight: 1, port, target };
    dns.set("_ldap._tcp.corp.test", &[service(fleet.port, "a.test"), service(0, "b.test")]);
    let stage = stage(&dns, "\"srv:_ldap._tcp.corp.test\"", "");
    become_known(&stage, &fleet.servers(&[0]));
    let asked = dns.asked();
    eventually("it asks again", || (dns.asked() > asked + 12).then_some(()));
    assert_eq!(shown(&stage), fleet.servers(&[0]));
    let line = stage.proxy.log_line("SRV records with port 0 are ignored");
    assert!(line.contains("targets=b.test."), "{line}");
    assert_eq!(stage.proxy.log().matches("SRV records with port 0").count(), 1);
    // Without other servers, the last known ones stay, and the log gives the reason.
    dns.set("_ldap._tcp.corp.test", &[service(0, "b.test")]);
    let reason = eventually("trouble is shown", || trouble(&stage));
    assert!(reason.contains("port 0"), "{reason}");
    assert_eq!(shown(&stage), fleet.servers(&[0]));
}

#[test]
fn a_name_that_is_not_known_at_start_stops_nobody_and_is_found_later() {
    let (dns, fleet) = (Dns::start(1), Fleet::new(4, 1));
    let other = Backend::echo();
    let listener = format!(
        "[[listener]]\nname = \"other\"\nlisten = \"127.0.0.1:0\"\ncertificates = [\"certs\"]\nbackend = \"other\"\n\
         [backend.other]\nservers = \"{}\"\n",
        other.address
    );
    let top = resolver(&dns) + &listener;
    let stage = Stage::with(&top, &format!("\"dns:late.test:{}\"", fleet.port), "");
    let mut client = Client::silent(stage.proxy.address("other"), stage.config(Tls::V13), "main.test");
    client.handshake().unwrap();
    talks(&mut client);
    let mut refused = stage.client(Tls::V13);
    assert_eq!(refused.read_to_end(), (Vec::new(), Ending::Fin));
    let port = refused.close();
    let record = stage.proxy.record(|record| record["client.port"] == port);
    assert_eq!((&record["outcome"], &record["reason"]), (&"backend_unreachable".into(), &"no server is known".into()));
    dns.set("late.test", &fleet.records(&[0]));
    become_known(&stage, &fleet.servers(&[0]));
    visit(&stage);
}

#[test]
fn a_client_that_is_faster_than_the_name_server_waits_for_it() {
    let (dns, fleet) = (Dns::start(1), Fleet::new(5, 1));
    dns.set("web.test", &fleet.records(&[0]));
    dns.mood(Mood::Slow(Duration::from_millis(200)));
    let servers = format!("\"dns:web.test:{}\"", fleet.port);
    let stage = Stage::unready(&resolver(&dns), &servers, "");
    visit(&stage);
}

#[test]
fn two_hundred_records_are_two_hundred_servers() {
    let dns = Dns::start(1);
    let addresses: Vec<_> = (1..=200).map(|host| Ipv4Addr::new(127, 9, 200, host)).collect();
    let records: Vec<Record> = addresses.iter().copied().map(Record::A).collect();
    dns.set("many.test", &records);
    let stage = stage(&dns, "\"dns:many.test:1\"", "");
    become_known(&stage, &addresses.iter().map(|address| format!("{address}:1")).collect());
    // The records do not fit into one packet.
    assert!(dns.asked_over_tcp() > 0);
    // The same records in another order.
    let reversed: Vec<Record> = records.into_iter().rev().collect();
    dns.set("many.test", &reversed);
    let asked = dns.asked();
    eventually("it asks again", || (dns.asked() > asked + 4).then_some(()));
    let found = stage.proxy.log().lines().filter(|line| line.contains("servers found")).count();
    assert_eq!(found, 1, "{}", stage.proxy.log());
}

#[test]
fn srv_records_say_port_priority_and_weight() {
    let (dns, fleet) = (Dns::start(1), Fleet::new(6, 3));
    for (index, name) in ["a.test", "b.test", "c.test"].into_iter().enumerate() {
        dns.set(name, &fleet.records(&[index]));
    }
    let port = fleet.port;
    let service = |priority, weight, target| Record::Srv { priority, weight, port, target };
    let first = [service(10, 1, "a.test"), service(10, 3, "b.test"), service(20, 0, "c.test")];
    dns.set("_ldap._tcp.corp.test", &first);
    let stage = stage(&dns, "\"srv:_ldap._tcp.corp.test\"", "balance = \"round_robin\"");
    become_known(&stage, &fleet.servers(&[0, 1, 2]));
    let count = |records: &[Value]| {
        [0, 1, 2].map(|index| {
            let server = fleet.server(index);
            records.iter().filter(|record| record["backend.address"] == server).count()
        })
    };
    (0..8).for_each(|_| visit(&stage));
    assert_eq!(count(&stage.proxy.records(8)), [2, 6, 0]);
    // The next priority serves when the first one has been removed; a target of "." is no server.
    dns.set("_ldap._tcp.corp.test", &[service(20, 0, "c.test"), service(5, 0, ".")]);
    become_known(&stage, &fleet.servers(&[2]));
    (0..4).for_each(|_| visit(&stage));
    assert_eq!(count(&stage.proxy.records(12)[8..]), [0, 0, 4]);
    // A target whose addresses cannot be found keeps its last ones, next to the targets that can be found.
    dns.set("_ldap._tcp.corp.test", &[service(20, 0, "c.test"), service(20, 0, "none.test")]);
    let asked = dns.asked();
    eventually("it asks again", || (dns.asked() > asked + 12).then_some(()));
    assert_eq!(shown(&stage), fleet.servers(&[2]));
}

#[test]
fn records_that_come_and_go_lose_no_connection() {
    let (dns, fleet) = (Dns::start(0), Fleet::new(7, 3));
    dns.set("web.test", &fleet.records(&[0]));
    let health = "health = { type = \"tcp\", interval = \"50ms\" }\nbalance = \"round_robin\"";
    let stage = stage(&dns, &format!("\"dns:web.test:{}\"", fleet.port), health);
    become_known(&stage, &fleet.servers(&[0]));
    visit(&stage);
    let before = resident_kib(stage.proxy.pid());
    for round in 0..120 {
        dns.set("web.test", &fleet.records([&[0, 1][..], &[1, 2], &[2, 0], &[1]][round % 4]));
        dns.mood([Mood::Good, Mood::Good, Mood::ServFail][round % 3]);
        visit(&stage);
    }
    let records = stage.proxy.records(121);
    assert!(records.iter().all(|record| record["outcome"] == "completed"), "{records:?}");
    let log = stage.proxy.log();
    let lines = log.lines().filter(|line| line.contains("servers found") || line.contains("cannot be looked up"));
    assert!(lines.count() <= 12, "{}", stage.proxy.log());
    let after = resident_kib(stage.proxy.pid());
    assert!(after < before + 16 * 1024, "memory grew from {before} to {after} KiB");
    // A removed server is no longer checked.
    dns.mood(Mood::Good);
    dns.set("web.test", &fleet.records(&[1]));
    become_known(&stage, &fleet.servers(&[1]));
    let text = stage.door().get("/metrics").body;
    assert_eq!(text.lines().filter(|line| line.starts_with("tlsgate_backend_up{")).count(), 1, "{text}");
}

#[test]
fn the_shipped_configuration_for_containers_follows_them() {
    let container = |listener| {
        Backend::on(listener, |mut stream| {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte)?;
                request.extend_from_slice(&byte);
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
        })
    };
    let (dns, fleet) = (Dns::start(600), Fleet::of(9, 3, container));
    dns.set("web", &fleet.records(&[0, 1]));
    let mut config = include_str!("../../config/compose/tlsgate/tlsgate.toml").to_owned();
    for (shipped, here) in [
        ("listen = \"unix:/run/tlsgate/admin.sock\"", "listen=\"unix:admin.sock\"".to_owned()),
        ("probes = \"0.0.0.0:9901\"", "probes=\"127.0.0.1:0\"".to_owned()),
        ("listen = [\"0.0.0.0:8443\", \"[::]:8443\"]", "listen = \"127.0.0.1:0\"".to_owned()),
        ("dns:web:8080", format!("dns:web:{}", fleet.port)),
        ("max_ttl = \"5s\"", format!("max_ttl = \"1s\"\nnameservers = \"{}\"", dns.address)),
    ] {
        assert!(config.contains(shipped), "{shipped}");
        config = config.replace(shipped, &here);
    }
    let pki = certified();
    let proxy = Proxy::start(pki.folder(), &config);
    let door = Door::Unix(pki.folder().join("admin.sock"));
    let up = |indices: &[usize]| {
        let wanted = fleet.servers(indices);
        eventually(&format!("{wanted:?} are up"), || {
            let servers = door.get("/api/v1/backends").json()["backends"][0]["servers"].as_array()?.clone();
            let up = servers.iter().filter(|server| server["health"] == "up");
            (up.map(|server| server["address"].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>() == wanted)
                .then_some(())
        });
    };
    let clients = Arc::new(trusting(&pki.ca(), Tls::V13));
    let visit = || {
        let mut client = Client::silent(proxy.address("https"), &clients, NAME);
        client.handshake().unwrap();
        client.send(b"GET / HTTP/1.1\r\nHost: main.test\r\n\r\n").unwrap();
        let (answer, ending) = client.read_to_end();
        assert!(answer.ends_with(b"hello") && ending == Ending::CloseNotify, "{ending:?}");
    };
    for indices in [&[0, 1][..], &[0, 1, 2], &[2]] {
        dns.set("web", &fleet.records(indices));
        up(indices);
        (0..4).for_each(|_| visit());
    }
}

#[test]
fn a_reload_keeps_what_was_found() {
    let (dns, fleet) = (Dns::start(1), Fleet::new(8, 2));
    dns.set("web.test", &fleet.records(&[0, 1]));
    let servers = format!("\"dns:web.test:{}\"", fleet.port);
    let stage = stage(&dns, &servers, "");
    become_known(&stage, &fleet.servers(&[0, 1]));
    dns.mood(Mood::ServFail);
    eventually("trouble is shown", || trouble(&stage));
    stage.reload_with(&resolver(&dns), &servers, "connect_attempts = 1");
    assert_eq!(shown(&stage), fleet.servers(&[0, 1]));
    visit(&stage);
}
