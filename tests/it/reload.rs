//! Everything can be swapped while it runs; what is broken keeps the old state, is reported, and recovers when it is
//! mended.

mod folders;
mod moved;
mod warnings;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::support::backend::Backend;
use crate::support::pki::{Extra, Key, Pki, write_private};
use crate::support::proxy::Proxy;
use crate::support::tool;

/// A proxy with the folder `certs`, and one certificate in it.
struct Scene {
    pki: Pki,
    backend: Backend,
    proxy: Proxy,
}

impl Scene {
    fn new() -> Self {
        let pki = Pki::new();
        let backend = Backend::echo();
        pki.write("certs", "a", &["a.test"], Key::P256, &Extra::default());
        let proxy = Proxy::start(pki.folder(), &config(&backend, "certificates = [\"certs\"]"));
        Self { pki, backend, proxy }
    }

    fn write_config(&self, lines: &str) {
        fs::write(self.pki.folder().join("tlsgate.toml"), config(&self.backend, lines)).unwrap();
    }

    /// The serial of the certificate that a new client gets for that name.
    fn served(&self, name: &str) -> String {
        served(&self.proxy, name)
    }

    fn path(&self, below: &str) -> std::path::PathBuf {
        self.pki.folder().join(below)
    }
}

fn served(proxy: &Proxy, name: &str) -> String {
    let address = proxy.address("main").to_string();
    let output = tool::run("openssl", &["s_client", "-connect", &address, "-servername", name], b"");
    let serial = tool::run("openssl", &["x509", "-noout", "-serial"], &output.stdout);
    assert!(serial.status.success(), "no certificate: {}", tool::shown(&output));
    String::from_utf8(serial.stdout).unwrap().trim().trim_start_matches("serial=").to_owned()
}

fn serial_of(path: &Path) -> String {
    let output = tool::run("openssl", &["x509", "-noout", "-serial", "-in", path.to_str().unwrap()], b"");
    String::from_utf8(output.stdout).unwrap().trim().trim_start_matches("serial=").to_owned()
}

fn config(backend: &Backend, lines: &str) -> String {
    format!(
        "[[listener]]\nname = \"main\"\nlisten = \"127.0.0.1:0\"\n{lines}\nbackend = \"echo\"\n\n[backend.echo]\nservers = [\"{}\"]\n",
        backend.address
    )
}

#[test]
fn a_certificate_that_is_replaced_is_served_without_being_asked() {
    let scene = Scene::new();
    let before = scene.served("a.test");
    scene.pki.write("certs", "a", &["a.test"], Key::P256, &Extra::default());
    scene.proxy.log_line("certificate ");
    scene.proxy.log_line("a.crt replaced");
    let after = scene.served("a.test");
    assert_ne!(before, after);
    assert_eq!(after, serial_of(&scene.path("certs/a.crt")));
}

#[test]
fn certificates_that_come_and_go_are_noticed() {
    let scene = Scene::new();
    let (crt, key) = scene.pki.write("certs", "b", &["b.test"], Key::P256, &Extra::default());
    scene.proxy.log_line("b.crt added");
    assert_eq!(scene.served("b.test"), serial_of(&crt));
    fs::remove_file(key).unwrap();
    fs::remove_file(crt).unwrap();
    scene.proxy.log_line("b.crt removed");
    assert_eq!(scene.served("b.test"), serial_of(&scene.path("certs/a.crt")), "the default one");
}

#[test]
fn a_swap_of_kubernetes_link_is_one_step() {
    let scene = Scene::new();
    let secret = scene.path("certs/secret");
    let generation = |number: u32| {
        let (certificate, key) = scene.pki.pair(&["k.test"], Key::P256, &Extra::default());
        let folder = secret.join(format!("..{number}"));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("tls.crt"), certificate).unwrap();
        write_private(&folder.join("tls.key"), &key);
    };
    generation(1);
    symlink("..1", secret.join("..data")).unwrap();
    symlink("..data/tls.crt", secret.join("tls.crt")).unwrap();
    symlink("..data/tls.key", secret.join("tls.key")).unwrap();
    scene.proxy.signal("HUP");
    scene.proxy.log_line("tls.crt added");
    generation(2);
    symlink("..2", secret.join("..data_tmp")).unwrap();
    fs::rename(secret.join("..data_tmp"), secret.join("..data")).unwrap();
    scene.proxy.log_line("tls.crt replaced");
    assert_eq!(scene.served("k.test"), serial_of(&secret.join("..2/tls.crt")));
}

#[test]
fn what_breaks_keeps_its_last_good_version_and_heals() {
    /// Damages `a.key` or `a.crt`.
    type Break = fn(&Scene);
    let breaks: &[(&str, Break)] = &[
        ("is empty", |scene| fs::write(scene.path("certs/a.key"), "").unwrap()),
        ("is cut short", |scene| {
            let text = fs::read(scene.path("certs/a.key")).unwrap();
            fs::write(scene.path("certs/a.key"), &text[..text.len() / 2]).unwrap();
        }),
        ("does not belong to the certificate", |scene| {
            write_private(&scene.path("certs/a.key"), &scene.pki.pair(&["x"], Key::P256, &Extra::default()).1);
        }),
        ("no private key found", |scene| fs::remove_file(scene.path("certs/a.key")).unwrap()),
        ("no such file", |scene| fs::remove_file(scene.path("certs/a.crt")).unwrap()),
        ("keeps its last good version", |scene| {
            fs::remove_file(scene.path("certs/a.key")).unwrap();
            symlink("a.key", scene.path("certs/a.key")).unwrap();
        }),
    ];
    for (message, spoil) in breaks {
        let scene = Scene::new();
        let before = scene.served("a.test");
        spoil(&scene);
        let line = scene.proxy.log_line("keeps its last good version");
        assert!(line.contains(message), "{message}: {line}");
        assert_eq!(scene.served("a.test"), before, "{message}");
        let _ = fs::remove_file(scene.path("certs/a.key"));
        scene.pki.write("certs", "a", &["a.test"], Key::P256, &Extra::default());
        scene.proxy.log_line("a.crt replaced");
        assert_eq!(scene.served("a.test"), serial_of(&scene.path("certs/a.crt")), "{message}");
    }
}

#[test]
fn a_configuration_that_is_wrong_changes_nothing_and_is_reported() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let wrong = [
        ("certificates = [\"certs\"]\nidle_timeout = 3".to_owned(), "idle_timeout: found 3, expected"),
        ("certificates = [\"certs\"]\nidle_timeout = ".to_owned(), "not valid TOML"),
        ("certificates = [\"nowhere\"]".to_owned(), "nowhere: no such file"),
        ("certificates = [{ cert = \"certs/a.crt\", key = \"ca.pem\" }]".to_owned(), "no private key found"),
        (
            format!(
                "certificates = [\"certs\"]\nbackend = \"echo\"\n[[listener]]\nname = \"other\"\nlisten = \"{}\"\ncertificates = [\"certs\"]",
                taken.local_addr().unwrap()
            ),
            "cannot listen on 127.0.0.1:",
        ),
    ];
    for (lines, message) in wrong {
        let scene = Scene::new();
        let before = scene.served("a.test");
        scene.write_config(&lines);
        let line = scene.proxy.log_line("not reloaded, everything stays as it is");
        assert!(line.contains(message), "{message}: {line}");
        assert_eq!(scene.served("a.test"), before);
        scene.write_config("certificates = [\"certs\"]\nidle_timeout = \"5m\"");
        scene.proxy.log_line("idle_timeout = \"5m\" (was \"1h\")");
        assert_eq!(scene.served("a.test"), before);
    }
}

#[test]
fn listeners_come_and_go_and_live_connections_stay() {
    let scene = Scene::new();
    let second = |name: &str| {
        format!(
            "certificates = [\"certs\"]\nbackend = \"echo\"\n[[listener]]\nname = \"{name}\"\nlisten = \"127.0.0.1:0\"\ncertificates = [\"certs\"]"
        )
    };
    scene.write_config(&second("other"));
    let line = scene.proxy.log_line("listening listener=other");
    let address = line.split_once("address=").unwrap().1.trim().to_owned();
    let mut live = std::process::Command::new("openssl")
        .args(["s_client", "-quiet", "-connect", &address])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let (mut to, mut from) = (live.stdin.take().unwrap(), live.stdout.take().unwrap());
    let mut answer = [0; 6];
    std::io::Write::write_all(&mut to, b"first\n").unwrap();
    std::io::Read::read_exact(&mut from, &mut answer).unwrap();
    scene.write_config("certificates = [\"certs\"]");
    scene.proxy.log_line("listener \"other\": removed");
    scene.proxy.log_line("no longer listening; open connections continue");
    std::io::Write::write_all(&mut to, b"secnd\n").unwrap();
    std::io::Read::read_exact(&mut from, &mut answer).unwrap();
    assert_eq!(&answer, b"secnd\n");
    drop(to);
    live.kill().unwrap();
    live.wait().unwrap();
    assert!(!scene.served("a.test").is_empty());
}

#[test]
fn a_folder_that_is_removed_keeps_the_old_state_and_is_taken_up_when_it_is_back() {
    let scene = Scene::new();
    let before = scene.served("a.test");
    fs::rename(scene.path("certs"), scene.path("away")).unwrap();
    let line = scene.proxy.log_line("not reloaded, everything stays as it is");
    assert!(line.contains("certs: no such file"), "{line}");
    assert_eq!(scene.served("a.test"), before);
    // Another folder of the same name, made in steps.
    scene.pki.write("certs", "a", &["a.test"], Key::P256, &Extra::default());
    scene.proxy.log_line("a.crt replaced");
    // It is watched as the old one was.
    scene.pki.write("certs", "b", &["b.test"], Key::P256, &Extra::default());
    scene.proxy.log_line("b.crt added");
}

#[test]
fn of_ten_thousand_certificates_the_bad_ones_stay_as_they_were() {
    const COUNT: usize = 10_000;
    let (pki, backend) = (Pki::new(), Backend::echo());
    // One pair under many names: only their number matters here.
    let names: Vec<String> = (0..COUNT).map(|number| format!("n{number}.test")).collect();
    let (first, key) = pki.write("certs", "n0", &["n0.test"], Key::P256, &Extra::default());
    let shared = rcgen::KeyPair::from_pem(&fs::read_to_string(&key).unwrap()).unwrap();
    for name in &names[1..] {
        let stem = first.with_file_name(name.trim_end_matches(".test"));
        fs::write(stem.with_extension("crt"), pki.certificate(&[name], &shared, &Extra::default())).unwrap();
        fs::hard_link(&key, stem.with_extension("key")).unwrap();
    }
    let proxy = Proxy::start(pki.folder(), &config(&backend, "certificates = [\"certs\"]"));
    let before = served(&proxy, "n77.test");
    for number in [7, 77, 777] {
        fs::write(first.with_file_name(format!("n{number}.crt")), "-----BEGIN CERTIFICATE-----\nAAAA\n").unwrap();
    }
    for number in [7, 77, 777] {
        let line = proxy.log_line(&format!("n{number}.crt: is cut short"));
        assert!(line.contains("keeps its last good version"), "{line}");
    }
    assert_eq!(served(&proxy, "n77.test"), before);
    fs::write(first.with_file_name("n77.crt"), pki.certificate(&["n77.test"], &shared, &Extra::default())).unwrap();
    proxy.log_line("n77.crt replaced");
}

#[test]
fn files_behind_links_are_noticed_where_they_lie() {
    let scene = Scene::new();
    // As Nix and acme.sh do it: each file is a link; and as a deployment does it: a link further up is swapped.
    scene.pki.write("store", "b", &["b.test"], Key::P256, &Extra::default());
    for file in ["b.crt", "b.key"] {
        symlink(scene.path("store").join(file), scene.path("certs").join(file)).unwrap();
    }
    scene.proxy.log_line("b.crt added");
    scene.pki.write("store", "b", &["b.test"], Key::P256, &Extra::default());
    scene.proxy.log_line("b.crt replaced");
    assert_eq!(scene.served("b.test"), serial_of(&scene.path("store/b.crt")));
    for release in ["1", "2"] {
        scene.pki.write(&format!("releases/{release}/deep"), "c", &["c.test"], Key::P256, &Extra::default());
    }
    symlink("1", scene.path("releases/current")).unwrap();
    let source = "releases/current/deep";
    scene.write_config(&format!("certificates = [\"certs\", \"{source}\"]"));
    scene.proxy.log_line("c.crt added");
    symlink("2", scene.path("releases/next")).unwrap();
    fs::rename(scene.path("releases/next"), scene.path("releases/current")).unwrap();
    scene.proxy.log_line("c.crt replaced");
    assert_eq!(scene.served("c.test"), serial_of(&scene.path("releases/2/deep/c.crt")));
}
