//! Other clients, and the certificate that each of them receives. What counts is the
//! certificate that the client got, compared with the file; the access log must say the same.
//! Must not know: how the choice is made.

pub(crate) mod scene;
pub(crate) mod tools;

use crate::support::pki::{Extra, Key, Pki};
use crate::support::{reports, tool};
use scene::{Scene, fingerprint};
use tools::{
    Client, ECDSA_P256, ECDSA_P384, ECDSA_P521, ED25519, RSA_PKCS1_SHA256, RSA_PSS_SHA256, Scheme, TOOLS, Tool,
    VERSIONS, Version,
};

/// The ordinary case: 26 names with an RSA and an ECDSA certificate each. Without a marked one, the default is the
/// first in name order: `host00`.
fn twenty_six() -> Scene {
    let pki = Pki::new();
    for number in 0..26 {
        let (stem, name) = match number {
            25 => ("wild".to_owned(), "*.apps.test".to_owned()),
            _ => (format!("host{number:02}"), format!("host{number:02}.test")),
        };
        pki.write("certs", &format!("{stem}-rsa"), &[&name], Key::Rsa2048, &Extra::default());
        pki.write("certs", &format!("{stem}-ec"), &[&name], Key::P256, &Extra::default());
    }
    let listeners = [
        ("default", "certificates = [\"certs\"]"),
        ("reject", "certificates = [\"certs\"]\nunknown_name = \"reject\""),
        ("sni", "certificates = [\"certs\"]\nrequire_sni = true"),
    ];
    Scene::start(pki, &listeners)
}

/// RSA-only and ECDSA-only clients: the suffix of the files, and the one scheme that such a client offers.
fn only(version: Version) -> [(&'static str, &'static [Scheme]); 2] {
    match version {
        // In TLS 1.3, PKCS#1 signatures are allowed in certificates only.
        Version::Tls13 => [("rsa", &[RSA_PSS_SHA256]), ("ec", &[ECDSA_P256])],
        _ => [("rsa", &[RSA_PKCS1_SHA256]), ("ec", &[ECDSA_P256])],
    }
}

/// Runs `check` for every tool, every version, and RSA-only and ECDSA-only clients, with the suffix of the files that
/// are meant for them. `name` and `verify` are left to set.
fn for_every_client(check: impl Fn(Client<'static>, &str)) {
    for tool in TOOLS {
        for version in VERSIONS {
            for (kind, schemes) in only(version) {
                check(Client { tool, version, schemes, name: None, verify: "", more: &[] }, kind);
            }
        }
    }
}

#[test]
fn every_client_gets_the_certificate_of_the_name_that_it_can_use() {
    let scene = twenty_six();
    let cases = [("host07.test", "host07.test", "host07"), ("any.apps.test", "any.apps.test", "wild")];
    for_every_client(|client, kind| {
        for (name, verify, stem) in cases {
            for listener in ["default", "reject", "sni"] {
                let client = Client { name: Some(name), verify, ..client };
                scene.serves(listener, &client, &format!("certs/{stem}-{kind}"));
            }
        }
    });
}

#[test]
fn every_client_with_an_unknown_name_gets_the_default_or_the_alert() {
    let scene = twenty_six();
    for_every_client(|client, kind| {
        // A wildcard matches exactly one label.
        for name in ["nowhere.test", "a.b.apps.test", "apps.test"] {
            let client = Client { name: Some(name), verify: "host00.test", ..client };
            scene.serves("default", &client, &format!("certs/host00-{kind}"));
            scene.serves("sni", &client, &format!("certs/host00-{kind}"));
            scene.refuses("reject", &client, 112, "unknown_name");
        }
    });
}

#[test]
fn every_client_without_a_name_gets_the_default_unless_names_are_required() {
    let scene = twenty_six();
    for_every_client(|client, kind| {
        let client = Client { name: None, verify: "host00.test", ..client };
        scene.serves("default", &client, &format!("certs/host00-{kind}"));
        scene.serves("reject", &client, &format!("certs/host00-{kind}"));
        // RFC 8446 section 9.2: missing_extension, which TLS 1.2 does not have.
        let alert = if client.version == Version::Tls13 { 109 } else { 40 };
        scene.refuses("sni", &client, alert, "no_server_name");
    });
}

#[test]
fn every_one_of_26_names_has_both_its_certificates() {
    let scene = twenty_six();
    for number in 0..25 {
        let name = format!("host{number:02}.test");
        for (kind, schemes) in only(Version::Tls13) {
            let client = asking(Tool::OpenSsl, Version::Tls13, &name, schemes);
            scene.serves("reject", &client, &format!("certs/host{number:02}-{kind}"));
        }
    }
}

#[test]
fn the_marked_certificates_are_the_default() {
    let pki = Pki::new();
    for (stem, name) in [("first", "first.test"), ("second", "second.test")] {
        pki.write("certs", &format!("{stem}-ec"), &[name], Key::P256, &Extra::default());
        pki.write("certs", &format!("{stem}-rsa"), &[name], Key::Rsa2048, &Extra::default());
    }
    let marked = |kind: &str| {
        format!("{{ cert = \"certs/second-{kind}.crt\", key = \"certs/second-{kind}.key\", default = true }}")
    };
    let scene =
        Scene::start(pki, &[("main", &format!("certificates = [\"certs\", {}, {}]", marked("ec"), marked("rsa")))]);
    for_every_client(|client, kind| {
        for name in [None, Some("nowhere.test")] {
            scene.serves("main", &Client { name, verify: "second.test", ..client }, &format!("certs/second-{kind}"));
        }
    });
}

#[test]
fn every_kind_of_key_goes_to_the_client_that_offers_exactly_its_scheme() {
    let pki = Pki::new();
    let kinds: [(&str, Key, Scheme); 5] = [
        ("p256", Key::P256, ECDSA_P256),
        ("p384", Key::P384, ECDSA_P384),
        ("p521", Key::P521, ECDSA_P521),
        ("ed25519", Key::Ed25519, ED25519),
        ("rsa4096", Key::Rsa4096, RSA_PSS_SHA256),
    ];
    for (stem, key, _) in kinds {
        pki.write("certs", stem, &["keys.test"], key, &Extra::default());
    }
    // Larger keys come before smaller ones: of these two, no client that asks for keys.test gets any.
    pki.write("certs", "rsa2048", &["keys.test", "rsa2048.test"], Key::Rsa2048, &Extra::default());
    pki.write("certs", "rsa3072", &["keys.test", "rsa3072.test"], Key::Rsa3072, &Extra::default());
    let scene = Scene::start(pki, &[("main", "certificates = [\"certs\"]")]);
    for tool in TOOLS {
        for version in VERSIONS {
            for (stem, _, scheme) in kinds {
                scene.serves("main", &asking(tool, version, "keys.test", &[scheme]), &format!("certs/{stem}"));
            }
            for (name, stem) in [("rsa2048.test", "rsa2048"), ("rsa3072.test", "rsa3072")] {
                scene.serves("main", &asking(tool, version, name, &[RSA_PSS_SHA256]), &format!("certs/{stem}"));
            }
            // A client that offers everything gets the largest key that is not an RSA key.
            let all = [RSA_PSS_SHA256, ED25519, ECDSA_P256, ECDSA_P384, ECDSA_P521];
            scene.serves("main", &asking(tool, version, "keys.test", &all), "certs/p521");
        }
    }
}

#[test]
fn a_tls12_client_gets_an_ecdsa_key_only_on_a_curve_that_it_offers() {
    let pki = Pki::new();
    pki.write("certs", "p256", &["curve.test"], Key::P256, &Extra::default());
    pki.write("certs", "rsa", &["curve.test"], Key::Rsa2048, &Extra::default());
    let scene = Scene::start(pki, &[("main", "certificates = [\"certs\"]")]);
    let schemes = &[ECDSA_P256, RSA_PSS_SHA256];
    let groups = [
        (Tool::OpenSsl, &["-groups", "X25519:P-384"][..]),
        (Tool::GnuTls, &[":-GROUP-ALL:+GROUP-X25519:+GROUP-SECP384R1"][..]),
        (Tool::Curl, &["--curves", "X25519:P-384"][..]),
    ];
    for (tool, more) in groups {
        for (version, stem) in [(Version::Tls12, "rsa"), (Version::Tls13, "p256")] {
            let client = Client { more, ..asking(tool, version, "curve.test", schemes) };
            scene.serves("main", &client, &format!("certs/{stem}"));
        }
    }
}

#[test]
fn a_chain_that_the_client_can_verify_comes_before_a_larger_key() {
    let pki = Pki::new();
    let rsa = Pki::with_ca_key(Key::Rsa2048);
    pki.write("certs", "by-ecdsa", &["chain.test"], Key::P256, &Extra::default());
    let (certificate, key) = rsa.pair(&["chain.test"], Key::P384, &Extra::default());
    std::fs::write(pki.folder().join("certs/by-rsa.crt"), certificate).unwrap();
    crate::support::pki::write_private(&pki.folder().join("certs/by-rsa.key"), &key);
    // Both are trusted; they differ only in whether the client offers to verify them.
    let both = std::fs::read_to_string(pki.ca()).unwrap() + &std::fs::read_to_string(rsa.ca()).unwrap();
    std::fs::write(pki.ca(), both).unwrap();
    let scene = Scene::start(pki, &[("main", "certificates = [\"certs\"]")]);
    let keys = [ECDSA_P256, ECDSA_P384];
    let everything = [ECDSA_P256, ECDSA_P384, RSA_PKCS1_SHA256];
    for tool in TOOLS {
        for version in VERSIONS {
            for (schemes, stem) in [(&keys[..], "by-ecdsa"), (&everything[..], "by-rsa")] {
                scene.serves("main", &asking(tool, version, "chain.test", schemes), &format!("certs/{stem}"));
            }
        }
    }
}

#[test]
fn the_log_has_the_serial_number_and_the_hash_that_openssl_prints() {
    let scene = twenty_six();
    let name = "host03.test";
    let client = asking(Tool::OpenSsl, Version::Tls13, name, &[ECDSA_P256]);
    let (_, record) = scene.connect("default", &client);
    let path = scene.path("certs/host03-ec");
    let arguments = ["x509", "-noout", "-serial", "-fingerprint", "-sha256", "-in", path.to_str().unwrap()];
    let printed = String::from_utf8(tool::run("openssl", &arguments, b"").stdout).unwrap().replace(':', "");
    assert!(printed.contains(&format!("serial={}\n", record["chosen_cert_serial"].as_str().unwrap())), "{printed}");
    assert!(printed.contains(record["tls.server.hash.sha256"].as_str().unwrap()), "{printed}");
    assert!(printed.contains(&fingerprint(&path)), "{printed}");
}

#[test]
fn the_log_has_the_signature_scheme_that_openssl_saw() {
    let scene = twenty_six();
    let both = &[RSA_PKCS1_SHA256, RSA_PSS_SHA256];
    let cases: [(Version, &[Scheme], Scheme); 4] = [
        (Version::Tls12, both, RSA_PSS_SHA256),
        (Version::Tls13, both, RSA_PSS_SHA256),
        (Version::Tls12, &[RSA_PKCS1_SHA256], RSA_PKCS1_SHA256),
        (Version::Tls12, &[RSA_PSS_SHA256, ECDSA_P256], ECDSA_P256),
    ];
    for (version, schemes, logged) in cases {
        let (seen, record) = scene.connect("default", &asking(Tool::OpenSsl, version, "host03.test", schemes));
        assert_eq!(record["tls.signature_scheme"], logged.iana, "{}", seen.output);
        assert!(reports::signed_with(&seen.output, logged.iana), "{}", seen.output);
    }
}

/// A client that asks for `name` and requires a certificate that is valid for it.
fn asking<'a>(tool: Tool, version: Version, name: &'a str, schemes: &'a [Scheme]) -> Client<'a> {
    Client { tool, version, schemes, name: Some(name), verify: name, more: &[] }
}
