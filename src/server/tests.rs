//! A connection whose task panics takes nothing else with it.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::{fs, thread};

use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::*;
use crate::config;
use crate::tls::crypto;

const NAMES: [&str; 3] = ["a.test", "hello.panic.test", "relay.panic.test"];
const PATIENCE: Duration = Duration::from_secs(30);

type Tls = StreamOwned<ClientConnection, TcpStream>;

/// Writes a certificate for all names, and returns what trusts it.
fn certified(folder: &Path) -> Arc<ClientConfig> {
    let key = rcgen::KeyPair::generate().unwrap();
    let names = NAMES.map(str::to_owned).to_vec();
    let certificate = rcgen::CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
    fs::write(folder.join("a.pem"), certificate.pem() + &key.serialize_pem()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate.der().clone()).unwrap();
    let builder = ClientConfig::builder_with_provider(crypto::provider().into());
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    builder.with_root_certificates(roots).with_no_client_auth().into()
}

fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // Ends with its connection.
            thread::spawn(move || std::io::copy(&mut stream.try_clone().unwrap(), &mut stream));
        }
    });
    address
}

fn connect(address: SocketAddr, config: &Arc<ClientConfig>, name: &'static str) -> Tls {
    let tcp = TcpStream::connect(address).unwrap();
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    StreamOwned::new(ClientConnection::new(Arc::clone(config), name.try_into().unwrap()).unwrap(), tcp)
}

fn echoes(tls: &mut Tls) -> std::io::Result<()> {
    tls.write_all(b"ping")?;
    let mut came = [0; 4];
    tls.read_exact(&mut came)?;
    assert_eq!(&came, b"ping");
    Ok(())
}

#[test]
fn a_connection_that_panics_takes_nothing_else_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let trust = certified(folder.path());
    // One worker serves all of them, and three have no room at the same time.
    let text = format!(
        "[log]\naccess = \"access.log\"\n[runtime]\nworkers = 1\n[[listener]]\nname = \"main\"\nlisten = \"127.0.0.1:0\"\n\
         certificates = [\"a.pem\"]\nmax_connections = 2\nbackend = \"echo\"\n\
         [[listener]]\nname = \"passing\"\nlisten = \"127.0.0.1:0\"\nmode = \"passthrough\"\nbackend = \"echo\"\n\
         [backend.echo]\nservers = [\"{}\"]\n",
        echo()
    );
    let config = config::parse(&text, folder.path()).unwrap();
    let mut signals = Signals::listen().unwrap();
    let server =
        Server::start(Origin::Program, config, None, (None, Activated::default(), None), &mut signals).unwrap();
    let addresses = server.addresses();
    let address = |wanted: &str| match addresses.iter().find(|(name, _)| **name == *wanted) {
        Some((_, Address::Tcp(address))) => *address,
        _ => panic!("no address of {wanted}"),
    };
    let (address, passing) = (address("main"), address("passing"));
    let mut old = connect(address, &trust, NAMES[0]);
    echoes(&mut old).unwrap();
    for _ in 0..5 {
        for name in &NAMES[1..] {
            assert!(echoes(&mut connect(address, &trust, name)).is_err(), "{name}");
            echoes(&mut old).unwrap();
            // There is room again: the one before counts no longer.
            echoes(&mut connect(address, &trust, NAMES[0])).unwrap();
            eventually(|| active(&server) == 1);
        }
    }
    let log = folder.path().join("access.log");
    eventually(|| fs::read_to_string(&log).unwrap().matches("\"internal_error\"").count() == 10);
    // What is passed through may mark no end by itself: a FIN would be a complete answer without a byte.
    let mut client = connect(passing, &trust, NAMES[2]);
    client.conn.write_tls(&mut client.sock).unwrap();
    let ending = client.sock.read(&mut [0]).map_err(|error| error.kind());
    assert_eq!(ending, Err(std::io::ErrorKind::ConnectionReset));
    eventually(|| fs::read_to_string(&log).unwrap().matches("\"internal_error\"").count() == 11);
}

fn active(server: &Server) -> usize {
    server.control().current.load().listeners().map(|listener| listener.admission.active()).sum()
}

fn eventually(is_so: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + PATIENCE;
    while !is_so() {
        assert!(std::time::Instant::now() < deadline, "never");
        thread::sleep(Duration::from_millis(2));
    }
}
