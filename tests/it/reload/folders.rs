//! Folders of certificates as certbot and others keep them, during a renewal in steps.

use std::fs;
use std::os::unix::fs::symlink;

use super::{Scene, config, serial_of, served};
use crate::support::backend::Backend;
use crate::support::pki::{Extra, Key, Pki, write_private};
use crate::support::proxy::Proxy;

/// The files of one certificate, named as certbot names its versions: `archive/cert1.pem`, `archive/privkey1.pem` …
fn version(pki: &Pki, number: u32) {
    let archive = pki.folder().join("archive");
    fs::create_dir_all(&archive).unwrap();
    let (certificate, key) = pki.pair(&["c.test"], Key::P256, &Extra::default());
    let authority = fs::read_to_string(pki.ca()).unwrap();
    for (name, text) in [
        ("cert", certificate.clone()),
        ("chain", authority.clone()),
        ("fullchain", certificate + &authority),
        ("privkey", key),
    ] {
        write_private(&archive.join(format!("{name}{number}.pem")), &text);
    }
}

/// Points one of the four links to that version.
fn lead(pki: &Pki, name: &str, number: u32) {
    let link = pki.folder().join(format!("certs/c.test/{name}.pem"));
    let _ = fs::remove_file(&link);
    symlink(format!("../../archive/{name}{number}.pem"), link).unwrap();
}

const LINKS: [&str; 4] = ["cert", "privkey", "chain", "fullchain"];

#[test]
fn a_folder_that_certbot_renews_link_by_link_serves_the_old_one_and_then_the_new_one() {
    let scene = Scene::new();
    version(&scene.pki, 1);
    fs::create_dir(scene.path("certs/c.test")).unwrap();
    LINKS.iter().for_each(|name| lead(&scene.pki, name, 1));
    scene.proxy.log_line("fullchain.pem added");
    let old = serial_of(&scene.path("archive/cert1.pem"));
    assert_eq!(scene.served("c.test"), old);
    version(&scene.pki, 2);
    for name in &LINKS[..3] {
        lead(&scene.pki, name, 2);
        scene.proxy.signal("HUP");
        assert_eq!(scene.served("c.test"), old, "{name}");
    }
    scene.proxy.log_line("keeps its last good version: ");
    assert_eq!(scene.served("c.test"), old);
    lead(&scene.pki, "fullchain", 2);
    scene.proxy.log_line("fullchain.pem replaced");
    assert_eq!(scene.served("c.test"), serial_of(&scene.path("archive/cert2.pem")));
    assert!(!scene.proxy.log().contains("/cert.pem added"));
}

#[test]
fn a_certificate_of_a_sub_folder_is_kept_until_both_files_are_gone() {
    let scene = Scene::new();
    let folder = scene.path("certs/c.test");
    fs::create_dir(&folder).unwrap();
    let (certificate, key) = scene.pki.pair(&["c.test"], Key::P256, &Extra::default());
    fs::write(folder.join("fullchain.pem"), certificate).unwrap();
    write_private(&folder.join("privkey.pem"), &key);
    scene.proxy.log_line("fullchain.pem added");
    let served = scene.served("c.test");
    fs::remove_file(folder.join("fullchain.pem")).unwrap();
    scene.proxy.log_line("keeps its last good version: ");
    assert_eq!(scene.served("c.test"), served);
    fs::remove_file(folder.join("privkey.pem")).unwrap();
    scene.proxy.log_line("fullchain.pem removed");
}

#[test]
fn a_chain_in_a_file_of_its_own_is_watched() {
    let (pki, backend) = (Pki::new(), Backend::echo());
    let (crt, _) = pki.write("certs", "a", &["a.test"], Key::P256, &Extra::default());
    let chain = pki.folder().join("chain");
    fs::create_dir(&chain).unwrap();
    fs::copy(pki.ca(), chain.join("ca.pem")).unwrap();
    let source = "{ cert = \"certs/a.crt\", key = \"certs/a.key\", chain = \"chain/ca.pem\" }";
    let proxy = Proxy::start(pki.folder(), &config(&backend, &format!("certificates = [{source}]")));
    assert_eq!(served(&proxy, "a.test"), serial_of(&crt));
    let authority = fs::read_to_string(pki.ca()).unwrap();
    fs::write(chain.join("ca.pem"), format!("{authority}{authority}")).unwrap();
    proxy.log_line("a.crt replaced");
    fs::write(chain.join("ca.pem"), "").unwrap();
    let line = proxy.log_line("not reloaded, everything stays as it is");
    assert!(line.contains("ca.pem: is empty"), "{line}");
}
