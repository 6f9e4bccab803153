//! A process that is killed while it changes certificate files: the next one serves the old pair or the new one.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::json;

use super::{ADD, Scene, config, door, serial, served};
use crate::support::proxy::Proxy;

fn hidden(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with('.')).collect()
}

/// Sends a change and does not wait for its answer.
fn send(scene: &Scene, pair: &(String, String)) -> Box<dyn crate::support::http::Stream> {
    let body = json!({ "name": "a", "certificate": pair.0, "key": pair.1 }).to_string();
    let mut stream = scene.door.connect();
    let head = format!(
        "POST {ADD} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).unwrap();
    stream
}

#[test]
fn a_killed_change_leaves_the_old_pair_or_the_new_one() {
    let mut scene = Scene::unix();
    let mut known = vec![scene.served("a.test")];
    for round in 0..8 {
        let pair = scene.pair("a.test");
        known.push(serial(pair.0.as_bytes()));
        let asked = send(&scene, &pair);
        // Killed at another moment each time: when the file's folder has changed, when the log reports it, or right
        // away.
        match round % 4 {
            0 => {}
            1 => drop(scene.proxy.log_line("reload")),
            _ => {
                let key = scene.path("certs/a.key");
                let before = fs::read(&key).unwrap();
                let mut looks = 0;
                while fs::read(&key).is_ok_and(|now| now == before) && looks < 100_000 {
                    looks += 1;
                }
            }
        }
        scene.proxy.signal("KILL");
        scene.proxy.wait();
        drop(asked);
        scene.proxy = Proxy::start(scene.pki.folder(), &config(&scene.backend, "listen=\"unix:admin.sock\"", ""));
        scene.door = door(&scene.proxy);
        let is = served(&scene.proxy, "a.test");
        assert!(known[known.len() - 2..].contains(&is), "round {round}: {is} of {known:?}");
        known.push(is);
        assert_eq!(hidden(&scene.path("certs")), Vec::<String>::new(), "round {round}");
    }
    // After recovery, another change is possible.
    assert_eq!(scene.add("a", &scene.pair("a.test")).status, 200);
}

#[test]
fn what_was_decided_is_finished_at_the_next_start_and_what_was_not_is_forgotten() {
    let scene = Scene::unix();
    let Scene { pki, mut proxy, backend, .. } = scene;
    proxy.signal("KILL");
    proxy.wait();
    let certs = pki.folder().join("certs");
    let pair = pki.pair(&["a.test"], crate::support::pki::Key::P256, &crate::support::pki::Extra::default());
    let decided = certs.join(".tlsgate-decided1.do");
    let open = certs.join(".tlsgate-open");
    for folder in [&decided, &open] {
        fs::create_dir(folder).unwrap();
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).unwrap();
        fs::write(folder.join("new-a.key"), &pair.1).unwrap();
    }
    // Its key is in its place already, the certificate is not: the two on the disk do not match.
    fs::rename(decided.join("new-a.key"), certs.join("a.key")).unwrap();
    fs::write(decided.join("new-a.crt"), &pair.0).unwrap();
    let proxy = Proxy::start(pki.folder(), &config(&backend, "listen=\"unix:admin.sock\"", ""));
    assert_eq!(served(&proxy, "a.test"), serial(pair.0.as_bytes()));
    assert_eq!(hidden(&certs), Vec::<String>::new());
}

#[test]
fn nothing_of_a_change_can_be_read_by_others() {
    let scene = Scene::unix();
    let pair = scene.pair("a.test");
    assert_eq!(scene.add("a", &pair).status, 200);
    assert_eq!(hidden(&scene.path("certs")), Vec::<String>::new());
    let mode = |name: &str| fs::metadata(scene.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("certs/a.key"), mode("certs/a.crt")), (0o600, 0o644));
}
