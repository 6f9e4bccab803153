//! The addresses for http-01: bound at the start and by reloads, named in errors, and handed over.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use super::upgrade::Successor;
use crate::support::http::{Door, Response};
use crate::support::pki::{Extra, Key, Pki};
use crate::support::procfs::eventually;
use crate::support::proxy::Proxy;

/// A proxy with an authority whose challenges are answered on these addresses.
fn config(http: &str) -> String {
    format!(
        "[admin]\nlisten=\"unix:admin.sock\"\n[state]\ndirectory = \"state\"\n[acme.inside]\ndirectory = \"https://127.0.0.1:1/directory\"\n\
         http = [{http}]\nchallenges = [\"http-01\"]\n[[listener]]\nname = \"main\"\nlisten = \"127.0.0.1:0\"\n\
         certificates = [\"certs\", {{ acme = \"inside\", names = [\"b.test\"] }}]\nbackend = \"none\"\n\
         [backend.none]\nservers = [\"127.0.0.1:1\"]\n"
    )
}

fn pki() -> Pki {
    let pki = Pki::new();
    pki.write("certs", "a", &["a.test"], Key::P256, &Extra::default());
    pki
}

/// The address that the log names.
fn answering(proxy: &Proxy) -> SocketAddr {
    let line = proxy.log_line("answering http-01 challenges");
    line.rsplit_once("address=").unwrap().1.trim().parse().unwrap()
}

fn redirected(to: SocketAddr) -> Response {
    let answer = Door::Tcp(to).ask("GET", "/x?y", &[("Host", "a.test")], "");
    assert!(answer.status == 308 && answer.head.contains("location: https://a.test/x?y\r\n"), "{answer:?}");
    answer
}

#[test]
fn an_address_comes_and_goes_with_a_reload_and_one_that_is_taken_is_an_error() {
    let pki = pki();
    let proxy = Proxy::start(pki.folder(), &config("\"127.0.0.1:0\""));
    let first = answering(&proxy);
    redirected(first);
    let door = Door::unix(pki.folder());
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken_at = format!("\"{}\"", taken.local_addr().unwrap());
    fs::write(pki.folder().join("tlsgate.toml"), config(&taken_at)).unwrap();
    let refused = door.ask("POST", "/api/v1/reload", &[], "");
    let error = refused.json()["errors"][0]["text"].as_str().unwrap().to_owned();
    assert!(refused.status == 422 && error.contains(CANNOT_LISTEN), "{error}");
    redirected(first);
    drop(taken);
    assert_eq!(door.ask("POST", "/api/v1/reload", &[], "").status, 200);
    redirected(taken_at.trim_matches('"').parse().unwrap());
    // The first one is closed when the loop that accepts has ended.
    eventually("the first address is given up", || TcpListener::bind(first).ok());
    let again = Pki::new();
    again.write("certs", "a", &["a.test"], Key::P256, &Extra::default());
    let log = Proxy::try_start(again.folder(), &config(&taken_at)).err().unwrap();
    assert!(log.contains(CANNOT_LISTEN), "{log}");
}

#[test]
fn no_connection_is_refused_while_another_process_takes_over() {
    let pki = pki();
    let mut proxy = Proxy::start(pki.folder(), &config("\"127.0.0.1:0\""));
    let address = answering(&proxy);
    let (done, served) = (AtomicBool::new(false), AtomicU64::new(0));
    let _successor = thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                redirected(address);
                served.fetch_add(1, Ordering::Relaxed);
            }
        });
        let successor = Successor::of(&proxy);
        assert_eq!(proxy.ended().code(), Some(0));
        // Some more, which the new one serves alone.
        let seen = served.load(Ordering::Relaxed);
        while served.load(Ordering::Relaxed) < seen + 50 {
            thread::yield_now();
        }
        done.store(true, Ordering::Release);
        successor
    });
    redirected(address);
}

const CANNOT_LISTEN: &str = "line 7, column 9: acme \"inside\": http[0]: cannot listen on 127.0.0.1:";
