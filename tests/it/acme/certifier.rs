//! Certificates from another authority (acme2certifier), that offers renewal information, profiles and dns-persist-01 by its
//! own implementation.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::SystemTime;

use rustls::SignatureScheme;
use serde_json::{Value, json};

use crate::support::acme::certifier::{Certifier, ISSUER};
use crate::support::acme::pebble::Pebble;
use crate::support::acme::visitor::{ECDSA, RSA, Served, Visitor};
use crate::support::acme::{free_port, own_address};
use crate::support::backend::Backend;
use crate::support::pki::Pki;
use crate::support::procfs::eventually;
use crate::support::proxy::{PROGRAM, Proxy};
use crate::support::tool;

/// tlsgate with that authority, and with names of its own.
struct Kept {
    certifier: Certifier,
    folder: Pki,
    ip: Ipv4Addr,
    address: SocketAddr,
    proxy: Proxy,
}

impl Kept {
    /// Starts it with these lines of the authority, and with one certificate of each kind of key for these names.
    fn start(certifier: Certifier, authority: &str, labels: &[&str], keys: &str) -> Self {
        let (folder, ip, backend) = (Pki::new(), own_address(), Backend::echo());
        Pebble::shared().publisher(folder.folder());
        let names: Vec<String> = labels.iter().map(|label| full(ip, label)).collect();
        let address = SocketAddr::from((ip, free_port()));
        let config = format!(
            r#"
[state]
directory = "state"

[resolver]
nameservers = ["{resolver}"]

[admin]
listen="unix:admin.sock"

[acme.test]
directory = "{directory}"
ca = {ca:?}
accept_terms = true
contact = ["mailto:admin@kept.test"]
{authority}

[[listener]]
name = "main"
listen = "{address}"
certificates = [{{ acme = "test", names = {names:?}, keys = {keys} }}]
backend = "servers"

[backend.servers]
servers = ["{backend}"]
"#,
            resolver = Pebble::shared().resolver,
            directory = certifier.directory(),
            ca = certifier.https_root(),
            backend = backend.address,
        );
        let proxy = Proxy::start(folder.folder(), &config);
        Self { certifier, folder, ip, address, proxy }
    }

    fn name(&self, label: &str) -> String {
        full(self.ip, label)
    }

    /// What a client is served that trusts the authority, and offers these schemes.
    fn served(&self, label: &str, schemes: &[SignatureScheme]) -> Option<Served> {
        let visitor = Visitor::with(schemes, &[], Some(&self.certifier.root()));
        visitor.served(self.address, &self.name(label)).ok()
    }

    /// Waits until that is there.
    fn issued(&self, label: &str, schemes: &[SignatureScheme]) -> Served {
        self.eventually("a certificate", || self.served(label, schemes))
    }

    /// Runs a verb of the program against the one that runs, and returns its output.
    fn run(&self, arguments: &[&str]) -> String {
        let config = self.folder.folder().join("tlsgate.toml");
        let output = tool::run(PROGRAM, &[arguments, &["-c", config.to_str().unwrap()]].concat(), b"");
        assert!(output.status.success(), "{}\nlog:\n{}", tool::shown(&output), self.proxy.log());
        String::from_utf8(output.stdout).unwrap()
    }

    fn list(&self) -> Value {
        serde_json::from_str(&self.run(&["acme", "list", "--format", "json"])).unwrap()
    }

    /// Waits; what never comes is shown with the log.
    fn eventually<T>(&self, what: &str, look: impl FnMut() -> Option<T>) -> T {
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| eventually(what, look)));
        found.unwrap_or_else(|_| panic!("never: {what}\nlog:\n{}", self.proxy.log()))
    }

    /// The orders that the authority has got.
    fn orders(&self) -> Vec<Value> {
        self.certifier.requests("/acme/neworders").into_iter().map(|request| request["payload"].clone()).collect()
    }
}

fn full(ip: Ipv4Addr, label: &str) -> String {
    format!("{label}.k{}.test", ip.octets()[3])
}

/// Seconds since 1970.
fn seconds(time: &Value) -> u64 {
    let time = humantime::parse_rfc3339(time.as_str().unwrap()).unwrap();
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

const DNS_01: &str = "challenges = [\"dns-01\"]\ndns = { program = \"publish\" }";
/// Of the window that it proposes.
const HOUR: u64 = 3600;

#[test]
fn both_kinds_with_a_profile_and_planned_as_it_proposes() {
    let certifier = Certifier::start(Pebble::shared(), "60", HOUR);
    let with_profile = format!("{DNS_01}\nprofile = \"short\"");
    let kept = Kept::start(certifier, &with_profile, &["a", "b"], "[\"ecdsa-p256\", \"rsa-2048\"]");
    for (schemes, rsa) in [(ECDSA, false), (RSA, true)] {
        let served = kept.issued("b", schemes);
        assert_eq!((served.rsa, served.names), (rsa, vec![kept.name("a"), kept.name("b")]));
    }
    let orders = kept.orders();
    assert_eq!(orders.len(), 2, "{orders:?}");
    assert!(orders.iter().all(|order| order["profile"] == "short"), "{orders:?}");
    let planned = |list: &Value| {
        let all = list["certificates"].as_array().unwrap();
        all.iter().all(|one| one["next"]["reason"] == "ari").then(|| all.clone())
    };
    let all = kept.eventually("both are planned as it proposes", || planned(&kept.list()));
    assert_eq!(all.len(), 2, "{all:?}");
    for one in all {
        // 60 % of a day. Without a proposal it would be at half of it.
        let age = seconds(&one["next"]["time"]) - seconds(&one["not_before"]);
        assert!((51_840 - 1..=51_840 + HOUR).contains(&age), "{age} {one}");
    }
    let asked = kept.certifier.requests("/acme/renewal-info/");
    assert!(asked.len() >= 2, "{asked:?}");
}

#[test]
fn renewed_when_it_proposes() {
    // From two seconds after it was issued, for a second.
    let certifier = Certifier::start(Pebble::shared(), "0.003", 1);
    let kept = Kept::start(certifier, DNS_01, &["a"], "[\"ecdsa-p256\"]");
    let first = kept.issued("a", ECDSA);
    kept.eventually("another one is served", || kept.served("a", ECDSA).filter(|new| new.serial != first.serial));
    let (orders, asked) = (kept.orders(), kept.certifier.requests("/acme/renewal-info/"));
    // RFC 9773 section 5: the identifier of the certificate is that of the question.
    let replaced = orders[1]["replaces"].as_str().unwrap();
    assert_eq!(asked[0]["path"], format!("/acme/renewal-info/{replaced}"));
    assert!(orders[0]["replaces"].is_null(), "{orders:?}");
}

#[test]
fn by_dns_persist_01_with_the_record_that_is_listed() {
    let certifier = Certifier::start(Pebble::shared(), "60", HOUR);
    let kept = Kept::start(certifier, "challenges = [\"dns-persist-01\"]", &["w", "*.w"], "[\"ecdsa-p256\"]");
    let record = format!("_validation-persist.{}", kept.name("w"));
    let list = kept.eventually("the record is missed", || {
        Some(kept.list()).filter(|list| list["certificates"][0]["last_failure"]["message"].is_string())
    });
    let account = list["authorities"][0]["account"].as_str().unwrap();
    let value = format!("{ISSUER}; accounturi={account}");
    let message = list["certificates"][0]["last_failure"]["message"].as_str().unwrap();
    assert!(message.contains(&record) && message.contains(&value), "{message}");
    let asked = kept.certifier.requests("/acme/chall/");
    assert!(asked.is_empty(), "the authority was asked to look for nothing: {asked:?}");
    let value = format!("{value}; policy=wildcard");
    Pebble::shared().record("set-txt", &json!({ "host": format!("{record}."), "value": value }));
    kept.run(&["acme", "renew", "--all"]);
    let mut names = kept.issued("x.w", ECDSA).names;
    names.sort();
    assert_eq!(names, [kept.name("*.w"), kept.name("w")]);
    assert!(!kept.certifier.requests("/acme/chall/").is_empty());
}
