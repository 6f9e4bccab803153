//! A log that accepts no more lines never holds up traffic.

use std::fs;
use std::io::BufRead;
use std::sync::mpsc::channel;
use std::thread;

use crate::support::backend::Backend;
use crate::support::bare::Bare;
use crate::support::by_hand::Refusing;
use crate::support::client::{Client, Tls, connect, reset, trusting};
use crate::support::http::Door;
use crate::support::pki::{Extra, Key, Pki};
use crate::support::procfs::eventually;
use crate::support::stage::{Lines, NAME, certified, config};

#[test]
fn an_access_log_that_is_not_read_loses_lines_and_nothing_else() {
    let pki = certified();
    let text = config(&[Backend::echo().address], Lines { top: ADMIN, ..Lines::default() });
    let mut bare = Bare::start(pki.folder(), &text, "");
    assert_eq!(dropped(&pki, "access_log"), 0);
    flood(&bare);
    is_served(&pki, &bare, b"before");
    eventually("lines are dropped and counted", || (dropped(&pki, "access_log") > 0).then_some(()));
    // When the log is read again, it continues.
    let lines = bare.stdout.take().unwrap().lines();
    let (sender, read) = channel();
    thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
    eventually("a record of a connection that came later", || {
        is_served(&pki, &bare, b"later");
        read.try_iter().any(|line| line.contains("\"received_bytes\":5,")).then_some(())
    });
    assert_eq!(bare.stop().code(), Some(0));
}

#[test]
fn an_access_log_that_stays_blocked_does_not_hold_up_the_end() {
    let pki = certified();
    let text = config(&[Backend::echo().address], Lines::default());
    let mut bare = Bare::start(pki.folder(), &text, "");
    flood(&bare);
    is_served(&pki, &bare, b"good");
    assert_eq!(bare.stop().code(), Some(0));
}

#[test]
fn an_access_log_that_is_closed_or_full_is_survived() {
    for access in ["stdout", "/dev/full"] {
        let pki = certified();
        let top = format!("[log]\naccess = \"{access}\"");
        let text = config(&[Backend::echo().address], Lines { top: &top, ..Lines::default() });
        let mut bare = Bare::start(pki.folder(), &text, "");
        bare.stdout = None;
        for _ in 0..100 {
            is_served(&pki, &bare, b"good");
        }
        assert_eq!(bare.stop().code(), Some(0), "{access}");
    }
}

#[test]
fn a_diagnostic_log_that_is_not_read_does_not_hold_up_traffic() {
    let (down, up) = (Refusing::new(), Backend::echo());
    let pki = certified();
    // A line for each attempt to connect.
    let top = format!("[log]\nlevel = \"debug\"\n{ADMIN}");
    let lines = Lines { top: &top, ..Lines::default() };
    let mut bare = Bare::start(pki.folder(), &config(&[down.address, up.address], lines), "");
    for _ in 0..1500 {
        is_served(&pki, &bare, b"good");
    }
    // There is room for them in the queue, though none in the pipe.
    assert_eq!(dropped(&pki, "log"), 0);
    assert_eq!(bare.stop().code(), Some(0));
}

#[test]
fn an_access_log_on_a_standard_error_that_is_not_read_does_not_hold_up_the_end() {
    let pki = certified();
    let lines = Lines { top: "[log]\naccess = \"stderr\"", ..Lines::default() };
    let mut bare = Bare::start(pki.folder(), &config(&[Backend::echo().address], lines), "");
    for _ in 0..500 {
        is_served(&pki, &bare, b"good");
    }
    assert_eq!(bare.stop().code(), Some(0));
}

/// More connections than the queue and the pipe have room for.
fn flood(bare: &Bare) {
    for _ in 0..FLOOD {
        reset(connect(bare.address));
    }
}

fn is_served(pki: &Pki, bare: &Bare, data: &[u8]) {
    let mut client = Client::silent(bare.address, &trusting(&pki.ca(), Tls::V13).into(), NAME);
    client.handshake().unwrap();
    client.send(data).unwrap();
    assert_eq!(client.read_exact(data.len()), data);
}

/// How many lines of a log were dropped.
fn dropped(pki: &Pki, log: &str) -> u64 {
    let text = Door::unix(pki.folder()).get("/metrics").body;
    let series = format!("tlsgate_{log}_dropped_total ");
    text.lines().find_map(|line| line.strip_prefix(&series)?.parse().ok()).unwrap()
}

const FLOOD: usize = 10_000;
const ADMIN: &str = "[admin]\nlisten = \"unix:admin.sock\"\n";

/// A file may have any name; a line of a log is one line.
#[test]
fn a_line_break_in_a_files_name_ends_no_line_of_a_log() {
    for format in ["text", "nlb", "json"] {
        let pki = Pki::new();
        pki.write("certs", "ma\nin", &[NAME], Key::P256, &Extra::default());
        for file in ["certs/bro\nken.crt", "certs/bro\nken.key"] {
            fs::write(pki.folder().join(file), "no certificate").unwrap();
        }
        let top = format!("[log]\naccess_format = \"{format}\"");
        let text = config(&[Backend::echo().address], Lines { top: &top, ..Lines::default() });
        let mut bare = Bare::start(pki.folder(), &text, "");
        let lines = bare.first_lines.lines().filter(|line| line.contains("ken.")).collect::<Vec<_>>();
        assert!(!lines.is_empty() && lines.iter().all(|line| line.contains("bro\\nken.")), "{}", bare.first_lines);
        is_served(&pki, &bare, b"good");
        assert_eq!(bare.stop().code(), Some(0));
        let lines: Vec<String> = bare.stdout.take().unwrap().lines().map(Result::unwrap).collect();
        let named: Vec<&String> = lines.iter().filter(|line| line.contains("in.crt")).collect();
        assert_eq!((lines.len(), named.len()), (1, 1), "{lines:?}");
        assert!(named[0].contains("ma\\nin.crt") || named[0].contains("ma%20in.crt"), "{lines:?}");
    }
}
