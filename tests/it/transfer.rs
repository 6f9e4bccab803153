//! Everything that goes in comes out: a gigabyte each way, through our own backends and others.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::path::Path;
use std::sync::Mutex;
use std::thread;

use aws_lc_rs::digest::{Context, SHA256};

use crate::support::backend::Backend;
use crate::support::by_hand::ByHand;
use crate::support::client::{Ending, RECORD, Tls, drain};
use crate::support::nginx::Nginx;
use crate::support::procfs::resident_kib;
use crate::support::stage::{NAME, Stage};
use crate::support::stream::{Stream, bytes};
use crate::support::tool;

mod slow;

#[test]
fn a_gigabyte_each_way_arrives_intact() {
    let backend = ByHand::new();
    let stage = Stage::plain(backend.address);
    for tls in Tls::BOTH {
        let (mut client, mut server) = stage.joined(&backend, tls);
        let before = resident_kib(stage.proxy.pid());
        // The backend answers when it has everything, so that each direction runs alone.
        let serving = thread::spawn(move || {
            assert_eq!(receive(Stream::new(1), |buffer| server.read(buffer).unwrap()), GIGABYTE, "to the backend");
            send(Stream::new(2), |piece| server.write_all(piece).unwrap());
            server.shutdown(Shutdown::Write).unwrap();
        });
        send(Stream::new(1), |piece| client.send(piece).unwrap());
        client.close_notify().unwrap();
        let mut ending = None;
        let received = receive(Stream::new(2), |buffer| {
            client.read(buffer).unwrap_or_else(|end| {
                ending = Some(end);
                0
            })
        });
        serving.join().unwrap();
        assert_eq!((received, ending), (GIGABYTE, Some(Ending::CloseNotify)), "to the client, {tls:?}");
        let port = client.close();
        let record = stage.proxy.record(|record| record["client.port"] == port);
        assert_eq!((&record["received_bytes"], &record["sent_bytes"]), (&GIGABYTE.into(), &GIGABYTE.into()));
        let grown = resident_kib(stage.proxy.pid()).saturating_sub(before);
        assert!(grown < 20 * 1024, "{grown} KiB");
    }
}

#[test]
fn both_directions_at_once_arrive_intact() {
    let stage = Stage::plain(Backend::echo().address);
    for tls in Tls::BOTH {
        let client = stage.client(tls);
        let (mut writing, mut reading) = (client.tcp.try_clone().unwrap(), client.tcp);
        let tls = Mutex::new(client.tls);
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut stream = Stream::new(3);
                for _ in 0..ECHOED / PIECE {
                    let mut flight = Vec::new();
                    {
                        let mut tls = tls.lock().unwrap();
                        tls.writer().write_all(stream.next(PIECE)).unwrap();
                        tls.write_tls(&mut flight).unwrap();
                    }
                    // Not under the lock: this call waits for the reader.
                    writing.write_all(&flight).unwrap();
                }
            });
            let (mut stream, mut received) = (Stream::new(3), 0);
            let (mut wire, mut plain) = (vec![0; RECORD], vec![0; 4 * RECORD]);
            while received < ECHOED {
                let count = reading.read(&mut wire).unwrap();
                assert_ne!(count, 0, "after {received} bytes");
                let mut tls = tls.lock().unwrap();
                let mut rest = &wire[..count];
                while !rest.is_empty() {
                    tls.read_tls(&mut rest).unwrap();
                    tls.process_new_packets().unwrap();
                    while let Ok(count) = tls.reader().read(&mut plain) {
                        stream.check(&plain[..count]);
                        received += count;
                    }
                }
            }
        });
    }
}

#[test]
fn messages_of_every_size_keep_their_order() {
    let backend = ByHand::new();
    let stage = Stage::plain(backend.address);
    // Around the sizes of records and buffers, where mistakes are most likely.
    let sizes = (1..200).chain([RECORD - 1, RECORD, RECORD + 1, 65_535, 65_536, 65_537, 131_072, 200_000]);
    for tls in Tls::BOTH {
        let (mut client, mut server) = stage.joined(&backend, tls);
        for size in sizes.clone() {
            let message = bytes(size);
            let (sending, mut answering) = (message.clone(), server.try_clone().unwrap());
            let writer = thread::spawn(move || answering.write_all(&sending).unwrap());
            assert!(client.read_exact(message.len()) == message, "{size} bytes to the client, {tls:?}");
            writer.join().unwrap();
            let expected = message.len();
            let mut reading = server.try_clone().unwrap();
            let reader = thread::spawn(move || {
                let mut read = vec![0; expected];
                reading.read_exact(&mut read).unwrap();
                read
            });
            client.send(&message).unwrap();
            assert!(reader.join().unwrap() == message, "{size} bytes to the backend, {tls:?}");
        }
        client.close_notify().unwrap();
        assert_eq!(drain(&mut server), (Vec::new(), Ending::Fin));
    }
}

#[test]
fn curl_gets_a_large_file_from_nginx_as_it_is_and_puts_it_back() {
    let nginx = Nginx::start();
    let stage = Stage::plain(nginx.address);
    let mut file = File::create(nginx.file("large")).unwrap();
    let mut stream = Stream::new(4);
    for _ in 0..FILE / PIECE {
        file.write_all(stream.next(PIECE)).unwrap();
    }
    drop(file);
    let original = sha256(&nginx.file("large"));
    let got = stage.pki.folder().join("got");
    let (ca, port) = (stage.pki.ca(), stage.address().port());
    let resolve = format!("{NAME}:{port}:127.0.0.1");
    let always = ["--silent", "--show-error", "--fail", "--resolve", &resolve, "--cacert", ca.to_str().unwrap()];
    let (from, to) = (format!("https://{NAME}:{port}/large"), format!("https://{NAME}:{port}/back"));
    for version in [&["--tlsv1.2", "--tls-max", "1.2"][..], &["--tlsv1.3"]] {
        for transfer in [["-o", got.to_str().unwrap(), &from], ["-T", got.to_str().unwrap(), &to]] {
            let output = tool::run("curl", &[&always[..], version, &transfer].concat(), b"");
            assert!(output.status.success(), "{transfer:?}: {}", tool::shown(&output));
        }
        assert_eq!(sha256(&got), original, "{version:?}");
        assert_eq!(sha256(&nginx.file("back")), original, "{version:?}");
        std::fs::remove_file(nginx.file("back")).unwrap();
    }
}

/// A gigabyte of the stream, piece by piece.
fn send(mut stream: Stream, mut write: impl FnMut(&[u8])) {
    for _ in 0..GIGABYTE / PIECE {
        write(stream.next(PIECE));
    }
}

/// Reads to the end and compares with the stream. Returns the number of bytes.
fn receive(mut stream: Stream, mut read: impl FnMut(&mut [u8]) -> usize) -> usize {
    let (mut buffer, mut received) = (vec![0; 4 * RECORD], 0);
    loop {
        let count = read(&mut buffer);
        if count == 0 {
            return received;
        }
        stream.check(&buffer[..count]);
        received += count;
    }
}

fn sha256(path: &Path) -> Vec<u8> {
    struct Digest(Context);
    impl Write for Digest {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.update(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut digest = Digest(Context::new(&SHA256));
    io::copy(&mut File::open(path).unwrap(), &mut digest).unwrap();
    digest.0.finish().as_ref().to_vec()
}

const GIGABYTE: usize = 1 << 30;
const ECHOED: usize = 64 << 20;
const FILE: usize = 256 << 20;
/// The largest piece that [`Stream::next`] returns.
const PIECE: usize = 64 * 1024;
