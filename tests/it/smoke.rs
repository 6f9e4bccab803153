//! The main job, once.

use crate::support::backend::Backend;
use crate::support::pki::{Extra, Key, Pki};
use crate::support::proxy::Proxy;
use crate::support::{reports, tool};

#[test]
fn each_client_gets_the_certificate_it_can_use() {
    let pki = Pki::new();
    pki.write("certs", "rsa", &["ldap.test"], Key::Rsa2048, &Extra::default());
    pki.write("certs", "ec", &["ldap.test"], Key::P256, &Extra::default());
    let backend = Backend::echo();
    let config = format!(
        r#"
[[listener]]
name = "main"
listen = "127.0.0.1:0"
certificates = ["certs"]
backend = "echo"

[backend.echo]
servers = ["{}"]
"#,
        backend.address
    );
    let proxy = Proxy::start(pki.folder(), &config);
    let (connect, ca) = (proxy.address("main").to_string(), pki.ca().display().to_string());
    for (sigalgs, expected) in
        [("ECDSA+SHA256", "ecdsa_secp256r1_sha256"), ("RSA-PSS+SHA256:ECDSA+SHA384", "rsa_pss_rsae_sha256")]
    {
        let arguments =
            ["s_client", "-connect", &connect, "-servername", "ldap.test", "-CAfile", &ca, "-sigalgs", sigalgs];
        let shown = tool::shown(&tool::run("openssl", &arguments, b""));
        assert!(reports::verified(&shown), "{shown}");
        assert!(reports::signed_with(&shown, expected), "{shown}");
    }
    let records = proxy.records(2);
    assert!(records.iter().all(|record| record["server.address"] == "ldap.test"));
}
