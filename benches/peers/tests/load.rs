//! The load counts correctly, negotiates what it claims, and notices the faults of a relay.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{self, kx_group};
use rustls::server::NoServerSessionStorage;
use rustls::{CipherSuite, HandshakeKind, NamedGroup, ProtocolVersion, ServerConfig};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::scene::{ANY, Scene, TLS13, Wrong, run};
use crate::load::Fault;
use crate::load::target::{Group, Target, Terms, Version};
use crate::load::work::Work;
use crate::material::Pair;
use crate::peer::naive;

const TLS12: Terms = Terms { version: Version::Tls12, ..TLS13 };

async fn done(work: Work, target: &Target) -> Result<u64, Fault> {
    work.prepare(target).await?.run().await
}

#[test]
fn as_many_connections_and_bytes_arrive_as_are_counted() {
    run(async {
        let scene = Scene::new(Wrong::Nothing, Wrong::Nothing).await;
        let target = scene.target(&scene.material.ecdsa, TLS13).await;
        let mut seen = [0; 3];
        for (work, units, expected) in [
            (Work::Connections { count: 37, at_once: 5 }, 37, [37, 37, 37]),
            (Work::Push { connections: 3, amount: 1_000_003, record: 1000 }, 3_000_009, [3, 3 * 1_000_019, 3]),
            (Work::Pull { connections: 2, amount: 700_001, piece: 999 }, 1_400_002, [2, 32, 1_400_002]),
            (
                Work::Answers { connections: 4, rounds: 10, request: 64, answer: 20_000 },
                40,
                [4, 4 * (16 + 640), 800_000],
            ),
        ] {
            assert_eq!(done(work, &target).await.unwrap(), units, "{work:?}");
            let before = std::mem::replace(&mut seen, scene.counted());
            let new: Vec<u64> = seen.iter().zip(before).map(|(now, before)| now - before).collect();
            assert_eq!(new, expected, "{work:?}");
        }
        assert_eq!(scene.backend.fault(), None);
    });
}

#[test]
fn what_passes_through_begins_with_a_client_hello() {
    run(async {
        let scene = Scene::new(Wrong::Nothing, Wrong::Nothing).await;
        let target = scene.passthrough();
        assert_eq!(done(Work::Connections { count: 5, at_once: 2 }, &target).await.unwrap(), 5);
        let [connections, to_backend, to_client] = scene.counted();
        assert!(connections == 5 && to_client == 5 && to_backend > 5 * 150, "{:?}", scene.counted());
        let amount = 2_000_000;
        assert_eq!(done(Work::Push { connections: 1, amount, record: 1 }, &target).await.unwrap(), amount);
        assert_eq!(done(Work::Pull { connections: 1, amount, piece: 5000 }, &target).await.unwrap(), amount);
        assert_eq!(scene.backend.fault(), None);
    });
}

#[test]
fn the_naive_relay_does_all_of_it() {
    run(async {
        let scene = Scene::new(Wrong::Nothing, Wrong::Nothing).await;
        for acceptor in [None, Some(naive::acceptor(&scene.material.ecdsa.combined).unwrap())] {
            let listener = TcpListener::bind(ANY).await.unwrap();
            let target = Target {
                address: listener.local_addr().unwrap(),
                passthrough: acceptor.is_none(),
                ..scene.passthrough()
            };
            tokio::spawn(naive::serve(listener, acceptor, scene.backend.address));
            for work in [
                Work::Connections { count: 5, at_once: 2 },
                Work::Push { connections: 2, amount: 1_000_000, record: 16_384 },
                Work::Pull { connections: 2, amount: 1_000_000, piece: 64 },
                Work::Answers { connections: 3, rounds: 5, request: 200_000, answer: 300_000 },
            ] {
                assert_eq!(done(work, &target).await.unwrap(), work.units());
            }
        }
        assert_eq!(scene.backend.fault(), None);
    });
    assert!(naive::main(&[]).is_err(), "it needs a backend");
}

#[test]
fn the_server_sees_what_the_client_was_set_to_negotiate() {
    run(async {
        let scene = Scene::new(Wrong::Nothing, Wrong::Nothing).await;
        let resumed = |terms| Terms { resumed: true, ..terms };
        let hybrid = Terms { group: Group::X25519MlKem768, ..TLS13 };
        let (old, new) = (ProtocolVersion::TLSv1_2, ProtocolVersion::TLSv1_3);
        let (ecdsa, rsa) =
            (CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256);
        let suite = CipherSuite::TLS13_AES_128_GCM_SHA256;
        let (x25519, full) = (Some(NamedGroup::X25519), HandshakeKind::Full);
        for (pair, terms, expected) in [
            (&scene.material.ecdsa, TLS13, (new, suite, x25519, full)),
            (&scene.material.rsa, TLS13, (new, suite, x25519, full)),
            (&scene.material.ecdsa, TLS12, (old, ecdsa, x25519, full)),
            (&scene.material.rsa, TLS12, (old, rsa, x25519, full)),
            (&scene.material.ecdsa, hybrid, (new, suite, Some(NamedGroup::X25519MLKEM768), full)),
            (&scene.material.ecdsa, resumed(TLS13), (new, suite, x25519, HandshakeKind::Resumed)),
            (&scene.material.ecdsa, resumed(TLS12), (old, ecdsa, None, HandshakeKind::Resumed)),
        ] {
            let target = scene.target(pair, terms).await;
            let ready = Work::Connections { count: 6, at_once: 2 }.prepare(&target).await.unwrap();
            scene.saw.lock().unwrap().clear();
            ready.run().await.unwrap();
            assert_eq!(*scene.saw.lock().unwrap(), [expected; 6], "{terms:?}");
        }
    });
}

#[test]
fn a_handshake_that_differs_from_the_row_is_a_fault() {
    run(async {
        let scene = Scene::new(Wrong::Nothing, Wrong::Nothing).await;
        let pair = &scene.material.ecdsa;
        let work = Work::Connections { count: 4, at_once: 1 };

        let server = forgetful(pair, aws_lc_rs::default_provider());
        for terms in [TLS13, TLS12] {
            let target = scene.target_with(server.clone(), pair, Terms { resumed: true, ..terms }).await;
            let fault = done(work, &target).await.unwrap_err();
            assert!(matches!(fault, Fault::Negotiated { what: "handshake", .. }), "{fault}");
        }

        let mut provider = aws_lc_rs::default_provider();
        provider.kx_groups = vec![kx_group::SECP256R1];
        let target = scene.target_with(forgetful(pair, provider), pair, TLS12).await;
        let fault = done(work, &target).await.unwrap_err();
        assert!(matches!(fault, Fault::Negotiated { what: "group", .. }), "{fault}");

        let mut target = scene.target(pair, TLS13).await;
        target.sites = [scene.material.rsa.site.clone()].into();
        let fault = done(work, &target).await.unwrap_err();
        assert!(matches!(fault, Fault::Refused(_)), "{fault}");
    });
}

/// A server that allows no resumption.
fn forgetful(pair: &Pair, provider: CryptoProvider) -> TlsAcceptor {
    let resolver = Arc::clone(&naive::acceptor(&pair.combined).unwrap().config().cert_resolver);
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Arc::new(config).into()
}

#[test]
fn a_relay_that_changes_loses_or_cuts_bytes_is_noticed() {
    let push = Work::Push { connections: 1, amount: 500_000, record: 16_384 };
    let pull = Work::Pull { connections: 1, amount: 500_000, piece: 16_384 };
    let answers = Work::Answers { connections: 1, rounds: 10, request: 64, answer: 64 };
    let once = Work::Connections { count: 1, at_once: 1 };
    for at in [0, 16, 17, 300_000] {
        for (work, to_backend, to_client, what) in [
            (push, Wrong::Changes(at), Wrong::Nothing, "changed on the way in"),
            (push, Wrong::Loses(at), Wrong::Nothing, "lost on the way in"),
            (push, Wrong::EndsAt(at), Wrong::Nothing, "cut on the way in"),
            (pull, Wrong::Nothing, Wrong::Changes(at), "changed on the way out"),
            (pull, Wrong::Nothing, Wrong::Loses(at), "lost on the way out"),
            (pull, Wrong::Nothing, Wrong::EndsAt(at), "cut on the way out"),
        ] {
            noticed(work, to_backend, to_client, &format!("{what} at {at}"));
        }
    }
    noticed(answers, Wrong::Nothing, Wrong::Changes(100), "an answer changed");
    noticed(answers, Wrong::Nothing, Wrong::Loses(630), "the last answer short");
    noticed(answers, Wrong::Changes(100), Wrong::Nothing, "a request changed");
    noticed(once, Wrong::Nothing, Wrong::Changes(0), "the echo changed");
    noticed(once, Wrong::Nothing, Wrong::EndsAt(0), "the echo missing");
}

fn noticed(work: Work, to_backend: Wrong, to_client: Wrong, what: &str) {
    run(async {
        let hello = hello_length(&Scene::new(Wrong::Nothing, Wrong::Nothing).await.passthrough());
        // After the ClientHello, which reaches the backend first.
        let to_backend = match to_backend {
            Wrong::Nothing | Wrong::WaitsAt(..) | Wrong::Waits(_) => to_backend,
            Wrong::Changes(at) => Wrong::Changes(at + hello),
            Wrong::Loses(at) => Wrong::Loses(at + hello),
            Wrong::EndsAt(at) => Wrong::EndsAt(at + hello),
        };
        let scene = Scene::new(to_backend, to_client).await;
        let target = scene.passthrough();
        let ended = done(work, &target).await;
        assert!(ended.is_err() || scene.backend.fault().is_some(), "{what}: {ended:?}");
    });
}

fn hello_length(target: &Target) -> u64 {
    let mut hello = Vec::new();
    let name = target.sites[0].name.clone();
    rustls::ClientConnection::new(target.client().unwrap(), name).unwrap().write_tls(&mut hello).unwrap();
    hello.len() as u64
}
