//! `live = "close"`: clients of open connections are judged again when anything by which they are judged changes, and when their
//! certificates expire. Who would not be accepted any more leaves with the alert of a new handshake; others are untouched.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{AlertDescription as Alert, ClientConfig};

use super::pin_of;
use crate::support::by_hand::ByHand;
use crate::support::client::{Client, Ending, Tls, drain, trusting};
use crate::support::clients_pki::{ClientCa, Credentials, Kind};
use crate::support::http::Door;
use crate::support::list_server::ListServer;
use crate::support::pki::Pki;
use crate::support::procfs::eventually;
use crate::support::proxy::Proxy;
use crate::support::stage::{Lines, NAME, certified, config};

mod crowd;
mod draining;
mod moments;

/// Serial numbers of the clients.
const ALICE: u64 = 21;
const BOB: u64 = 22;

/// A proxy whose one listener judges the clients of open connections again.
struct Scene {
    pki: Pki,
    ca: ClientCa,
    backend: ByHand,
    proxy: Proxy,
    /// Lines of the configuration of the backend.
    of_backend: String,
}

const STRICT: &str = "mode = \"require\", ca = \"client-ca.pem\", crl = \"ca.crl\"";

impl Scene {
    fn new(client_auth: &str) -> Self {
        Self::with(client_auth, "", "")
    }

    fn with(client_auth: &str, top: &str, of_backend: &str) -> Self {
        let (pki, backend) = (certified(), ByHand::new());
        let ca = ClientCa::new(pki.folder(), "client-ca");
        fs::write(pki.folder().join("ca.crl"), ca.list(&[], 30)).unwrap();
        let proxy = Proxy::start(pki.folder(), &written(&backend, client_auth, top, of_backend));
        Self { pki, ca, backend, proxy, of_backend: of_backend.to_owned() }
    }

    fn issue(&self, name: &str, serial: u64) -> Credentials {
        self.ca.issue(name, &Kind { serial, common_name: name, ..Kind::default() })
    }

    fn revoke(&self, serials: &[u64]) {
        fs::write(self.pki.folder().join("ca.crl"), self.ca.list(serials, 30)).unwrap();
        self.reload();
    }

    fn rewrite(&self, client_auth: &str) {
        let text = written(&self.backend, client_auth, "", &self.of_backend);
        fs::write(self.pki.folder().join("tlsgate.toml"), text).unwrap();
        self.reload();
    }

    /// Returns after the swap.
    fn reload(&self) {
        let answer = Door::unix(self.pki.folder()).ask("POST", "/api/v1/reload", &[], "");
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    fn config(&self, tls: Tls, shown: Option<&Credentials>) -> Arc<ClientConfig> {
        let mut config = trusting(&self.pki.ca(), tls);
        if let Some(Credentials { chain, key }) = shown {
            let chain = CertificateDer::pem_file_iter(chain).unwrap().map(Result::unwrap).collect();
            let key = PrivateKeyDer::from_pem_file(key).unwrap();
            let key = config.crypto_provider().key_provider.load_private_key(key).unwrap();
            let one = SingleCertAndKey::from(CertifiedKey::new(chain, key));
            config.client_auth_cert_resolver = Arc::new(one);
        }
        Arc::new(config)
    }

    fn join(&self, tls: Tls, shown: Option<&Credentials>) -> Joined {
        self.join_with(&self.config(tls, shown))
    }

    fn join_with(&self, config: &Arc<ClientConfig>) -> Joined {
        let mut client = Client::silent(self.proxy.address("main"), config, NAME);
        client.handshake().unwrap();
        let mut joined = Joined { client, server: self.backend.accept() };
        joined.speak();
        joined
    }

    /// The client has left with that alert soon after `since`, its server has seen a reset, and the record has the outcome.
    fn assert_left(&self, mut joined: Joined, since: Instant, alert: Alert, outcome: &str) {
        assert_eq!(joined.client.read_to_end(), (Vec::new(), Ending::Alert(alert)), "{outcome}");
        assert!(since.elapsed() < SOON, "{outcome}: {:?}", since.elapsed());
        assert_eq!(drain(&mut joined.server), (Vec::new(), Ending::Reset), "{outcome}");
        let port = joined.client.close();
        let record = self.proxy.record(|record| record["client.port"] == port);
        assert_eq!(record["outcome"], outcome, "{record:#}");
        if record.get("tls.client.subject").is_some() {
            assert_eq!(record["tls.client.verified"], false, "{record:#}");
        }
    }

    fn metrics(&self) -> String {
        Door::unix(self.pki.folder()).get("/metrics").body
    }
}

/// The goal is a second.
const SOON: Duration = Duration::from_secs(1);

fn written(backend: &ByHand, client_auth: &str, top: &str, of_backend: &str) -> String {
    let top = format!("[admin]\nlisten=\"unix:admin.sock\"\n{top}");
    let listener = format!("client_auth = {{ {client_auth}, live = \"close\" }}");
    config(&[backend.address], Lines { top: &top, listener: &listener, backend: of_backend })
}

/// A client, and its server.
struct Joined {
    client: Client,
    server: TcpStream,
}

impl Joined {
    /// Sends a byte each way.
    fn speak(&mut self) {
        self.client.send(b"?").unwrap();
        self.server.read_exact(&mut [0]).unwrap();
        self.server.write_all(b"!").unwrap();
        assert_eq!(self.client.read_exact(1), b"!");
    }
}

/// Pins in a file, and a list that is fetched: both change without the configuration.
#[test]
fn what_changes_in_a_file_of_pins_or_at_a_list_server_counts_as_well() {
    let scene = Scene::new(STRICT);
    let (alice, bob) = (scene.issue("alice", ALICE), scene.issue("bob", BOB));
    let pinned = |all: &[&Credentials]| {
        let pins: Vec<String> = all.iter().map(|one| pin_of(&one.chain)).collect();
        fs::write(scene.pki.folder().join("pins.txt"), pins.join("\n")).unwrap();
    };
    pinned(&[&alice, &bob]);
    scene.rewrite("mode = \"require\", ca = \"client-ca.pem\", pins_file = \"pins.txt\"");
    let [leaves, mut stays] = [&alice, &bob].map(|client| scene.join(Tls::V13, Some(client)));
    let since = Instant::now();
    pinned(&[&bob]);
    scene.reload();
    scene.assert_left(leaves, since, Alert::AccessDenied, "client_certificate_denied");
    stays.speak();

    let lists = ListServer::start();
    let top = "[state]\ndirectory = \"state\"\n[crl]\nrefresh = \"1s\"\ntimeout = \"1s\"\n";
    let auth = format!("mode = \"require\", ca = \"client-ca.pem\", crl = {:?}", lists.url("ca.crl"));
    let scene = Scene::with(&auth, top, "");
    let (alice, bob) = (scene.issue("alice", ALICE), scene.issue("bob", BOB));
    lists.list("ca.crl", &scene.ca.numbered_list(5, &[], 30));
    eventually("the list is there", || {
        let shown = Door::unix(scene.pki.folder()).get("/api/v1/crl").json();
        (shown["lists"][0]["state"] == "current").then_some(())
    });
    // The first reload can come sooner: folders are read again once they are watched.
    scene.proxy.log_line("client_auth: CAs, lists of revoked certificates or pins changed");
    let [mut leaves, mut stays] = [&alice, &bob].map(|client| scene.join(Tls::V13, Some(client)));
    lists.list("ca.crl", &scene.ca.numbered_list(6, &[ALICE], 30));
    assert_eq!(leaves.client.read_to_end(), (Vec::new(), Ending::Alert(Alert::CertificateRevoked)));
    assert_eq!(drain(&mut leaves.server), (Vec::new(), Ending::Reset));
    stays.speak();
}

#[test]
fn who_is_revoked_leaves_within_a_second_and_others_stay() {
    for layer in ["tlsgate", "rustls"] {
        let top = format!("[runtime]\nrecord_layer = {layer:?}\n");
        // The tests can be run with either layer.
        let top = if std::env::var("TLSGATE_TEST_RECORD_LAYER").is_ok() { "" } else { &*top };
        let scene = Scene::with(STRICT, top, "");
        let (alice, bob) = (scene.issue("alice", ALICE), scene.issue("bob", BOB));
        let of_alice = Tls::BOTH.map(|tls| scene.join(tls, Some(&alice)));
        let mut of_bob = Tls::BOTH.map(|tls| scene.join(tls, Some(&bob)));
        scene.revoke(&[ALICE]);
        let swapped = Instant::now();
        for joined in of_alice {
            scene.assert_left(joined, swapped, Alert::CertificateRevoked, "client_certificate_revoked");
        }
        of_bob.iter_mut().for_each(Joined::speak);
        let line = scene.proxy.log_line("would not be accepted any more");
        assert!(line.contains("connections=2"), "{line}");
        let record = scene.proxy.record(|record| record["outcome"] == "client_certificate_revoked");
        assert_eq!(record["reason"], "the client's certificate, or one above it, is revoked: \"CN=alice\"");
        // The handshakes had succeeded: that they are over now is no failure of theirs.
        let metrics = scene.metrics();
        let closed = "tlsgate_connections_closed_total{listener=\"main\",outcome=\"client_certificate_revoked\"} 2";
        assert!(metrics.contains(closed), "{metrics}");
        assert!(!metrics.contains("tlsgate_handshake_failures_total{"), "{metrics}");
    }
}

#[test]
fn every_rule_that_changes_counts_at_once() {
    let scene = Scene::new("mode = \"off\"");
    let other = ClientCa::new(scene.pki.folder(), "other");
    let (alice, bob) = (scene.issue("alice", ALICE), scene.issue("bob", BOB));
    let carol = other.issue("carol", &Kind { common_name: "carol", ..Kind::default() });
    let pin = pin_of(&bob.chain);
    let good = "mode = \"require\", ca = \"client-ca.pem\"";
    let both = "mode = \"require\", ca = [\"client-ca.pem\", \"other.pem\"]";
    let cases = [
        (both, "mode = \"require\", ca = \"other.pem\"".to_owned(), Alert::UnknownCA, "client_certificate_unknown_ca"),
        (good, format!("{good}, names = [\"cn:bob\"]"), Alert::AccessDenied, "client_certificate_denied"),
        (good, format!("{good}, pins = [{pin:?}]"), Alert::AccessDenied, "client_certificate_denied"),
        (good, format!("{good}, crl = \"out.crl\""), Alert::UnknownCA, "client_certificate_revocation_unknown"),
    ];
    fs::write(scene.pki.folder().join("out.crl"), scene.ca.list(&[], -1)).unwrap();
    for (before, after, alert, outcome) in cases {
        scene.rewrite(before);
        let of_alice = Tls::BOTH.map(|tls| scene.join(tls, Some(&alice)));
        let mut of_bob = Tls::BOTH.map(|tls| scene.join(tls, Some(&bob)));
        let knows_carol = before == both;
        let of_carol = Tls::BOTH.into_iter().filter(|_| knows_carol).map(|tls| scene.join(tls, Some(&carol)));
        let mut of_carol: Vec<_> = of_carol.collect();
        // What does not concern clients, or any of these, closes nothing.
        scene.reload();
        scene.rewrite(&format!("{before}, names = [\"cn:alice\", \"cn:bob\", \"cn:carol\"]"));
        of_bob.iter_mut().chain(&mut of_carol).for_each(Joined::speak);
        scene.rewrite(&after);
        let swapped = Instant::now();
        for joined in of_alice {
            scene.assert_left(joined, swapped, alert, outcome);
        }
        match outcome {
            "client_certificate_denied" => of_bob.iter_mut().for_each(Joined::speak),
            _ => of_bob.into_iter().for_each(|joined| scene.assert_left(joined, swapped, alert, outcome)),
        }
        // Her CA is still there.
        of_carol.iter_mut().for_each(Joined::speak);
    }
}

#[test]
fn who_has_presented_none_leaves_when_one_is_required() {
    let optional = "mode = \"optional\", ca = \"client-ca.pem\"";
    let scene = Scene::new(optional);
    let alice = scene.issue("alice", ALICE);
    let bare = Tls::BOTH.map(|tls| scene.join(tls, None));
    let mut of_alice = Tls::BOTH.map(|tls| scene.join(tls, Some(&alice)));
    scene.rewrite(&optional.replace("optional", "require"));
    let swapped = Instant::now();
    for joined in bare {
        scene.assert_left(joined, swapped, Alert::CertificateRequired, "client_certificate_missing");
    }
    of_alice.iter_mut().for_each(Joined::speak);
    // Where nobody is asked, there is nothing to judge.
    scene.rewrite("mode = \"off\"");
    scene.revoke(&[ALICE]);
    of_alice.iter_mut().for_each(Joined::speak);
}

#[test]
fn a_certificate_that_expires_ends_its_connections() {
    let scene = Scene::new(STRICT);
    let end = SystemTime::now() + Duration::from_secs(4);
    let short = scene.ca.issue("short", &Kind { until: Some(end), ..Kind::default() });
    let bob = scene.issue("bob", BOB);
    let of_short = Tls::BOTH.map(|tls| scene.join(tls, Some(&short)));
    let mut of_bob = Tls::BOTH.map(|tls| scene.join(tls, Some(&bob)));
    for mut joined in of_short {
        // It is there to the end of its last second, and not much longer.
        assert_eq!(joined.client.read_to_end(), (Vec::new(), Ending::Alert(Alert::CertificateExpired)));
        let late = SystemTime::now().duration_since(end).unwrap_or_default();
        assert!(SystemTime::now() >= end && late < 2 * SOON, "{late:?}");
        assert_eq!(drain(&mut joined.server), (Vec::new(), Ending::Reset));
        let port = joined.client.close();
        let record = scene.proxy.record(|record| record["client.port"] == port);
        assert_eq!(record["outcome"], "client_certificate_expired", "{record:#}");
    }
    of_bob.iter_mut().for_each(Joined::speak);
}

#[test]
fn a_resumed_session_is_judged_by_the_certificate_that_began_it() {
    let scene = Scene::new(STRICT);
    let alice = scene.issue("alice", ALICE);
    let joined = Tls::BOTH.map(|tls| {
        let config = scene.config(tls, Some(&alice));
        drop(scene.join_with(&config));
        let joined = scene.join_with(&config);
        assert_eq!(joined.client.tls.handshake_kind(), Some(rustls::HandshakeKind::Resumed), "{tls:?}");
        joined
    });
    scene.revoke(&[ALICE]);
    let swapped = Instant::now();
    for joined in joined {
        scene.assert_left(joined, swapped, Alert::CertificateRevoked, "client_certificate_revoked");
    }
}

#[test]
fn by_default_and_with_keep_connections_go_on() {
    let (pki, backend) = (certified(), ByHand::new());
    let ca = ClientCa::new(pki.folder(), "client-ca");
    fs::write(pki.folder().join("ca.crl"), ca.list(&[], 30)).unwrap();
    let text = |live: &str| written(&backend, STRICT, "", "").replace(", live = \"close\"", live);
    let proxy = Proxy::start(pki.folder(), &text(""));
    let alice = ca.issue("alice", &Kind { serial: ALICE, ..Kind::default() });
    let scene = Scene { pki, ca, backend, proxy, of_backend: String::new() };
    let rewrite = |live: &str| {
        fs::write(scene.pki.folder().join("tlsgate.toml"), text_of(&scene, live)).unwrap();
        scene.reload();
    };
    let mut kept = [scene.join(Tls::V13, Some(&alice))];
    rewrite(", live = \"close\"");
    let mut watched = scene.join(Tls::V13, Some(&alice));
    // The rule in force counts, and not the one with which the connection began.
    rewrite(", live = \"keep\"");
    scene.revoke(&[ALICE]);
    watched.speak();
    rewrite(", live = \"close\"");
    let swapped = Instant::now();
    scene.assert_left(watched, swapped, Alert::CertificateRevoked, "client_certificate_revoked");
    // Nothing was kept of what this one's client has presented.
    kept.iter_mut().for_each(Joined::speak);
}

fn text_of(scene: &Scene, live: &str) -> String {
    written(&scene.backend, STRICT, "", "").replace(", live = \"close\"", live)
}
