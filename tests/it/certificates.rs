//! Certificates on disk: every way to store them, and every mistake in doing so.

mod found;
mod judged;
mod layouts;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use crate::support::check::{Checked, check};
use crate::support::pki::{Extra, Key, Pki, write_private};
use crate::support::tool;

fn config(certificates: &str) -> String {
    format!(
        r#"
[[listener]]
name = "main"
listen = "127.0.0.1:0"
certificates = {certificates}
backend = "b"

[backend.b]
servers = ["127.0.0.1:389"]
"#
    )
}

fn check_folder(pki: &Pki) -> Checked {
    check(pki.folder(), &config("[\"certs\"]"))
}

fn count(checked: &Checked) -> (u64, u64) {
    assert!(checked.ok, "{:?}", checked.errors);
    let listener = &checked.report["listeners"][0];
    (listener["certificates"].as_u64().unwrap(), listener["names"].as_u64().unwrap())
}

fn openssl(arguments: &[&str]) -> Vec<u8> {
    let output = tool::run("openssl", arguments, b"");
    assert!(output.status.success(), "{}", tool::shown(&output));
    output.stdout
}

#[test]
fn pairs_combined_files_and_kubernetes_folders_are_found() {
    let pki = Pki::new();
    pki.write("certs", "one", &["one.test"], Key::P256, &Extra::default());
    let (crt, key) = pki.write("certs", "two", &["two.test"], Key::Rsa2048, &Extra::default());
    fs::rename(crt, key.with_extension("pem")).unwrap();
    let (certificate, key) = pki.pair(&["three.test"], Key::P384, &Extra::default());
    let ca = fs::read_to_string(pki.ca()).unwrap();
    // Key, chain, leaf: in any order.
    write_private(&pki.folder().join("certs/three.pem"), &format!("{key}{ca}{certificate}"));
    // As the kubelet mounts a secret: the files are links into a folder that is itself a link.
    let (certificate, key) = pki.pair(&["four.test", "*.four.test"], Key::Ed25519, &Extra::default());
    let secret = pki.folder().join("certs/four");
    fs::create_dir_all(secret.join("..2026_1")).unwrap();
    fs::write(secret.join("..2026_1/tls.crt"), certificate).unwrap();
    write_private(&secret.join("..2026_1/tls.key"), &key);
    symlink("..2026_1", secret.join("..data")).unwrap();
    symlink("..data/tls.crt", secret.join("tls.crt")).unwrap();
    symlink("..data/tls.key", secret.join("tls.key")).unwrap();
    // Has no key anywhere, and is skipped without a message.
    fs::copy(pki.ca(), pki.folder().join("certs/ca.crt")).unwrap();
    fs::write(pki.folder().join("certs/README"), "not a certificate").unwrap();
    let checked = check_folder(&pki);
    assert_eq!(count(&checked), (4, 5));
    assert_eq!(checked.warnings, Vec::<String>::new());
}

#[test]
fn keys_in_every_form_are_read() {
    let pki = Pki::new();
    for (stem, key, form) in [
        ("rsa2048", Key::Rsa2048, "-traditional"),
        ("rsa3072", Key::Rsa3072, ""),
        ("rsa4096", Key::Rsa4096, "-traditional"),
        ("p256", Key::P256, "-traditional"),
        ("p384", Key::P384, ""),
        ("p521", Key::P521, "-traditional"),
        ("ed25519", Key::Ed25519, ""),
    ] {
        let (_, path) = pki.write("certs", stem, &[&format!("{stem}.test")], key, &Extra::default());
        if !form.is_empty() {
            // PKCS#1 for RSA, SEC1 for ECDSA.
            let traditional = openssl(&["pkey", "-in", path.to_str().unwrap(), form]);
            let text = String::from_utf8(traditional).unwrap();
            assert!(text.contains("BEGIN RSA PRIVATE KEY") || text.contains("BEGIN EC PRIVATE KEY"), "{text}");
            write_private(&path, &text);
        }
    }
    let checked = check_folder(&pki);
    assert_eq!(count(&checked), (7, 7));
    assert_eq!(checked.warnings, Vec::<String>::new());
}

/// Damages a good pair; the message about it must contain the words.
type Spoil = fn(&Pki, &Path, &Path);
const FAULTS: &[(&str, Spoil, &str)] = &[
    (
        "another's key",
        |pki, _, key| write_private(key, &pki.pair(&["x.test"], Key::P256, &Extra::default()).1),
        "the private key does not belong to the certificate",
    ),
    ("an empty certificate", |_, crt, _| fs::write(crt, "").unwrap(), "bad.crt: is empty"),
    ("an empty key", |_, _, key| fs::write(key, "\n").unwrap(), "bad.key: is empty"),
    (
        "a truncated key",
        |_, _, key| cut(key),
        "bad.key: is cut short: the section \"PRIVATE KEY\" that begins at line 1 has no end line",
    ),
    ("a truncated certificate", |_, crt, _| cut(crt), "bad.crt: is cut short"),
    (
        "an encrypted key",
        |_, _, key| encrypt(key),
        "bad.key: holds a private key that is encrypted with a passphrase, and none is given for it",
    ),
    (
        "no key in the key file",
        |_, crt, key| {
            fs::copy(crt, key).unwrap();
        },
        "no private key found",
    ),
    (
        "no certificate in the certificate file",
        |_, crt, key| {
            fs::copy(key, crt).unwrap();
        },
        "no certificate found",
    ),
    (
        "noise",
        |_, crt, _| fs::write(crt, "-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----\n").unwrap(),
        "bad.crt: is not valid PEM",
    ),
    ("no names", |pki, crt, key| nameless(pki, crt, key), "the certificate has no name"),
    (
        "a weak key",
        |_, crt, key| weak(crt, key),
        "the certificate's key is RSA of 1024 bits (expected RSA of 2048 to 8192 bits",
    ),
    (
        "a folder",
        |_, crt, _| {
            fs::remove_file(crt).unwrap();
            fs::create_dir(crt).unwrap()
        },
        "bad.crt: is a folder, expected a file",
    ),
    (
        "a loop of links",
        |_, _, key| {
            fs::remove_file(key).unwrap();
            symlink("bad.key", key).unwrap()
        },
        "bad.key: ",
    ),
    (
        "a link to nothing",
        |_, _, key| {
            fs::remove_file(key).unwrap();
            symlink("gone", key).unwrap()
        },
        "bad.key: no such file",
    ),
];

fn cut(path: &Path) {
    let text = fs::read_to_string(path).unwrap();
    fs::write(path, &text[..text.len() / 2]).unwrap();
}

fn encrypt(key: &Path) {
    let text = openssl(&["pkey", "-in", key.to_str().unwrap(), "-aes256", "-passout", "pass:secret"]);
    fs::write(key, text).unwrap();
}

fn nameless(pki: &Pki, crt: &Path, key: &Path) {
    let extra = Extra { common_name: Some(String::new()), ..Extra::default() };
    let (certificate, private) = pki.pair(&[], Key::P256, &extra);
    fs::write(crt, certificate).unwrap();
    write_private(key, &private);
}

fn weak(crt: &Path, key: &Path) {
    let (crt, key) = (crt.to_str().unwrap(), key.to_str().unwrap());
    let subject = ["-subj", "/CN=weak.test", "-days", "9"];
    openssl(&[&["req", "-x509", "-newkey", "rsa:1024", "-nodes", "-keyout", key, "-out", crt], &subject[..]].concat());
}

#[test]
fn what_is_named_must_load_and_the_error_says_why_not() {
    for (fault, spoil, expected) in FAULTS {
        let pki = Pki::new();
        let (crt, key) = pki.write("certs", "bad", &["bad.test"], Key::P256, &Extra::default());
        spoil(&pki, &crt, &key);
        let checked = check(pki.folder(), &config(r#"[{ cert = "certs/bad.crt", key = "certs/bad.key" }]"#));
        assert!(!checked.ok, "{fault}");
        let messages = checked.errors.join("\n");
        assert!(messages.contains(expected), "{fault}: {messages}");
        assert!(messages.starts_with("listener \"main\": certificates[0]: "), "{fault}: {messages}");
    }
}

#[test]
fn what_is_broken_in_a_folder_is_skipped_with_a_warning_and_the_others_serve() {
    for (fault, spoil, expected) in FAULTS {
        let pki = Pki::new();
        pki.write("certs", "good", &["good.test"], Key::P256, &Extra::default());
        let (crt, key) = pki.write("certs", "bad", &["bad.test"], Key::P256, &Extra::default());
        spoil(&pki, &crt, &key);
        let checked = check_folder(&pki);
        assert_eq!(count(&checked), (1, 1), "{fault}");
        let messages = checked.warnings.join("\n");
        assert!(messages.contains("skipped: ") && messages.contains(expected), "{fault}: {messages}");
        let place = "line 5, column 17: listener \"main\": certificates[0]: skipped: ";
        assert!(messages.lines().any(|line| line.starts_with(place)), "{fault}: {messages}");
    }
}

#[test]
fn a_folder_without_any_usable_certificate_is_an_error() {
    let pki = Pki::new();
    fs::create_dir(pki.folder().join("certs")).unwrap();
    fs::copy(pki.ca(), pki.folder().join("certs/ca.crt")).unwrap();
    let checked = check_folder(&pki);
    assert!(!checked.ok);
    assert!(checked.errors[0].contains("none that can be used was found"), "{:?}", checked.errors);
    let missing = check(pki.folder(), &config(r#"["nowhere"]"#));
    assert!(missing.errors[0].contains("nowhere: no such file"), "{:?}", missing.errors);
}

#[test]
fn the_same_certificate_found_twice_counts_once() {
    let pki = Pki::new();
    pki.write("certs", "one", &["one.test"], Key::P256, &Extra::default());
    let checked =
        check(pki.folder(), &config(r#"["certs", "certs", { cert = "certs/one.crt", key = "certs/one.key" }]"#));
    assert_eq!(count(&checked), (1, 1));
    assert_eq!(checked.warnings, Vec::<String>::new());
}

#[test]
fn what_looks_wrong_but_works_is_a_warning_and_with_strict_an_error() {
    let pki = Pki::new();
    let (_, key) = pki.write("certs", "open", &["open.test"], Key::P256, &Extra::default());
    fs::set_permissions(key, fs::Permissions::from_mode(0o644)).unwrap();
    for (stem, validity) in [("past", (-20, -10)), ("future", (10, 90)), ("soon", (-60, 5))] {
        let extra = Extra { validity: Some(validity), ..Extra::default() };
        pki.write("certs", stem, &[&format!("{stem}.test")], Key::P256, &extra);
    }
    pki.write("certs", "twin", &["past.test"], Key::P256, &Extra::default());
    let checked = check_folder(&pki);
    assert_eq!(count(&checked), (5, 4));
    for expected in [
        "open.key: the private key can be read by everyone",
        "past.crt: expired at ",
        "future.crt: is not valid before ",
        "soon.crt: expires soon, at ",
        "past.test: several certificates of the same key type have this name, and the preferred one is served",
        "past.crt: is served to no client: ",
    ] {
        assert!(
            checked.warnings.iter().any(|warning| warning.contains(expected)),
            "{expected}: {:?}",
            checked.warnings
        );
    }
    assert_eq!(checked.warnings.len(), 6);
    let path = pki.folder().join("tlsgate.toml").display().to_string();
    let strict = tool::run(crate::support::proxy::PROGRAM, &["check", "--strict", "-c", &path], b"");
    assert_eq!(strict.status.code(), Some(1), "{}", tool::shown(&strict));
}
