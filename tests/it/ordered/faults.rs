//! What `tlsgate check` finds in the files of an authority and in the state folder; what a start makes of it.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::{SOURCE, config};
use crate::support::backend::Backend;
use crate::support::check::{Checked, check};
use crate::support::pki::{Extra, Key, Pki, write_private};
use crate::support::proxy::Proxy;

/// A key file of BIND.
const BIND: &str = "key k { algorithm hmac-sha384; secret \"c2VjcmV0LXNlY3JldA==\"; };\n";

struct Files {
    pki: Pki,
    backend: Backend,
}

impl Files {
    fn new() -> Self {
        let pki = Pki::new();
        pki.write("certs", "main", &["main.test"], Key::P256, &Extra::default());
        let files = Self { pki, backend: Backend::echo() };
        files.write("eab.key", "c2VjcmV0LXNlY3JldA");
        files.write("tsig.key", "c2VjcmV0LXNlY3JldA==\n");
        files.write("publish", "#!/bin/sh\n");
        fs::set_permissions(files.pki.folder().join("publish"), fs::Permissions::from_mode(0o700)).unwrap();
        files
    }

    fn write(&self, name: &str, text: &str) {
        write_private(&self.pki.folder().join(name), text);
    }

    fn text(&self) -> String {
        let more = "ca = \"ca.pem\"\neab = { kid = \"k\", key_file = \"eab.key\" }\ndns = { server = \"127.0.0.1\", zone = \"x.test\", tsig_name = \"k\", tsig_key_file = \"tsig.key\" }\n[acme.b]\ndirectory = \"https://127.0.0.1:1/\"\ndns = { program = \"publish\" }\n";
        let text = config(&self.backend, &format!("certificates = [\"certs\", {SOURCE}]"));
        text.replace("[backend.echo]", &format!("fallback = \"b\"\n{more}[backend.echo]"))
    }

    fn check(&self) -> Checked {
        check(self.pki.folder(), &self.text())
    }
}

#[test]
fn the_files_of_an_authority_are_read_by_check_and_a_start_goes_on_without_them() {
    let files = Files::new();
    let checked = files.check();
    assert!(checked.ok, "{:?}", checked.errors);
    let at = |name: &str| files.pki.folder().join(name);
    let whole = fs::read_to_string(files.pki.ca()).unwrap();
    let cases: &[(&str, &str, &str, &str)] = &[
        ("eab.key", "c2VjcmV0LXNlY3JldA", "not base64!", "acme \"a\": eab: key_file: "),
        ("eab.key", "c2VjcmV0LXNlY3JldA", "", "acme \"a\": eab: key_file: "),
        ("tsig.key", "c2VjcmV0LXNlY3JldA==", "not base64!", "acme \"a\": dns: tsig_key_file: "),
        ("tsig.key", BIND, &BIND.replace("key k", "key other"), "acme \"a\": dns: tsig_key_file: "),
        ("tsig.key", BIND, &BIND.replace("sha384", "md5"), "acme \"a\": dns: tsig_key_file: "),
        ("ca.pem", &whole, "", "acme \"a\": ca: "),
        ("ca.pem", &whole, &whole[..whole.len() / 2], "acme \"a\": ca: "),
    ];
    for (name, right, wrong, path) in cases {
        files.write(name, wrong);
        let checked = files.check();
        assert_eq!(checked.errors.len(), 1, "{name}: {:?}", checked.errors);
        assert!(checked.errors[0].starts_with(&format!("{path}{}: ", at(name).display())), "{:?}", checked.errors);
        // Neither the secret nor what takes its place is ever shown.
        for hidden in ["not base64!", "c2VjcmV0"] {
            assert!(!checked.errors[0].contains(hidden), "{:?}", checked.errors);
        }
        files.write(name, right);
        assert!(files.check().ok, "{name}: {right}");
    }
    for name in ["eab.key", "tsig.key", "ca.pem", "publish"] {
        let before = fs::read(at(name)).unwrap();
        fs::remove_file(at(name)).unwrap();
        let checked = files.check();
        assert_eq!(checked.errors.len(), 1, "{name}: {:?}", checked.errors);
        assert!(checked.errors[0].ends_with(&format!("{}: no such file", at(name).display())), "{:?}", checked.errors);
        // What is served does not depend on it.
        let proxy = Proxy::start(files.pki.folder(), &files.text());
        proxy.log_line("no such file; no certificate can be ordered");
        drop(proxy);
        fs::write(at(name), before).unwrap();
        fs::set_permissions(at(name), fs::Permissions::from_mode(0o700)).unwrap();
    }
    fs::set_permissions(at("publish"), fs::Permissions::from_mode(0o600)).unwrap();
    assert!(files.check().errors[0].ends_with("publish: is not executable for this user"));
}

#[test]
fn a_secret_that_everybody_can_read_is_a_warning() {
    for name in ["eab.key", "tsig.key"] {
        let files = Files::new();
        let path = files.pki.folder().join(name);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let checked = files.check();
        assert!(checked.ok, "{:?}", checked.errors);
        let expected = format!("{}: can be read by everyone", path.display());
        assert!(checked.warnings.iter().any(|warning| warning.contains(&expected)), "{:?}", checked.warnings);
    }
}

#[test]
fn a_state_folder_that_cannot_be_used_is_an_error_of_check() {
    let files = Files::new();
    let state = files.pki.folder().join("state");
    let refused = |expected: &str| {
        let checked = files.check();
        assert_eq!(checked.errors.len(), 1, "{:?}", checked.errors);
        assert!(
            checked.errors[0].starts_with(&format!("state: directory: {}", state.display())),
            "{:?}",
            checked.errors
        );
        assert!(checked.errors[0].contains(expected), "{:?}", checked.errors);
    };
    fs::write(&state, "").unwrap();
    refused("cannot be opened: is not a folder");
    fs::remove_file(&state).unwrap();
    fs::create_dir(&state).unwrap();
    fs::set_permissions(&state, fs::Permissions::from_mode(0o775)).unwrap();
    refused("may be written to by others (mode 0775)");
    fs::set_permissions(&state, fs::Permissions::from_mode(0o700)).unwrap();
    assert!(files.check().ok);
    // As systemd does it for a service with a dynamic user.
    fs::rename(&state, files.pki.folder().join("private")).unwrap();
    symlink("private", &state).unwrap();
    assert!(files.check().ok);
    assert_eq!(fs::read_dir(&state).unwrap().count(), 0, "check writes nothing");
}
