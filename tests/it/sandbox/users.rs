//! Whom the process becomes.

use std::fs;
use std::path::Path;

use super::{CONFIGURATION, Scene, command, configuration, give, is_root};
use crate::support::backend::Backend;
use crate::support::check::check;
use crate::support::pki::{Extra, Key, Pki};
use crate::support::proxy::Proxy;

#[test]
fn a_user_or_group_that_does_not_exist_is_an_error_of_its_key() {
    let pki = Pki::new();
    pki.write("certs", "a", &["a.test"], Key::P256, &Extra::default());
    let backend = Backend::echo();
    for (lines, key, found) in [
        ("user = \"no-such-user\"", "process: user: ", "unknown user \"no-such-user\""),
        ("user = \"root\"\ngroup = \"no-such-group\"", "process: group: ", "unknown group \"no-such-group\""),
    ] {
        let config = configuration(&backend, "", "\"certs\"");
        let config = config.replace("user = \"nobody\"\n", "").replace("[process]\n", &format!("[process]\n{lines}\n"));
        let checked = check(pki.folder(), &config);
        assert!(
            checked.errors.iter().any(|error| error.starts_with(key) && error.contains(found)),
            "{:?}",
            checked.errors
        );
        let log = Proxy::try_start(pki.folder(), &config).map(drop).unwrap_err();
        assert!(log.contains(key) && log.contains(found), "{log}");
    }
}

/// Only root may become somebody else.
#[test]
fn a_user_that_the_process_cannot_become_prevents_the_start() {
    let pki = Pki::new();
    pki.write("certs", "a", &["a.test"], Key::P256, &Extra::default());
    let config = configuration(&Backend::echo(), "", "\"certs\"");
    let config = config.replace("user = \"nobody\"\n", "").replace("[process]\n", "[process]\nuser = \"nobody\"\n");
    if is_root() {
        // A folder of root's, in which it could not read a key.
        let log = Proxy::try_start(pki.folder(), &config).map(drop).unwrap_err();
        assert!(log.contains("certs"), "{log}");
    } else {
        let log = Proxy::try_start(pki.folder(), &config).map(drop).unwrap_err();
        assert!(log.contains("cannot become the user nobody"), "{log}");
    }
}

/// Needs root: as anyone else there is no port below 1024, and nobody to become.
#[test]
fn ports_below_1024_and_the_folder_of_the_state_are_those_of_the_start() {
    if !is_root() {
        return;
    }
    let (pki, backend) = (Pki::new(), Backend::echo());
    pki.write("certs", "a", &["a.test"], Key::P256, &Extra::default());
    let id = std::process::id().to_be_bytes();
    // An address of this test's own, since the port is not.
    let address = format!("127.{}.{}.7:443", id[2].max(1), id[3]);
    let top = "[state]\ndirectory = \"../deep/state\"\n[acme.none]\ndirectory = \"https://127.0.0.1:1/directory\"\n";
    let config = configuration(&backend, top, "\"../certs\"").replace("127.0.0.1:0", &address);
    fs::create_dir(pki.folder().join("conf")).unwrap();
    fs::write(pki.folder().join(CONFIGURATION), &config).unwrap();
    give(pki.folder());
    let proxy = Proxy::spawn(command(&pki.folder().join(CONFIGURATION)), 1).unwrap_or_else(|log| panic!("{log}"));
    let scene = Scene { pki, backend, proxy };
    assert_eq!(scene.proxy.address("main").to_string(), address);
    scene.served("a.test");
    for folder in ["deep", "deep/state"] {
        assert_eq!(owner(&scene.path(folder)), 65534, "{folder}");
    }
    // The file of a Unix socket is of the user, who has to remove it.
    assert_eq!(owner(&scene.path("admin.sock")), 65534);
}

fn owner(path: &Path) -> u32 {
    std::os::unix::fs::MetadataExt::uid(&fs::metadata(path).unwrap())
}
