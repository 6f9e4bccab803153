//! Folders as other programs write them: their content is served, or it is named with the reason.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::{check_folder, config, count, openssl};
use crate::support::check::check;
use crate::support::pki::{Extra, Key, Pki, write_private};
use crate::support::proxy::PROGRAM;
use crate::support::tool;

/// Files below the folder of certificates: the certificate for that name, its key, the CA, both, or a text.
type Layout = &'static [(&'static str, What)];

#[derive(Clone, Copy)]
enum What {
    Chain(&'static str),
    Leaf(&'static str),
    PrivateKey(&'static str),
    Both(&'static str),
    Authority,
    Text(&'static str),
}
use What::{Authority, Both, Chain, Leaf, PrivateKey, Text};

/// Each with the expected number of certificates.
const LAYOUTS: &[(&str, usize, Layout)] = &[
    (
        "certbot",
        2,
        &[
            ("README", Text("This directory contains your keys and certificates.\n")),
            ("a.test/README", Text("`privkey.pem`  : the private key for your certificate.\n")),
            ("a.test/cert.pem", Leaf("a.test")),
            ("a.test/chain.pem", Authority),
            ("a.test/fullchain.pem", Chain("a.test")),
            ("a.test/privkey.pem", PrivateKey("a.test")),
            ("b.test/cert.pem", Leaf("b.test")),
            ("b.test/chain.pem", Authority),
            ("b.test/fullchain.pem", Chain("b.test")),
            ("b.test/privkey.pem", PrivateKey("b.test")),
        ],
    ),
    (
        "acme.sh",
        2,
        &[
            ("a.test/a.test.cer", Leaf("a.test")),
            ("a.test/a.test.conf", Text("Le_Domain='a.test'\n")),
            (
                "a.test/a.test.csr",
                Text("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"),
            ),
            ("a.test/a.test.key", PrivateKey("a.test")),
            ("a.test/ca.cer", Authority),
            ("a.test/fullchain.cer", Chain("a.test")),
            ("b.test_ecc/b.test.cer", Leaf("b.test")),
            ("b.test_ecc/b.test.key", PrivateKey("b.test")),
            ("b.test_ecc/ca.cer", Authority),
            ("b.test_ecc/fullchain.cer", Chain("b.test")),
        ],
    ),
    (
        "lego",
        2,
        &[
            ("a.test.crt", Chain("a.test")),
            ("a.test.issuer.crt", Authority),
            ("a.test.json", Text("{\"domain\": \"a.test\"}\n")),
            ("a.test.key", PrivateKey("a.test")),
            ("b.test.crt", Chain("b.test")),
            ("b.test.key", PrivateKey("b.test")),
            ("b.test.pem", Both("b.test")),
        ],
    ),
    (
        "Caddy",
        3,
        &[
            ("acme-v02.example-directory/a.test/a.test.crt", Chain("a.test")),
            ("acme-v02.example-directory/a.test/a.test.json", Text("{}\n")),
            ("acme-v02.example-directory/a.test/a.test.key", PrivateKey("a.test")),
            ("acme-v02.example-directory/wildcard_.b.test/wildcard_.b.test.crt", Chain("*.b.test")),
            ("acme-v02.example-directory/wildcard_.b.test/wildcard_.b.test.key", PrivateKey("*.b.test")),
            ("local/c.test/c.test.crt", Chain("c.test")),
            ("local/c.test/c.test.key", PrivateKey("c.test")),
        ],
    ),
    (
        "Caddy, one folder of it",
        1,
        &[("a.test/a.test.crt", Chain("a.test")), ("a.test/a.test.key", PrivateKey("a.test"))],
    ),
    (
        "HAProxy",
        3,
        &[
            ("a.pem", Both("a.test")),
            ("b.pem", Chain("b.test")),
            ("b.pem.key", PrivateKey("b.test")),
            ("c.crt", Chain("c.test")),
            ("c.crt.key", PrivateKey("c.test")),
        ],
    ),
    ("Windows", 2, &[("A.CRT", Chain("a.test")), ("A.KEY", PrivateKey("a.test")), ("b.Pem", Both("b.test"))]),
    (
        "cfssl, mkcert and tutorials",
        4,
        &[
            ("a.pem", Chain("a.test")),
            ("a-key.pem", PrivateKey("a.test")),
            ("b-cert.pem", Chain("b.test")),
            ("b-key.pem", PrivateKey("b.test")),
            ("c.cert.pem", Chain("c.test")),
            ("c.key.pem", PrivateKey("c.test")),
            ("d/cert.pem", Chain("d.test")),
            ("d/key.pem", PrivateKey("d.test")),
            ("dhparam.pem", Text("-----BEGIN DH PARAMETERS-----\nAAAA\n-----END DH PARAMETERS-----\n")),
        ],
    ),
    ("Kubernetes", 1, &[("ca.crt", Authority), ("tls.crt", Chain("a.test")), ("tls.key", PrivateKey("a.test"))]),
];

fn lay_out(pki: &Pki, files: Layout) {
    let certs = pki.folder().join("certs");
    fs::create_dir_all(&certs).unwrap();
    // By file name: the certificate and its key.
    let mut pairs = std::collections::HashMap::new();
    for (file, what) in files {
        let path = certs.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let authority = fs::read_to_string(pki.ca()).unwrap();
        let mut pair = |name: &'static str| {
            let pair = pairs.entry(name).or_insert_with(|| pki.pair(&[name], Key::P256, &Extra::default()));
            pair.clone()
        };
        let text = match what {
            Chain(name) => pair(name).0 + &authority,
            Leaf(name) => pair(name).0,
            PrivateKey(name) => pair(name).1,
            Both(name) => pair(name).0 + &authority + &pair(name).1,
            Authority => authority,
            Text(text) => (*text).to_owned(),
        };
        write_private(&path, &text);
    }
}

#[test]
fn what_known_programs_write_is_served_without_a_warning() {
    for (program, certificates, files) in LAYOUTS {
        let pki = Pki::new();
        lay_out(&pki, files);
        let checked = check_folder(&pki);
        assert_eq!(checked.warnings, Vec::<String>::new(), "{program}");
        assert_eq!(count(&checked), (*certificates as u64, *certificates as u64), "{program}");
    }
}

#[test]
fn links_to_files_and_folders_are_followed() {
    let pki = Pki::new();
    lay_out(&pki, &[("a.pem", Both("a.test"))]);
    let elsewhere = pki.folder().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    write_private(&elsewhere.join("tls.crt"), &pki.pair(&["b.test"], Key::P256, &Extra::default()).0);
    let key = rcgen::KeyPair::generate().unwrap();
    write_private(&elsewhere.join("tls.key"), &key.serialize_pem());
    fs::write(elsewhere.join("tls.crt"), pki.certificate(&["b.test"], &key, &Extra::default())).unwrap();
    symlink("../elsewhere", pki.folder().join("certs/b")).unwrap();
    // A link to its own folder does not loop.
    symlink(".", pki.folder().join("certs/again")).unwrap();
    fs::copy(pki.ca(), pki.folder().join("certs/ca.crt")).unwrap();
    let checked = check_folder(&pki);
    assert_eq!(checked.warnings, Vec::<String>::new());
    assert_eq!(count(&checked), (2, 2));
}

/// A folder that has one good certificate and what the closure adds: the warnings about it.
fn warned(add: impl Fn(&Pki, &Path)) -> String {
    let pki = Pki::new();
    lay_out(&pki, &[("good.pem", Both("good.test")), ("ca.crt", Authority)]);
    add(&pki, &pki.folder().join("certs"));
    let checked = check_folder(&pki);
    assert_eq!(count(&checked), (1, 1), "{:?}", checked.warnings);
    assert_eq!(checked.warnings.len(), 1, "{:?}", checked.warnings);
    checked.warnings.join("\n")
}

#[test]
fn a_certificate_without_a_key_is_named_with_the_key_that_fits() {
    let alone = warned(|pki, certs| {
        fs::write(certs.join("x.crt"), pki.pair(&["x.test"], Key::P256, &Extra::default()).0).unwrap();
    });
    assert!(alone.contains("x.crt: is not served: it holds a certificate, and there is no private key"), "{alone}");
    assert!(!alone.contains("its key is in"), "{alone}");
    let fitting = warned(|pki, certs| {
        let (certificate, key) = pki.pair(&["x.test"], Key::P256, &Extra::default());
        fs::write(certs.join("x.crt"), certificate).unwrap();
        write_private(&certs.join("y.key"), &key);
    });
    assert!(fitting.contains("x.crt: is not served") && fitting.contains("y.key"), "{fitting}");
    let of_another = warned(|pki, certs| {
        let good = fs::read_to_string(certs.join("good.pem")).unwrap();
        let key = rcgen::KeyPair::from_pem(&good[good.find("-----BEGIN PRIVATE").unwrap()..]).unwrap();
        fs::write(certs.join("x.crt"), pki.certificate(&["x.test"], &key, &Extra::default())).unwrap();
    });
    assert!(of_another.contains("x.crt: is not served") && of_another.contains("good.pem"), "{of_another}");
}

#[test]
fn a_key_that_no_certificate_has_is_named() {
    let warning = warned(|pki, certs| {
        write_private(&certs.join("x.key"), &pki.pair(&["x"], Key::P256, &Extra::default()).1);
    });
    assert!(warning.contains("x.key: is not used: it holds a private key"), "{warning}");
    let warning = warned(|pki, certs| {
        write_private(&certs.join("key.pem"), &pki.pair(&["x"], Key::P256, &Extra::default()).1);
    });
    assert!(warning.contains("key.pem: is not used: it holds a private key"), "{warning}");
}

#[test]
fn what_is_not_pem_is_named_with_what_to_do() {
    let pair = |pki: &Pki, folder: &Path| {
        let (certificate, key) = pki.pair(&["x.test"], Key::P256, &Extra::default());
        let (crt, private) = (folder.join("x.crt.pem"), folder.join("x.key.pem"));
        fs::write(&crt, certificate).unwrap();
        write_private(&private, &key);
        [crt, private].map(|path| path.to_str().unwrap().to_owned())
    };
    let der = |pki: &Pki, out: &Path| {
        let [crt, _] = pair(pki, pki.folder());
        openssl(&["x509", "-in", &crt, "-outform", "DER", "-out", out.to_str().unwrap()]);
    };
    let warning = warned(|pki, certs| der(pki, &certs.join("x.der")));
    assert!(warning.contains("x.der: is a certificate in DER") && warning.contains("openssl x509"), "{warning}");
    for ending in ["p12", "pfx", "PFX", "bundle"] {
        let warning = warned(|pki, certs| {
            let [crt, key] = pair(pki, pki.folder());
            let out = certs.join(format!("x.{ending}"));
            let out = out.to_str().unwrap();
            openssl(&["pkcs12", "-export", "-in", &crt, "-inkey", &key, "-passout", "pass:x", "-out", out]);
        });
        assert!(
            warning.contains(&format!("x.{ending}: is a PKCS #12 file")) && warning.contains("openssl pkcs12"),
            "{warning}"
        );
    }
    for name in ["x.jks", "x.p12", "x.keystore"] {
        let warning = warned(|_, certs| fs::write(certs.join(name), "whatever").unwrap());
        assert!(warning.contains(&format!("{name}: is not read")), "{warning}");
    }
}

#[test]
fn what_only_its_bytes_reveal_is_named_too() {
    let warning = warned(|pki, certs| {
        fs::write(certs.join("x.crt.old"), pki.pair(&["x.test"], Key::P256, &Extra::default()).0).unwrap();
    });
    assert!(
        warning.contains("x.crt.old: is not served: it holds a certificate, and its name does not end in"),
        "{warning}"
    );
    let warning = warned(|pki, certs| {
        let (certificate, key) = pki.pair(&["x.test"], Key::P256, &Extra::default());
        write_private(&certs.join("x.txt"), &(certificate + &key));
    });
    assert!(warning.contains("x.txt: is not served: it holds a certificate with its key"), "{warning}");
    let warning = warned(|_, certs| fs::write(certs.join("x.crt"), "not a certificate").unwrap());
    assert!(warning.contains("x.crt: holds no certificate"), "{warning}");
    let warning = warned(|_, certs| symlink("gone", certs.join("x.crt")).unwrap());
    assert!(warning.contains("x.crt: no such file"), "{warning}");
}

#[test]
fn a_folder_that_lies_too_deep_is_named() {
    let warning = warned(|pki, certs| {
        let deep = certs.join("live/a.test");
        fs::create_dir_all(&deep).unwrap();
        let (certificate, key) = pki.pair(&["x.test"], Key::P256, &Extra::default());
        fs::write(deep.join("fullchain.pem"), certificate).unwrap();
        write_private(&deep.join("privkey.pem"), &key);
    });
    assert!(warning.contains("live/a.test: seems to hold certificates, but is too deep"), "{warning}");
}

#[test]
fn what_was_put_aside_is_not_served_and_its_folder_is_named() {
    let put = |pki: &Pki, folder: &Path| {
        fs::create_dir_all(folder).unwrap();
        let (certificate, key) = pki.pair(&["x.test"], Key::P256, &Extra::default());
        fs::write(folder.join("x.crt"), certificate).unwrap();
        write_private(&folder.join("x.key"), &key);
    };
    for folder in ["old", "archives", "Backup", "archive/x.test"] {
        let warning = warned(|pki, certs| put(pki, &certs.join(folder)));
        let top = folder.split('/').next().unwrap();
        assert!(warning.contains(&format!("certs/{top}: is not read, since its name marks")), "{warning}");
    }
    // Something that is named itself is used.
    let pki = Pki::new();
    let old = pki.folder().join("old");
    put(&pki, &old);
    assert_eq!(count(&check(pki.folder(), &config("[\"old\"]"))), (1, 1));
}

#[test]
fn a_short_form_that_holds_something_else_is_named() {
    let warning = warned(|pki, certs| {
        let folder = certs.join("a.test");
        fs::create_dir(&folder).unwrap();
        // They are those of the good one, so that both are one certificate.
        let good = fs::read_to_string(certs.join("good.pem")).unwrap();
        let at = good.find("-----BEGIN PRIVATE").unwrap();
        fs::write(folder.join("fullchain.pem"), &good[..at]).unwrap();
        write_private(&folder.join("privkey.pem"), &good[at..]);
        fs::write(folder.join("cert.pem"), pki.pair(&["x.test"], Key::P256, &Extra::default()).0).unwrap();
    });
    assert!(warning.contains("cert.pem: is not served: it holds another certificate than the full chain"), "{warning}");
}

#[test]
fn names_of_files_do_not_steer_a_terminal() {
    let pki = Pki::new();
    lay_out(&pki, &[("good\u{1b}[2J\ngood.pem", Both("good.test")), ("x\u{1b}[2J\nx.crt", Leaf("x.test"))]);
    fs::write(pki.folder().join("certs/y\u{1b}[2J\ny.crt"), "-----BEGIN CERTIFICATE-----\n").unwrap();
    fs::write(pki.folder().join("certs/y\u{1b}[2J\ny.key"), "").unwrap();
    assert!(check_folder(&pki).ok);
    let path = pki.folder().join("tlsgate.toml");
    for (arguments, lines) in [(&["check", "-c"][..], 5), (&["cert", "list", "-c"], 2)] {
        let arguments: Vec<&str> = arguments.iter().copied().chain(path.to_str()).collect();
        let output = tool::run(PROGRAM, &arguments, b"");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(!text.contains('\u{1b}'), "{text}");
        assert!(text.contains("\\u{1b}[2J\\ngood.pem"), "{text}");
        // What the process will be able to use has lines of its own.
        let shown = text.lines().filter(|line| !line.contains("tlsgate.toml: process: "));
        assert_eq!(shown.count(), lines, "{text}");
    }
}
