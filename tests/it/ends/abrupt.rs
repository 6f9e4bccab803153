//! Ends that are not orderly: truncation and resets are passed on as what they are.

use std::io::{Read, Write};
use std::thread;

use crate::support::by_hand::{ByHand, Refusing};
use crate::support::client::{Client, Ending, Tls, drain, reset};
use crate::support::procfs::queued;
use crate::support::stage::Stage;
use crate::support::stream::bytes;

#[test]
fn a_client_that_ends_without_close_notify_has_its_data_delivered_and_the_backend_reset() {
    let backend = ByHand::new();
    let stage = Stage::plain(backend.address);
    for tls in Tls::BOTH {
        for size in [0, 10, 4 << 20] {
            let sent = bytes(size);
            let (mut client, mut server) = stage.joined(&backend, tls);
            let port = client.port();
            let reader = thread::spawn(move || drain(&mut server));
            client.send(&sent).unwrap();
            client.fin();
            let (read, ending) = reader.join().unwrap();
            assert!(read == sent, "{} bytes of {size}", read.len());
            assert_eq!(ending, Ending::Reset, "{tls:?}, {size} bytes");
            assert_eq!(stage.outcome(port), "client_truncated", "{tls:?}, {size} bytes");
        }
    }
}

#[test]
fn a_truncated_client_has_its_data_delivered_to_a_backend_that_reads_late() {
    let backend = ByHand::new();
    let stage = Stage::plain(backend.address);
    let sent = bytes(4 << 20);
    for tls in Tls::BOTH {
        let (mut client, mut server) = stage.joined(&backend, tls);
        let sending = sent.clone();
        let writer = thread::spawn(move || {
            client.send(&sending).unwrap();
            client.fin();
            client
        });
        // The backend reads nothing before the client has ended, or can send no more.
        let stalled = |writer: &thread::JoinHandle<Client>| writer.is_finished() || queued(&server).unread > (1 << 16);
        while !stalled(&writer) {
            thread::yield_now();
        }
        let (read, ending) = drain(&mut server);
        assert!(read == sent, "{} bytes of {}", read.len(), sent.len());
        assert_eq!(ending, Ending::Reset, "{tls:?}");
        writer.join().unwrap();
    }
}

#[test]
fn a_client_that_resets_resets_the_backend() {
    let backend = ByHand::new();
    let stage = Stage::plain(backend.address);
    for tls in Tls::BOTH {
        let (mut client, mut server) = stage.joined(&backend, tls);
        client.send(b"delivered").unwrap();
        let mut read = [0; 9];
        server.read_exact(&mut read).unwrap();
        let port = client.reset();
        assert_eq!(drain(&mut server), (Vec::new(), Ending::Reset), "{tls:?}");
        assert_eq!(stage.outcome(port), "client_reset", "{tls:?}");
    }
}

#[test]
fn a_client_that_resets_during_a_transfer_is_distinguished_from_one_that_ends() {
    let backend = ByHand::new();
    let stage = Stage::plain(backend.address);
    for round in 0..20 {
        let (mut client, mut server) = stage.joined(&backend, Tls::BOTH[round % 2]);
        let writer = thread::spawn(move || while server.write_all(&[7; 10_000]).is_ok() {});
        client.read_exact(200_000);
        let port = client.reset();
        writer.join().unwrap();
        assert_eq!(stage.outcome(port), "client_reset", "round {round}");
    }
}

#[test]
fn a_backend_that_resets_leaves_the_client_with_what_came_and_no_close_notify() {
    let backend = ByHand::new();
    let stage = Stage::plain(backend.address);
    for tls in Tls::BOTH {
        for size in [0, 10, 100_000] {
            let sent = bytes(size);
            let (mut client, mut server) = stage.joined(&backend, tls);
            // A reset before the first byte would be one while connecting.
            client.send(b"?").unwrap();
            server.read_exact(&mut [0]).unwrap();
            server.write_all(&sent).unwrap();
            // Data that the kernel has not sent before a reset is lost.
            while queued(&server).unsent > 0 {
                thread::yield_now();
            }
            reset(server);
            let (read, ending) = client.read_to_end();
            assert!(read == sent, "{} bytes of {size}", read.len());
            assert_eq!(ending, Ending::Fin, "{tls:?}, {size} bytes");
            assert_eq!(stage.outcome(client.close()), "backend_reset", "{tls:?}, {size} bytes");
        }
    }
}

#[test]
fn a_backend_that_resets_during_a_transfer_is_no_end_for_the_client() {
    let backend = ByHand::new();
    let stage = Stage::plain(backend.address);
    for round in 0..20 {
        let (mut client, mut server) = stage.joined(&backend, Tls::BOTH[round % 2]);
        server.write_all(b"so far").unwrap();
        assert_eq!(client.read_exact(6), b"so far");
        let reader = thread::spawn(move || {
            server.read_exact(&mut vec![0; 100_000]).unwrap();
            reset(server);
        });
        while client.send(&[7; 10_000]).is_ok() {}
        reader.join().unwrap();
        let (read, ending) = client.read_to_end();
        assert!(read.is_empty() && ending != Ending::CloseNotify, "{ending:?} in round {round}");
        assert_eq!(stage.outcome(client.close()), "backend_reset", "round {round}");
    }
}

#[test]
fn without_a_backend_the_client_is_closed_without_close_notify() {
    let nobody = Refusing::new();
    let stage = Stage::plain(nobody.address);
    for tls in Tls::BOTH {
        for question in [&b""[..], b"question"] {
            let mut client = stage.client(tls);
            client.send(question).unwrap();
            assert_eq!(client.read_to_end(), (Vec::new(), Ending::Fin), "{tls:?}");
            assert_eq!(stage.outcome(client.close()), "backend_unreachable");
        }
    }
}

#[test]
fn a_client_that_goes_away_after_its_end_is_not_waited_for() {
    let backend = ByHand::new();
    let stage = Stage::plain(backend.address);
    for tls in Tls::BOTH {
        let (mut client, mut server) = stage.joined(&backend, tls);
        client.close_notify().unwrap();
        assert_eq!(drain(&mut server), (Vec::new(), Ending::Fin), "{tls:?}");
        assert_eq!(stage.outcome(client.reset()), "client_reset", "{tls:?}");
    }
}
