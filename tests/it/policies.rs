//! Policies as other tools see them from outside: what each must allow is written here in
//! full, and nothing of it is taken from the program.

mod order;
mod outside;
pub(crate) mod scan;
mod shown;
mod usable;

use std::fmt::Write;

use crate::clients::scene::Scene;
use crate::support::pki::{Extra, Key, Pki};

/// What a policy must allow: OpenSSL's names, in the order in which they must be preferred.
struct Expected {
    name: &'static str,
    versions: &'static [&'static str],
    suites: &'static [&'static str],
    /// Without the post-quantum ones, which neither sslscan nor testssl.sh of Debian 12 can ask for.
    groups: &'static [&'static str],
    server_order: bool,
}

const T13: [&str; 3] = ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"];
const RES: [&str; 4] = [
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
];
const T13_RES: [&str; 7] = [T13[0], T13[1], T13[2], RES[0], RES[1], RES[2], RES[3]];
const BOTH: [&str; 2] = ["TLSv1.3", "TLSv1.2"];
const GROUPS: [&str; 3] = ["x25519", "secp256r1", "secp384r1"];

const fn aws(name: &'static str, versions: &'static [&'static str], suites: &'static [&'static str]) -> Expected {
    Expected { name, versions, suites, groups: &GROUPS, server_order: true }
}

const EXPECTED: [Expected; 13] = [
    aws("TLS13-1-3-2021-06", &["TLSv1.3"], &T13),
    aws("TLS13-1-3-PQ-2025-09", &["TLSv1.3"], &T13),
    aws("TLS13-1-2-Res-2021-06", &BOTH, &T13_RES),
    aws("TLS13-1-2-Res-PQ-2025-09", &BOTH, &T13_RES),
    aws("FS-1-2-Res-2020-10", &["TLSv1.2"], &RES),
    // These serve only the part that has neither CBC nor static RSA nor old versions.
    aws("TLS13-1-2-2021-06", &BOTH, &T13_RES),
    aws("TLS13-1-2-PQ-2025-09", &BOTH, &T13_RES),
    aws("TLS-1-2-2017-01", &["TLSv1.2"], &RES),
    aws("TLS-1-1-2017-01", &["TLSv1.2"], &RES),
    aws("2016-08", &["TLSv1.2"], &RES),
    Expected {
        name: "mixed",
        versions: &BOTH,
        suites: &[
            "TLS_CHACHA20_POLY1305_SHA256",
            "TLS_AES_256_GCM_SHA384",
            "ECDHE-RSA-CHACHA20-POLY1305",
            "ECDHE-ECDSA-CHACHA20-POLY1305",
            "ECDHE-RSA-AES256-GCM-SHA384",
            "ECDHE-ECDSA-AES128-GCM-SHA256",
        ],
        groups: &["secp384r1", "x25519"],
        server_order: true,
    },
    Expected {
        name: "classic",
        versions: &["TLSv1.2"],
        suites: &[RES[2], RES[0], RES[3], RES[1]],
        groups: &GROUPS,
        server_order: true,
    },
    Expected { name: "theirs", versions: &BOTH, suites: &T13_RES, groups: &GROUPS, server_order: false },
];

const OWN: &str = r#"
[policy.mixed]
versions = ["TLSv1.2", "TLSv1.3"]
ciphers = [
  "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_256_GCM_SHA384",
  "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-AES256-GCM-SHA384", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
]
groups = ["P-384", "X25519"]

[policy.classic]
elb = "Protocol-TLSv1.2,Server-Defined-Cipher-Order,ECDHE-ECDSA-AES256-GCM-SHA384,ECDHE-ECDSA-AES128-GCM-SHA256,ECDHE-RSA-AES256-GCM-SHA384,ECDHE-RSA-AES128-GCM-SHA256"

[policy.theirs]
versions = ["TLSv1.3", "TLSv1.2"]
ciphers = [
  "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256",
  "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384",
]
cipher_order = "client"
"#;

/// The folders from which a listener can have its certificates.
const KINDS: [&str; 3] = ["rsa", "ec", "dual"];

/// The name in all certificates.
const NAME: &str = "policy.test";

/// A listener for each policy and kind, called `POLICY-KIND`; nothing listens where the backend should be.
fn scene() -> Scene {
    let pki = Pki::new();
    for (folder, stem, key) in [
        ("rsa", "rsa", Key::Rsa2048),
        ("ec", "ec", Key::P256),
        ("dual", "rsa", Key::Rsa2048),
        ("dual", "ec", Key::P256),
    ] {
        pki.write(folder, stem, &[NAME], key, &Extra::default());
    }
    let mut listeners = Vec::new();
    for policy in &EXPECTED {
        for kind in KINDS {
            let mut lines = String::new();
            write!(lines, "policy = {:?}\ncertificates = [{kind:?}]\n", policy.name).unwrap();
            listeners.push((format!("{}-{kind}", policy.name), lines));
        }
    }
    // Everything after the last listener's lines is a section of its own.
    listeners.last_mut().unwrap().1.push_str(OWN);
    let listeners: Vec<(&str, &str)> = listeners.iter().map(|(name, lines)| (&**name, &**lines)).collect();
    Scene::start(pki, &listeners)
}

/// The suites of one version that a listener with such certificates must show, in its order of preference: the
/// certificate is chosen first, an ECDSA one if there is one, and then the suite.
fn suites(policy: &Expected, version: &str, kind: &str) -> Vec<&'static str> {
    let of = |part: &str| -> Vec<&'static str> {
        policy.suites.iter().copied().filter(|suite| suite.starts_with(part)).collect()
    };
    match (version, kind) {
        ("TLSv1.3", _) => of("TLS_"),
        (_, "rsa") => of("ECDHE-RSA-"),
        (_, "ec") => of("ECDHE-ECDSA-"),
        _ => [of("ECDHE-ECDSA-"), of("ECDHE-RSA-")].concat(),
    }
}

/// Runs all jobs, four at a time: the tools wait more than they compute.
fn in_parallel<T: Sync>(jobs: &[T], run: impl Fn(&T) + Sync) {
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(job) = jobs.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                    run(job);
                }
            });
        }
    });
}
