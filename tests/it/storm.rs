//! Swaps without pause under load: no handshake fails, no transfer breaks, and no client sees two generations mixed.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use rustls::crypto::CryptoProvider;
use rustls::{ProtocolVersion, SignatureScheme};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;

use crate::support::backend::Backend;
use crate::support::client::{Client, Tls, connect, trusting};
use crate::support::http::Door;
use crate::support::pki::{Extra, Key, Pki, write_private};
use crate::support::procfs::{eventually, open_files, resident_kib};
use crate::support::proxy::{PROGRAM, Proxy};
use crate::support::tool;

/// How many generations one run has; each swaps certificates, and every other one the configuration.
const GENERATIONS: u64 = 100;
const NAMES: [&str; 2] = ["a.test", "b.test"];

/// A generation is marked in the certificate (its common name) and in the policy: an even one allows TLS 1.3 only, an
/// odd one TLS 1.2 only. A client that gets the certificate of one and the version of the other has seen two
/// generations.
fn policy(generation: u64) -> &'static str {
    if generation.is_multiple_of(2) { "TLS13-1-3-2021-06" } else { "FS-1-2-Res-2020-10" }
}

fn certificates(pki: &Pki, generation: u64) {
    for name in NAMES {
        for (kind, key) in [("rsa", Key::Rsa2048), ("ec", Key::P256)] {
            let extra = Extra { common_name: Some(format!("generation {generation}")), ..Extra::default() };
            pki.write(&format!("generation-{generation}"), &format!("{name}.{kind}"), &[name], key, &extra);
        }
    }
}

/// A rename: one step for a reader of the file.
fn configuration(pki: &Pki, backend: SocketAddr, generation: u64) -> String {
    let text = format!(
        "[admin]\nlisten=\"unix:admin.sock\"\n\n[log]\naccess = \"off\"\n\n[[listener]]\nname = \"main\"\nlisten = \"127.0.0.1:0\"\npolicy = \"{}\"\n\
         certificates = [\"generation-{generation}\"]\nbackend = \"echo\"\n\n[backend.echo]\nservers = [\"{backend}\"]\n",
        policy(generation)
    );
    let fresh = pki.folder().join("tlsgate.toml.new");
    fs::write(&fresh, &text).unwrap();
    fs::rename(fresh, pki.folder().join("tlsgate.toml")).unwrap();
    text
}

/// The generation of the client's certificate.
fn generation_of(client: &Client) -> u64 {
    let leaf = &client.tls.peer_certificates().unwrap()[0];
    let (_, certificate) = X509Certificate::from_der(leaf).unwrap();
    let name = certificate.subject().iter_common_name().next().unwrap().as_str().unwrap().to_owned();
    name.trim_start_matches("generation ").parse().unwrap()
}

#[test]
fn generations_are_never_mixed_and_no_handshake_fails() {
    let (pki, backend) = (Pki::new(), Backend::echo());
    certificates(&pki, 0);
    let proxy = Proxy::start(pki.folder(), &configuration(&pki, backend.address, 0));
    let (address, pid) = (proxy.address("main"), proxy.pid());
    let door = Door::Unix(pki.folder().join("admin.sock"));
    let admin = format!("unix:{}", pki.folder().join("admin.sock").display());
    let (config, rsa_only) = (Arc::new(both_versions(&pki.ca())), Arc::new(rsa_only(&pki.ca())));
    let resumed = AtomicU64::new(0);
    // Answered by what runs last: everything that stays open is open.
    eventually("it is ready", || (door.ask("POST", "/api/v1/reload", &[], "").status == 200).then_some(()));
    let (done, handshakes, newest) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let before = (resident_kib(pid), open_files(pid));
    thread::scope(|scope| {
        for (name, (config, rsa)) in
            NAMES.into_iter().flat_map(|name| [(name, (&config, false)), (name, (&rsa_only, true))])
        {
            let (done, handshakes, newest) = (&done, &handshakes, &newest);
            scope.spawn(move || {
                while !done.load(Ordering::Acquire) {
                    let reported = newest.load(Ordering::Acquire);
                    let mut client = Client::on(connect(address), config, name);
                    client.handshake().unwrap_or_else(|error| panic!("a handshake failed: {error}"));
                    let generation = generation_of(&client);
                    let version = client.tls.protocol_version().unwrap();
                    let expected =
                        if generation.is_multiple_of(2) { ProtocolVersion::TLSv1_3 } else { ProtocolVersion::TLSv1_2 };
                    assert_eq!(version, expected, "generation {generation} mixed with another");
                    assert_eq!(has_rsa_key(&client), rsa, "the other key type's certificate");
                    assert!(generation >= reported, "generation {generation} after {reported} was reported");
                    client.send(b"ping").unwrap();
                    assert_eq!(client.read_exact(4), b"ping");
                    client.close_notify().unwrap();
                    handshakes.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        // Clients that resume whenever they can, across reloads and policies.
        scope.spawn(|| {
            let mut config = both_versions(&pki.ca());
            config.resumption = rustls::client::Resumption::in_memory_sessions(8);
            let config = Arc::new(config);
            while !done.load(Ordering::Acquire) {
                let mut client = Client::on(connect(address), &config, NAMES[1]);
                client.handshake().unwrap_or_else(|error| panic!("a resumption failed: {error}"));
                client.send(b"ping").unwrap();
                assert_eq!(client.read_exact(4), b"ping");
                let kind = client.tls.handshake_kind();
                resumed.fetch_add(u64::from(kind == Some(rustls::HandshakeKind::Resumed)), Ordering::Relaxed);
                client.close_notify().unwrap();
            }
        });
        // A transfer that outlives every swap.
        let (config, done) = (&config, &done);
        scope.spawn(move || {
            let mut client = Client::on(connect(address), config, NAMES[0]);
            client.handshake().unwrap();
            let piece = vec![7; 16_000];
            while !done.load(Ordering::Acquire) {
                client.send(&piece).unwrap();
                assert!(client.read_exact(piece.len()) == piece, "a transfer broke");
            }
        });
        for generation in 1..=GENERATIONS {
            certificates(&pki, generation);
            configuration(&pki, backend.address, generation);
            // Each way to ask for a reload in turn; without a request, the change of the file is noticed.
            match generation % 4 {
                0 => proxy.signal("HUP"),
                1 => assert_eq!(door.ask("POST", "/api/v1/reload", &[], "").status, 200),
                2 => assert!(tool::run(PROGRAM, &["reload", "--admin", &admin], b"").status.success()),
                _ => {}
            }
            // The log reports every certificate of the new folder.
            proxy.log_line(&format!("generation-{generation}/b.test.rsa.crt added"));
            newest.store(generation, Ordering::Release);
            let _ = fs::remove_dir_all(pki.folder().join(format!("generation-{}", generation - 1)));
        }
        done.store(true, Ordering::Release);
    });
    println!("{} handshakes over {GENERATIONS} generations", handshakes.load(Ordering::Relaxed));
    println!("{} resumed", resumed.load(Ordering::Relaxed));
    assert!(handshakes.load(Ordering::Relaxed) > GENERATIONS && resumed.load(Ordering::Relaxed) > 0);
    // The connections are closed one after the other.
    let files = eventually("files closed", || Some(open_files(pid)).filter(|files| *files <= before.1));
    let grown = resident_kib(pid).saturating_sub(before.0);
    println!("{grown} KiB more, {files} files (before: {})", before.1);
    assert!(grown < 20_000, "{grown} KiB more after {GENERATIONS} generations");
}

#[test]
fn a_link_that_is_swapped_under_load_never_shows_a_mixed_pair() {
    let (pki, backend) = (Pki::new(), Backend::echo());
    let secret = pki.folder().join("certs/secret");
    let generation = |number: u64| {
        let folder = secret.join(format!("..{number}"));
        fs::create_dir_all(&folder).unwrap();
        let (certificate, key) = pki.pair(&["a.test"], Key::P256, &Extra::default());
        fs::write(folder.join("tls.crt"), certificate).unwrap();
        write_private(&folder.join("tls.key"), &key);
        symlink(format!("..{number}"), secret.join("..data_tmp")).unwrap();
        fs::rename(secret.join("..data_tmp"), secret.join("..data")).unwrap();
    };
    generation(0);
    symlink("..data/tls.crt", secret.join("tls.crt")).unwrap();
    symlink("..data/tls.key", secret.join("tls.key")).unwrap();
    let text = format!(
        "[log]\naccess = \"off\"\n\n[[listener]]\nname = \"main\"\nlisten = \"127.0.0.1:0\"\ncertificates = [\"certs\"]\n\
         backend = \"echo\"\n\n[backend.echo]\nservers = [\"{}\"]\n",
        backend.address
    );
    let proxy = Proxy::start(pki.folder(), &text);
    let address = proxy.address("main");
    let config = Arc::new(trusting(&pki.ca(), Tls::V13));
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let (config, done) = (&config, &done);
        scope.spawn(move || {
            while !done.load(Ordering::Acquire) {
                let mut client = Client::on(connect(address), config, "a.test");
                client.handshake().unwrap_or_else(|error| panic!("a handshake failed: {error}"));
            }
        });
        for number in 1..=GENERATIONS {
            generation(number);
        }
        // The last one arrives.
        let last = fs::read(secret.join("tls.crt")).unwrap();
        let wanted = rustls::pki_types::pem::from_buf(&mut last.as_slice()).unwrap().unwrap().1;
        eventually("the last generation served", || {
            let mut client = Client::on(connect(address), config, "a.test");
            client.handshake().unwrap();
            (client.tls.peer_certificates().unwrap()[0].as_ref() == wanted).then_some(())
        });
        done.store(true, Ordering::Release);
    });
}

#[test]
fn a_storm_of_signals_is_few_reloads() {
    let (pki, backend) = (Pki::new(), Backend::echo());
    certificates(&pki, 0);
    let proxy = Proxy::start(pki.folder(), &configuration(&pki, backend.address, 0));
    let door = Door::Unix(pki.folder().join("admin.sock"));
    let reloads = || {
        let body = door.get("/metrics").body;
        let of = |result: &str| {
            let name = format!("tlsgate_config_reloads_total{{result=\"{result}\"}} ");
            body.lines().find_map(|line| line.strip_prefix(&name)?.parse::<u64>().ok()).unwrap()
        };
        (of("success"), of("failure"))
    };
    let config = Arc::new(both_versions(&pki.ca()));
    let mut client = Client::on(connect(proxy.address("main")), &config, NAMES[0]);
    client.handshake().unwrap();
    let before = reloads();
    certificates(&pki, 2);
    configuration(&pki, backend.address, 2);
    let process = nix::unistd::Pid::from_raw(proxy.pid().try_into().unwrap());
    for _ in 0..STORM {
        nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGHUP).unwrap();
    }
    proxy.log_line("generation-2/b.test.rsa.crt added");
    for name in NAMES {
        let mut client = Client::on(connect(proxy.address("main")), &config, name);
        client.handshake().unwrap();
        assert_eq!(generation_of(&client), 2);
    }
    client.send(b"ping").unwrap();
    assert_eq!(client.read_exact(4), b"ping", "a connection from before");
    let after = reloads();
    println!("{} reloads for {STORM} signals", after.0 - before.0);
    assert!(after.0 - before.0 <= STORM / 10, "{before:?} {after:?}");
    assert_eq!(after.1, before.1);
}

const STORM: u64 = 2000;

fn has_rsa_key(client: &Client) -> bool {
    let leaf = &client.tls.peer_certificates().unwrap()[0];
    let (_, certificate) = X509Certificate::from_der(leaf).unwrap();
    matches!(certificate.public_key().parsed().unwrap(), PublicKey::RSA(_))
}

/// A client that takes either version and either key type.
fn both_versions(ca: &Path) -> rustls::ClientConfig {
    with_provider(ca, tlsgate::tls::crypto::provider())
}

/// A client that takes either version, and can verify no signature but RSA's on a handshake.
fn rsa_only(ca: &Path) -> rustls::ClientConfig {
    let mut provider = tlsgate::tls::crypto::provider();
    let algorithms = &mut provider.signature_verification_algorithms;
    let rsa = |scheme: &SignatureScheme| scheme.as_str().is_some_and(|name| name.starts_with("RSA_"));
    algorithms.mapping =
        algorithms.mapping.iter().copied().filter(|(scheme, _)| rsa(scheme)).collect::<Vec<_>>().leak();
    with_provider(ca, provider)
}

fn with_provider(ca: &Path, provider: CryptoProvider) -> rustls::ClientConfig {
    let mut roots = rustls::RootCertStore::empty();
    let pem = fs::read(ca).unwrap();
    roots.add(rustls::pki_types::pem::from_buf(&mut pem.as_slice()).unwrap().unwrap().1.into()).unwrap();
    let builder =
        rustls::ClientConfig::builder_with_provider(Arc::new(provider)).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    // A resumed session shows the certificate of its first handshake.
    config.resumption = rustls::client::Resumption::disabled();
    config
}
