//! The time of day jumps: no connection ends, and validity is judged anew.

use std::fs;
use std::process::{Command, Stdio};
use std::sync::Arc;

use crate::support::backend::Backend;
use crate::support::client::{Client, Tls, trusting};
use crate::support::clock::Clock;
use crate::support::pki::{Extra, Key, Pki};
use crate::support::proxy::{PROGRAM, Proxy};
use crate::support::stage::{Lines, NAME, config};

const DAY: u64 = 86_400;

fn echoes(client: &mut Client) {
    client.send(b"still there?").unwrap();
    assert_eq!(client.read_exact(12), b"still there?");
}

#[test]
fn when_the_clock_jumps_for_days_connections_stay_and_a_certificate_that_is_valid_then_is_served() {
    let pki = Pki::new();
    for (stem, until) in [("a", 2), ("b", 90)] {
        let common_name = Some(stem.to_owned());
        let extra = Extra { validity: Some((-1, until)), common_name, ..Extra::default() };
        pki.write("certs", stem, &[NAME], Key::P256, &extra);
    }
    let clock = Clock::new(pki.folder());
    let lines = Lines { listener: "idle_timeout = \"1h\"\nhandshake_timeout = \"1h\"", ..Lines::default() };
    let path = pki.folder().join("tlsgate.toml");
    fs::write(&path, config(&[Backend::echo().address], lines)).unwrap();
    let mut command = Command::new(PROGRAM);
    command.args(["run", "-c"]).arg(&path).stdin(Stdio::null());
    Clock::fake(&mut command, pki.folder());
    let proxy = Proxy::spawn(command, 1).unwrap();
    let clients = Tls::BOTH.map(|tls| Arc::new(trusting(&pki.ca(), tls)));
    let begun = |tls: Tls| Client::silent(proxy.address("main"), &clients[tls as usize], NAME);
    let served = |tls: Tls| {
        let mut client = begun(tls);
        client.handshake().unwrap();
        echoes(&mut client);
        client
    };
    let mut old = Tls::BOTH.map(served);
    let mut halfway = Tls::BOTH.map(begun);
    let fresh = |client: &Client| client.tls.peer_certificates().unwrap()[0].to_vec();
    let first = fresh(&old[0]);
    clock.step(3 * DAY);
    old.iter_mut().for_each(echoes);
    for client in &mut halfway {
        client.handshake().unwrap();
        echoes(client);
    }
    // The one that has expired by then is not served if there is another.
    for tls in Tls::BOTH {
        assert_eq!(fresh(&served(tls)), last(&pki), "{tls:?}, after it had served {} bytes before", first.len());
    }
    old.iter_mut().for_each(echoes);
}

/// The certificate that stays valid.
fn last(pki: &Pki) -> Vec<u8> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    CertificateDer::from_pem_file(pki.folder().join("certs/b.crt")).unwrap().to_vec()
}
