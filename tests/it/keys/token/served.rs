//! Keys in a token sign for clients.

use crate::support::backend::Backend;
use crate::support::client::{Client, Ending, Tls, trusting};
use crate::support::http::Door;
use crate::support::pki::{Extra, Key};
use crate::support::proxy::Proxy;
use crate::support::reports::{signed_with, verified};

use super::scene::{MODULE, OPEN, Token, config, openssl};

const KEYS: [(&str, Key); 5] = [
    ("rsa.test", Key::Rsa2048),
    ("large.test", Key::Rsa3072),
    ("p256.test", Key::P256),
    ("p384.test", Key::P384),
    ("p521.test", Key::P521),
];

fn sources(token: &Token, labels: &[&str]) -> Vec<String> {
    labels.iter().map(|label| token.source(label)).collect()
}

#[test]
fn keys_of_every_kind_sign_for_openssl_in_both_versions() {
    let token = Token::with(&KEYS);
    let all = sources(&token, &KEYS.map(|(name, _)| name));
    let mut proxy = token.start(&config("", &all, "", "127.0.0.1:1"));
    // The last one is asked for another key share first.
    for options in [&["-tls1_2"][..], &["-tls1_3"], &["-tls1_3", "-groups", "ffdhe2048:X25519"]] {
        for (name, _) in KEYS {
            let report = openssl(&proxy, &token.pki.ca(), name, options);
            assert!(verified(&report), "{name} {options:?}: {report}");
        }
    }
    // What the module does at the end of the process harms nobody.
    proxy.signal("TERM");
    assert!(proxy.wait().success());
}

#[test]
fn every_scheme_of_rsa_is_signed() {
    let token = Token::with(&KEYS[..1]);
    let proxy = token.start(&config("", &[token.source("rsa.test")], "", "127.0.0.1:1"));
    for size in ["256", "384", "512"] {
        let (pss, pkcs1) = (format!("rsa_pss_rsae_sha{size}"), format!("rsa_pkcs1_sha{size}"));
        for (version, scheme) in [("-tls1_3", &pss), ("-tls1_2", &pss), ("-tls1_2", &pkcs1)] {
            // The certificate's own signature is ECDSA, and has to be allowed too.
            let schemes = format!("{scheme}:ECDSA+SHA256");
            let report = openssl(&proxy, &token.pki.ca(), "rsa.test", &[version, "-sigalgs", &schemes]);
            assert!(verified(&report) && signed_with(&report, scheme), "{version} {scheme}: {report}");
        }
    }
}

#[test]
fn of_two_keys_for_one_name_the_client_gets_the_one_that_it_can_use() {
    let token = Token::new();
    token.add("both.test", "rsa", Key::Rsa2048);
    token.add("both.test", "ecdsa", Key::P256);
    let proxy = token.start(&config("", &sources(&token, &["rsa", "ecdsa"]), "", "127.0.0.1:1"));
    for (scheme, cipher) in [
        ("rsa_pss_rsae_sha256", "ECDHE-RSA-AES128-GCM-SHA256"),
        ("ecdsa_secp256r1_sha256", "ECDHE-ECDSA-AES128-GCM-SHA256"),
    ] {
        // The certificate's own signature is ECDSA, and has to be allowed too; so the suite decides, in TLS 1.2.
        let schemes = if scheme.starts_with("rsa") { format!("{scheme}:ECDSA+SHA256") } else { scheme.to_owned() };
        let options = ["-tls1_2", "-sigalgs", &schemes, "-cipher", cipher];
        let report = openssl(&proxy, &token.pki.ca(), "both.test", &options);
        assert!(verified(&report) && signed_with(&report, scheme), "{scheme}: {report}");
    }
}

#[test]
fn a_reload_keeps_connections_and_the_module() {
    let token = Token::with(&[("a.test", Key::P256), ("b.test", Key::Rsa2048)]);
    let (backend, module) = (Backend::echo(), token.shim());
    let with = |labels: &[&str]| {
        let sources: Vec<String> = labels.iter().map(|label| token.source_with(label, &module)).collect();
        config(OPEN, &sources, "", &backend.address.to_string())
    };
    let proxy = token.start(&with(&["a.test"]));
    let settings = trusting(&token.pki.ca(), Tls::V13).into();
    let mut client = Client::silent(proxy.address("main"), &settings, "a.test");
    client.handshake().unwrap();
    let reload = || Door::unix(token.pki.folder()).ask("POST", "/api/v1/reload", &[], "");
    // Another key of the token; then one that it does not have, with which everything stays as it was.
    token.configure(&with(&["a.test", "b.test"]));
    assert_eq!(reload().status, 200);
    token.configure(&with(&["a.test", "b.test"]).replace("object=b.test", "object=c.test"));
    let refused = reload();
    assert!(refused.status >= 400 && refused.body.contains("no such private key"), "{}", refused.body);
    for name in ["a.test", "b.test"] {
        assert!(verified(&openssl(&proxy, &token.pki.ca(), name, &[])), "{name}");
    }
    client.send(b"still here").unwrap();
    assert_eq!(client.read_exact(10), b"still here");
    client.close_notify().unwrap();
    assert_eq!(client.read_to_end().1, Ending::CloseNotify);
    assert_eq!((token.noted("initialized"), token.noted("logins")), (1, 1));
}

#[test]
fn a_key_in_a_token_signs_for_servers_of_a_backend_that_ask_for_a_certificate() {
    let token = Token::with(&[("front.test", Key::P256)]);
    let (certificate, key) =
        token.pki.pair(&["client.test"], Key::Rsa2048, &Extra { client: true, ..Extra::default() });
    std::fs::write(token.path("client.crt"), certificate).unwrap();
    token.import("client", &key);
    token.pki.write("", "server", &["server.test"], Key::P256, &Extra::default());
    let echo = Backend::echo().address;
    // A second tlsgate is the server.
    std::fs::create_dir(token.path("there")).unwrap();
    let there = format!(
        "[[listener]]\nname = \"main\"\nlisten = \"127.0.0.1:0\"\nbackend = \"echo\"\n\
         certificates = [{{ cert = \"../server.crt\", key = \"../server.key\" }}]\n\
         client_auth = {{ mode = \"require\", ca = \"../ca.pem\" }}\n[backend.echo]\nservers = [\"{echo}\"]\n"
    );
    let server = Proxy::start(&token.path("there"), &there);
    let uri = format!("pkcs11:token=the%20token;object=client?module-path={MODULE}");
    let tls = format!(
        "tls = {{ ca = \"ca.pem\", server_name = \"server.test\", cert = \"client.crt\", key = \"{uri}\", passphrase = \"file:pin\" }}\n"
    );
    let front = config("", &[token.source("front.test")], "", &server.address("main").to_string()) + &tls;
    let front = token.start(&front);
    for tls in Tls::BOTH {
        let settings = trusting(&token.pki.ca(), tls).into();
        let mut client = Client::silent(front.address("main"), &settings, "front.test");
        client.handshake().unwrap();
        client.send(b"through both").unwrap();
        assert_eq!(client.read_exact(12), b"through both");
    }
}
