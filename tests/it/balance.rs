//! How connections are spread over the servers of a backend, and how an operator can change that while tlsgate runs.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};

use crate::support::backend::Backend;
use crate::support::by_hand::ByHand;
use crate::support::client::{Client, Ending, Tls, connect, patient};
use crate::support::http::Door;
use crate::support::procfs::eventually;
use crate::support::proxy::Proxy;
use crate::support::stage::{NAME, Stage};

const JSON: (&str, &str) = ("Content-Type", "application/json");

fn names(servers: &[SocketAddr]) -> String {
    servers.iter().map(|server| format!("\"{server}\"")).collect::<Vec<_>>().join(", ")
}

/// Sends a few bytes and reads the echo; the connection stays open.
fn talks(client: &mut Client) {
    client.send(b"hello").unwrap();
    assert_eq!(client.read_exact(5), b"hello");
}

fn ends(mut client: Client) {
    client.close_notify().unwrap();
    assert_eq!(client.read_to_end(), (Vec::new(), Ending::CloseNotify));
}

/// The number of records for each server; every connection must have succeeded.
fn reached(records: &[Value]) -> HashMap<&str, usize> {
    let mut counts = HashMap::new();
    for record in records {
        assert_eq!(record["outcome"], "completed", "{record}");
        *counts.entry(record["backend.address"].as_str().unwrap()).or_default() += 1;
    }
    counts
}

fn servers(stage: &Stage) -> Vec<Value> {
    let backends = stage.door().get("/api/v1/backends").json();
    backends["backends"][0]["servers"].as_array().unwrap().clone()
}

fn set_state(stage: &Stage, server: SocketAddr, state: &str) -> Value {
    let path = format!("/api/v1/backends/servers/{server}/state");
    let answer = stage.door().ask("PUT", &path, &[JSON], &json!({ "state": state }).to_string());
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// A client from that address.
fn from(stage: &Stage, ip: Ipv4Addr) -> Client {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((ip, 0)).into()).unwrap();
    socket.connect(&stage.address().into()).unwrap();
    let tcp = TcpStream::from(socket);
    patient(&tcp);
    let mut client = Client::on(tcp, stage.config(Tls::V13), NAME);
    client.handshake().unwrap();
    client
}

#[test]
fn connections_are_spread_by_weight() {
    let backends = [Backend::echo(), Backend::echo(), Backend::echo()];
    let [one, two, five] = [0, 1, 2].map(|index| backends[index].address);
    let servers = format!("\"{one}\", {{ address = \"{two}\", weight = 2 }}, {{ address = \"{five}\", weight = 5 }}");
    for balance in ["round_robin", "least_connections"] {
        let stage = Stage::of(&servers, &format!("balance = \"{balance}\""));
        let open: Vec<Client> = (0..160)
            .map(|round| {
                let mut client = stage.client(Tls::BOTH[round % 2]);
                talks(&mut client);
                client
            })
            .collect();
        let shown = self::servers(&stage);
        let active: Vec<_> = shown.iter().map(|server| server["connections_active"].as_u64().unwrap()).collect();
        assert_eq!(active, [20, 40, 100], "{balance}: {shown:#?}");
        open.into_iter().for_each(ends);
        let records = stage.proxy.records(160);
        let counts = reached(&records);
        assert_eq!([one, two, five].map(|server| counts[&*server.to_string()]), [20, 40, 100], "{balance}");
        eventually("no connection is counted any more", || {
            self::servers(&stage).iter().all(|server| server["connections_active"] == 0).then_some(())
        });
    }
}

#[test]
fn ten_thousand_connections_are_spread_within_two_percent_of_the_weights() {
    const CONNECTIONS: usize = 10_000;
    const TOGETHER: usize = 1_000;
    let hello = fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/hellos/openssl.bin")).unwrap();
    for balance in ["round_robin", "least_connections", "random_two"] {
        let counts: [Arc<AtomicUsize>; 3] = Default::default();
        let servers: Vec<String> = [1, 2, 5]
            .iter()
            .zip(&counts)
            .map(|(weight, count)| {
                let count = Arc::clone(count);
                let backend = Backend::start(move |mut stream| {
                    count.fetch_add(1, Ordering::Relaxed);
                    stream.write_all(b"!")?;
                    io::copy(&mut stream, &mut io::sink())
                });
                format!("{{ address = \"{}\", weight = {weight} }}", backend.address)
            })
            .collect();
        // Without TLS to the backend, so that spreading takes most of the time.
        let text = format!(
            "[admin]\nlisten=\"unix:admin.sock\"\n[log]\naccess = \"off\"\n[[listener]]\nname = \"main\"\nlisten = \"127.0.0.1:0\"\nmode = \"passthrough\"\n\
             backend = \"servers\"\n[backend.servers]\nservers = [{}]\nbalance = \"{balance}\"\n",
            servers.join(", ")
        );
        let folder = tempfile::tempdir().unwrap();
        let proxy = Proxy::start(folder.path(), &text);
        let (address, door) = (proxy.address("main"), Door::Unix(folder.path().join("admin.sock")));
        // A balance by load needs load: a thousand connections are open together.
        for _ in 0..CONNECTIONS / TOGETHER {
            let open: Vec<TcpStream> = (0..TOGETHER)
                .map(|_| {
                    let mut client = connect(address);
                    client.write_all(&hello).unwrap();
                    client.read_exact(&mut [0]).unwrap();
                    client
                })
                .collect();
            drop(open);
            eventually("all are over", || (door.get("/api/v1/status").json()["connections_active"] == 0).then_some(()));
        }
        let counts = counts.map(|count| count.load(Ordering::Relaxed));
        assert_eq!(counts.iter().sum::<usize>(), CONNECTIONS);
        for (count, weight) in counts.iter().zip([1, 2, 5]) {
            let off = count.abs_diff(CONNECTIONS * weight / 8);
            assert!(off <= CONNECTIONS / 50, "{balance}: {counts:?} for weights 1, 2 and 5");
        }
        println!("{balance}: {counts:?} for weights 1, 2 and 5");
    }
}

#[test]
fn a_clients_address_leads_to_one_server_and_moves_only_when_that_one_leaves() {
    let backends: Vec<Backend> = (0..4).map(|_| Backend::echo()).collect();
    let all: Vec<SocketAddr> = backends.iter().map(|backend| backend.address).collect();
    let stage = Stage::of(&names(&all), "balance = \"source_ip\"");
    let clients: Vec<Ipv4Addr> = (1..=40).map(|number| Ipv4Addr::new(127, 0, 9, number)).collect();
    let mut known = 0;
    let mut place = |ip: &Ipv4Addr| {
        let mut client = from(&stage, *ip);
        talks(&mut client);
        ends(client);
        known += 1;
        let record = stage.proxy.records(known)[known - 1].clone();
        assert_eq!(record["client.address"], ip.to_string());
        record["backend.address"].as_str().unwrap().to_owned()
    };
    let before: Vec<String> = clients.iter().map(&mut place).collect();
    let again: Vec<String> = clients.iter().map(&mut place).collect();
    assert_eq!(before, again);
    set_state(&stage, all[0], "drain");
    let without: Vec<String> = clients.iter().map(&mut place).collect();
    let gone = all[0].to_string();
    for (was, is) in before.iter().zip(&without) {
        assert!(*is != gone && (is == was || *was == gone), "moved from {was} to {is} when {gone} left");
    }
    assert!(before.contains(&gone), "no client used the server that left");
    set_state(&stage, all[0], "ready");
    assert_eq!(clients.iter().map(&mut place).collect::<Vec<_>>(), before);
}

#[test]
fn a_server_never_has_more_than_its_limit_and_clients_beyond_it_are_refused() {
    let backends = [Backend::echo(), Backend::echo()];
    let [small, large] = [0, 1].map(|index| backends[index].address);
    let servers =
        format!("{{ address = \"{small}\", max_connections = 2 }}, {{ address = \"{large}\", max_connections = 5 }}");
    let stage = Stage::of(&servers, "balance = \"round_robin\"");
    let mut open: Vec<Client> = (0..7)
        .map(|_| {
            let mut client = stage.client(Tls::V13);
            talks(&mut client);
            client
        })
        .collect();
    let active: Vec<_> = self::servers(&stage).iter().map(|server| server["connections_active"].clone()).collect();
    assert_eq!(active, [2, 5]);
    let mut refused = stage.client(Tls::V13);
    assert_eq!(refused.read_to_end(), (Vec::new(), Ending::Fin));
    let port = refused.close();
    let record = stage.proxy.record(|record| record["client.port"] == port);
    assert_eq!(record["outcome"], "backend_full");
    assert_eq!(record["reason"], "every server has max_connections");
    ends(open.remove(0));
    stage.proxy.record(|record| record["outcome"] == "completed");
    talks(&mut stage.client(Tls::V13));
    open.iter_mut().for_each(talks);
}

#[test]
fn a_backup_serves_while_the_others_cannot() {
    let (backup, first) = (Backend::echo(), ByHand::new());
    let servers = format!("\"{}\", {{ address = \"{}\", backup = true }}", first.address, backup.address);
    let stage = Stage::of(&servers, "");
    let (client, server) = stage.joined(&first, Tls::V13);
    drop((first, client, server));
    for _ in 0..5 {
        let mut client = stage.client(Tls::V13);
        talks(&mut client);
    }
}

#[test]
fn a_server_is_drained_taken_out_and_put_back_while_it_runs() {
    let backends = [Backend::echo(), Backend::echo()];
    let [one, other] = [0, 1].map(|index| backends[index].address);
    let stage = Stage::of(&names(&[one, other]), "balance = \"round_robin\"");
    let mut held = [stage.client(Tls::V13), stage.client(Tls::V12)];
    held.iter_mut().for_each(talks);
    for (state, was) in [("drain", "ready"), ("maint", "drain")] {
        let changed = set_state(&stage, one, state);
        assert_eq!((&changed["was"], &changed["server"]["state"]), (&json!(was), &json!(state)));
        assert_eq!(changed["server"]["connections_active"], 1);
        for _ in 0..4 {
            let mut client = stage.client(Tls::V13);
            talks(&mut client);
            ends(client);
        }
        held.iter_mut().for_each(talks);
        // The state belongs to the server and not to the configuration: a reload leaves it as it is.
        stage.reload(&names(&[other, one]), &format!("balance = \"round_robin\"\nconnect_attempts = {}", state.len()));
        let shown = self::servers(&stage);
        assert_eq!((&shown[1]["address"], &shown[1]["state"]), (&json!(one.to_string()), &json!(state)));
        assert_eq!(shown[1]["connections_active"], 1);
    }
    let records = stage.proxy.records(8);
    assert_eq!(reached(&records), HashMap::from([(&*other.to_string(), 8)]));
    set_state(&stage, one, "ready");
    held.into_iter().for_each(ends);
    for _ in 0..4 {
        let mut client = stage.client(Tls::V13);
        talks(&mut client);
        ends(client);
    }
    assert_eq!(reached(&stage.proxy.records(14))[&*one.to_string()], 3);
    stage.proxy.log_line("changed through the admin API backend=\"servers\"");
}

#[test]
fn with_every_server_taken_out_clients_are_refused() {
    let backend = Backend::echo();
    for state in ["drain", "maint"] {
        let stage = Stage::of(&names(&[backend.address]), "when_all_down = \"any\"");
        set_state(&stage, backend.address, state);
        let mut client = stage.client(Tls::V13);
        assert_eq!(client.read_to_end(), (Vec::new(), Ending::Fin));
        let record = &stage.proxy.records(1)[0];
        assert_eq!(record["outcome"], "backend_unreachable");
        assert_eq!(record["reason"], "every server is down or taken out of service");
    }
}

#[test]
fn connections_of_a_server_that_is_taken_out_are_kept_or_cut_as_configured() {
    let backends = [ByHand::new(), ByHand::new()];
    for (on_down, cut) in [("keep", false), ("close", true)] {
        let servers = names(&backends.each_ref().map(|backend| backend.address));
        let stage = Stage::of(&servers, &format!("balance = \"first\"\non_down = \"{on_down}\""));
        let (mut client, mut server) = stage.joined(&backends[0], Tls::V13);
        set_state(&stage, backends[0].address, "drain");
        std::io::Write::write_all(&mut server, b"still").unwrap();
        assert_eq!(client.read_exact(5), b"still");
        set_state(&stage, backends[0].address, "maint");
        if cut {
            assert_eq!(client.read_to_end(), (Vec::new(), Ending::Fin));
            assert_eq!(crate::support::client::drain(&mut server), (Vec::new(), Ending::Reset));
            assert_eq!(stage.outcome(client.port()), "backend_down");
        } else {
            std::io::Write::write_all(&mut server, b"still").unwrap();
            assert_eq!(client.read_exact(5), b"still");
        }
    }
}

#[test]
fn a_state_that_cannot_be_set_is_refused_with_the_reason() {
    let backend = Backend::echo();
    let stage = Stage::of(&names(&[backend.address]), "");
    let right = format!("/api/v1/backends/servers/{}/state", backend.address);
    let ready = "{\"state\":\"drain\"}";
    let cases: &[(&str, &[(&str, &str)], &str, u16)] = &[
        (&right, &[JSON], "{\"state\":\"off\"}", 400),
        (&right, &[JSON], "{\"state\":\"drain\",\"more\":1}", 400),
        (&right, &[JSON], "drain", 400),
        (&right, &[JSON], "", 400),
        (&right, &[], ready, 415),
        ("/api/v1/backends/none/127.0.0.1:1/state", &[JSON], ready, 404),
        ("/api/v1/backends/servers/127.0.0.1:1/state", &[JSON], ready, 404),
        ("/api/v1/backends/servers/state", &[JSON], ready, 404),
    ];
    for (path, headers, body, status) in cases {
        let answer = stage.door().ask("PUT", path, headers, body);
        assert_eq!(answer.status, *status, "{path} {body}: {answer:?}");
        assert!(!answer.error().is_empty());
    }
    assert_eq!(stage.door().get(&right).status, 405);
    assert_eq!(servers(&stage)[0]["state"], "ready");
}
