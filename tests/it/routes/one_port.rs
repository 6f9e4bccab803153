//! One port for a terminated name, one that is passed through, one that is refused, and everything else; used at the
//! same time by five different clients. The client's certificate and the answer show which side terminated.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tempfile::TempDir;

use super::start;
use crate::clients::scene::fingerprint;
use crate::clients::tools::{Client, ECDSA_P256, TOOLS, VERSIONS};
use crate::support::nginx::Nginx;
use crate::support::pki::{Extra, Key, Pki};
use crate::support::proxy::Proxy;
use crate::support::recorder::Recorder;
use crate::support::tool;

const HERE: &str = "terminated-here";
const THERE: &str = "terminated-there";
/// RFC 8446 section 6.
const UNRECOGNIZED_NAME: u8 = 112;

struct Port {
    pki: Pki,
    proxy: Proxy,
    _here: Nginx,
    _there: Nginx,
}

/// What a client should get for a name: the stem of the certificate, and the answer. `None` is unrecognized_name.
const EXPECTED: [(&str, Option<(&str, &str)>); 4] = [
    ("term.test", Some(("own/term", HERE))),
    ("pass.test", Some(("container/pass", THERE))),
    ("no.test", None),
    ("other.test", Some(("certs/main", HERE))),
];

impl Port {
    fn open() -> Self {
        let pki = Pki::new();
        pki.write("certs", "main", &["main.test"], Key::P256, &Extra::default());
        pki.write("own", "term", &["term.test"], Key::P256, &Extra::default());
        let (certificate, key) = pki.write("container", "pass", &["pass.test"], Key::P256, &Extra::default());
        let (here, there) = (Nginx::start(), Nginx::start_tls(&certificate, &key));
        for (nginx, text) in [(&here, HERE), (&there, THERE)] {
            for file in ["who", "index.html"] {
                fs::write(nginx.file(file), text).unwrap();
            }
        }
        let routes = [
            "server_names = [\"term.test\"]\ncertificates = [\"own\"]",
            "server_names = [\"pass.test\"]\nmode = \"passthrough\"\nbackend = \"there\"",
            "server_names = [\"no.test\"]\nmode = \"reject\"",
        ];
        let own = "certificates = [\"certs\"]\nbackend = \"here\"";
        let proxy = start(&pki, own, &routes, &[("here", here.address), ("there", there.address)]);
        Self { pki, proxy, _here: here, _there: there }
    }

    fn certificate(&self, stem: &str) -> PathBuf {
        self.pki.folder().join(format!("{stem}.crt"))
    }
}

#[test]
fn five_different_clients_get_what_the_name_says_at_the_same_time() {
    let port = Port::open();
    thread::scope(|scope| {
        for tool in TOOLS {
            let port = &port;
            scope.spawn(move || {
                for version in VERSIONS {
                    for (name, expected) in EXPECTED {
                        let schemes = &[ECDSA_P256];
                        let verify = if name == "other.test" { "main.test" } else { name };
                        let client = Client { tool, version, schemes, name: Some(name), verify, more: &[] };
                        let seen = client.connect(port.proxy.address("main"), &port.pki.ca());
                        let wanted = expected.map(|(stem, _)| fingerprint(&port.certificate(stem)));
                        assert_eq!(seen.certificate, wanted, "{client:?}: {}", seen.output);
                        assert_eq!(
                            seen.alert,
                            expected.is_none().then_some(UNRECOGNIZED_NAME),
                            "{client:?}: {}",
                            seen.output
                        );
                        assert!(seen.verified || expected.is_none(), "{client:?}: {}", seen.output);
                    }
                }
            });
        }
        scope.spawn(|| java(&port));
        scope.spawn(|| chromium(&port));
    });
    // Chromium may open more connections than it needs.
    let least = (TOOLS.len() * VERSIONS.len() + 2) * EXPECTED.len();
    for record in port.proxy.records(least) {
        let (mode, route) = match record["server.address"].as_str().unwrap() {
            "term.test" => ("terminate", "term.test"),
            "pass.test" => ("passthrough", "pass.test"),
            "no.test" => ("reject", "no.test"),
            "-" => continue,
            _ => ("terminate", "default"),
        };
        assert_eq!((&record["mode"], &record["route"]), (&mode.into(), &route.into()), "{record:#}");
        assert_eq!(record.get("chosen_cert").is_some(), mode == "terminate", "{record:#}");
    }
}

fn java(port: &Port) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/routes/Names.java");
    let (recorder, ca) = (Recorder::before(port.proxy.address("main")), port.pki.ca());
    let (host, number) = (recorder.address.ip().to_string(), recorder.address.port().to_string());
    let mut arguments = vec![source.to_str().unwrap(), &host, &number, ca.to_str().unwrap()];
    arguments.extend(EXPECTED.map(|(name, _)| name));
    let output = tool::run("java", &arguments, b"");
    let printed = tool::shown(&output);
    for (at, (name, expected)) in EXPECTED.into_iter().enumerate() {
        let wanted = match expected {
            Some((stem, answer)) => format!("{name} {} {answer}\n", fingerprint(&port.certificate(stem))),
            None => format!("{name} refused\n"),
        };
        assert!(printed.contains(&wanted), "wanted {wanted}{printed}");
        assert_eq!(recorder.alert(at), expected.is_none().then_some(UNRECOGNIZED_NAME), "{name}: {printed}");
    }
}

/// A page is shown only if the certificate has the key that the browser is set to trust.
fn chromium(port: &Port) {
    let recorder = Recorder::before(port.proxy.address("main"));
    // The page, and the alerts that answered the browser's connections.
    let show = |name: &str, stem: &str| {
        let before = recorder.count();
        let home = TempDir::new().unwrap();
        let url = format!("https://{name}:{}/who", recorder.address.port());
        let arguments = [
            format!("HOME={}", home.path().display()),
            "chromium".to_owned(),
            format!("--user-data-dir={}", home.path().join("profile").display()),
            format!("--ignore-certificate-errors-spki-list={}", key_hash(&port.certificate(stem))),
        ];
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).chain(CHROMIUM).chain([&*url]).collect();
        let printed = tool::shown(&tool::run("env", &arguments, b""));
        let alerts: Vec<_> = (before..recorder.count())
            // A connection that it opened in advance and did not use is no refusal.
            .filter(|at| !recorder.recording(*at).hello.is_empty())
            .map(|at| recorder.alert(at))
            .collect();
        assert!(!alerts.is_empty(), "{name}: it did not connect: {printed}");
        (printed, alerts)
    };
    for (name, expected) in EXPECTED {
        let (printed, alerts) = show(name, expected.map_or("certs/main", |(stem, _)| stem));
        let shown = [HERE, THERE].map(|answer| printed.contains(&format!(">{answer}<")));
        assert_eq!(
            shown,
            [HERE, THERE].map(|answer| expected.is_some_and(|(_, wanted)| wanted == answer)),
            "{printed}"
        );
        let wanted = expected.is_none().then_some(UNRECOGNIZED_NAME);
        assert!(alerts.iter().all(|alert| *alert == wanted), "{name}: {alerts:?}: {printed}");
    }
    // With a key that is not trusted the browser shows no page, though the server has one for it.
    let (printed, alerts) = show("pass.test", "own/term");
    assert!(!printed.contains(THERE) && alerts.iter().all(Option::is_none), "{alerts:?}: {printed}");
}

/// SHA-256 of the certificate's public key, in base64.
fn key_hash(certificate: &Path) -> String {
    let der = CertificateDer::from_pem_file(certificate).unwrap();
    let (_, parsed) = x509_parser::parse_x509_certificate(&der).unwrap();
    BASE64.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, parsed.public_key().raw))
}

const CHROMIUM: [&str; 12] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
    "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP *.test 127.0.0.1",
    "--dump-dom",
];
