//! The ways to a server of lists: a real one, a proxy, TLS, a redirect.

use std::fs;
use std::io::copy;
use std::net::{Shutdown, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

use super::{REVOKED, Scene};
use crate::support::backend::Backend;
use crate::support::clients_pki::Credentials;
use crate::support::list_server::{Answer, head};
use crate::support::nginx::Nginx;
use crate::support::pki::{Extra, Key};
use crate::support::procfs::eventually;
use crate::support::proxy::PROGRAM;
use crate::support::tool;

#[test]
fn a_list_that_openssl_signed_comes_from_nginx_and_is_not_sent_twice() {
    let scene = Scene::new();
    let nginx = Nginx::start();
    let folder = scene.pki.folder();
    openssl_list(folder, &nginx.file("ca.crl"));
    let url = format!("http://{}/ca.crl", nginx.address);
    let config = scene.config(&format!("crl = \"{url}\"")).replace("client-ca.pem", "openssl/ca.pem");
    let proxy = scene.start(&config);
    let client = |name: &str| Credentials {
        chain: folder.join(format!("openssl/{name}.pem")),
        key: folder.join(format!("openssl/{name}.key")),
    };
    eventually("in", || scene.accepts(&proxy, &client("alice")).then_some(()));
    assert!(!scene.accepts(&proxy, &client("mallory")));
    eventually("asked again", || (scene.only()["fetches"]["unchanged"] != 0).then_some(()));
    assert_eq!(scene.only()["fetches"]["fetched"], 1);
}

/// A CA by `openssl ca`, two clients, and a list with one of them, in DER.
fn openssl_list(folder: &std::path::Path, to: &std::path::Path) {
    let own = folder.join("openssl");
    fs::create_dir(&own).unwrap();
    fs::write(own.join("index"), "").unwrap();
    fs::write(own.join("number"), "01\n").unwrap();
    fs::write(own.join("client.ext"), "extendedKeyUsage = clientAuth\n").unwrap();
    fs::write(own.join("ca.conf"), CONF.replace("FOLDER", own.to_str().unwrap())).unwrap();
    let file = |name: &str| own.join(name).to_str().unwrap().to_owned();
    let does = |arguments: &[&str]| {
        let output = tool::run("openssl", arguments, b"");
        assert!(output.status.success(), "{arguments:?}: {}", tool::shown(&output));
    };
    let (conf, ca, key, ext) = (file("ca.conf"), file("ca.pem"), file("ca.key"), file("client.ext"));
    let new = ["req", "-newkey", "rsa:2048", "-nodes"];
    does(&[&new[..], &["-x509", "-subj", "/CN=by openssl", "-days", "30", "-keyout", &key, "-out", &ca]].concat());
    for name in ["alice", "mallory"] {
        let (request, own_key, certificate) =
            (file("request"), file(&format!("{name}.key")), file(&format!("{name}.pem")));
        let subject = format!("/CN={name}");
        does(&[&new[..], &["-subj", &subject, "-keyout", &own_key, "-out", &request]].concat());
        let serial = format!("0x{}", if name == "alice" { 10 } else { 11 });
        does(&[
            "x509",
            "-req",
            "-in",
            &request,
            "-CA",
            &ca,
            "-CAkey",
            &key,
            "-set_serial",
            &serial,
            "-days",
            "9",
            "-extfile",
            &ext,
            "-out",
            &certificate,
        ]);
    }
    does(&["ca", "-config", &conf, "-revoke", &file("mallory.pem")]);
    let pem = file("list.pem");
    does(&["ca", "-config", &conf, "-gencrl", "-out", &pem]);
    does(&["crl", "-in", &pem, "-outform", "DER", "-out", to.to_str().unwrap()]);
}

const CONF: &str = "[ca]\ndefault_ca = own\n[own]\ndatabase = FOLDER/index\ncrlnumber = FOLDER/number\n\
                    certificate = FOLDER/ca.pem\nprivate_key = FOLDER/ca.key\ndefault_md = sha256\n\
                    default_crl_days = 30\ncrl_extensions = list\n[list]\nauthorityKeyIdentifier = keyid\n";

/// A proxy that connects to wherever it is asked to, and remembers the first line of each request.
fn forward_proxy(
    to: impl Fn(&str) -> std::net::SocketAddr + Send + Sync + 'static,
) -> (Backend, Arc<Mutex<Vec<String>>>) {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&lines);
    let proxy = Backend::start(move |mut stream| {
        let head = head(&mut stream)?;
        let line = head.lines().next().unwrap().to_owned();
        seen.lock().unwrap().push(line.clone());
        let mut server = TcpStream::connect(to(&line))?;
        if line.starts_with("CONNECT ") {
            std::io::Write::write_all(&mut stream, b"HTTP/1.1 200 Connection established\r\n\r\n")?;
        } else {
            std::io::Write::write_all(&mut server, head.as_bytes())?;
        }
        let (mut back, mut forth) = (server.try_clone()?, stream.try_clone()?);
        let answering = thread::spawn(move || {
            let copied = copy(&mut back, &mut forth);
            let _ = forth.shutdown(Shutdown::Write);
            copied
        });
        copy(&mut stream, &mut server)?;
        server.shutdown(Shutdown::Write)?;
        answering.join().unwrap().map(drop)
    });
    (proxy, lines)
}

#[test]
fn a_proxy_is_asked_where_there_is_one() {
    let scene = Scene::new();
    let address = scene.lists.address;
    let (forward, lines) = forward_proxy(move |_| address);
    // Only the proxy could find out where that is.
    let config = scene.config("crl = \"http://crl.invalid/ca.crl\"");
    let config = config.replace("[crl]\n", &format!("[crl]\nproxy=\"http://{}\"\n", forward.address));
    let proxy = scene.start(&config);
    scene.is_enforced(&proxy);
    assert_eq!(lines.lock().unwrap()[0], "GET http://crl.invalid/ca.crl HTTP/1.1");
}

#[test]
fn a_list_over_https_comes_through_a_proxy_from_a_server_that_is_trusted() {
    let scene = Scene::new();
    let (certificate, key) = scene.pki.write("web", "web", &["crl.invalid"], Key::P256, &Extra::default());
    let nginx = Nginx::start_tls(&certificate, &key);
    fs::write(nginx.file("ca.crl"), scene.ca.numbered_list(5, &[REVOKED], 30)).unwrap();
    let address = nginx.address;
    let (forward, lines) = forward_proxy(move |_| address);
    let config = scene.config("crl = \"https://crl.invalid/ca.crl\"");
    let with = |ca: &str| config.replace("[crl]\n", &format!("[crl]\n{ca}proxy=\"http://{}\"\n", forward.address));
    // By the system's roots it is not.
    let proxy = scene.start(&with(""));
    eventually("refused", || {
        scene.only()["last_failure"]["message"].as_str().unwrap_or_default().contains("by TLS").then_some(())
    });
    drop(proxy);
    let proxy = scene.start(&with("ca=\"ca.pem\"\n"));
    scene.is_enforced(&proxy);
    assert_eq!(lines.lock().unwrap()[0], "CONNECT crl.invalid:443 HTTP/1.1");
}

#[test]
fn a_redirect_is_followed() {
    let scene = Scene::new();
    scene.lists.set("moved.crl", Answer::Status(301, "Location: ca.crl\r\n".into()));
    let proxy = scene.start(&scene.config(&format!("crl = \"{}\"", scene.lists.url("moved.crl"))));
    scene.is_enforced(&proxy);
}

#[test]
fn a_private_authority_publishes_its_lists_where_its_certificates_say() {
    let scene = Scene::new();
    let (folder, nginx) = (scene.pki.folder(), Nginx::start());
    let does = |arguments: &[&str]| {
        let mut command = Command::new(PROGRAM);
        let output = command.arg("ca").args(arguments).current_dir(folder).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", tool::shown(&output));
    };
    let publish = || {
        for list in fs::read_dir(folder.join("ca/crl")).unwrap().map(|entry| entry.unwrap()) {
            fs::copy(list.path(), nginx.file(list.file_name().to_str().unwrap())).unwrap();
        }
    };
    does(&["new", "ca", "--crl-url", &format!("http://{}/", nginx.address)]);
    ["alice", "bob"].iter().for_each(|name| does(&["issue", "ca", "--client", name, "--out", "clients"]));
    publish();
    let config = scene.config("crl = \"distribution_points\"").replace("client-ca.pem", "ca/issuers.pem");
    let proxy = scene.start(&config);
    let client = |name: &str| Credentials {
        chain: folder.join(format!("clients/{name}.ecdsa-p256/tls.crt")),
        key: folder.join(format!("clients/{name}.ecdsa-p256/tls.key")),
    };
    eventually("alice", || scene.accepts(&proxy, &client("alice")).then_some(()));
    assert!(scene.accepts(&proxy, &client("bob")), "the list is the same");
    does(&["revoke", "ca", "clients/bob.ecdsa-p256/tls.crt"]);
    publish();
    eventually("bob is revoked", || (!scene.accepts(&proxy, &client("bob"))).then_some(()));
    assert!(scene.accepts(&proxy, &client("alice")));
    // That of the root, by the certificate of the CA below it, and that of this, by alice's.
    let mut found: Vec<_> = scene.shown().iter().map(|list| list["found"].as_str().unwrap().to_owned()).collect();
    found.sort_unstable();
    assert_eq!(found, ["ca_certificate", "peer_certificate"]);
}
