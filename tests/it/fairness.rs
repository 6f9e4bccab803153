//! Whoever is established, and whoever resumes, does not wait for a flood of handshakes; and a flood that is too large is
//! refused early, in part. One worker and RSA-4096 keys make each full handshake costly.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::{AlertDescription, ClientConfig, ClientConnection, Error, HandshakeKind};

use crate::support::backend::Backend;
use crate::support::client::{Client, Tls, connect, trusting};
use crate::support::http::Door;
use crate::support::pki::{Extra, Key, Pki};
use crate::support::proxy::Proxy;

const NAME: &str = "a.test";

struct Stage {
    proxy: Proxy,
    config: Arc<ClientConfig>,
    pki: Pki,
}

impl Stage {
    fn new(tls: Tls, lines: &str) -> Self {
        let (pki, backend) = (Pki::new(), Backend::echo());
        pki.write("certs", "a", &[NAME], Key::Rsa4096, &Extra::default());
        let text = format!(
            "[admin]\nlisten=\"unix:admin.sock\"\n\n[runtime]\nworkers = 1\n\n[[listener]]\nname = \"main\"\n\
             listen = \"127.0.0.1:0\"\ncertificates = [\"certs\"]\nbackend = \"echo\"\nmax_connections = 2000\n{lines}\n\
             [backend.echo]\nservers = [\"{}\"]\n",
            backend.address
        );
        let mut config = trusting(&pki.ca(), tls);
        config.resumption = Resumption::in_memory_sessions(8);
        Self { proxy: Proxy::start(pki.folder(), &text), config: Arc::new(config), pki }
    }

    /// A client whose handshake is complete.
    fn established(&self) -> Client {
        let mut client = Client::silent(self.proxy.address("main"), &self.config, NAME);
        client.handshake().unwrap();
        ping(&mut client);
        client
    }

    /// Clients that have sent their hello, and wait. They do not resume.
    fn flood(&self, count: usize) -> Vec<Client> {
        let mut config = (*self.config).clone();
        config.resumption = Resumption::disabled();
        let config = Arc::new(config);
        // All keys are made before the first hello is sent.
        let begun: Vec<_> = (0..count).map(|_| begin(&config)).collect();
        let mut clients = Vec::new();
        for (tls, hello) in begun {
            let mut tcp = connect(self.proxy.address("main"));
            tcp.write_all(&hello).unwrap();
            clients.push(Client { tcp, tls });
        }
        clients
    }
}

/// A handshake, and its ClientHello.
fn begin(config: &Arc<ClientConfig>) -> (ClientConnection, Vec<u8>) {
    let mut tls = ClientConnection::new(Arc::clone(config), NAME.try_into().unwrap()).unwrap();
    let mut hello = Vec::new();
    tls.write_tls(&mut hello).unwrap();
    (tls, hello)
}

fn ping(client: &mut Client) {
    client.send(b"ping").unwrap();
    assert_eq!(client.read_exact(4), b"ping");
}

/// How many have got an answer.
fn answered(clients: &[Client]) -> usize {
    let has_bytes = |tcp: &TcpStream| {
        tcp.set_nonblocking(true).unwrap();
        let found = tcp.peek(&mut [0]);
        tcp.set_nonblocking(false).unwrap();
        found.is_ok_and(|count| count > 0)
    };
    clients.iter().filter(|client| has_bytes(&client.tcp)).count()
}

#[test]
fn an_established_connection_is_served_between_the_handshakes_of_a_flood() {
    for tls in Tls::BOTH {
        let stage = Stage::new(tls, "");
        let mut client = stage.established();
        let flood = stage.flood(100);
        let mut pings = 0;
        while answered(&flood) < flood.len() {
            ping(&mut client);
            pings += 1;
        }
        // If it were served only after all who are ready, it would be a handful.
        assert!(pings >= 10, "{pings} round trips during 100 handshakes, {tls:?}");
    }
}

#[test]
fn whoever_resumes_does_not_wait_for_full_handshakes() {
    for tls in Tls::BOTH {
        let stage = Stage::new(tls, "");
        drop(stage.established());
        let (begun, hello) = begin(&stage.config);
        let flood = stage.flood(100);
        let mut resumed = Client { tcp: connect(stage.proxy.address("main")), tls: begun };
        resumed.tcp.write_all(&hello).unwrap();
        resumed.handshake().unwrap();
        let before = answered(&flood);
        assert_eq!(resumed.tls.handshake_kind(), Some(HandshakeKind::Resumed));
        assert!(before < 75, "{before} of 100 who came earlier, {tls:?}");
    }
}

#[test]
fn of_too_many_handshakes_some_are_refused_early_and_the_others_done() {
    let stage = Stage::new(Tls::V13, "handshake_timeout = \"1s\"");
    drop(stage.established());
    let flood = stage.flood(400);
    let (mut done, mut refused) = (0, 0);
    for mut client in flood {
        match client.handshake() {
            Ok(()) => done += 1,
            Err(error) => {
                let cause = error.get_ref().and_then(|error| error.downcast_ref());
                // Any other was refused unread, or let in, and this machine was too slow for it.
                if cause == Some(&Error::AlertReceived(AlertDescription::InternalError)) {
                    refused += 1;
                }
            }
        }
    }
    assert!(done > 0 && refused > 0, "{done} done, {refused} refused");
    ping(&mut stage.established());
    let door = Door::Unix(stage.pki.folder().join("admin.sock"));
    let metrics = door.ask("GET", "/metrics", &[], "").body;
    let overloaded = metrics.lines().find_map(|line| line.split_once("outcome=\"overloaded\"} ")).unwrap().1;
    let overloaded: u32 = overloaded.parse().unwrap();
    assert!(overloaded >= refused, "{overloaded} in all, {refused} after their hello");
    for line in ["tlsgate_handshakes_waiting{worker=\"0\"} 0\n", "tlsgate_handshakes_due_seconds{worker=\"0\"} 0\n"] {
        assert!(metrics.contains(line), "{line} is not in:\n{metrics}");
    }
}
