//! tlsgate with certificates of every kind on several listeners, and its explanations.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use serde_json::Value;

use crate::support::PATIENCE;
use crate::support::backend::Backend;
use crate::support::http::{Door, Response};
use crate::support::pki::{Extra, Key, Pki};
use crate::support::proxy::{PROGRAM, Proxy};
use crate::support::recorder::{Recorder, Recording};

pub(crate) struct Scene {
    pub(crate) pki: Pki,
    pub(crate) proxy: Proxy,
    pub(crate) door: Door,
    recorders: HashMap<&'static str, Recorder>,
}

/// The listeners: the lines of each besides its certificates.
const LISTENERS: [(&str, &str); 4] = [
    ("default", ""),
    ("reject", "unknown_name = \"reject\""),
    ("modern", "policy = \"TLS13-1-3-PQ-2025-09\"\nrequire_sni = true"),
    ("older", "policy = \"FS-1-2-Res-2020-10\""),
];

pub(crate) fn listeners() -> impl Iterator<Item = &'static str> {
    LISTENERS.iter().map(|(name, _)| *name)
}

/// Names in certificates, names that match a wildcard, and unknown names.
pub(crate) const NAMES: [&str; 9] = [
    "both.test",
    "rsa.test",
    "p384.test",
    "ed.test",
    "mixed.test",
    "late.test",
    "any.wild.test",
    "exact.wild.test",
    "nobody.test",
];

/// Certificates whose names overlap in every way: kinds of key, exact and wildcard, expired and not yet valid.
fn certificates(pki: &Pki) {
    let plain = Extra::default();
    let expired = Extra { validity: Some((-30, -1)), ..Extra::default() };
    let future = Extra { validity: Some((5, 90)), ..Extra::default() };
    let longer = Extra { validity: Some((-1, 300)), ..Extra::default() };
    let all: [(&str, &[&str], Key, &Extra); 15] = [
        ("00-first", &["first.test"], Key::Rsa2048, &plain),
        ("01-first", &["first.test"], Key::P256, &plain),
        ("both-rsa", &["both.test"], Key::Rsa2048, &plain),
        ("both-ec", &["both.test"], Key::P256, &plain),
        ("rsa-small", &["rsa.test"], Key::Rsa2048, &longer),
        ("rsa-large", &["rsa.test"], Key::Rsa3072, &plain),
        ("p384", &["p384.test"], Key::P384, &plain),
        ("p384-rsa", &["p384.test"], Key::Rsa2048, &plain),
        ("ed", &["ed.test"], Key::Ed25519, &plain),
        ("mixed", &["mixed.test", "*.wild.test"], Key::Rsa3072, &plain),
        ("mixed-ec", &["mixed.test", "*.wild.test"], Key::P256, &plain),
        ("exact-expired", &["exact.wild.test"], Key::P256, &expired),
        ("late-expired", &["late.test"], Key::P256, &expired),
        ("late-future", &["late.test"], Key::Rsa2048, &future),
        ("late-expired-rsa", &["late.test"], Key::Rsa2048, &expired),
    ];
    for (stem, names, key, extra) in all {
        pki.write("certs", stem, names, key, extra);
    }
}

impl Scene {
    pub(crate) fn start() -> Self {
        let pki = Pki::new();
        certificates(&pki);
        let backend = Backend::echo();
        let mut config = format!(
            "[admin]\nlisten=\"127.0.0.1:0\"\n[backend.echo]\nservers = [\"{}\"]\nconnect_timeout = \"60s\"\n",
            backend.address
        );
        for (name, rest) in LISTENERS {
            let head = format!("name = \"{name}\"\nlisten = \"127.0.0.1:0\"\nbackend = \"echo\"");
            config += &format!("[[listener]]\n{head}\ncertificates = [\"certs\"]\n{rest}\n");
        }
        let proxy = Proxy::start(pki.folder(), &config);
        let line = proxy.log_line("admin API listening address=");
        let door = Door::Tcp(line.split_once("address=").unwrap().1.trim().parse().unwrap());
        let deadline = Instant::now() + PATIENCE;
        while door.get("/readyz").status != 200 {
            assert!(Instant::now() < deadline, "it does not become ready");
        }
        let recorders = listeners().map(|name| (name, Recorder::before(proxy.address(name)))).collect();
        Self { pki, proxy, door, recorders }
    }

    pub(crate) fn recorder(&self, listener: &str) -> &Recorder {
        &self.recorders[listener]
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.pki.folder().join("tlsgate.toml")
    }

    /// Runs an action that makes one connection through the recorder, and returns what was recorded, if any.
    pub(crate) fn connecting<T>(&self, listener: &str, connect: impl FnOnce() -> T) -> (T, Option<Recording>) {
        let recorder = self.recorder(listener);
        let before = recorder.count();
        let seen = connect();
        assert!(recorder.count() <= before + 1, "more connections than one");
        let recording = (recorder.count() > before).then(|| recorder.recording(before));
        (seen, recording.filter(|recording| !recording.hello.is_empty()))
    }

    pub(crate) fn ask(&self, query: &str) -> Response {
        self.door.get(&format!("/api/v1/explain?{query}"))
    }

    /// The API's answer for this description of a client.
    pub(crate) fn explained(&self, listener: &str, hello: &[u8]) -> Value {
        let answer = self.ask(&format!("listener={listener}&hello={}", hex(hello)));
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()
    }

    /// The command line's answer for it.
    pub(crate) fn explained_by_program(&self, listener: &str, hello: &[u8]) -> Value {
        let file = self.pki.folder().join("hello.bin");
        fs::write(&file, hello).unwrap();
        let output = Command::new(PROGRAM)
            .args(["explain", "--format", "json", "--listener", listener, "--config"])
            .arg(self.config())
            .arg("--hello")
            .arg(file)
            .output()
            .unwrap();
        let explained: Value = serde_json::from_slice(&output.stdout).unwrap();
        let code = if explained["result"] == "served" { 0 } else { 1 };
        assert_eq!(output.status.code(), Some(code));
        explained
    }

    /// Asserts that the proxy's own record of the connection matches the explanation.
    pub(crate) fn record_agrees(&self, recording: &Recording, explained: &Value, context: &str) -> Value {
        let address = recording.address.to_string();
        let record = self.proxy.record(|record| record["client.address"] == address);
        let context = format!("{context}\nexplained {explained:#}\nrecorded {record:#}");
        if explained["result"] == "refused" {
            assert_eq!(record.get("chosen_cert"), None, "{context}");
            let outcomes = [
                "no_common_version",
                "no_common_suite",
                "no_common_group",
                "no_common_scheme",
                "no_server_name",
                "unknown_name",
            ];
            let reason = explained["reason"].as_str().unwrap();
            let expected = match reason.split(':').next().unwrap() {
                _ if explained["alert"] == "decode_error" => "hello_invalid",
                "no TLS version in common" => outcomes[0],
                "no cipher suite in common" => outcomes[1],
                "no key exchange group in common" => outcomes[2],
                "no signature scheme in common" => outcomes[3],
                "no server name given" => outcomes[4],
                "no certificate for that server name" => outcomes[5],
                other => panic!("{other}\n{context}"),
            };
            assert_eq!(record["outcome"], expected, "{context}");
            return record;
        }
        assert_eq!(record["chosen_cert"], explained["certificate"], "{context}");
        assert_eq!(record["chosen_cert_serial"], explained["serial_number"], "{context}");
        // A client that rejects the certificate ends the handshake.
        if record.get("tls.cipher").is_some() {
            let pairs = [
                ("tls.protocol.version", "version"),
                ("tls.cipher", "cipher"),
                ("tls.curve", "group"),
                ("tls.signature_scheme", "signature_scheme"),
            ];
            for (recorded, key) in pairs {
                assert_eq!(record[recorded], explained[key], "{recorded}\n{context}");
            }
        }
        record
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Pseudo-random numbers that are the same in every run (xorshift, Marsaglia 2003).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    pub(crate) fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// Some of them, at least one, in any order.
    pub(crate) fn some<T: Copy>(&mut self, of: &[T]) -> Vec<T> {
        let mut left = of.to_vec();
        let count = 1 + self.below(left.len());
        (0..count).map(|_| left.swap_remove(self.below(left.len()))).collect()
    }
}
