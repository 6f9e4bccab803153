//! OpenSSL, GnuTLS, curl, Java and Chromium as they are installed here: what each of them reports of its own connection, and
//! the ClientHello that it sent. Must not know: tlsgate.

use std::net::SocketAddr;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use tlsgate::tls::wire::codes;

use crate::clients::tools::sha256;
use crate::support::browser::Browser;
use crate::support::recorder::Recorder;
use crate::support::{reports, tool};

/// For it, every server of the tests has a certificate; and every client can find its address.
pub(super) const LOCALHOST: &str = "localhost";

/// A client's own report; what it does not report is `None`.
#[derive(Debug)]
pub(super) struct Seen {
    /// The client of `explain` that it is a later version of, if not the same.
    pub(super) client: &'static str,
    /// The program's name and version, in its own words.
    pub(super) program: String,
    pub(super) hello: Vec<u8>,
    pub(super) version: Option<String>,
    /// The IANA name, or a part of it.
    pub(super) suite: Option<String>,
    pub(super) group: Option<String>,
    /// IANA's name; of a scheme of RSA-PSS or ECDSA perhaps only that.
    pub(super) scheme: Option<String>,
    pub(super) certificate: String,
}

/// Every client that needs nothing but TLS.
pub(super) fn all(server: SocketAddr, ca: &Path) -> Vec<Seen> {
    let ca = ca.to_str().unwrap();
    vec![openssl(server, ca), gnutls(server, ca), curl(server, ca), java(server, ca)]
}

fn openssl(server: SocketAddr, ca: &str) -> Seen {
    let recorder = Recorder::before(server);
    let to = recorder.address.to_string();
    let output = tool::run("openssl", &["s_client", "-connect", &to, "-servername", LOCALHOST, "-CAfile", ca], b"");
    let text = tool::shown(&output);
    let session = reports::session(&text).unwrap_or_else(|| panic!("{text}"));
    let group = reports::group(&text).find_map(codes::group).map(|group| codes::group_name(group).into_owned());
    let kinds = ["ecdsa_secp256r1_sha256", "ed25519", "rsa_pss_rsae_sha256", "rsa_pkcs1_sha256"];
    Seen {
        client: "openssl3",
        program: introduced("openssl", "version"),
        hello: recorder.recording(0).hello,
        version: Some(session.version.to_owned()),
        suite: codes::suite(session.cipher).map(|suite| codes::suite_name(suite).into_owned()),
        group,
        scheme: kinds.iter().find(|kind| reports::signed_with(&text, kind)).map(|kind| kind_of(kind).to_owned()),
        certificate: in_pem(&output.stdout, &text),
    }
}

fn gnutls(server: SocketAddr, ca: &str) -> Seen {
    let recorder = Recorder::before(server);
    let port = recorder.address.port().to_string();
    let arguments = ["--port", &port, "--x509cafile", ca, "--sni-hostname", LOCALHOST];
    let more = ["--verify-hostname", LOCALHOST, "--print-cert", "127.0.0.1"];
    let output = tool::run("gnutls-cli", &[&arguments[..], &more].concat(), b"");
    let text = tool::shown(&output);
    // Its description of the session: `(TLS1.3)-(ECDHE-SECP256R1)-(ECDSA-SECP256R1-SHA256)-(AES-256-GCM)`.
    let names: Vec<&str> = text
        .lines()
        .find(|line| line.contains("(TLS1."))
        .map(|line| line.split(['(', ')']).collect())
        .unwrap_or_default();
    let version = names.iter().find_map(|name| name.strip_prefix("TLS")?.get(..3));
    let group = names.iter().find_map(|name| codes::group(name.strip_prefix("ECDHE-")?));
    let cipher = names.iter().find(|name| name.starts_with("AES-") || name.starts_with("CHACHA20"));
    Seen {
        client: "gnutls",
        program: introduced("gnutls-cli", "--version"),
        hello: recorder.recording(0).hello,
        version: version.map(|version| format!("TLSv{version}")),
        suite: cipher.map(|cipher| cipher.replace('-', "_")),
        group: group.map(|group| codes::group_name(group).into_owned()),
        scheme: names
            .iter()
            .find_map(|name| ["ECDSA", "RSA-PSS"].into_iter().find(|kind| name.starts_with(kind)))
            .map(lower),
        certificate: in_pem(&output.stdout, &text),
    }
}

fn curl(server: SocketAddr, ca: &str) -> Seen {
    let recorder = Recorder::before(server);
    let there = format!("::{}", recorder.address);
    let url = format!("https://{LOCALHOST}/");
    let arguments = ["--verbose", "--noproxy", "*", "--output", "/dev/null", "--write-out", "%{certs}", "--cacert", ca];
    let output =
        tool::run("curl", &[&arguments[..], &["--max-time", "60", "--connect-to", &there, &url]].concat(), b"");
    let text = tool::shown(&output);
    // `SSL connection using TLSv1.3 / TLS_AES_256_GCM_SHA384`, with more behind it since curl 8.
    let line =
        text.lines().find_map(|line| line.split_once("TLSv1.").filter(|_| line.contains(" / "))).map(|(_, rest)| rest);
    let names: Vec<&str> = line.unwrap_or_else(|| panic!("{text}")).split(" / ").map(str::trim).collect();
    let certificate = match CertificateDer::from_pem_slice(&output.stdout) {
        Ok(der) => sha256(&der),
        // A server that speaks no HTTP closes, and then this curl prints none.
        Err(_) => String::new(),
    };
    Seen {
        client: "curl",
        program: introduced("curl", "--version"),
        hello: recorder.recording(0).hello,
        version: Some(format!("TLSv1.{}", names[0])),
        suite: codes::suite(names[1]).map(|suite| codes::suite_name(suite).into_owned()),
        group: names.get(2).and_then(|name| codes::group(name)).map(|group| codes::group_name(group).into_owned()),
        scheme: None,
        certificate,
    }
}

fn java(server: SocketAddr, ca: &str) -> Seen {
    let recorder = Recorder::before(server);
    let jobs = Path::new(ca).with_file_name(format!("jobs-{}", recorder.address.port()));
    std::fs::write(&jobs, format!("{} {LOCALHOST} - - -\n", recorder.address.port())).unwrap();
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/explain/Client.java");
    let output = tool::run("java", &[program.to_str().unwrap(), jobs.to_str().unwrap()], b"");
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let words: Vec<&str> = text.split_whitespace().collect();
    let ["served", version, suite, hash] = words[..] else { panic!("{}", tool::shown(&output)) };
    Seen {
        client: "java17",
        program: introduced("java", "--version"),
        hello: recorder.recording(0).hello,
        version: Some(version.to_owned()),
        suite: Some(suite.to_owned()),
        group: None,
        scheme: None,
        certificate: hash.to_uppercase(),
    }
}

/// Chromium, which needs a server of HTTP.
pub(super) fn chromium(server: SocketAddr) -> Seen {
    let recorder = Recorder::before(server);
    let origin = format!("https://{LOCALHOST}:{}", recorder.address.port());
    let mut browser = Browser::start();
    browser.call("Security.setIgnoreCertificateErrors", json!({ "ignore": true }));
    browser.open(&format!("{origin}/"));
    let is_answer = |event: &&Value| event["method"] == "Network.responseReceived";
    let details =
        browser.events.iter().find(is_answer).map(|event| event["params"]["response"]["securityDetails"].clone());
    let details = details.unwrap_or_else(|| panic!("{:?}", browser.events));
    let chain = browser.call("Network.getCertificate", json!({ "origin": origin }));
    let leaf = STANDARD.decode(chain["tableNames"][0].as_str().unwrap()).unwrap();
    let text = |name: &str| details[name].as_str().unwrap().to_owned();
    let scheme = details["serverSignatureAlgorithm"].as_u64().and_then(|code| u16::try_from(code).ok());
    Seen {
        client: "chrome",
        program: introduced("chromium", "--version"),
        hello: recorder.recording(0).hello,
        version: Some(text("protocol").replace("TLS ", "TLSv")),
        suite: Some(text("cipher")),
        group: codes::group(&text("keyExchangeGroup")).map(|group| codes::group_name(group).into_owned()),
        scheme: scheme.map(|scheme| codes::scheme_name(scheme).into_owned()),
        certificate: sha256(&leaf),
    }
}

/// The first line of what a program says of itself.
fn introduced(name: &str, argument: &str) -> String {
    let output = tool::run(name, &[argument], b"");
    String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned()
}

fn in_pem(output: &[u8], text: &str) -> String {
    sha256(&CertificateDer::from_pem_slice(output).unwrap_or_else(|error| panic!("{error}: {text}")))
}

/// The part of a scheme's name that every OpenSSL reports.
fn kind_of(scheme: &str) -> &str {
    ["ecdsa_", "ed25519", "rsa_pss_"].into_iter().find(|kind| scheme.starts_with(kind)).unwrap_or("rsa_pkcs1_")
}

fn lower(name: &str) -> String {
    name.to_lowercase().replace('-', "_")
}
