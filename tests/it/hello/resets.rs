//! Hundreds of resets at each stage of a connection's life: nothing leaks, and nothing is logged as an error.

use std::io::Write;

use crate::support::backend::Backend;
use crate::support::client::{Client, Tls, reset};
use crate::support::procfs::{eventually, open_files};
use crate::support::stage::Stage;

#[test]
fn resets_at_every_stage_leave_nothing_behind() {
    let stage = Stage::plain(Backend::echo().address);
    stage.client(Tls::V13).close();
    let mut ended = 1;
    stage.proxy.records(ended);
    let before = open_files(stage.proxy.pid());
    let stages: [fn(Client) -> Client; 7] = [
        // After the connection is made.
        |client| client,
        // Within the hello.
        |mut client| {
            let hello = client.flight();
            client.tcp.write_all(&hello[..hello.len() / 2]).unwrap();
            client
        },
        // After the hello, possibly before the answer.
        |mut client| {
            let hello = client.flight();
            client.tcp.write_all(&hello).unwrap();
            client
        },
        // After a part of the answer is read.
        |mut client| {
            let hello = client.flight();
            client.tcp.write_all(&hello).unwrap();
            client.tls.read_tls(&mut client.tcp).unwrap();
            client
        },
        // After the handshake.
        |mut client| {
            client.handshake().unwrap();
            client
        },
        // While data is under way.
        |mut client| {
            client.handshake().unwrap();
            client.send(&[7; 50_000]).unwrap();
            client
        },
        // After the end of its data.
        |mut client| {
            client.handshake().unwrap();
            client.send(b"bye").unwrap();
            client.close_notify().unwrap();
            client
        },
    ];
    for up_to in stages {
        for round in 0..ROUNDS {
            reset(up_to(stage.silent(Tls::BOTH[round % 2])).tcp);
            ended += 1;
        }
    }
    // The kernel may drop a connection that is reset before it is accepted, so requiring all of them would be wrong.
    let seen = eventually("all connections have ended", || {
        (open_files(stage.proxy.pid()) <= before).then(|| stage.proxy.records(ended / 2))
    });
    assert!(seen.iter().all(|record| record["outcome"] != "internal_error"));
    let log = stage.proxy.log();
    assert!(!log.contains("ERROR") && !log.contains("panicked"), "{log}");
    let mut good = stage.client(Tls::V13);
    good.send(b"good").unwrap();
    assert_eq!(good.read_exact(4), b"good");
}

const ROUNDS: usize = 100;
