//! Keys of ML-DSA: which clients get such certificates, in what form keys are read, and what is verified with them.
//! The clients that verify them are Node.js with its own OpenSSL; Debian's OpenSSL and GnuTLS do not.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::clients::scene::fingerprint;
use crate::clients::tools::{Client, ECDSA_P256, RSA_PKCS1_SHA256, RSA_PSS_SHA256, Scheme, Tool, Version};
use crate::support::backend::Backend;
use crate::support::check::check;
use crate::support::node;
use crate::support::pki::{Extra, Key, Pki, write_private};
use crate::support::proxy::{PROGRAM, Proxy};
use crate::support::recorder::Recorder;
use crate::support::tool;

mod peers;
mod shown;

/// The name in every certificate.
const NAME: &str = "three.test";

/// A kind of key, its name, and the scheme that it signs with.
const SETS: [(Key, &str, &str); 3] = [
    (Key::MlDsa44, "ML-DSA-44", "mldsa44"),
    (Key::MlDsa65, "ML-DSA-65", "mldsa65"),
    (Key::MlDsa87, "ML-DSA-87", "mldsa87"),
];

/// tlsgate with the certificates of the folder `certs`, in front of an echo.
struct Scene {
    pki: Pki,
    proxy: Proxy,
    recorder: Recorder,
}

impl Scene {
    fn start(pki: Pki, listener: &str) -> Self {
        let proxy = Proxy::start(pki.folder(), &config(listener, Backend::echo().address));
        let recorder = Recorder::before(proxy.address("main"));
        Self { pki, proxy, recorder }
    }

    /// Connects with Node.js, which must accept the certificate of `certs/stem.crt` and get its bytes back; and asserts that
    /// `explain`, asked with the very hello, and the access log say the same.
    fn serves_node(&self, options: Value, stem: &str, scheme: &str) {
        let at = self.recorder.count();
        let seen = node::connect(self.recorder.address, &self.pki.ca(), NAME, options.clone());
        let context = format!("{options}, expected {stem}: {seen:?}");
        assert_eq!(seen.certificate, Some(fingerprint(&self.path(stem))), "{context}");
        assert!(seen.verified && seen.answer == "hello", "{context}\n{}", self.proxy.log());
        self.agrees(at, stem, scheme, &context);
    }

    /// The same with a tool that does not know ML-DSA.
    fn serves(&self, tool: Tool, version: Version, schemes: &[Scheme], stem: &str) {
        let at = self.recorder.count();
        let client = Client { tool, version, schemes, name: Some(NAME), verify: NAME, more: &[] };
        let seen = client.connect(self.recorder.address, &self.pki.ca());
        assert_eq!(seen.certificate, Some(fingerprint(&self.path(stem))), "{client:?}: {}", seen.output);
        assert!(seen.verified, "{client:?}: {}", seen.output);
        self.agrees(at, stem, schemes[0].iana, &format!("{client:?}"));
    }

    fn agrees(&self, at: usize, stem: &str, scheme: &str, context: &str) {
        let recording = self.recorder.recording(at);
        let explained = self.explained(&recording.hello);
        let context = format!("{context}\n{explained:#}");
        assert_eq!(explained["sha256"].as_str().unwrap().to_uppercase(), fingerprint(&self.path(stem)), "{context}");
        assert_eq!(explained["signature_scheme"], scheme, "{context}");
        let address = recording.address.to_string();
        let record = self.proxy.record(|record| record["client.address"] == address);
        assert_eq!(record["tls.signature_scheme"], scheme, "{record:#}");
        assert_eq!(record["chosen_cert"], explained["certificate"], "{record:#}");
        // A parser that prints what it does not know would do it here.
        assert!(!self.proxy.log().contains("2.16.840.1.101.3.4.3"), "{}", self.proxy.log());
    }

    fn explained(&self, hello: &[u8]) -> Value {
        let file = self.pki.folder().join("hello.bin");
        fs::write(&file, hello).unwrap();
        self.explain(&["--hello", file.to_str().unwrap()])
    }

    fn explain(&self, arguments: &[&str]) -> Value {
        let mut command = Command::new(PROGRAM);
        command.args(["explain", "--format", "json", "--listener", "main", "--config"]);
        let output = command.arg(self.pki.folder().join("tlsgate.toml")).args(arguments).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", tool::shown(&output)))
    }

    fn path(&self, stem: &str) -> std::path::PathBuf {
        self.pki.folder().join(format!("certs/{stem}.crt"))
    }
}

fn config(listener: &str, backend: SocketAddr) -> String {
    format!(
        "[[listener]]\nname = \"main\"\nlisten = \"127.0.0.1:0\"\ncertificates = [\"certs\"]\nbackend = \"echo\"\n\
         {listener}\n[backend.echo]\nservers = [\"{backend}\"]\n"
    )
}

fn write(pki: &Pki, stem: &str, key: Key) {
    pki.write("certs", stem, &[NAME], key, &Extra::default());
}

/// Only these schemes, in OpenSSL's names.
fn offering(schemes: &str) -> Value {
    json!({ "sigalgs": schemes })
}

#[test]
fn of_three_certificates_for_one_name_each_client_gets_the_newest_kind_that_it_verifies() {
    let pki = Pki::new();
    for (stem, key) in [("rsa", Key::Rsa2048), ("ec", Key::P256), ("lattice", Key::MlDsa65)] {
        write(&pki, stem, key);
    }
    let scene = Scene::start(pki, "");
    scene.serves_node(json!({}), "lattice", "mldsa65");
    scene.serves(Tool::OpenSsl, Version::Tls13, &[ECDSA_P256], "ec");
    scene.serves(Tool::GnuTls, Version::Tls13, &[RSA_PSS_SHA256], "rsa");
    // In TLS 1.2 nobody signs with ML-DSA. OpenSSL does not offer it then; others might.
    scene.serves_node(json!({ "maxVersion": "TLSv1.2" }), "ec", "ecdsa_secp256r1_sha256");
    let asked = ["--sni", NAME, "--tls", "1.2", "--sigalgs", "mldsa65:ecdsa_secp256r1_sha256"];
    assert_eq!(scene.explain(&asked)["signature_scheme"], "ecdsa_secp256r1_sha256");
    assert_eq!(scene.explain(&["--sni", NAME, "--client", "node24"])["signature_scheme"], "mldsa65");
    scene.serves(Tool::OpenSsl, Version::Tls12, &[ECDSA_P256], "ec");
    scene.serves(Tool::GnuTls, Version::Tls12, &[RSA_PKCS1_SHA256], "rsa");
    // Another size is another scheme.
    scene.serves_node(offering("mldsa44:mldsa87:ecdsa_secp256r1_sha256"), "ec", "ecdsa_secp256r1_sha256");
}

#[test]
fn every_size_goes_to_the_client_that_offers_its_scheme_and_the_largest_to_one_that_offers_all() {
    let pki = Pki::new();
    for (key, _, scheme) in SETS {
        write(&pki, scheme, key);
    }
    write(&pki, "ec", Key::P256);
    let scene = Scene::start(pki, "");
    for (_, _, scheme) in SETS {
        // The CA's signature is an ECDSA one.
        scene.serves_node(offering(&format!("{scheme}:ecdsa_secp256r1_sha256")), scheme, scheme);
    }
    scene.serves_node(json!({}), "mldsa87", "mldsa87");
    // Clients without TLS 1.3 or without the schemes are refused where there is nothing else.
    fs::remove_file(scene.path("ec")).unwrap();
    fs::remove_file(scene.path("ec").with_extension("key")).unwrap();
    let alone = Scene::start(scene.pki, "");
    for (at, options) in
        [json!({ "maxVersion": "TLSv1.2" }), offering("ecdsa_secp256r1_sha256")].into_iter().enumerate()
    {
        let seen = node::connect(alone.recorder.address, &alone.pki.ca(), NAME, options);
        assert!(!seen.verified && seen.error.is_some(), "{seen:?}");
        assert_eq!(alone.recorder.alert(at), Some(40));
        let recording = alone.recorder.recording(at);
        let explained = alone.explained(&recording.hello);
        assert_eq!((&explained["result"], &explained["alert_code"]), (&json!("refused"), &json!(40)), "{explained:#}");
        let address = recording.address.to_string();
        let record = alone.proxy.record(|record| record["client.address"] == address);
        assert_eq!(record["outcome"], "no_common_scheme", "{record:#}");
    }
}

#[test]
fn a_chain_that_is_signed_with_ml_dsa_goes_to_clients_that_offer_to_verify_that() {
    // Two CAs, each with a certificate for the name. Only the signatures in the chain differ.
    let (lattice, plain) = (Pki::with_ca_key(Key::MlDsa65), Pki::new());
    write(&lattice, "new", Key::P256);
    let both = |name: &str| fs::read_to_string(plain.folder().join(name)).unwrap();
    write(&plain, "old", Key::P256);
    for name in ["certs/old.crt", "certs/old.key"] {
        write_private(&lattice.folder().join(name), &both(name));
    }
    let roots = [fs::read_to_string(lattice.ca()).unwrap(), both("ca.pem")].concat();
    fs::write(lattice.ca(), roots).unwrap();
    let scene = Scene::start(lattice, "");
    scene.serves_node(json!({}), "new", "ecdsa_secp256r1_sha256");
    scene.serves_node(offering("ecdsa_secp256r1_sha256"), "old", "ecdsa_secp256r1_sha256");
    scene.serves(Tool::OpenSsl, Version::Tls13, &[ECDSA_P256], "old");
    let refused = scene.explained(&scene.recorder.recording(1).hello);
    let reasons: Vec<&str> =
        refused["candidates"].as_array().unwrap().iter().map(|one| one["reason"].as_str().unwrap()).collect();
    assert!(reasons.contains(&"the client's offer does not cover its chain (mldsa65 is not offered)"), "{reasons:?}");
    // Under TLS 1.2 OpenSSL does not offer them.
    scene.serves_node(json!({ "maxVersion": "TLSv1.2" }), "old", "ecdsa_secp256r1_sha256");
}

#[test]
fn a_chain_longer_than_a_record_is_sent() {
    let pki = Pki::with_ca_key(Key::MlDsa87);
    write(&pki, "long", Key::MlDsa87);
    // Its CA's certificate behind it, and those of three others: each has more than 7,000 bytes.
    let strangers: String = (0..3).map(|_| fs::read_to_string(Pki::with_ca_key(Key::MlDsa87).ca()).unwrap()).collect();
    let path = pki.folder().join("certs/long.crt");
    let leaf = fs::read_to_string(&path).unwrap();
    let chain = format!("{leaf}{}{strangers}", fs::read_to_string(pki.ca()).unwrap());
    assert!(chain.len() / 4 * 3 > 2 * 16 * 1024, "a record holds 16 KiB");
    fs::write(&path, chain).unwrap();
    let scene = Scene::start(pki, "policy = \"TLS13-1-3-PQ-2025-09\"");
    scene.serves_node(json!({}), "long", "mldsa87");
    scene.serves_node(offering("mldsa87"), "long", "mldsa87");
}

#[test]
fn a_key_is_read_as_each_program_writes_it() {
    for (key, _, scheme) in SETS {
        let pki = Pki::new();
        write(&pki, "one", key);
        // AWS-LC writes the seed, OpenSSL the seed and the expanded key.
        let path = pki.folder().join("certs/one.key");
        let (short, long) = (fs::read_to_string(&path).unwrap(), node::rewritten(&path));
        assert!(short.len() < 200 && long.len() > 3000, "{long}");
        write_private(&path, &long);
        let scene = Scene::start(pki, "");
        scene.serves_node(json!({}), "one", scheme);
        write_private(&path, &short);
        Scene::start(scene.pki, "").serves_node(json!({}), "one", scheme);
    }
}

#[test]
fn a_key_that_is_not_consistent_is_an_error_with_its_file() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/ml_dsa");
    let pki = Pki::new();
    fs::create_dir(pki.folder().join("certs")).unwrap();
    write(&pki, "good", Key::P256);
    fs::copy(fixtures.join("44.crt"), pki.folder().join("rfc.crt")).unwrap();
    let named = "certificates = [{ cert = \"rfc.crt\", key = \"rfc.key\", names = [\"three.test\"] }]";
    let config = config("", "127.0.0.1:1".parse().unwrap()).replace("certificates = [\"certs\"]", named);
    let errors = |key: &str| {
        write_private(&pki.folder().join("rfc.key"), key);
        check(pki.folder(), &config).errors
    };
    for form in ["seed", "expanded", "both"] {
        let whole = fs::read_to_string(fixtures.join(format!("44-{form}.pem"))).unwrap();
        assert_eq!(errors(&whole), [""; 0], "{form}");
        // PEM of a key that ends early.
        let lines: Vec<&str> = whole.lines().collect();
        for count in (1..lines.len() - 2).step_by(7) {
            let found = errors(&[&lines[..=count], &lines[lines.len() - 1..]].concat().join("\n"));
            assert!(found.len() == 1 && found[0].contains("rfc.key"), "{form}, {count} lines: {found:?}");
        }
    }
    for (bad, reason) in [
        ("bad-44-1", "the expanded ML-DSA-44 key is not that of the seed beside it"),
        ("bad-44-2", "the parts of the ML-DSA-44 key do not belong together"),
        ("bad-44-3", "the parts of the ML-DSA-44 key do not belong together"),
        ("65-seed", "the private key does not belong to the certificate"),
    ] {
        let found = errors(&fs::read_to_string(fixtures.join(format!("{bad}.pem"))).unwrap());
        assert!(found.len() == 1 && found[0].ends_with(reason), "{bad}: {found:?}");
        assert!(found[0].contains("rfc."), "{bad}: {found:?}");
    }
}
