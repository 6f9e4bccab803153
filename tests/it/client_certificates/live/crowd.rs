//! Hundreds of clients, each with a certificate of its own: who is revoked leaves, and the others notice nothing.

use std::fs;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustls::AlertDescription as Alert;

use super::{Joined, STRICT, Scene};
use crate::support::client::{Ending, Tls, drain};
use crate::support::clients_pki::{ClientCa, Kind};
use crate::support::http::Door;
use crate::support::procfs::eventually;

/// Lists of two CAs, of which one is below the other.
fn revoke(scene: &Scene, middle: &ClientCa, serials: &[u64]) {
    fs::write(scene.pki.folder().join("middle.crl"), middle.list(serials, 30)).unwrap();
    scene.revoke(serials);
}

/// A piece of data each way, as no other connection has it.
fn speak(Joined { client, server }: &mut Joined, serial: u64, turn: u64) {
    let piece: Vec<u8> = (0..PIECE).map(|place| (serial * 31 + turn * 7 + place) as u8).collect();
    client.send(&piece).unwrap();
    let mut received = vec![0; piece.len()];
    server.read_exact(&mut received).unwrap();
    assert!(received == piece, "{serial}: wrong bytes for the server");
    server.write_all(&piece).unwrap();
    assert!(client.read_exact(piece.len()) == piece, "{serial}: wrong bytes for the client");
}

/// Sets it when it is dropped, also by a test that fails.
struct Until<'a>(&'a AtomicBool);

impl Drop for Until<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[test]
fn of_hundreds_with_certificates_of_their_own_only_those_leave_that_are_revoked() {
    let scene = Scene::new(STRICT);
    let middle = scene.ca.below("middle", 10);
    revoke(&scene, &middle, &[]);
    scene.rewrite("mode = \"require\", ca = [\"client-ca.pem\", \"middle.pem\"], crl = [\"ca.crl\", \"middle.crl\"]");
    // By turns of either CA and with either version.
    let all = (FIRST..FIRST + CLIENTS).map(|serial| {
        let (stem, kind) = (format!("client-{serial}"), Kind { serial, ..Kind::default() });
        let shown = match serial % 2 {
            0 => scene.ca.issue(&stem, &kind),
            _ => middle.issue_with(&stem, &kind, &[&middle]),
        };
        (serial, scene.join(Tls::BOTH[(serial / 2 % 2) as usize], Some(&shown)))
    });
    let (leaves, mut stays): (Vec<_>, Vec<_>) = all.partition(|(serial, _)| serial % 3 == 0);
    let revoked: Vec<u64> = leaves.iter().map(|(serial, _)| *serial).collect();
    let (left, share) = (AtomicBool::new(false), stays.len().div_ceil(THREADS));
    thread::scope(|scope| {
        let left = &left;
        for share in stays.chunks_mut(share) {
            scope.spawn(move || {
                for turn in 0.. {
                    // Read before: each has its turn after all others have left.
                    let is_last = left.load(Ordering::Acquire);
                    share.iter_mut().for_each(|(serial, joined)| speak(joined, *serial, turn));
                    if is_last {
                        break;
                    }
                }
            });
        }
        let _until = Until(left);
        revoke(&scene, &middle, &revoked);
        for (serial, mut joined) in leaves {
            let ending = Ending::Alert(Alert::CertificateRevoked);
            assert_eq!(joined.client.read_to_end(), (Vec::new(), ending), "{serial}");
            assert_eq!(drain(&mut joined.server), (Vec::new(), Ending::Reset), "{serial}");
        }
    });
    let outcome = "tlsgate_connections_closed_total{listener=\"main\",outcome=\"client_certificate_revoked\"}";
    let expected = format!("{outcome} {}\n", revoked.len());
    eventually("all that have left are counted", || scene.metrics().contains(&expected).then_some(()));
    eventually("all others are listed, and nobody else", || {
        let listed = Door::unix(scene.pki.folder()).get("/api/v1/connections?limit=1000").json();
        (listed["connections"].as_array().unwrap().len() == stays.len()).then_some(())
    });
}

/// Serial numbers of the clients.
const FIRST: u64 = 1000;
const CLIENTS: u64 = 300;
/// Who move data meanwhile.
const THREADS: usize = 4;
/// Bytes.
const PIECE: u64 = 1000;
