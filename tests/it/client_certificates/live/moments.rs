//! Whatever a connection does in the moment in which its client is revoked: it leaves.

use std::io::{Read, Write};
use std::time::Instant;

use rustls::AlertDescription as Alert;

use super::{ALICE, BOB, Joined, SOON, STRICT, Scene};
use crate::support::client::{Client, Ending, Tls, drain};
use crate::support::stage::NAME;
use crate::support::stream::bytes;

const REVOKED: &str = "client_certificate_revoked";

#[test]
fn a_handshake_that_began_before_the_swap_is_judged_after_it() {
    let scene = Scene::new(STRICT);
    let alice = scene.issue("alice", ALICE);
    for tls in Tls::BOTH {
        scene.revoke(&[]);
        let mut client = Client::silent(scene.proxy.address("main"), &scene.config(tls, Some(&alice)), NAME);
        let hello = client.flight();
        client.tcp.write_all(&hello).unwrap();
        // The server's flight, and with it the old list's connection, is there.
        client.tls.read_tls(&mut client.tcp).unwrap();
        scene.revoke(&[ALICE]);
        let swapped = Instant::now();
        client.tls.process_new_packets().unwrap();
        // In TLS 1.2, the alert can come before the handshake is complete for the client, which is one with it then.
        let ended =
            client.handshake().map_or_else(|error| error.to_string(), |()| format!("{:?}", client.read_to_end().1));
        assert!(ended.contains("CertificateRevoked"), "{tls:?}: {ended}");
        assert!(swapped.elapsed() < SOON, "{:?}", swapped.elapsed());
        let mut server = scene.backend.accept();
        assert_eq!(drain(&mut server), (Vec::new(), Ending::Reset), "{tls:?}");
        let port = client.close();
        assert_eq!(scene.proxy.record(|record| record["client.port"] == port)["outcome"], REVOKED);
    }
}

#[test]
fn one_whose_server_does_not_answer_yet_leaves_with_the_alert() {
    let scene = Scene::with(STRICT, "", "[backend.servers.tls]\nca = \"client-ca.pem\"\nserver_name = \"main.test\"\n");
    let alice = scene.issue("alice", ALICE);
    for tls in Tls::BOTH {
        scene.revoke(&[]);
        let mut client = Client::silent(scene.proxy.address("main"), &scene.config(tls, Some(&alice)), NAME);
        client.handshake().unwrap();
        // It waits for this one's ServerHello.
        let mut server = scene.backend.accept();
        server.read_exact(&mut [0; 5]).unwrap();
        scene.revoke(&[ALICE]);
        let swapped = Instant::now();
        assert_eq!(client.read_to_end(), (Vec::new(), Ending::Alert(Alert::CertificateRevoked)), "{tls:?}");
        assert!(swapped.elapsed() < SOON, "{:?}", swapped.elapsed());
        let port = client.close();
        assert_eq!(scene.proxy.record(|record| record["client.port"] == port)["outcome"], REVOKED);
    }
}

#[test]
fn what_was_encrypted_already_comes_before_the_alert() {
    let scene = Scene::new(STRICT);
    let alice = scene.issue("alice", ALICE);
    let part = bytes(1 << 20);
    for tls in Tls::BOTH {
        scene.revoke(&[]);
        let Joined { mut client, mut server } = scene.join(tls, Some(&alice));
        let sent = part.clone();
        // More than the kernel keeps, and more than the client can read until it is judged: a record is half written then.
        let sending = std::thread::spawn(move || ((0..4096).any(|_| server.write_all(&sent).is_err()), server));
        let first = client.read_exact(100_000);
        scene.revoke(&[ALICE]);
        let (rest, ending) = client.read_to_end();
        assert_eq!(ending, Ending::Alert(Alert::CertificateRevoked), "{tls:?}");
        let received = [first, rest].concat();
        assert!(received.chunks(part.len()).all(|one| part.starts_with(one)), "{} bytes", received.len());
        assert!(sending.join().unwrap().0, "it was not cut");
        let port = client.close();
        assert_eq!(scene.proxy.record(|record| record["client.port"] == port)["outcome"], REVOKED);
    }
}

#[test]
fn one_that_knows_of_the_end_already_is_reset() {
    let scene = Scene::new(STRICT);
    let alice = scene.issue("alice", ALICE);
    for tls in Tls::BOTH {
        scene.revoke(&[]);
        let Joined { mut client, mut server } = scene.join(tls, Some(&alice));
        server.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(client.read_to_end().1, Ending::CloseNotify);
        // It may still send.
        client.send(b"more").unwrap();
        server.read_exact(&mut [0; 4]).unwrap();
        scene.revoke(&[ALICE]);
        assert_eq!(drain(&mut server), (Vec::new(), Ending::Reset), "{tls:?}");
        let port = client.port();
        assert_eq!(scene.proxy.record(|record| record["client.port"] == port)["outcome"], REVOKED);
    }
}

#[test]
fn one_that_sends_without_pause_is_cut_and_its_server_sees_a_reset() {
    let scene = Scene::new(STRICT);
    let (alice, bob) = (scene.issue("alice", ALICE), scene.issue("bob", BOB));
    let mut other = scene.join(Tls::V13, Some(&bob));
    for tls in Tls::BOTH {
        scene.revoke(&[]);
        let Joined { mut client, mut server } = scene.join(tls, Some(&alice));
        let port = client.port();
        let taking = std::thread::spawn(move || drain(&mut server).1);
        let sending = std::thread::spawn(move || while client.send(&[7; 16_000]).is_ok() {});
        scene.revoke(&[ALICE]);
        let swapped = Instant::now();
        assert_eq!(taking.join().unwrap(), Ending::Reset, "{tls:?}");
        assert!(swapped.elapsed() < SOON, "{:?}", swapped.elapsed());
        sending.join().unwrap();
        assert_eq!(scene.proxy.record(|record| record["client.port"] == port)["outcome"], REVOKED);
    }
    other.speak();
}

/// A connection of one client more or less does not matter to the others, and a thousand are over as soon as one.
#[test]
fn hundreds_with_the_same_certificate_leave_together() {
    let scene = Scene::new(STRICT);
    let (alice, bob) = (scene.issue("alice", ALICE), scene.issue("bob", BOB));
    let config = scene.config(Tls::V13, Some(&alice));
    let mut other = scene.join(Tls::V13, Some(&bob));
    let all: Vec<Joined> = (0..300).map(|_| scene.join_with(&config)).collect();
    scene.revoke(&[ALICE]);
    let swapped = Instant::now();
    for mut joined in all {
        assert_eq!(joined.client.read_to_end(), (Vec::new(), Ending::Alert(Alert::CertificateRevoked)));
    }
    assert!(swapped.elapsed() < SOON, "{:?}", swapped.elapsed());
    other.speak();
}
