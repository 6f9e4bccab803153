//! A process that drains goes on to judge the clients of its open connections by what is on the disk: another process has taken
//! over, or nobody.

use std::fs;
use std::net::{TcpListener, TcpStream};

use rustls::AlertDescription as Alert;

use super::{ALICE, BOB, Joined, STRICT, Scene};
use crate::process::upgrade::Successor;
use crate::support::client::{Ending, Tls, drain};
use crate::support::http::Door;
use crate::support::list_server::ListServer;
use crate::support::procfs::eventually;

/// The client has left with that alert, its server has seen a reset, and the record has the outcome.
fn left(scene: &Scene, mut joined: Joined, alert: Alert, outcome: &str) {
    assert_eq!(joined.client.read_to_end(), (Vec::new(), Ending::Alert(alert)), "{outcome}");
    assert_eq!(drain(&mut joined.server), (Vec::new(), Ending::Reset), "{outcome}");
    let port = joined.client.close();
    assert_eq!(scene.proxy.record(|record| record["client.port"] == port)["outcome"], outcome);
}

fn list(scene: &Scene, serials: &[u64]) {
    fs::write(scene.pki.folder().join("ca.crl"), scene.ca.list(serials, 30)).unwrap();
}

#[test]
fn who_is_revoked_after_an_upgrade_leaves_the_old_process_as_well() {
    let mut scene = Scene::new(STRICT);
    let (alice, bob) = (scene.issue("alice", ALICE), scene.issue("bob", BOB));
    let of_alice = Tls::BOTH.map(|tls| scene.join(tls, Some(&alice)));
    let mut of_bob = scene.join(Tls::V13, Some(&bob));
    let _successor = Successor::of(&scene.proxy);
    of_bob.speak();
    list(&scene, &[ALICE]);
    for joined in of_alice {
        left(&scene, joined, Alert::CertificateRevoked, "client_certificate_revoked");
    }
    of_bob.speak();
    // The rules of the configuration count as well.
    // Not by a request: the new process may not answer yet.
    let path = scene.pki.folder().join("tlsgate.toml");
    let text = fs::read_to_string(&path).unwrap();
    let named = text.replace("crl = \"ca.crl\"", "crl = \"ca.crl\", names = [\"cn:carol\"]");
    assert_ne!(named, text);
    fs::write(&path, named).unwrap();
    left(&scene, of_bob, Alert::AccessDenied, "client_certificate_denied");
    // It waits for nobody else.
    assert_eq!(scene.proxy.ended().code(), Some(0));
}

#[test]
fn a_list_that_the_new_process_fetches_counts_in_the_old_one_as_well() {
    let lists = ListServer::start();
    let top = "[state]\ndirectory = \"state\"\n[crl]\nrefresh = \"1s\"\ntimeout = \"1s\"\n";
    let auth = format!("mode = \"require\", ca = \"client-ca.pem\", crl = {:?}", lists.url("ca.crl"));
    let scene = Scene::with(&auth, top, "");
    let (alice, bob) = (scene.issue("alice", ALICE), scene.issue("bob", BOB));
    lists.list("ca.crl", &scene.ca.numbered_list(5, &[], 30));
    let door = Door::unix(scene.pki.folder());
    eventually("the list is there", || {
        (door.get("/api/v1/crl").json()["lists"][0]["state"] == "current").then_some(())
    });
    // From now on it is used.
    scene.reload();
    let [leaves, mut stays] = [&alice, &bob].map(|client| scene.join(Tls::V13, Some(client)));
    let _successor = Successor::of(&scene.proxy);
    lists.list("ca.crl", &scene.ca.numbered_list(6, &[ALICE], 30));
    left(&scene, leaves, Alert::CertificateRevoked, "client_certificate_revoked");
    stays.speak();
}

/// As where the new process is of another version, whose configuration has a key that the old one does not know.
#[test]
fn lists_count_also_where_the_old_process_cannot_read_the_configuration() {
    let scene = Scene::new(STRICT);
    let (alice, bob) = (scene.issue("alice", ALICE), scene.issue("bob", BOB));
    let [leaves, mut stays] = [&alice, &bob].map(|client| scene.join(Tls::V13, Some(client)));
    let _successor = Successor::of(&scene.proxy);
    let path = scene.pki.folder().join("tlsgate.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("of_another_version = true\n{text}")).unwrap();
    list(&scene, &[ALICE]);
    left(&scene, leaves, Alert::CertificateRevoked, "client_certificate_revoked");
    scene.proxy.log_line("this process drains, and cannot use the configuration any more");
    stays.speak();
}

#[test]
fn after_a_stop_as_well_and_nothing_is_listened_on_again() {
    let mut scene = Scene::new(STRICT);
    let (alice, bob) = (scene.issue("alice", ALICE), scene.issue("bob", BOB));
    let leaves = scene.join(Tls::V13, Some(&alice));
    let mut stays = scene.join(Tls::V12, Some(&bob));
    scene.proxy.signal("TERM");
    scene.proxy.log_line("no longer accepting");
    list(&scene, &[ALICE]);
    left(&scene, leaves, Alert::CertificateRevoked, "client_certificate_revoked");
    stays.speak();
    // A new address in the configuration is none of this process's any more.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let path = scene.pki.folder().join("tlsgate.toml");
    let text = fs::read_to_string(&path).unwrap();
    let elsewhere = text
        .replace("\"127.0.0.1:0\"", &format!("[\"127.0.0.1:0\", \"{free}\"]"))
        .replace("crl = \"ca.crl\"", "crl = \"ca.crl\", names = [\"cn:carol\"]");
    assert!(elsewhere.contains(&free.to_string()) && elsewhere.contains("carol"), "{elsewhere}");
    fs::write(&path, elsewhere).unwrap();
    left(&scene, stays, Alert::AccessDenied, "client_certificate_denied");
    assert!(TcpStream::connect(free).is_err());
    assert_eq!(scene.proxy.wait().code(), Some(0));
}
