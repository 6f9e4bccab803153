//! A ClientHello counts in whatever form it arrives: in pieces of any size, in records of any size, with any content.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;

use crate::support::backend::Backend;
use crate::support::client::{Client, Ending, Tls, trusting};
use crate::support::hello::{message, records};
use crate::support::proxy::{PROGRAM, Proxy};
use crate::support::stage::{Lines, NAME, Stage, certified, config};

mod first;
mod names;
mod refused;
mod resets;
mod slow;

#[test]
fn a_hello_in_one_byte_segments_is_understood() {
    let stage = Stage::plain(Backend::echo().address);
    for tls in Tls::BOTH {
        let mut client = stage.silent(tls);
        for byte in client.flight() {
            client.tcp.write_all(&[byte]).unwrap();
        }
        is_served(&mut client);
    }
}

#[test]
fn a_hello_in_one_byte_segments_costs_a_few_system_calls_for_each() {
    let pki = certified();
    let (path, calls) = (pki.folder().join("tlsgate.toml"), pki.folder().join("calls"));
    let lines = Lines { top: "[runtime]\nworkers = 1\n", ..Lines::default() };
    fs::write(&path, config(&[Backend::echo().address], lines)).unwrap();
    let mut command = Command::new("strace");
    // With -D the program is the child, and strace its grandchild. -ff: one file for each thread.
    command.args(["-D", "-ff", "-qqq", "-o"]).arg(&calls).arg(PROGRAM).args(["run", "-c"]).arg(&path);
    command.stdin(Stdio::null());
    let proxy = Proxy::spawn(command, 1).unwrap();
    let trust = trusting(&pki.ca(), Tls::V13).into();
    // The system calls so far, of all threads.
    let made = || {
        let files = fs::read_dir(pki.folder()).unwrap().map(|entry| entry.unwrap().path());
        let calls = files.filter(|file| file.file_stem().is_some_and(|stem| stem == "calls"));
        calls.map(|file| fs::read_to_string(file).unwrap().lines().count()).sum::<usize>()
    };
    let mut client = Client::silent(proxy.address("main"), &trust, NAME);
    let flight = client.flight();
    let before = made();
    for byte in &flight {
        client.tcp.write_all(&[*byte]).unwrap();
    }
    is_served(&mut client);
    let each = (made() - before) / flight.len();
    assert!(each <= 6, "{each} system calls for each byte of {}", flight.len());
}

#[test]
fn a_hello_in_two_segments_is_understood_wherever_it_is_cut() {
    let stage = Stage::plain(Backend::echo().address);
    for tls in Tls::BOTH {
        let length = stage.silent(tls).flight().len();
        // Inside the headers of the record and of the message, and at some places after them.
        for cut in (1..12).chain((12..length).step_by(29)).chain([length - 1]) {
            let mut client = stage.silent(tls);
            let hello = client.flight();
            client.tcp.write_all(&hello[..cut]).unwrap();
            client.tcp.write_all(&hello[cut..]).unwrap();
            is_served(&mut client);
        }
    }
}

#[test]
fn a_hello_in_several_records_is_understood() {
    let stage = Stage::plain(Backend::echo().address);
    for tls in Tls::BOTH {
        for size in [1, 2, 3, 4, 5, 16, 100, 255] {
            let mut client = stage.silent(tls);
            let hello = message(&client.flight());
            client.tcp.write_all(&records(&hello, size)).unwrap();
            is_served(&mut client);
        }
    }
}

#[test]
fn a_hello_in_one_byte_records_and_one_byte_segments_is_understood() {
    let stage = Stage::plain(Backend::echo().address);
    for tls in Tls::BOTH {
        let mut client = stage.silent(tls);
        let hello = message(&client.flight());
        for byte in records(&hello, 1) {
            client.tcp.write_all(&[byte]).unwrap();
        }
        is_served(&mut client);
    }
}

#[test]
fn a_hello_of_sixty_kilobytes_is_understood() {
    let stage = Stage::plain(Backend::echo().address);
    for tls in Tls::BOTH {
        let mut config = trusting(&stage.pki.ca(), tls);
        // Padding that any TLS library can send.
        config.alpn_protocols = vec![vec![b'x'; 255]; 234];
        let mut client = Client::silent(stage.address(), &Arc::new(config), NAME);
        let hello = client.flight();
        assert!((60_000..64 * 1024).contains(&hello.len()), "{} bytes", hello.len());
        client.tcp.write_all(&hello).unwrap();
        is_served(&mut client);
    }
}

fn is_served(client: &mut Client) {
    client.handshake().unwrap();
    client.send(b"hello").unwrap();
    client.close_notify().unwrap();
    assert_eq!(client.read_to_end(), (b"hello".to_vec(), Ending::CloseNotify));
}
