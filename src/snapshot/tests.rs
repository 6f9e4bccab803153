//! What thousands of routes and backends share, and what they take over.

use std::fmt::Write as _;
use std::fs;
use std::sync::mpsc;

use jiff::Timestamp;
use rustls::server::ProducesTickets as _;
use tempfile::TempDir;

use super::*;
use crate::config;
use crate::route::ways::Way;
use crate::tls::certificate::store::Trust;
use crate::tls::trust::clients::ClientAuth;

const MANY: usize = 300;

/// A folder with `listener.pem`, `route.pem` and the `ca.pem` of clients.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["listener", "route"] {
        let pair = rcgen::generate_simple_self_signed(vec![format!("{name}.test")]).unwrap();
        fs::write(folder.path().join(format!("{name}.pem")), pair.cert.pem() + &pair.signing_key.serialize_pem())
            .unwrap();
    }
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
    fs::write(folder.path().join("ca.pem"), ca.pem()).unwrap();
    folder
}

/// A listener with these lines, and a route of its own for each of `numbers`, with these lines.
fn routes(listener: &str, numbers: impl Iterator<Item = usize>, route: &str) -> String {
    let mut text = format!(
        "[backend.b]\nservers = [\"127.0.0.1:9\"]\n[[listener]]\nname = \"main\"\nlisten = \"127.0.0.1:0\"\n\
         certificates = [\"listener.pem\"]\nbackend = \"b\"\n{listener}\n"
    );
    for number in numbers {
        write!(text, "[[listener.route]]\nserver_names = [\"h{number}.test\"]\n{route}\n").unwrap();
    }
    text
}

fn build(text: &str, folder: &TempDir, before: &Snapshot) -> Result<Snapshot, Vec<String>> {
    let config = config::parse(text, folder.path()).unwrap();
    let built = Snapshot::build(&config, before, Trust::Bytes, Timestamp::now());
    built.map(|built| built.snapshot).map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

fn ways(snapshot: &Snapshot) -> &Ways {
    &snapshot.listener("main").unwrap().ways
}

#[test]
fn what_routes_ask_of_clients_like_their_listener_is_made_once_and_taken_over() {
    let folder = folder();
    let text = routes("client_auth = { mode = \"require\", ca = \"ca.pem\" }", 0..MANY, "");
    let text = text
        + "[[listener.route]]\nserver_names = [\"own.test\"]\nclient_auth = { mode = \"optional\", ca = \"ca.pem\" }\n";
    let first = build(&text, &folder, &Snapshot::default()).unwrap();
    let auths = |snapshot| -> Vec<Arc<ClientAuth>> {
        ways(snapshot).client_auths().map(|(_, auth): (&str, _)| Arc::clone(auth)).collect()
    };
    let before = auths(&first);
    // The routes, the one that asks for something else, and the listener itself.
    assert_eq!(before.len(), MANY + 2);
    let alike = before.iter().filter(|auth| Arc::ptr_eq(auth, &before[0])).count();
    assert_eq!((alike, Arc::ptr_eq(&before[MANY], &before[0])), (MANY + 1, false));
    let after = auths(&build(&text, &folder, &first).unwrap());
    assert!(before.iter().zip(&after).all(|(before, after)| Arc::ptr_eq(before, after)));
}

#[test]
fn each_of_many_routes_keeps_its_own_ticket_keys() {
    let folder = folder();
    let first = build(&routes("", 0..MANY, ""), &folder, &Snapshot::default()).unwrap();
    // In another order, and with fewer of them.
    let second = build(&routes("", (1..MANY).rev(), ""), &folder, &first).unwrap();
    let tickets = |snapshot, number: usize| {
        let mut found = ways(snapshot).all().filter(|route| *route.name == format!("h{number}.test"));
        match &found.next().unwrap().way {
            Way::Terminate(termination) => Arc::clone(termination.tickets.as_ref().unwrap()),
            _ => panic!("it does not terminate TLS"),
        }
    };
    for number in [1, 17, MANY - 1] {
        let sealed = tickets(&first, number).encrypt(b"session").unwrap();
        assert_eq!(tickets(&second, number).decrypt(&sealed), Some(b"session".to_vec()), "{number}");
        assert_eq!(tickets(&second, 2).decrypt(&sealed), None, "{number}");
        // The room for sessions by id is the listener's, and stays.
        assert!(Arc::ptr_eq(tickets(&first, number).sessions(), tickets(&second, 2).sessions()));
    }
    let other = build(&routes("", 0..2, ""), &folder, &Snapshot::default()).unwrap();
    assert!(!Arc::ptr_eq(tickets(&first, 1).sessions(), tickets(&other, 1).sessions()));
}

#[test]
fn what_is_wrong_with_a_listeners_files_is_one_error_however_many_routes_have_them() {
    let folder = folder();
    fs::write(folder.path().join("tickets.key"), "no key\n").unwrap();
    fs::write(folder.path().join("none.pem"), "").unwrap();
    for (line, file) in [
        ("ticket_keys = [\"tickets.key\"]", "tickets.key"),
        ("client_auth = { mode = \"require\", ca = \"none.pem\" }", "none.pem"),
    ] {
        let errors = build(&routes(line, 0..MANY, ""), &folder, &Snapshot::default()).unwrap_err();
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].contains(file), "{errors:?}");
    }
}

#[test]
fn each_route_whose_policy_can_serve_none_of_the_certificates_is_an_error() {
    let folder = folder();
    let policy = "[policy.rsa]\nversions = [\"TLSv1.2\"]\nciphers = [\"ECDHE-RSA-AES128-GCM-SHA256\"]\n";
    let text = routes("", 0..3, "policy = \"rsa\"") + "[[listener.route]]\nserver_names = [\"fine.test\"]\n" + policy;
    let errors = build(&text, &folder, &Snapshot::default()).unwrap_err();
    assert_eq!(errors.len(), 3, "{errors:?}");
    for (number, error) in errors.iter().enumerate() {
        assert!(error.contains(&format!("h{number}.test")) && error.contains("can never be served"), "{error}");
    }
}

#[test]
fn each_certificate_of_many_routes_is_there_once_the_listeners_own_first() {
    let folder = folder();
    let text = routes("", 0..MANY, "certificates = [\"route.pem\"]");
    let snapshot = build(&text, &folder, &Snapshot::default()).unwrap();
    let names: Vec<String> = ways(&snapshot).certificates().iter().map(|one| one.names[0].to_string()).collect();
    assert_eq!(names, ["listener.test", "route.test"]);
}

#[test]
fn each_of_many_backends_is_found_by_its_name_and_keeps_its_servers_and_sources() {
    let folder = folder();
    let text = |numbers: &mut dyn Iterator<Item = usize>| {
        numbers.fold(routes("", 0..0, ""), |text, number| {
            text + &format!(
                "[backend.b{number}]\nservers = [\"127.0.0.1:9\", \"dns:h{number}.test:9\", \"dns:other.test:9\"]\n"
            )
        })
    };
    let first = build(&text(&mut (0..MANY)), &folder, &Snapshot::default()).unwrap();
    let second = build(&text(&mut (1..MANY).rev()), &folder, &first).unwrap();
    assert_eq!((first.pools().len(), second.pools().len()), (MANY + 1, MANY));
    assert!(second.pool("b0").is_none());
    for number in [1, 17, MANY - 1] {
        let name = format!("b{number}");
        let (before, after) = (first.pool(&name).unwrap(), second.pool(&name).unwrap());
        assert_eq!((&**before.name(), &**after.name()), (&*name, &*name));
        assert!(Arc::ptr_eq(&before.members().list[0].server, &after.members().list[0].server));
        assert!((0..2).all(|at| Arc::ptr_eq(&before.lookups[at], &after.lookups[at])));
        assert_eq!(after.lookups[0].source.to_string(), format!("dns:h{number}.test:9"));
    }
}

/// Holds up whoever drops it, for as long as the sender is there.
#[derive(Default)]
struct Hold(Option<mpsc::Receiver<()>>);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.take().map(|held| held.recv());
    }
}

#[test]
fn the_last_owner_of_an_old_snapshot_or_listener_drops_nothing_of_it_itself() {
    let folder = folder();
    let text = routes("", 0..MANY, "");
    let fresh = || build(&text, &folder, &Snapshot::default()).unwrap();
    let current = Current::new(fresh());
    let of_a_connection = Arc::clone(current.load().listener("main").unwrap());
    let (pool, index) = (Arc::downgrade(current.load().pool("b").unwrap()), {
        let terminator = of_a_connection.ways.terminators().next().unwrap();
        Arc::downgrade(&terminator.certificates)
    });
    let (release, held) = mpsc::channel();
    drop(Heavy::new(Hold(Some(held))));
    current.store(fresh());
    drop(of_a_connection);
    assert!(pool.strong_count() > 0 && index.strong_count() > 0, "it was dropped here");
    drop(release);
    while pool.strong_count() > 0 || index.strong_count() > 0 {
        std::thread::yield_now();
    }
}

#[test]
fn snapshots_are_numbered_as_they_come_into_force_and_not_as_they_are_built() {
    let (folder, text) = (folder(), routes("", 0..2, ""));
    let fresh = |before: &Snapshot| build(&text, &folder, before).unwrap();
    let current = Current::new(fresh(&Snapshot::default()));
    // As a release that waits until all nodes have it.
    let held = fresh(&current.load());
    for number in 2..5 {
        current.store(fresh(&current.load()));
        assert_eq!((current.load().generation(), held.generation()), (number, 0));
    }
    current.store(held);
    assert_eq!(current.load().generation(), 5);
}

#[test]
fn an_index_of_certificates_is_taken_over_for_as_long_as_it_is_the_same() {
    let folder = folder();
    let own = "certificates = [\"route.pem\"]";
    let text = routes("", 0..2, own);
    let indexes = |snapshot: &Snapshot| -> Vec<_> {
        ways(snapshot).terminators().map(|terminator| Arc::clone(&terminator.certificates)).collect()
    };
    let same = |one: &[Arc<_>], other: &[Arc<_>]| -> Vec<bool> {
        one.iter().zip(other).map(|(one, other)| Arc::ptr_eq(one, other)).collect()
    };
    let first = build(&text, &folder, &Snapshot::default()).unwrap();
    let second = build(&text, &folder, &first).unwrap();
    // The first index of several that are alike is used for all.
    assert_eq!(same(&indexes(&first), &indexes(&second)), [true, false, true]);
    assert!(Arc::ptr_eq(&indexes(&second)[0], &indexes(&second)[1]));
    // With another default, or another certificate, it is another one.
    let of = |default: bool, before| {
        let pair = "cert = \"route.pem\", key = \"route.pem\"";
        let line = format!("certificates = [\"listener.pem\", {{ {pair}, default = {default} }}]");
        build(&text.replace("certificates = [\"listener.pem\"]", &line), &folder, before)
    };
    let third = of(false, &second).unwrap();
    assert_eq!(same(&indexes(&second), &indexes(&third)), [true, true, false]);
    let fourth = of(true, &third).unwrap();
    assert_eq!(same(&indexes(&third), &indexes(&fourth)), [true, true, false]);
    assert_eq!(same(&indexes(&fourth), &indexes(&of(true, &fourth).unwrap())), [true, true, true]);
}

#[test]
fn a_snapshot_continues_with_the_servers_that_are_in_force_when_it_is_and_not_with_those_when_it_was_built() {
    let folder = folder();
    let text = |servers: &str| routes("", 0..2, "").replace("\"127.0.0.1:9\"", servers);
    let one = build(&text("\"127.0.0.1:9\""), &folder, &Snapshot::default()).unwrap();
    let current = Current::new(one);
    let both = text("\"127.0.0.1:9\", \"127.0.0.1:10\"");
    let held = build(&both, &folder, &current.load()).unwrap();
    current.store(build(&both, &folder, &current.load()).unwrap());
    let server = || Arc::clone(&current.load().pool("b").unwrap().members().list[1].server);
    let before = server();
    before.set_state(crate::backend::condition::State::Drain);
    current.store(held);
    assert!(Arc::ptr_eq(&before, &server()));
}
