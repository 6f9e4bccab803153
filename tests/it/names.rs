//! Names and validity as clients see them: case, trailing dots, A-labels, expired certificates, ten thousand names.
//! Must not know: how names are compared.

use std::fs;

use crate::clients::scene::Scene;
use crate::clients::tools::{Client, ECDSA_P256, RSA_PSS_SHA256, Scheme, TOOLS, Tool, VERSIONS, Version};
use crate::support::pki::{Extra, Key, Pki, write_private};
use crate::support::proxy::PROGRAM;
use crate::support::{reports, tool};

const EVERYTHING: &[Scheme] = &[ECDSA_P256, RSA_PSS_SHA256];
const EXPIRED: Option<(i64, i64)> = Some((-90, -1));

fn asking<'a>(tool: Tool, name: &'a str, verify: &'a str) -> Client<'a> {
    Client { tool, version: Version::Tls13, schemes: EVERYTHING, name: Some(name), verify, more: &[] }
}

/// A scene in which unknown names are refused, so that a certificate can only come from the name.
fn strict(pki: Pki, certificates: &str) -> Scene {
    Scene::start(pki, &[("main", &format!("certificates = [{certificates}]\nunknown_name = \"reject\""))])
}

#[test]
fn upper_case_and_one_trailing_dot_do_not_count() {
    let pki = Pki::new();
    pki.write("certs", "host", &["host.test"], Key::P256, &Extra::default());
    pki.write("certs", "apps", &["*.Apps.test"], Key::P256, &Extra::default());
    let scene = strict(pki, "\"certs\"");
    let cases = [
        ("host", "host.test", ["HOST.Test", "host.test.", "HoSt.tEST."]),
        ("apps", "a.apps.test", ["A.APPS.TEST", "a.apps.test.", "A.apps.Test."]),
    ];
    for tool in [Tool::OpenSsl, Tool::GnuTls] {
        for version in VERSIONS {
            for (stem, verify, names) in cases {
                for name in names {
                    let client = Client { version, ..asking(tool, name, verify) };
                    scene.serves("main", &client, &format!("certs/{stem}"));
                }
            }
        }
    }
}

#[test]
fn an_internationalized_name_is_compared_by_its_a_labels() {
    let pki = Pki::new();
    pki.write("by-label", "label", &["xn--bcher-kva.test"], Key::P256, &Extra::default());
    pki.write("by-names", "names", &["xn--mnchen-3ya.test"], Key::P256, &Extra::default());
    pki.write("by-names", "wildcard", &["*.xn--strae-oqa.test"], Key::P256, &Extra::default());
    let given = |stem: &str, name: &str| {
        format!("{{ cert = \"by-names/{stem}.crt\", key = \"by-names/{stem}.key\", names = [\"{name}\"] }}")
    };
    let scene = strict(
        pki,
        &format!("\"by-label\", {}, {}", given("names", "München.test"), given("wildcard", "*.straße.test")),
    );
    let cases = [
        ("bücher.test", "xn--bcher-kva.test", "by-label/label"),
        ("münchen.test", "xn--mnchen-3ya.test", "by-names/names"),
        ("a.straße.test", "a.xn--strae-oqa.test", "by-names/wildcard"),
    ];
    for (unicode, label, stem) in cases {
        for tool in TOOLS {
            scene.serves("main", &asking(tool, label, label), stem);
        }
        // curl makes the A-label itself, and checks the certificate against it.
        scene.serves("main", &asking(Tool::Curl, unicode, unicode), stem);
    }
}

#[test]
fn names_from_the_configuration_replace_those_of_the_certificate() {
    let pki = Pki::new();
    pki.write("certs", "own", &["own.test"], Key::P256, &Extra::default());
    let scene = strict(pki, "{ cert = \"certs/own.crt\", key = \"certs/own.key\", names = [\"given.test\"] }");
    for tool in TOOLS {
        scene.serves("main", &asking(tool, "given.test", "own.test"), "certs/own");
        scene.refuses("main", &asking(tool, "own.test", "own.test"), 112, "unknown_name");
    }
}

#[test]
fn the_common_name_counts_only_where_there_is_no_san() {
    let pki = Pki::new();
    let named = |name: &str| Extra { common_name: Some(name.to_owned()), ..Extra::default() };
    pki.write("certs", "with-san", &["san.test"], Key::P256, &named("cn.test"));
    pki.write("certs", "without-san", &[], Key::P256, &named("only-cn.test"));
    let scene = strict(pki, "\"certs\"");
    scene.serves("main", &asking(Tool::OpenSsl, "san.test", "san.test"), "certs/with-san");
    scene.serves("main", &asking(Tool::OpenSsl, "only-cn.test", "only-cn.test"), "certs/without-san");
    scene.refuses("main", &asking(Tool::OpenSsl, "cn.test", "cn.test"), 112, "unknown_name");
}

#[test]
fn a_valid_wildcard_beats_an_expired_or_future_exact_certificate() {
    let pki = Pki::new();
    pki.write("certs", "a-expired", &["old.apps.test"], Key::P256, &Extra { validity: EXPIRED, ..Extra::default() });
    pki.write(
        "certs",
        "a-future",
        &["new.apps.test"],
        Key::P256,
        &Extra { validity: Some((2, 90)), ..Extra::default() },
    );
    pki.write("certs", "wildcard", &["*.apps.test"], Key::Rsa2048, &Extra::default());
    let scene = strict(pki, "\"certs\"");
    for tool in TOOLS {
        for version in VERSIONS {
            for name in ["old.apps.test", "new.apps.test"] {
                let client = Client { version, ..asking(tool, name, name) };
                scene.serves("main", &client, "certs/wildcard");
            }
        }
    }
}

#[test]
fn a_name_with_nothing_but_an_expired_certificate_is_still_served_and_check_warns() {
    let pki = Pki::new();
    let expired = Extra { validity: EXPIRED, ..Extra::default() };
    pki.write("certs", "expired", &["old.test"], Key::P256, &expired);
    // For an RSA-only client the valid ECDSA certificate is no alternative.
    pki.write("certs", "mixed-rsa", &["mixed.test"], Key::Rsa2048, &expired);
    pki.write("certs", "mixed-ec", &["mixed.test"], Key::P256, &Extra::default());
    let scene = strict(pki, "\"certs\"");
    let cases: [(&str, &[Scheme], &str); 2] =
        [("old.test", EVERYTHING, "certs/expired"), ("mixed.test", &[RSA_PSS_SHA256], "certs/mixed-rsa")];
    for (name, schemes, stem) in cases {
        let (seen, record) = scene.connect("main", &Client { schemes, ..asking(Tool::OpenSsl, name, name) });
        // X509_V_ERR_CERT_HAS_EXPIRED
        assert_eq!(reports::verdict(&seen.output), Some(10), "{}", seen.output);
        assert_eq!(seen.certificate, Some(crate::clients::scene::fingerprint(&scene.path(stem))), "{}", seen.output);
        assert_eq!(record["tls.server.hash.sha256"].as_str(), seen.certificate.as_deref());
    }
    scene.serves("main", &asking(Tool::OpenSsl, "mixed.test", "mixed.test"), "certs/mixed-ec");
    let config = scene.pki.folder().join("tlsgate.toml");
    for (strictly, code) in [(&["check", "-c"][..], 0), (&["check", "--strict", "-c"][..], 1)] {
        let arguments = [strictly, &[config.to_str().unwrap()]].concat();
        let output = tool::run(PROGRAM, &arguments, b"");
        let shown = tool::shown(&output);
        assert_eq!(output.status.code(), Some(code), "{shown}");
        for stem in ["certs/expired", "certs/mixed-rsa"] {
            let warns = |line: &str| line.contains(&format!("{stem}.crt")) && line.contains("expired at");
            assert!(shown.lines().any(warns), "{shown}");
        }
        let warned = |line: &str| line.contains(": warning: ") || line.contains(": error");
        assert!(!shown.lines().any(|line| warned(line) && line.contains("mixed-ec")), "{shown}");
    }
}

#[test]
fn ten_thousand_names_on_one_listener_are_each_served_right() {
    const COUNT: usize = 10_000;
    let pki = Pki::new();
    let folder = pki.folder().join("certs");
    fs::create_dir(&folder).unwrap();
    for number in 0..COUNT {
        let name = format!("host{number:05}.test");
        let (certificate, key) = pki.pair(&[&name], Key::P256, &Extra::default());
        fs::write(folder.join(format!("{number:05}.crt")), certificate).unwrap();
        write_private(&folder.join(format!("{number:05}.key")), &key);
    }
    let scene = strict(pki, "\"certs\"");
    // Spread over all of them: 7919 is prime to 10,000.
    for step in 0..24 {
        let number = (step * 7919 + 1) % COUNT;
        let name = format!("host{number:05}.test");
        let tool = TOOLS[step % TOOLS.len()];
        scene.serves("main", &asking(tool, &name, &name), &format!("certs/{number:05}"));
    }
    scene.refuses("main", &asking(Tool::OpenSsl, "host10000.test", "host10000.test"), 112, "unknown_name");
}
