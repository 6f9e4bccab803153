//! Requests that others make: only names that are allowed, and nothing but names.

use std::fs;

use super::{Ca, openssl_verifies};
use crate::support::tool::{self, shown};

const SAN: &str = "subjectAltName=DNS:web.test,DNS:api.test";

#[test]
fn a_request_gets_the_names_that_are_allowed_and_its_own_key() {
    let ca = Ca::new(&[]);
    for (stem, kind) in [
        ("ec", &["ec", "-pkeyopt", "ec_paramgen_curve:P-384"][..]),
        ("rsa", &["rsa:2048"]),
        ("ed", &["ed25519"]),
        ("p521", &["ec", "-pkeyopt", "ec_paramgen_curve:P-521"]),
    ] {
        let options = [&["-subj", "/CN=ignored/O=Ignored", "-addext", SAN, "-newkey"], kind].concat();
        ca.request(stem, &options);
        let (request, chain) = (format!("{stem}.csr"), format!("{stem}.crt"));
        ca.does(&["sign", "ca", &request, "web.test", "api.test", "more.test", "--out", &chain]);
        let path = ca.path(&chain);
        for (host, has) in [("web.test", true), ("api.test", true), ("more.test", false), ("ignored", false)] {
            let verified = openssl_verifies(&ca.path("ca/ca.pem"), &path, &["-verify_hostname", host]);
            assert_eq!(verified, has, "{stem} {host}");
        }
        let public = |what: &str, file: &str| {
            let key = if what == "pkey" { "-pubout" } else { "-pubkey" };
            let output = tool::run("openssl", &[what, key, "-in", &ca.text(file)], b"");
            assert!(output.status.success(), "{}", shown(&output));
            let text = String::from_utf8(output.stdout).unwrap();
            text.split("-----END PUBLIC KEY").next().unwrap().to_owned()
        };
        assert_eq!(public("x509", &chain), public("pkey", &format!("{stem}.key")));
        let subject = tool::run("openssl", &["x509", "-noout", "-subject", "-in", path.to_str().unwrap()], b"");
        let subject = String::from_utf8(subject.stdout).unwrap();
        assert!(subject.contains("web.test") && !subject.contains("gnored"), "{subject}");
    }
    // Without --out it is printed, and nothing else is.
    let printed = ca.does(&["sign", "ca", "ec.csr", "*.test"]);
    assert!(printed.starts_with("-----BEGIN CERTIFICATE-----\n") && printed.ends_with("-----END CERTIFICATE-----\n"));
    assert_eq!(printed.matches("-----BEGIN").count(), 2);
}

#[test]
fn names_that_are_not_allowed_are_refused_and_named() {
    let ca = Ca::new(&[]);
    ca.request("web", &["-subj", "/CN=web", "-addext", SAN]);
    ca.request("odd", &["-subj", "/CN=odd", "-addext", "subjectAltName=DNS:web.test,RID:1.2.3.4"]);
    ca.request("all", &["-subj", "/CN=all", "-addext", "subjectAltName=DNS:*.test"]);
    ca.request("none", &["-subj", "/O=None"]);
    for (request, allowed, words) in [
        ("web.csr", "web.test", &["web.csr", "api.test", "allowed: web.test"][..]),
        ("all.csr", "web.test", &["*.test", "allowed: web.test"]),
        ("odd.csr", "web.test", &["odd.csr", "DNS name"]),
        ("none.csr", "web.test", &["none.csr", "no name"]),
        ("absent.csr", "web.test", &["absent.csr: no such file"]),
        ("ca/ca.pem", "web.test", &["is no certificate request"]),
    ] {
        let error = ca.refuses(&["sign", "ca", request, allowed, "--out", "x.crt"]);
        for word in words {
            assert!(error.contains(word), "{word}: {error}");
        }
    }
    assert!(!ca.path("x.crt").exists());
    assert!(ca.list().is_empty(), "nothing was issued");
}

#[test]
fn extensions_of_a_request_are_not_copied() {
    let ca = Ca::new(&[]);
    let bold = [
        "-subj",
        "/CN=web.test",
        "-addext",
        "basicConstraints=critical,CA:TRUE",
        "-addext",
        "keyUsage=critical,keyCertSign,cRLSign",
        "-addext",
        "extendedKeyUsage=clientAuth,codeSigning,OCSPSigning",
        "-addext",
        "nsComment=hello",
    ];
    ca.request("bold", &bold);
    let output = ca.run(&["sign", "ca", "bold.csr", "web.test", "--out", "bold.crt"]);
    assert!(output.status.success(), "{}", shown(&output));
    let warning = String::from_utf8(output.stderr).unwrap();
    assert!(warning.contains("bold.csr") && warning.contains("CA:TRUE"), "{warning}");
    let ca_pem = ca.path("ca/ca.pem");
    assert!(openssl_verifies(
        &ca_pem,
        &ca.path("bold.crt"),
        &["-purpose", "sslserver", "-verify_hostname", "web.test"]
    ));
    for purpose in ["sslclient", "ocsphelper", "crlsign"] {
        assert!(!openssl_verifies(&ca_pem, &ca.path("bold.crt"), &["-purpose", purpose]) || purpose == "ocsphelper");
    }
    let text = tool::run("openssl", &["x509", "-noout", "-text", "-in", &ca.text("bold.crt")], b"");
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("CA:FALSE") && !text.contains("CA:TRUE") && !text.contains("hello"), "{text}");
    // A certificate that it issued itself is accepted by nobody.
    ca.request("below", &["-subj", "/CN=below.test"]);
    let arguments =
        ["x509", "-req", "-in", &ca.text("below.csr"), "-CA", &ca.text("bold.crt"), "-CAkey", &ca.text("bold.key")];
    let signed = tool::run("openssl", &[&arguments[..], &["-CAcreateserial", "-days", "1"]].concat(), b"");
    assert!(signed.status.success(), "{}", shown(&signed));
    let chain = [signed.stdout, fs::read(ca.path("bold.crt")).unwrap()].concat();
    fs::write(ca.path("below.crt"), chain).unwrap();
    assert!(!openssl_verifies(&ca_pem, &ca.path("below.crt"), &[]));
}

#[test]
fn a_request_that_its_key_did_not_sign_is_refused() {
    let ca = Ca::new(&[]);
    ca.request("web", &["-subj", "/CN=web.test", "-outform", "der"]);
    let good = fs::read(ca.path("web.csr")).unwrap();
    ca.does(&["sign", "ca", "web.csr", "web.test", "--out", "good.crt"]);
    // The name is at the beginning, so the signature does not fit any more.
    let mut forged = good.clone();
    let at = forged.windows(8).position(|part| part == b"web.test").unwrap();
    forged[at] = b'v';
    fs::write(ca.path("forged.csr"), forged).unwrap();
    let error = ca.refuses(&["sign", "ca", "forged.csr", "veb.test"]);
    assert!(error.contains("signature is wrong"), "{error}");
    ca.request("weak", &["-subj", "/CN=web.test", "-newkey", "rsa:1024"]);
    let error = ca.refuses(&["sign", "ca", "weak.csr", "web.test"]);
    assert!(error.contains("1024"), "{error}");
    let key = ca.text("web.key");
    let old = ca.text("old.csr");
    let made =
        tool::run("openssl", &["req", "-new", "-sha1", "-key", &key, "-out", &old, "-subj", "/CN=web.test"], b"");
    assert!(made.status.success(), "{}", shown(&made));
    let error = ca.refuses(&["sign", "ca", "old.csr", "web.test"]);
    assert!(error.contains("SHA-256"), "{error}");
    assert_eq!(ca.list().len(), 1);
}

#[test]
fn a_client_gets_the_common_name_only_if_it_is_allowed() {
    let ca = Ca::new(&[]);
    ca.request("bob", &["-subj", "/CN=bob", "-addext", "subjectAltName=email:bob@test.test"]);
    let error = ca.refuses(&["sign", "ca", "bob.csr", "--client", "alice", "bob@test.test"]);
    assert!(error.contains("cn:bob") && error.contains("cn:alice"), "{error}");
    ca.does(&["sign", "ca", "bob.csr", "--client", "bob", "bob@test.test", "--out", "bob.crt"]);
    assert!(openssl_verifies(&ca.path("ca/ca.pem"), &ca.path("bob.crt"), &["-purpose", "sslclient"]));
    assert_eq!(ca.list()[0]["role"], "client");
}
