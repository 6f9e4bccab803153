//! What is reported of files, and of the keys that name them.

use std::fs;
use std::path::Path;

use jiff::Timestamp;
use tempfile::TempDir;

use super::*;
use crate::config;
use crate::tls::certificate::store::Trust;

const FILE: &str = r#"
[runtime]
record_layer = "tlsgate"
[[listener]]
name = "main"
listen = "127.0.0.1:0"
mode = "passthrough"
backend = "plain"
[[listener.route]]
server_names = "a.test"
certificates = { cert = "a.crt", key = "a.key" }
client_auth = { mode = "require", ca = ["clients.pem"] }
[policy.own]
versions = ["TLSv1.3"]
ciphers = ["TLS_AES_128_GCM_SHA256"]
[backend.plain]
servers = "127.0.0.1:9"
[backend.sealed]
servers = "127.0.0.1:9"
proxy_protocol = "v1"
tls = { ca = "ca.pem", server_name = "a.test", policy = "own" }
health = { type = "ldap", tls = true, ca = "ca.pem", bind_dn = "cn=a", password_file = "password" }
"#;

/// A folder with the files that are named in [`FILE`].
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    ["ca.pem", "clients.pem", "others.pem"].into_iter().for_each(|name| write_ca(&at(name)));
    fs::write(at("password"), "first").unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let leaf = rcgen::CertificateParams::new(vec!["a.test".to_owned()]).unwrap().self_signed(&key).unwrap();
    fs::write(at("a.crt"), leaf.pem()).unwrap();
    fs::write(at("a.key"), key.serialize_pem()).unwrap();
    folder
}

fn write_ca(path: &Path) {
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
    fs::write(path, ca.pem()).unwrap();
}

/// The changes from [`FILE`] to another text, after `meanwhile` was done to the files; without the folder's path.
fn changes(other: &str, meanwhile: impl FnOnce(&Path)) -> Vec<String> {
    let folder = folder();
    let built = |text: &str, before: &Snapshot| {
        let config = config::parse(text, folder.path()).unwrap();
        let built = Snapshot::build(&config, before, Trust::Bytes, Timestamp::now());
        (config, built.unwrap_or_else(|errors| panic!("{errors:?}")).snapshot)
    };
    let (before, was) = built(FILE, &Snapshot::default());
    meanwhile(folder.path());
    let (after, is) = built(other, &was);
    let parent = format!("{}/", folder.path().display());
    between(&before, &after, &was, &is).into_iter().map(|change| change.text.replace(&parent, "")).collect()
}

#[test]
fn what_files_hold_is_reported_where_their_keys_are_the_same() {
    assert_eq!(changes(FILE, |_| ()), [""; 0]);
    let password = changes(FILE, |folder| fs::write(folder.join("password"), "second").unwrap());
    assert_eq!(password, ["backend \"sealed\": health check changed"]);
    assert_eq!(
        changes(FILE, |folder| write_ca(&folder.join("ca.pem"))),
        [
            "backend \"sealed\": health check changed",
            "backend \"sealed\": the settings or certificates of TLS to it changed"
        ]
    );
    assert_eq!(
        changes(FILE, |folder| write_ca(&folder.join("clients.pem"))),
        ["listener \"main\": route \"a.test\": client_auth: CAs, lists of revoked certificates or pins changed"]
    );
}

#[test]
fn a_key_that_names_a_file_or_stands_beside_one_is_reported_once() {
    for (written, other, expected) in [
        (
            "type = \"ldap\"",
            "type = \"ldap\", interval = \"9s\", jitter = \"500ms\"",
            &["backend \"sealed\": health: interval = \"9s\" (was \"5s\")"][..],
        ),
        (
            "clients.pem",
            "others.pem",
            &["listener \"main\": route \"a.test\": client_auth: ca = [\"others.pem\"] (was [\"clients.pem\"])"],
        ),
        ("\"v1\"", "\"v2\"", &["backend \"sealed\": proxy_protocol = \"v2\" (was \"v1\")"]),
        ("\"tlsgate\"", "\"rustls\"", &["runtime: record_layer = \"rustls\" (was \"tlsgate\")"]),
        (
            "name = \"a.test\"",
            "name = \"b.test\"",
            &["backend \"sealed\": tls: server_name = \"b.test\" (was \"a.test\")"],
        ),
        (
            "AES_128_GCM_SHA256",
            "AES_256_GCM_SHA384",
            &["policy \"own\": ciphers = [\"TLS_AES_256_GCM_SHA384\"] (was [\"TLS_AES_128_GCM_SHA256\"])"],
        ),
    ] {
        assert_eq!(changes(&FILE.replace(written, other), |_| ()), expected);
    }
}
