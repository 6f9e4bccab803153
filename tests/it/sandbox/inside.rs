//! What an operator does while the process runs still works after it has given up its rights, and what does not work says
//! what to do.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::{CONFIGURATION, Scene, configuration, give, is_root, list, serial};
use crate::support::backend::Backend;
use crate::support::pki::{Extra, Key, Pki};
use crate::support::procfs::eventually;
use crate::support::tool;

#[test]
fn a_certificate_is_renewed_added_and_removed() {
    let scene = Scene::new("", &["certs"]);
    assert_eq!(scene.served("certs.test"), serial(&fs::read(scene.path("certs/a.crt")).unwrap()));
    let renewed = scene.write("certs", "a", "certs.test");
    scene.proxy.log_line("a.crt replaced");
    assert_eq!(scene.served("certs.test"), renewed);
    let added = scene.write("certs", "b", "b.test");
    scene.proxy.log_line("b.crt added");
    assert_eq!(scene.served("b.test"), added);
    // The same through the admin API, which writes the files itself.
    let (certificate, key) = scene.pki.pair(&["c.test"], Key::P256, &Extra::default());
    let body = json!({ "name": "c", "certificate": certificate, "key": key }).to_string();
    let answer = scene.door().ask("POST", ADD, &[JSON], &body);
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(scene.served("c.test"), serial(certificate.as_bytes()));
    let answer = scene.door().ask("DELETE", &format!("{ADD}/c"), &[], "");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(!scene.path("certs/c.key").exists());
}

#[test]
fn certbot_and_kubernetes_swap_their_links() {
    let (pki, backend) = (Pki::new(), Backend::echo());
    certbot(&pki, "site.test", 1);
    kubernetes(&pki, 1);
    let scene = Scene::with(pki, backend, "", &list(&["live", "secret"]));
    for (name, next) in
        [("site.test", certbot as fn(&Pki, &str, u32) -> String), ("pod.test", |pki, _, n| kubernetes(pki, n))]
    {
        let before = scene.served(name);
        let after = next(&scene.pki, name, 2);
        assert_ne!(before, after);
        eventually("the renewed one is served", || (scene.served(name) == after).then_some(()));
    }
    // certbot gets one for another name: its files are in a folder that did not exist at the start.
    let another = certbot(&scene.pki, "another.test", 1);
    eventually("the new one is served", || (scene.served("another.test") == another).then_some(()));
}

/// A script that makes a new folder beside the old one and exchanges them. Landlock knows the old one only.
#[test]
fn a_folder_of_certificates_is_exchanged_for_another_one() {
    let scene = Scene::new("", &["certs"]);
    let exchange = |folder: &str, old: &str| {
        give(&scene.path("new"));
        fs::rename(scene.path(folder), scene.path(old)).unwrap();
        fs::rename(scene.path("new"), scene.path(folder)).unwrap();
    };
    for old in ["first", "second"] {
        let (exchanged, added) = (scene.write("new", "a", "certs.test"), scene.write("new/below", "b", "below.test"));
        exchange("certs", old);
        eventually("the new folder is served", || (scene.served("certs.test") == exchanged).then_some(()));
        assert_eq!(scene.served("below.test"), added);
    }
    // Files in it are replaced as before.
    let renewed = scene.write("certs", "a", "certs.test");
    eventually("the renewed one is served", || (scene.served("certs.test") == renewed).then_some(()));
    // What the user of the process may not read stays unread, though the monitor could.
    if is_root() {
        scene.write("new", "c", "secret.test");
        exchange("certs", "third");
        fs::set_permissions(scene.path("certs/c.key"), fs::Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::chown(scene.path("certs/c.key"), Some(0), Some(0)).unwrap();
        let answer = scene.reload();
        assert!(answer.body.contains("c.key"), "{answer:?}");
    }
}

/// The files of certbot for that name: `live/NAME` with links to the newest version in `archive/NAME`.
fn certbot(pki: &Pki, name: &str, version: u32) -> String {
    let (certificate, key) = pki.pair(&[name], Key::P256, &Extra::default());
    let (archive, live) = (pki.folder().join("archive").join(name), pki.folder().join("live").join(name));
    fs::create_dir_all(&archive).unwrap();
    fs::create_dir_all(&live).unwrap();
    for (kind, text) in [("privkey", &key), ("cert", &certificate), ("fullchain", &certificate)] {
        fs::write(archive.join(format!("{kind}{version}.pem")), text).unwrap();
        give(&archive);
        swap(&format!("../../archive/{name}/{kind}{version}.pem"), &live.join(format!("{kind}.pem")));
    }
    serial(certificate.as_bytes())
}

/// The files of a Kubernetes secret: links through `..data`, which is swapped.
fn kubernetes(pki: &Pki, version: u32) -> String {
    let (certificate, key) = pki.pair(&["pod.test"], Key::P256, &Extra::default());
    let secret = pki.folder().join("secret");
    let own = secret.join(format!("..{version}"));
    fs::create_dir_all(&own).unwrap();
    for (name, text) in [("tls.crt", &certificate), ("tls.key", &key)] {
        fs::write(own.join(name), text).unwrap();
        let link = secret.join(name);
        if !link.is_symlink() {
            symlink(Path::new("..data").join(name), link).unwrap();
        }
    }
    give(&own);
    swap(&format!("..{version}"), &secret.join("..data"));
    serial(certificate.as_bytes())
}

fn swap(target: &str, link: &Path) {
    let new = link.parent().unwrap().join(".new");
    symlink(target, &new).unwrap_or_else(|error| panic!("{} to {target}: {error}", new.display()));
    fs::rename(new, link).unwrap();
}

#[test]
fn the_log_is_opened_again_after_it_was_moved_away() {
    let scene = Scene::new("[log]\naccess = \"../logs/access.log\"\n", &["certs"]);
    scene.served("certs.test");
    let lines = |name: &str| fs::read_to_string(scene.path(name)).unwrap_or_default().lines().count();
    eventually("a line", || (lines("logs/access.log") == 1).then_some(()));
    fs::rename(scene.path("logs/access.log"), scene.path("logs/access.log.1")).unwrap();
    scene.proxy.signal("USR1");
    eventually("the file is there again", || scene.path("logs/access.log").exists().then_some(()));
    scene.served("certs.test");
    eventually("a line in the new file", || (lines("logs/access.log") == 1).then_some(()));
    assert_eq!(lines("logs/access.log.1"), 1);
}

#[test]
fn a_folder_from_outside_is_refused_and_an_upgrade_brings_it_in() {
    let scene = Scene::new("", &["certs"]);
    let more = scene.write("more", "m", "m.test");
    give(&scene.path("more"));
    scene.configure("", &list(&["certs", "more"]));
    let answer = scene.reload();
    assert_eq!(answer.status, 422, "{answer:?}");
    for part in ["listener \\\"main\\\": certificates[1]", scene.path("more").to_str().unwrap(), "SIGUSR2"] {
        assert!(answer.body.contains(part), "{part}: {}", answer.body);
    }
    scene.proxy.log_line("not reloaded, everything stays as it is");
    assert_ne!(scene.served("m.test"), more);
    scene.proxy.signal("USR2");
    let line = scene.proxy.log_line("another process has taken over");
    let successor = Successor(line.rsplit_once("pid=").unwrap().1.trim().to_owned());
    assert_eq!(scene.served("m.test"), more);
    // It is as restricted as the first one.
    assert_given_up(&successor.0);
}

#[test]
fn an_upgrade_gives_up_no_less_than_the_process_before_it() {
    let scene = Scene::new("", &["certs"]);
    let text = fs::read_to_string(scene.path(CONFIGURATION)).unwrap();
    let mut weaker = vec![("[process]\n", "[process]\nsandbox = \"off\"\n", "process: sandbox: found \"off\"")];
    weaker.extend(is_root().then_some(("user = \"nobody\"\n", "", "process: user: found none")));
    for (from, to, refusal) in weaker {
        fs::write(scene.path(CONFIGURATION), text.replace(from, to)).unwrap();
        let done = scene.proxy.log().matches("no other process has taken over").count();
        scene.proxy.signal("USR2");
        let line = scene.proxy.log_line(refusal);
        assert!(line.contains("only a restart keeps more rights"), "{line}");
        // Until then, no other successor is started.
        eventually("it goes on", || {
            (scene.proxy.log().matches("no other process has taken over").count() > done).then_some(())
        });
        scene.served("certs.test");
    }
}

/// Dropping it ends the process.
struct Successor(String);

impl Drop for Successor {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-KILL", &self.0]).status();
    }
}

#[test]
fn a_link_that_leads_elsewhere_is_named_with_what_to_do() {
    let scene = Scene::new("", &["certs"]);
    let elsewhere = Pki::new();
    let (certificate, key) = elsewhere.write("new", "x", &["x.test"], Key::P256, &Extra::default());
    give(elsewhere.folder());
    let before = scene.served("x.test");
    symlink(&key, scene.path("certs/x.key")).unwrap();
    symlink(&certificate, scene.path("certs/x.crt")).unwrap();
    let line = scene.proxy.log_line("is not one of the files that this process can use");
    assert!(line.contains("certs/x.") && line.contains("SIGUSR2"), "{line}");
    assert_eq!(scene.served("x.test"), before);
    // The other certificates are still renewed.
    let renewed = scene.write("certs", "a", "certs.test");
    eventually("the renewed one is served", || (scene.served("certs.test") == renewed).then_some(()));
}

#[test]
fn what_the_kernel_reports_is_what_the_log_says() {
    let scene = Scene::new("", &["certs"]);
    let line = scene.proxy.log_line("rights given up: ");
    let user = if is_root() { "user nobody (uid 65534), no capabilities" } else { "same user (uid 0)" };
    assert!(line.contains(user) && line.contains("seccomp"), "{line}");
    assert_given_up(&scene.proxy.pid().to_string());
    if !is_root() {
        // In its user namespace it is.
        scene.proxy.log_line("tlsgate runs as root");
    }
    // Its memory is not for other processes of the same user.
    if is_root() {
        let maps = format!("/proc/{}/maps", scene.proxy.pid());
        let read = tool::run("setpriv", &["--reuid=65534", "--regid=65534", "--clear-groups", "cat", &maps], b"");
        assert!(!read.status.success(), "{}", tool::shown(&read));
    }
}

fn assert_given_up(pid: &str) {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let of =
        |key: &str| status.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_else(|| panic!("{key}: {status}"));
    assert_eq!((of("NoNewPrivs:").trim(), of("Seccomp:").trim()), ("1", "2"));
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let core = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().collect::<Vec<_>>(), ["0", "0", "bytes"]);
    let kept = if is_root() { 0 } else { 1 << 1 };
    for set in ["CapPrm:", "CapEff:", "CapInh:", "CapAmb:"] {
        let found = u64::from_str_radix(of(set).trim(), 16).unwrap();
        assert_eq!(found & !kept, 0, "{set}");
    }
    if is_root() {
        assert_eq!(of("Uid:").split_whitespace().collect::<Vec<_>>(), ["65534"; 4]);
    }
}

#[test]
fn a_configuration_that_fits_is_reloaded() {
    let scene = Scene::new("", &["certs", "certs2"]);
    scene.configure("[log]\nlevel = \"info\"\n", &list(&["certs"]));
    let answer = scene.reload();
    assert_eq!(answer.status, 200, "{answer:?}");
    // What the process is takes effect at the next start, which is reported.
    let changed = configuration(&scene.backend, "[process]\nsandbox = \"off\"\n", &list(&["certs"]));
    fs::write(scene.path(CONFIGURATION), changed).unwrap();
    assert_eq!(scene.reload().status, 200);
    scene.proxy.log_line("[log], [process]");
}

const JSON: (&str, &str) = ("Content-Type", "application/json");

const ADD: &str = "/api/v1/listeners/main/certificates";
