//! The keeper against Debian's pebble, which believes everything here: challenges are for the tests from outside.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};
use std::{fs, thread};

use super::*;
use crate::acme::issued;
use crate::acme::settings::{Authority, ChallengeKind, Identifier, KeyKind, Wanted};
use crate::acme::status::{OfCertificate, State, Status, Why};
use crate::tls::certificate::name::Name;

mod turns;

/// A process that ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Pebble {
    folder: tempfile::TempDir,
    address: SocketAddr,
    process: Option<Process>,
}

fn free_port() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

impl Pebble {
    fn start(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let signed = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        fs::write(folder.path().join("ca.pem"), signed.cert.pem()).unwrap();
        fs::write(folder.path().join("key.pem"), signed.signing_key.serialize_pem()).unwrap();
        let (address, management) = (free_port(), free_port());
        let folder_name = folder.path().display();
        let config = format!(
            r#"{{ "pebble": {{ "listenAddress": "{address}", "managementListenAddress": "{management}",
                "certificate": "{folder_name}/ca.pem", "privateKey": "{folder_name}/key.pem",
                "httpPort": 5002, "tlsPort": 5001, "ocspResponderURL": "", "externalAccountBindingRequired": false {more} }} }}"#
        );
        fs::write(folder.path().join("pebble.json"), config).unwrap();
        let mut pebble = Self { folder, address, process: None };
        pebble.run();
        pebble
    }

    /// Starts it, or starts it again: then it knows nothing of before.
    fn run(&mut self) {
        self.process = None;
        let mut command = Command::new("pebble");
        command.arg("-config").arg(self.folder.path().join("pebble.json"));
        command.env("PEBBLE_VA_ALWAYS_VALID", "1").env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_WFE_NONCEREJECT", "10");
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        self.process = Some(Process(child));
        eventually("pebble listens", || TcpStream::connect(self.address).ok());
    }

    fn authority(&self, name: &str) -> Authority {
        Authority {
            name: name.into(),
            directory: format!("https://{}/dir", self.address),
            contact: vec!["mailto:ops@example.com".to_owned()],
            accept_terms: true,
            ca: Some(self.folder.path().join("ca.pem")),
            eab: None,
            profile: None,
            challenges: vec![ChallengeKind::TlsAlpn01, ChallengeKind::Dns01],
            dns: Some(crate::acme::settings::Publisher::Program("/bin/true".into())),
            http: Vec::new(),
            tls_port: 443,
            http_port: 80,
            check: false,
            timeout: Duration::from_secs(20),
            fallback: Vec::new(),
        }
    }
}

fn eventually<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < end, "not in time: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn wanted(authority: &str, names: &[&str], key: KeyKind) -> Arc<Wanted> {
    let identifier = |name: &&str| match name.parse() {
        Ok(address) => Identifier::Ip(address),
        Err(_) => Identifier::Dns(Name::parse(name).unwrap()),
    };
    Arc::new(Wanted { authority: authority.into(), identifiers: names.iter().map(identifier).collect(), key })
}

/// A state folder, a clock that can be set, and a keeper.
struct Scene {
    state: PathBuf,
    ahead: Arc<AtomicI64>,
    keeper: Keeper,
    _folder: Option<tempfile::TempDir>,
}

impl Scene {
    fn start(authorities: Vec<Authority>, wanted: Vec<Arc<Wanted>>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let scene = Self::at(&folder.path().join("state"), authorities, wanted);
        Self { _folder: Some(folder), ..scene }
    }

    fn at(state: &Path, authorities: Vec<Authority>, wanted: Vec<Arc<Wanted>>) -> Self {
        let ahead = Arc::new(AtomicI64::new(0));
        let clock = {
            let ahead = Arc::clone(&ahead);
            Clock::new(move || Clock::default().now() + ahead.load(Ordering::Relaxed))
        };
        let keeper = Keeper::start_at(Arc::default(), Tokens::default(), (None, None), clock).unwrap();
        let scene = Self { state: state.to_owned(), ahead, keeper, _folder: None };
        scene.follow(authorities, wanted);
        scene
    }

    fn follow(&self, authorities: Vec<Authority>, wanted: Vec<Arc<Wanted>>) {
        let authorities = authorities.into_iter().map(Arc::new).collect();
        let settings = Settings { state: Some(self.state.clone()), authorities, wanted };
        let resolver = Resolver {
            name_servers: vec![free_port()],
            timeout: Duration::from_millis(50),
            min_ttl: Duration::from_secs(1),
            max_ttl: Duration::from_secs(1),
        };
        self.keeper.follow(Arc::new(settings), Arc::new(resolver));
    }

    fn status(&self) -> Arc<Status> {
        self.keeper.handle.status()
    }

    fn until(&self, what: &str, fits: impl Fn(&[OfCertificate]) -> bool) -> Arc<Status> {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let status = self.status();
            if fits(&status.certificates) {
                return status;
            }
            assert!(Instant::now() < end, "not in time: {what}: {status:#?}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn all_valid(&self) -> Arc<Status> {
        self.until("all are valid", |all| !all.is_empty() && all.iter().all(|one| one.state == State::Valid))
    }
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), future).await }).unwrap()
}

#[test]
fn certificates_of_both_kinds_are_issued_kept_renewed_and_revoked() {
    let pebble = Pebble::start("");
    let names = ["a.test", "*.a.test", "192.0.2.7"];
    let all = vec![wanted("p", &names, KeyKind::EcdsaP256), wanted("p", &names, KeyKind::Rsa2048)];
    let scene = Scene::start(vec![pebble.authority("p")], all.clone());
    let status = scene.all_valid();
    assert_eq!(status.authorities[0].renewals["issued"], 2);
    assert!(status.authorities[0].account.is_some());
    for one in &status.certificates {
        let folder = scene.state.join(one.wanted.folder());
        let (chain, key) =
            (fs::read(folder.join("tls.crt")).unwrap(), fs::read_to_string(folder.join("tls.key")).unwrap());
        let facts = issued::judge((&chain, &key), &one.wanted, &[], Clock::default().now()).unwrap().1;
        assert_eq!(one.serial, Some(facts.serial));
        assert_eq!(fs::metadata(folder.join("tls.key")).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(one.next.unwrap().why, Why::Lifetime);
    }
    let orders = scene.state.join("acme/p/orders");
    let keys = fs::read_dir(&orders).unwrap().filter(|one| one.as_ref().unwrap().path().extension().unwrap() == "key");
    assert_eq!(keys.count(), 0, "the keys of orders are gone");

    // A restart orders nothing.
    let before = status;
    let Scene { state, keeper, _folder, .. } = scene;
    drop(keeper);
    let scene = Scene::at(&state, vec![pebble.authority("p")], all.clone());
    let status = scene.all_valid();
    let serials = |status: &Status| status.certificates.iter().map(|one| one.serial.clone()).collect::<Vec<_>>();
    assert_eq!((serials(&status), status.authorities[0].renewals["issued"]), (serials(&before), 0));

    // An operator renews one of them, with another key.
    let handle = scene.keeper.handle();
    wait(handle.rollover("p")).unwrap();
    let rsa = Which { key: Some(KeyKind::Rsa2048), ..Which::default() };
    let outcomes = wait(handle.renew(rsa.clone())).unwrap();
    assert!(outcomes.len() == 1 && outcomes[0].result.is_ok(), "{outcomes:?}");
    let renewed = scene.all_valid();
    assert_eq!(renewed.certificates[0].serial, status.certificates[0].serial);
    assert_ne!(renewed.certificates[1].serial, status.certificates[1].serial);

    // What is revoked is replaced.
    let outcomes = wait(handle.revoke(rsa, Some(4))).unwrap();
    assert!(outcomes[0].result.is_ok(), "{outcomes:?}");
    let before = renewed.certificates[1].serial.clone();
    scene.until("another is there", |all| all[1].state == State::Valid && all[1].serial != before);
    let nobody = wait(handle.renew(Which { name: Some("b.test".to_owned()), ..Which::default() })).unwrap_err();
    assert!(matches!(&nobody, Refused::NoSuchCertificate(all) if all.len() == 2), "{nobody}");
}

#[test]
fn what_is_due_after_a_jump_of_the_clock_is_renewed_and_an_account_that_is_lost_is_made_again() {
    let mut pebble = Pebble::start("");
    let scene = Scene::start(vec![pebble.authority("p")], vec![wanted("p", &["a.test"], KeyKind::EcdsaP256)]);
    let status = scene.all_valid();
    let first = status.certificates[0].serial.clone();
    let account = status.authorities[0].account.clone().unwrap();
    // Pebble has forgotten everything.
    pebble.run();
    let outcomes = wait(scene.keeper.handle().renew(Which::default())).unwrap();
    assert!(outcomes[0].result.is_ok(), "{outcomes:?}");
    let status = scene.all_valid();
    assert_ne!(status.authorities[0].account.clone().unwrap(), account);
    let second = status.certificates[0].clone();
    assert_ne!(second.serial, first);
    // A little before the renewal nothing happens, a little after it is made.
    let due = second.next.unwrap().at - Clock::default().now();
    scene.ahead.store(due - 3600, Ordering::Relaxed);
    scene.follow(vec![pebble.authority("p")], vec![Arc::clone(&second.wanted)]);
    thread::sleep(Duration::from_millis(200));
    assert_eq!(scene.status().certificates[0].serial, second.serial);
    scene.ahead.store(due + 1, Ordering::Relaxed);
    scene.follow(vec![pebble.authority("p")], vec![Arc::clone(&second.wanted)]);
    let asked = scene.until("it is ordered again", |all| all[0].serial != second.serial || all[0].failures > 0);
    // Pebble's own clock has not jumped: what it issues has not begun to end, and is valid then too.
    assert_eq!(asked.certificates[0].failures, 0, "{asked:#?}");
}

#[test]
fn an_authority_that_is_down_leaves_reasons_and_a_fallback_takes_over() {
    let pebble = Pebble::start("");
    let down = Authority {
        directory: format!("https://{}/dir", free_port()),
        fallback: vec!["p".into()],
        ..pebble.authority("down")
    };
    let all = vec![wanted("down", &["a.test"], KeyKind::EcdsaP256)];
    let scene = Scene::start(vec![down.clone(), pebble.authority("p")], all.clone());
    let status = scene.until("it has failed", |all| all[0].state == State::Failed);
    let one = &status.certificates[0];
    assert_eq!((one.failures, one.next.unwrap().why), (1, Why::Retry));
    let failure = one.last_failure.clone().unwrap();
    assert!(failure.message.contains(&down.directory), "{failure:?}");
    assert!(one.next.unwrap().at > failure.at);
    assert!(status.authorities[0].paused_until.is_some());
    // A day later.
    scene.ahead.store(86_400, Ordering::Relaxed);
    scene.follow(vec![down, pebble.authority("p")], all);
    let status = scene.all_valid();
    assert_eq!(status.certificates[0].issued_by.as_deref(), Some("p"));
    assert_eq!(status.authorities[1].renewals["issued"], 1);
}

#[test]
fn a_second_process_orders_nothing_until_the_first_has_gone() {
    let pebble = Pebble::start("");
    let all = vec![wanted("p", &["a.test"], KeyKind::EcdsaP256)];
    let scene = Scene::start(vec![pebble.authority("p")], all.clone());
    scene.all_valid();
    let more = vec![Arc::clone(&all[0]), wanted("p", &["b.test"], KeyKind::EcdsaP256)];
    let second = Scene::at(&scene.state, vec![pebble.authority("p")], more);
    let status = eventually("the second is locked out", || {
        let status = second.status();
        status.locked_by.is_some().then_some(status)
    });
    assert_eq!(status.certificates[1].state, State::Pending);
    assert!(status.certificates[0].serial.is_some(), "what there is is shown");
    let refused = wait(second.keeper.handle().renew(Which::default())).unwrap_err();
    assert_eq!(refused, Refused::Locked(Some(std::process::id())));
    drop(scene.keeper);
    let status = second.all_valid();
    assert_eq!((status.locked_by, status.authorities[0].renewals["issued"]), (None, 1));
}

#[test]
fn an_account_is_bound_to_another_and_a_missing_key_is_an_error_that_names_the_setting() {
    let secret = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";
    let more =
        format!(r#", "externalAccountBindingRequired": true, "externalAccountMACKeys": {{ "kid-1": "{secret}" }}"#);
    let pebble = Pebble::start(&more);
    let all = vec![wanted("p", &["a.test"], KeyKind::EcdsaP256)];
    let scene = Scene::start(vec![pebble.authority("p")], all.clone());
    let status = scene.until("it has failed", |all| all[0].state == State::Failed);
    let message = &status.certificates[0].last_failure.as_ref().unwrap().message;
    assert!(message.starts_with("acme.p.eab"), "{message}");
    let key_file = pebble.folder.path().join("eab.key");
    fs::write(&key_file, format!("{secret}\n")).unwrap();
    let bound = crate::acme::settings::Eab { kid: "kid-1".to_owned(), key_file };
    let authority = Authority { eab: Some(bound), ..pebble.authority("p") };
    // It is not necessary to wait for the end of the pause.
    scene.follow(vec![authority], all);
    scene.all_valid();
}

#[test]
fn an_order_that_was_under_way_when_the_process_ended_is_taken_up_again() {
    let pebble = Pebble::start("");
    let (folder, program) = (pebble.folder.path(), pebble.folder.path().join("publish"));
    // It says that it was called, and waits.
    let at = folder.display();
    let script = format!("#!/bin/sh\ntouch {at}/called\nuntil [ -e {at}/go ]; do sleep 0.02; done\n");
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let authority = || Authority {
        challenges: vec![ChallengeKind::Dns01],
        dns: Some(crate::acme::settings::Publisher::Program(program.clone())),
        ..pebble.authority("p")
    };
    let all = vec![wanted("p", &["*.a.test"], KeyKind::EcdsaP256)];
    let called = || eventually("the program is called", || folder.join("called").exists().then_some(()));
    let Scene { state, keeper, _folder, .. } = Scene::start(vec![authority()], all.clone());
    called();
    let remembered = || {
        let file = fs::read_dir(state.join("acme/p/orders")).unwrap().next().unwrap().unwrap().path();
        let all: serde_json::Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        all["order"]["url"].as_str().map(str::to_owned)
    };
    let url = remembered().unwrap();
    drop(keeper);
    fs::remove_file(folder.join("called")).unwrap();

    let scene = Scene::at(&state, vec![authority()], all);
    let status = scene.until("it is planned", |all| all[0].next.is_some());
    let next = status.certificates[0].next.unwrap();
    assert!(next.at > Clock::default().now() + 20, "the attempt that was cut off counts: {next:?}");
    // When the pause is over.
    scene.ahead.store(120, Ordering::Relaxed);
    scene.follow(vec![authority()], vec![Arc::clone(&status.certificates[0].wanted)]);
    called();
    assert_eq!(remembered().unwrap(), url);
    fs::write(folder.join("go"), "").unwrap();
    scene.all_valid();
    assert_eq!(remembered(), None);
}
