//! The package for Debian, in a Debian that has nothing else: installed, started, serving, upgraded under load, removed, purged.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use rustls::ClientConfig;

use super::deb;
use super::host::{CONFIG, Host, LISTENER, inside, with_host};
use crate::support::backend::Backend;
use crate::support::client::{Client, Tls, trusting};
use crate::support::procfs::eventually;
use crate::support::stage::{NAME, certified};
use crate::support::tool;
use crate::systemd::restarted::{Over, load};

fn install(clean: &Host, package: &Path) -> Output {
    clean.manage(&["dpkg", "--install", &inside(package)])
}

fn version(clean: &Host) -> String {
    clean.machine.run(&["dpkg-query", "--show", "--showformat=${Version}", "tlsgate"])
}

/// Runs a test in a Debian that has nothing that is not needed to start a service.
fn in_clean_debian(packages: &[&Path], test: impl FnOnce(&Host) + Send) {
    with_host(&tool::clean_debian(), packages, test);
}

#[test]
fn a_package_serves_as_installed_is_upgraded_under_load_removed_and_purged() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = thread::scope(|scope| {
        let second = scope.spawn(|| deb(folder.path(), "0.1.0-2"));
        (deb(folder.path(), "0.1.0-1"), second.join().unwrap())
    });
    in_clean_debian(&[&first, &second], |clean| {
        install(clean, &first);
        serves_as_installed(clean);
        let (pki, backend) = (certified(), Backend::echo());
        clean.configure(&pki, &backend);
        let trust = trusting(&pki.ca(), Tls::V13);
        let lasting = upgraded_under_load(clean, &second, &Arc::new(trust));
        let (key, own) =
            ("/etc/tlsgate/certs/localhost.ecdsa-p256/tls.key", fs::read(clean.machine.file(CONFIG)).unwrap());
        // It is state, too.
        clean.write("/var/lib/tlsgate/kept", "");

        removed_when_the_last_connection_has_ended(clean, lasting);
        let ended = (clean.property("ActiveState"), clean.property("Result"));
        assert_eq!(ended, ("inactive".into(), "success".into()), "{}", clean.log());
        assert!(!clean.exists("/usr/bin/tlsgate") && clean.exists(key) && clean.exists("/var/lib/tlsgate/kept"));
        assert_eq!(fs::read(clean.machine.file(CONFIG)).unwrap(), own);
        let before = fs::read(clean.machine.file(key)).unwrap();
        install(clean, &second);
        assert!(clean.is_active(), "{}", clean.log());
        assert_eq!(fs::read(clean.machine.file(key)).unwrap(), before);

        clean.manage(&["dpkg", "--purge", "tlsgate"]);
        // The drop-in is the administrator's, and the packages are the test's.
        let left = "find / -xdev -name '*tlsgate*' -not -path '/root/*' -not -path '/proc/*' -not -path '/sys/*' \
                    -not -path '/run/*' -not -path '*/tlsgate.service.d'";
        assert_eq!(clean.machine.run(&["sh", "-c", left]), "");
        let gone = (clean.property("LoadState"), clean.property("ActiveState"));
        assert_eq!(gone, ("not-found".into(), "inactive".into()));
    });
}

/// Also after an upgrade, when systemd has not started the process itself that it stops.
fn removed_when_the_last_connection_has_ended(clean: &Host, mut lasting: Client) {
    thread::scope(|scope| {
        let removal = scope.spawn(|| clean.manage(&["dpkg", "--remove", "tlsgate"]));
        eventually("it accepts no longer", || TcpStream::connect(LISTENER).is_err().then_some(()));
        echo(&mut lasting);
        drop(lasting);
        removal.join().unwrap();
    });
}

fn echo(client: &mut Client) {
    client.send(b"ping").unwrap();
    assert_eq!(client.read_exact(4), b"ping");
}

fn serves_as_installed(clean: &Host) {
    assert!(clean.is_active(), "{}", clean.log());
    assert_eq!(clean.machine.run(&["systemctl", "is-enabled", "tlsgate.service"]), "enabled");
    assert!(clean.first_page("/readyz").starts_with("HTTP/1.1 200"));
    let page = clean.first_page("/");
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("<!DOCTYPE html>"), "{page}");
    let status = clean.first_page("/api/v1/status");
    assert!(status.starts_with("HTTP/1.1 200") && status.contains(env!("CARGO_PKG_VERSION")), "{status}");
    assert_eq!(clean.machine.run(&["tlsgate", "health", "-c", CONFIG]), "ready");
    clean.machine.run(&["tlsgate", "check", "--strict", "-c", CONFIG]);
    for (path, access) in [
        ("/etc/tlsgate", "root:tlsgate 750"),
        (CONFIG, "root:tlsgate 640"),
        ("/etc/tlsgate/certs/localhost.ecdsa-p256/tls.key", "root:tlsgate 640"),
        ("/etc/tlsgate/localhost-ca.pem", "root:root 644"),
        ("/var/lib/tlsgate", "tlsgate:tlsgate 700"),
        ("/var/log/tlsgate", "tlsgate:tlsgate 750"),
    ] {
        assert_eq!(clean.access(path), access, "{path}");
    }
    for file in [
        "man/man1/tlsgate.1.gz",
        "man/man5/tlsgate.toml.5.gz",
        "bash-completion/completions/tlsgate",
        "zsh/vendor-completions/_tlsgate",
        "fish/vendor_completions.d/tlsgate.fish",
        "doc/tlsgate/third-party.gz",
    ] {
        assert!(clean.exists(&format!("/usr/share/{file}")), "{file}");
    }
    // Of the authority that has signed the certificate there is nothing left to sign with.
    let keys = clean.machine.run(&["find", "/etc/tlsgate", "-name", "*.key"]);
    assert_eq!(keys, "/etc/tlsgate/certs/localhost.ecdsa-p256/tls.key");
}

/// Connections are made all the time, and one stays open from before the upgrade until after it.
fn upgraded_under_load(clean: &Host, package: &Path, trust: &Arc<ClientConfig>) -> Client {
    eventually("the reload is done", || {
        let mut client = Client::silent(LISTENER, trust, NAME);
        client.handshake().ok()?;
        client.send(b"ping").ok()?;
        (client.read_exact(4) == b"ping").then_some(())
    });
    let mut lasting = Client::silent(LISTENER, trust, NAME);
    lasting.handshake().unwrap();
    echo(&mut lasting);
    let (before, own) = (clean.property("MainPID"), fs::read(clean.machine.file(CONFIG)).unwrap());
    let (done, served) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        let _over = Over(&done);
        for times in [1, 1, 20] {
            let (done, served) = (&done, &served);
            scope.spawn(move || load(LISTENER, trust, times, done, served));
        }
        eventually("there is a load", || (served.load(Ordering::Relaxed) > 4).then_some(()));
        let output = install(clean, package);
        assert!(!String::from_utf8_lossy(&output.stderr).contains("has taken over"), "{}", tool::shown(&output));
        let after = clean.property("MainPID");
        assert!(after != before && after != "0", "{before}: {}", clean.log());
        let seen = served.load(Ordering::Relaxed);
        eventually("the new version serves", || (served.load(Ordering::Relaxed) > seen + 4).then_some(()));
    });
    echo(&mut lasting);
    println!("an upgrade of the package under load: {} connections, none failed", served.load(Ordering::Relaxed));
    assert_eq!((version(clean).as_str(), clean.property("NRestarts").as_str()), ("0.1.0-2", "0"));
    assert_eq!(fs::read(clean.machine.file(CONFIG)).unwrap(), own);
    lasting
}

#[test]
fn an_upgrade_that_the_configuration_refuses_leaves_the_process_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (deb(folder.path(), "0.1.0-1"), deb(folder.path(), "0.1.0-2"));
    in_clean_debian(&[&first, &second], |clean| {
        install(clean, &first);
        let before = clean.property("MainPID");
        let text = fs::read_to_string(clean.machine.file(CONFIG)).unwrap();
        clean.write(CONFIG, &text.replace("backend = \"itself\"", "backend = \"nobody\""));
        let output = install(clean, &second);
        assert!(String::from_utf8_lossy(&output.stderr).contains("has taken over"), "{}", tool::shown(&output));
        assert_eq!((clean.property("MainPID"), version(clean).as_str()), (before.clone(), "0.1.0-2"));
        assert!(clean.first_page("/readyz").starts_with("HTTP/1.1 200"));
        // With what was wrong, the next one takes over.
        clean.write(CONFIG, &text);
        clean.machine.run(&["systemctl", "kill", "--kill-whom=main", "--signal=USR2", "tlsgate"]);
        eventually("another process has taken over", || {
            let now = clean.property("MainPID");
            (now != before && now != "0").then_some(())
        });
    });
}

#[test]
fn one_input_gives_one_package_and_lintian_finds_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let first = fs::read(deb(folder.path(), "0.1.0-1")).unwrap();
    let again = deb(folder.path(), "0.1.0-1");
    assert!(fs::read(&again).unwrap() == first, "the same program gives another package");
    let arguments = ["--profile", "debian", "--fail-on", "error", "--allow-root", again.to_str().unwrap()];
    let output = tool::run("lintian", &arguments, b"");
    assert!(output.status.success(), "{}", tool::shown(&output));
}
