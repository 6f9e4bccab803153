//! The process is stopped for longer than connections may be silent, and goes on: that time does not count.

use std::thread;
use std::time::Duration;

use crate::support::by_hand::ByHand;
use crate::support::client::{Client, Tls};
use crate::support::stage::{Lines, Stage};

/// How long a connection may be silent.
const IDLE: Duration = Duration::from_secs(3);

#[test]
fn connections_are_not_cut_for_a_time_in_which_the_process_was_stopped() {
    let backend = ByHand::new();
    let lines = Lines {
        listener: "idle_timeout = \"3s\"\n\
                   route = [{ server_names = [\"through.test\"], mode = \"passthrough\" }]",
        ..Lines::default()
    };
    let stage = Stage::new(&[backend.address], lines);
    let mut terminated = Tls::BOTH.map(|tls| stage.joined(&backend, tls));
    let mut through = Client::silent(stage.address(), stage.config(Tls::V13), "through.test");
    let hello = through.flight();
    std::io::Write::write_all(&mut through.tcp, &hello).unwrap();
    let mut server = backend.accept();
    std::io::Read::read_exact(&mut server, &mut vec![0; hello.len()]).unwrap();

    stage.proxy.signal("STOP");
    // What is tested is that this time passes while nothing runs.
    thread::sleep(IDLE * 2);
    stage.proxy.signal("CONT");
    // Served: so it runs again, and has had the time to cut the others.
    let newcomer = stage.joined(&backend, Tls::V13);
    for (client, server) in &mut terminated {
        client.send(b"ping").unwrap();
        let mut came = [0; 4];
        std::io::Read::read_exact(server, &mut came).unwrap();
        assert_eq!(&came, b"ping");
        std::io::Write::write_all(server, b"pong").unwrap();
        assert_eq!(client.read_exact(4), b"pong");
    }
    std::io::Write::write_all(&mut server, b"pong").unwrap();
    let mut came = [0; 4];
    std::io::Read::read_exact(&mut through.tcp, &mut came).unwrap();
    assert_eq!(&came, b"pong");
    // The limit itself still holds.
    let port = newcomer.0.port();
    assert_eq!(stage.outcome(port), "idle_timeout");
}

#[test]
fn no_server_goes_down_for_a_time_in_which_the_process_was_stopped() {
    let server = ByHand::new();
    let health = "health = { type = \"tls\", verify = false, fall = 1, timeout = \"3s\", interval = \"50ms\" }";
    let stage = Stage::of(&format!("\"{}\"", server.address), health);
    // The check has said what it wants, and waits.
    let mut checked = server.accept();
    std::io::Read::read_exact(&mut checked, &mut [0]).unwrap();
    stage.proxy.signal("STOP");
    thread::sleep(IDLE * 2);
    stage.proxy.signal("CONT");
    // The next one: so the first one has ended.
    let _next = server.accept();
    let shown = stage.door().get("/api/v1/backends").json()["backends"][0]["servers"][0].clone();
    assert_eq!(shown["health"], "unknown", "{shown}");
}
