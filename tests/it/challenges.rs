//! A certificate authority's challenge (tls-alpn-01) on every kind of listener: only a pending one is answered, with its
//! own certificate and nothing else. The proxy runs in the test's process, so that a challenge can be pending without an
//! authority.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::CertifiedKey;
use tlsgate::config;
use tlsgate::explain::answer::Decision;
use tlsgate::explain::ask::Ask;
use tlsgate::explain::trace::{self, Between};
use tlsgate::gate::Gate;
use tlsgate::live::registry::Registry;
use tlsgate::net::address::Address;
use tlsgate::net::endpoint::Endpoint;
use tlsgate::net::listen::{Acceptor, Listening};
use tlsgate::observe::access::format::Format;
use tlsgate::observe::access::log::{AccessLog, Writer};
use tlsgate::observe::access::target::Target;
use tlsgate::observe::metrics::Metrics;
use tlsgate::proxy::listener::{Ids, Shared, Site, accept};
use tlsgate::proxy::workers::Workers;
use tlsgate::snapshot::{Current, Snapshot};
use tlsgate::tls::certificate::store::Trust;
use tlsgate::tls::crypto;
use tlsgate::tls::handshake::challenge::Put;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};

use crate::routes::{OWN, answers_once, config, pki, s_client};
use crate::support::backend::Backend;
use crate::support::pki::Pki;
use crate::support::{PATIENCE, reports};

/// A proxy in this process, with one listener.
struct Inside {
    runtime: Runtime,
    pki: Pki,
    address: SocketAddr,
    current: Arc<Current>,
    stop: watch::Sender<bool>,
    all_ended: mpsc::Receiver<()>,
    log: PathBuf,
    writer: Writer,
    /// The certificate of a challenge, and the file that has it.
    answer: Arc<CertifiedKey>,
    pending: PathBuf,
    _backend: Backend,
}

impl Inside {
    fn start(listener: &str, routes: &[&str]) -> Self {
        let (pki, backend) = (pki(), answers_once());
        let text = config(listener, routes, &[("plain", backend.address)]);
        let config = config::parse(&text, pki.folder()).unwrap();
        let built = Snapshot::build(&config, &Snapshot::default(), Trust::Bytes, Timestamp::now()).unwrap();
        let current = Arc::new(Current::new(built.snapshot));
        let runtime = Runtime::new().unwrap();
        let socket = Listening::bind(&Address::Tcp("127.0.0.1:0".parse().unwrap()), 0).unwrap();
        let Ok(Address::Tcp(address)) = socket.address() else { panic!("no port") };
        let log = pki.folder().join("access.log");
        let (access, writer) = AccessLog::open(&Target::File(log.clone()), Format::Json).unwrap();
        let (alive, all_ended) = mpsc::channel(1);
        let (stop, stopped) = watch::channel(false);
        let shared = Shared {
            current: Arc::clone(&current),
            log: access,
            metrics: Arc::new(Metrics::new().unwrap()),
            workers: Workers::new([(runtime.handle().clone(), Arc::<Gate>::default())]),
            ids: Arc::new(Ids::new(1)),
            live: Arc::new(Registry::new(1, 1)),
            pressure: Arc::default(),
            heartbeats: Default::default(),
            warned: Arc::default(),
            alive,
        };
        let acceptor = {
            let _inside = runtime.enter();
            Acceptor::new(&socket).unwrap()
        };
        let endpoint = Endpoint::Bound("127.0.0.1:0".parse::<SocketAddr>().unwrap().into());
        let site = Site { listener: "main".into(), endpoint };
        runtime.spawn(accept(acceptor, 0, site, shared, stopped));
        let pair = rcgen::generate_simple_self_signed(["main.test".to_owned()]).unwrap();
        let pending = pki.folder().join("pending.pem");
        fs::write(&pending, pair.cert.pem()).unwrap();
        let key = PrivateKeyDer::try_from(pair.signing_key.serialize_der()).unwrap();
        let answer = CertifiedKey::new(vec![pair.cert.der().clone()], crypto::signing_key(&key).unwrap());
        let answer = Arc::new(answer);
        Self { runtime, pki, address, current, stop, all_ended, log, writer, answer, pending, _backend: backend }
    }

    fn put(&self) {
        assert_eq!(self.current.load().challenges().put("main.test", &self.answer), Put::Done);
    }

    /// Builds the configuration anew from the snapshot that is in force, as a reload does.
    fn reload(&self, listener: &str) {
        let config = config::parse(&config(listener, &[], &[("plain", self.address)]), self.pki.folder()).unwrap();
        let built = Snapshot::build(&config, &self.current.load(), Trust::Bytes, Timestamp::now()).unwrap();
        self.current.store(built.snapshot);
    }

    /// What OpenSSL's client prints that trusts only the pending certificate.
    fn asks(&self, name: Option<&str>, more: &[&str]) -> String {
        s_client(self.address, name, &self.pending, more)
    }

    fn is_answered(&self, name: Option<&str>, more: &[&str]) -> bool {
        let printed = self.asks(name, more);
        let answered = reports::protocol(&printed) == Some("acme-tls/1") && reports::verified(&printed);
        assert!(!answered || !printed.contains("hello"), "a backend has answered: {printed}");
        answered
    }

    /// The alert with which a challenge is refused.
    fn refusal(&self, name: Option<&str>, more: &[&str]) -> Option<u8> {
        reports::alert(&self.asks(name, more))
    }

    fn explained(&self) -> Decision {
        let ask = Ask { sni: Some("main.test".into()), alpn: Some("acme-tls/1".into()), ..Ask::default() };
        let snapshot = self.current.load();
        let listener = trace::listener(&snapshot, None).unwrap();
        trace::explain(listener, ask.client_hello().unwrap(), Between::default(), Timestamp::now().as_second()).result
    }

    /// Ends, and returns the records of all connections.
    fn records(mut self) -> Vec<serde_json::Value> {
        self.stop.send(true).unwrap();
        self.runtime.block_on(async { tokio::time::timeout(PATIENCE, self.all_ended.recv()).await.unwrap() });
        self.runtime.shutdown_timeout(PATIENCE);
        self.writer.finish(Duration::from_secs(60));
        let log = fs::read_to_string(&self.log).unwrap();
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Exactly what an authority offers.
const CHALLENGE: &[&str] = &["-alpn", "acme-tls/1"];
const NO_APPLICATION_PROTOCOL: Option<u8> = Some(120);

/// A listener with what keeps clients out, and the routes that could take the challenge.
const LISTENERS: [(&str, &[&str]); 6] = [
    (OWN, &[]),
    ("certificates = [\"certs\"]\nbackend = \"plain\"\nclient_auth = { mode = \"require\", ca = \"ca.pem\" }", &[]),
    ("certificates = [\"certs\"]\nbackend = \"plain\"\npolicy = \"TLS13-1-3-2021-06\"\nalpn = [\"h2\"]", &[]),
    ("mode = \"passthrough\"\nbackend = \"plain\"", &[]),
    ("mode = \"reject\"", &["server_names = [\"main.test\"]\nmode = \"reject\""]),
    (OWN, &["server_names = [\"main.test\"]\nmode = \"passthrough\"\nbackend = \"plain\""]),
];

#[test]
fn a_pending_challenge_is_answered_whatever_the_listener_asks_of_clients_and_only_while_it_is_pending() {
    for (listener, routes) in LISTENERS {
        let inside = Inside::start(listener, routes);
        assert_eq!(inside.refusal(Some("main.test"), CHALLENGE), NO_APPLICATION_PROTOCOL, "{listener}");
        assert!(matches!(inside.explained(), Decision::Refused(_)), "{listener}");
        inside.put();
        for version in ["-tls1_2", "-tls1_3"] {
            assert!(inside.is_answered(Some("main.test"), &["-alpn", "acme-tls/1", version]), "{listener}");
        }
        assert!(matches!(inside.explained(), Decision::Challenge), "{listener}");
        inside.current.load().challenges().remove("main.test", &inside.answer);
        assert_eq!(inside.refusal(Some("main.test"), CHALLENGE), NO_APPLICATION_PROTOCOL, "{listener}");
        let records = inside.records();
        let outcomes: Vec<_> = records.iter().map(|record| record["outcome"].as_str().unwrap()).collect();
        let expected = ["no_common_protocol", "acme_challenge", "acme_challenge", "no_common_protocol"];
        assert_eq!(outcomes, expected, "{listener}: {records:#?}");
        for record in &records {
            assert!(record.get("backend").is_none() && record.get("route").is_none(), "{listener}: {record:#}");
            assert_eq!(record["server.address"], "main.test", "{record:#}");
        }
        assert_eq!(records[2]["tls.next_protocol"], "acme-tls/1", "{:#}", records[2]);
    }
}

#[test]
fn with_a_pending_challenge_everything_else_is_served_as_before() {
    let inside = Inside::start(OWN, &[]);
    inside.put();
    let refused: [(Option<&str>, &[&str]); 4] = [
        (Some("main.test"), &["-alpn", "acme-tls/1,h2"]),
        (Some("main.test"), &["-alpn", "h2,acme-tls/1"]),
        (Some("a.main.test"), CHALLENGE),
        (None, CHALLENGE),
    ];
    for (name, more) in refused {
        assert_eq!(inside.refusal(name, more), NO_APPLICATION_PROTOCOL, "{name:?} {more:?}");
    }
    // Others get the listener's certificate and its backend.
    for more in [&[][..], &["-alpn", "h2"]] {
        let printed = s_client(inside.address, Some("main.test"), &inside.pki.ca(), more);
        assert!(reports::verified(&printed) && printed.contains("hello"), "{printed}");
    }
    // A scheme that the pending certificate's key does not have.
    assert_eq!(inside.refusal(Some("main.test"), &["-alpn", "acme-tls/1", "-sigalgs", "RSA-PSS+SHA256"]), Some(40));
    let records = inside.records();
    assert!(records.iter().all(|record| record["outcome"] != "acme_challenge"), "{records:#?}");
    assert_eq!(records.last().unwrap()["outcome"], "no_common_scheme", "{records:#?}");
}

#[test]
fn a_pending_challenge_comes_before_a_route_for_the_protocol_which_gets_all_others() {
    let asks =
        "server_names = [\"main.test\"]\nclient_alpn = [\"acme-tls/1\"]\nmode = \"passthrough\"\nbackend = \"plain\"";
    let inside = Inside::start(OWN, &[asks]);
    inside.asks(Some("main.test"), CHALLENGE);
    inside.put();
    assert!(inside.is_answered(Some("main.test"), CHALLENGE));
    inside.current.load().challenges().remove("main.test", &inside.answer);
    inside.asks(Some("main.test"), CHALLENGE);
    let records = inside.records();
    let seen: Vec<_> = records.iter().map(|record| record["outcome"] == "acme_challenge").collect();
    assert_eq!(seen, [false, true, false], "{records:#?}");
    assert_eq!(records[0]["backend"], "plain", "{:#}", records[0]);
    assert_eq!(records[2]["backend"], "plain", "{:#}", records[2]);
}

#[test]
fn behind_starttls_no_challenge_is_answered() {
    let inside = Inside::start(&format!("{OWN}\nstarttls = \"postgres\""), &[]);
    inside.put();
    let more = ["-starttls", "postgres", "-alpn", "acme-tls/1"];
    assert_eq!(inside.refusal(Some("main.test"), &more), NO_APPLICATION_PROTOCOL);
    let records = inside.records();
    assert_eq!(records[0]["outcome"], "no_common_protocol", "{records:#?}");
}

#[test]
fn a_reload_keeps_what_is_pending() {
    let inside = Inside::start(OWN, &[]);
    let before = Arc::clone(inside.current.load().challenges());
    inside.put();
    inside.reload(&format!("{OWN}\nalpn = [\"h2\"]"));
    assert!(inside.is_answered(Some("main.test"), CHALLENGE));
    // Whoever had them before the reload still has the same.
    before.remove("main.test", &inside.answer);
    assert_eq!(inside.refusal(Some("main.test"), CHALLENGE), NO_APPLICATION_PROTOCOL);
}
