//! Clients that must be refused, and the alert that each of them receives: a client that
//! names the alert has received it, no reset has swallowed it. Must not know: how refusals are decided.

use crate::clients::scene::Scene;
use crate::clients::tools::{
    Client, ECDSA_P256, ECDSA_P384, ED25519, RSA_PKCS1_SHA256, RSA_PSS_SHA256, Scheme, TOOLS, Tool, VERSIONS, Version,
};
use crate::support::pki::{Extra, Key, Pki};

const HANDSHAKE_FAILURE: u8 = 40;
const PROTOCOL_VERSION: u8 = 70;
const INAPPROPRIATE_FALLBACK: u8 = 86;
const UNRECOGNIZED_NAME: u8 = 112;

const EVERYTHING: &[Scheme] = &[ECDSA_P256, RSA_PSS_SHA256, RSA_PKCS1_SHA256];

/// Names with one key each, and listeners of several policies.
fn scene() -> Scene {
    let pki = Pki::new();
    pki.write("certs", "a-both-ec", &["both.test"], Key::P256, &Extra::default());
    pki.write("certs", "a-both-rsa", &["both.test"], Key::Rsa2048, &Extra::default());
    pki.write("certs", "ec", &["ec.test"], Key::P256, &Extra::default());
    pki.write("certs", "rsa", &["rsa.test"], Key::Rsa2048, &Extra::default());
    let with = |more: &str| format!("certificates = [\"certs\"]\n{more}");
    let listeners = [
        ("main", with("")),
        ("strict", with("unknown_name = \"reject\"")),
        ("only13", with("policy = \"TLS13-1-3-2021-06\"")),
        ("only12", with("policy = \"FS-1-2-Res-2020-10\"")),
    ];
    Scene::start(pki, &listeners.each_ref().map(|(name, rest)| (*name, rest.as_str())))
}

fn asking(tool: Tool, version: Version, name: &'static str, schemes: &'static [Scheme]) -> Client<'static> {
    Client { tool, version, schemes, name: Some(name), verify: name, more: &[] }
}

#[test]
fn no_key_for_the_clients_schemes_is_handshake_failure_and_not_the_default_certificate() {
    let scene = scene();
    let cases: [(&str, &[Scheme]); 4] = [
        ("both.test", &[ED25519]),
        // A P-256 key signs with SHA-256 only, also for a TLS 1.2 client, for which the scheme allows any curve.
        ("both.test", &[ECDSA_P384]),
        // The default certificates have an RSA and an ECDSA key, but the name is known, so only its own key counts.
        ("ec.test", &[RSA_PSS_SHA256]),
        ("rsa.test", &[ECDSA_P256]),
    ];
    for tool in TOOLS {
        for version in VERSIONS {
            for (name, schemes) in cases {
                for listener in ["main", "strict"] {
                    let client = asking(tool, version, name, schemes);
                    scene.refuses(listener, &client, HANDSHAKE_FAILURE, "no_common_scheme");
                }
            }
        }
    }
}

#[test]
fn pkcs1_signatures_alone_are_nothing_in_common_under_tls13() {
    let scene = scene();
    // GnuTLS does not start such a handshake at all.
    for tool in [Tool::OpenSsl, Tool::Curl] {
        let client = asking(tool, Version::Tls13, "rsa.test", &[RSA_PKCS1_SHA256]);
        scene.refuses("main", &client, HANDSHAKE_FAILURE, "no_common_scheme");
        scene.serves("main", &Client { version: Version::Tls12, ..client }, "certs/rsa");
    }
}

#[test]
fn an_unknown_name_is_unrecognized_where_names_are_strict() {
    let scene = scene();
    for tool in TOOLS {
        for version in VERSIONS {
            let client = asking(tool, version, "nowhere.test", EVERYTHING);
            scene.refuses("strict", &client, UNRECOGNIZED_NAME, "unknown_name");
            // Whether the name is known is checked before whether there is a key for it.
            let client = asking(tool, version, "nowhere.test", &[ED25519]);
            scene.refuses("strict", &client, UNRECOGNIZED_NAME, "unknown_name");
            scene.refuses("main", &client, HANDSHAKE_FAILURE, "no_common_scheme");
        }
    }
}

#[test]
fn versions_that_the_policy_lacks_are_protocol_version() {
    let scene = scene();
    // OpenSSL supports TLS 1.1 at its lowest security level only.
    let old = [
        (Tool::OpenSsl, &["-cipher", "DEFAULT@SECLEVEL=0"][..]),
        (Tool::GnuTls, &[][..]),
        (Tool::Curl, &["--ciphers", "DEFAULT@SECLEVEL=0"][..]),
    ];
    for (tool, more) in old {
        let client = Client { more, ..asking(tool, Version::Tls11, "both.test", EVERYTHING) };
        for listener in ["main", "only13", "only12"] {
            scene.refuses(listener, &client, PROTOCOL_VERSION, "no_common_version");
        }
        scene.refuses(
            "only13",
            &asking(tool, Version::Tls12, "both.test", EVERYTHING),
            PROTOCOL_VERSION,
            "no_common_version",
        );
        scene.refuses(
            "only12",
            &asking(tool, Version::Tls13, "both.test", EVERYTHING),
            PROTOCOL_VERSION,
            "no_common_version",
        );
        scene.serves("only13", &asking(tool, Version::Tls13, "both.test", EVERYTHING), "certs/a-both-ec");
        scene.serves("only12", &asking(tool, Version::Tls12, "both.test", EVERYTHING), "certs/a-both-ec");
    }
}

#[test]
fn a_fallback_below_the_best_version_is_inappropriate() {
    let scene = scene();
    for (tool, more) in [(Tool::OpenSsl, &["-fallback_scsv"][..]), (Tool::GnuTls, &[":%FALLBACK_SCSV"][..])] {
        let client = Client { more, ..asking(tool, Version::Tls12, "both.test", EVERYTHING) };
        for listener in ["main", "only13"] {
            scene.refuses(listener, &client, INAPPROPRIATE_FALLBACK, "inappropriate_fallback");
        }
        // If TLS 1.2 is the highest version of the server, a retry with it is no fallback (RFC 7507 section 3).
        scene.serves("only12", &client, "certs/a-both-ec");
    }
}

#[test]
fn suites_that_the_policy_lacks_are_handshake_failure() {
    let scene = scene();
    let cases = [
        (Tool::OpenSsl, &["-cipher", "AES256-SHA256:ECDHE-RSA-AES128-SHA256"][..]),
        (Tool::GnuTls, &[":-KX-ALL:+RSA"][..]),
        (Tool::Curl, &["--ciphers", "AES256-SHA256:ECDHE-RSA-AES128-SHA256"][..]),
    ];
    for (tool, more) in cases {
        let client = Client { more, ..asking(tool, Version::Tls12, "both.test", EVERYTHING) };
        scene.refuses("main", &client, HANDSHAKE_FAILURE, "no_common_suite");
    }
}

#[test]
fn groups_that_the_policy_lacks_are_handshake_failure() {
    let scene = scene();
    let cases = [
        (Tool::OpenSsl, &["-groups", "P-521"][..]),
        (Tool::GnuTls, &[":-GROUP-ALL:+GROUP-SECP521R1"][..]),
        (Tool::Curl, &["--curves", "P-521"][..]),
    ];
    for (tool, more) in cases {
        for version in VERSIONS {
            let client = Client { more, ..asking(tool, version, "both.test", EVERYTHING) };
            let (seen, record) = scene.connect("main", &client);
            assert_eq!(
                (seen.alert, &seen.certificate),
                (Some(HANDSHAKE_FAILURE), &None),
                "{record:#}\n{}",
                seen.output
            );
            assert_eq!(record.get("backend"), None, "{record:#}");
        }
    }
}

#[test]
fn the_clients_suites_decide_between_the_keys_under_tls12() {
    let scene = scene();
    let cases = [
        (Tool::OpenSsl, &["-cipher", "ECDHE-RSA-AES128-GCM-SHA256"][..]),
        (Tool::GnuTls, &[":-KX-ALL:+ECDHE-RSA"][..]),
        (Tool::Curl, &["--ciphers", "ECDHE-RSA-AES128-GCM-SHA256"][..]),
    ];
    for (tool, more) in cases {
        let client = Client { more, ..asking(tool, Version::Tls12, "both.test", EVERYTHING) };
        scene.serves("main", &client, "certs/a-both-rsa");
        let client = Client { more, ..asking(tool, Version::Tls12, "ec.test", EVERYTHING) };
        scene.refuses("main", &client, HANDSHAKE_FAILURE, "no_common_scheme");
    }
}
