//! A client's certificate that is itself trusted: exactly this certificate is accepted, and nothing that its owner
//! signs.

use std::fs;
use std::path::PathBuf;

use super::{Gate, VERSIONS};
use crate::support::clients_pki::{Credentials, Kind};
use crate::support::pki::write_private;
use crate::support::tool;

/// A certificate that signed itself, as OpenSSL makes it.
fn self_signed(gate: &Gate, stem: &str, more: &[&str]) -> Credentials {
    let [key, chain] = ["key", "pem"].map(|end| gate.pki.folder().join(format!("{stem}.{end}")));
    let subject = format!("/CN={stem}");
    let (key_path, chain_path) = (key.to_str().unwrap(), chain.to_str().unwrap());
    let mut arguments =
        vec!["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "9"];
    arguments.extend(["-subj", &subject, "-keyout", key_path, "-out", chain_path]);
    arguments.extend(more);
    let made = tool::run("openssl", &arguments, b"");
    assert!(made.status.success(), "{}", tool::shown(&made));
    Credentials { chain, key }
}

/// Signed with a client's key, as if that key were a CA's.
fn signed_by(gate: &Gate, issuer: &Credentials, subject: &str) -> Credentials {
    let request = self_signed(gate, subject, &[]);
    let chain: PathBuf = gate.pki.folder().join(format!("{subject}-issued.pem"));
    let key = request.key.to_str().unwrap();
    let csr = tool::run("openssl", &["req", "-new", "-key", key, "-subj", &format!("/CN={subject}")], b"").stdout;
    let (ca, ca_key) = (issuer.chain.to_str().unwrap(), issuer.key.to_str().unwrap());
    let extensions = gate.pki.folder().join("extensions");
    fs::write(&extensions, "basicConstraints=critical,CA:FALSE\n").unwrap();
    let arguments =
        ["x509", "-req", "-CA", ca, "-CAkey", ca_key, "-days", "9", "-extfile", extensions.to_str().unwrap()];
    let made = tool::run("openssl", &arguments, &csr);
    assert!(made.status.success(), "{}", tool::shown(&made));
    fs::write(&chain, made.stdout).unwrap();
    Credentials { chain, key: request.key }
}

fn outcome(gate: &Gate, shown: &Credentials, count: &mut usize) -> String {
    let outcomes = VERSIONS.map(|version| {
        gate.openssl(version, Some(shown), &[]);
        gate.record(count)["outcome"].as_str().unwrap().to_owned()
    });
    assert_eq!(outcomes[0], outcomes[1]);
    outcomes[0].clone()
}

#[test]
fn a_self_signed_certificate_is_believed_where_it_is_the_one_that_is_trusted() {
    let gate = Gate::open("mode = \"off\"");
    let ca = self_signed(&gate, "is-ca", &[]);
    let plain = self_signed(&gate, "is-no-ca", &["-addext", "basicConstraints=critical,CA:FALSE"]);
    let server = self_signed(&gate, "for-servers", &["-addext", "extendedKeyUsage=serverAuth"]);
    let client = self_signed(&gate, "for-clients", &["-addext", "extendedKeyUsage=clientAuth"]);
    let expired = gate.ca.issue("expired", &Kind { validity: (-9, -2), ..Kind::default() });
    let issued = gate.middle.issue("issued", &Kind::default());
    let other = self_signed(&gate, "other", &[]);
    let cases = [
        (&ca, "is-ca.pem", "completed"),
        (&plain, "is-no-ca.pem", "completed"),
        (&client, "for-clients.pem", "completed"),
        // Its issuer need not be trusted.
        (&issued, "issued.crt", "completed"),
        (&server, "for-servers.pem", "client_certificate_invalid"),
        (&expired, "expired.crt", "client_certificate_expired"),
        // It claims to be a CA, and nothing in the list vouches for it.
        (&other, "is-ca.pem\", \"issued.crt", "client_certificate_invalid"),
    ];
    let mut count = 0;
    for (number, (shown, trusted, expected)) in cases.into_iter().enumerate() {
        // Another file name shows when the reload is done.
        let mark = format!("mark-{number}.pem");
        fs::copy(gate.ca.file(), gate.pki.folder().join(&mark)).unwrap();
        gate.rewrite(&format!("mode = \"require\", ca = [\"{trusted}\", \"{mark}\"]"));
        gate.proxy.log_line(&mark);
        assert_eq!(outcome(&gate, shown, &mut count), expected, "{trusted}");
    }
    // This also holds if it is the only one, without a CA in the list.
    gate.rewrite("mode = \"require\", ca = \"is-no-ca.pem\"");
    gate.proxy.log_line("/is-no-ca.pem\"]");
    assert_eq!(outcome(&gate, &plain, &mut count), "completed");
    let stranger = gate.ca.issue("stranger", &Kind::default());
    assert_eq!(outcome(&gate, &stranger, &mut count), "client_certificate_unknown_ca");
}

#[test]
fn the_owner_of_a_trusted_certificate_issues_to_nobody() {
    let gate = Gate::open("mode = \"off\"");
    let alice = self_signed(&gate, "alice", &["-addext", "basicConstraints=critical,CA:FALSE"]);
    let bob = signed_by(&gate, &alice, "bob");
    let ours = gate.ca.issue("ours", &Kind::default());
    let carol = signed_by(&gate, &ours, "carol");
    gate.rewrite("mode = \"require\", ca = [\"client-ca.pem\", \"alice.pem\", \"ours.crt\"]");
    gate.proxy.log_line("alice.pem");
    let mut count = 0;
    assert_eq!(outcome(&gate, &alice, &mut count), "completed");
    assert_eq!(outcome(&gate, &ours, &mut count), "completed");
    for shown in [&bob, &carol] {
        assert_eq!(outcome(&gate, shown, &mut count), "client_certificate_unknown_ca", "{shown:?}");
    }
}

#[test]
fn a_certificate_of_an_old_version_is_refused_with_a_reason() {
    let gate = Gate::open("mode = \"require\", ca = \"client-ca.pem\"");
    let key = gate.pki.folder().join("v1.key");
    let made = rcgen::KeyPair::generate().unwrap();
    write_private(&key, &made.serialize_pem());
    let chain = gate.pki.folder().join("v1.pem");
    let request =
        tool::run("openssl", &["req", "-new", "-key", key.to_str().unwrap(), "-subj", "/CN=old\nman"], b"").stdout;
    let [ca_key, ca] = ["any.key", "any.pem"].map(|file| gate.pki.folder().join(file));
    let any = self_signed(&gate, "any", &[]);
    assert_eq!((&any.key, &any.chain), (&ca_key, &ca));
    // A certificate without extensions has version 1.
    let (ca, ca_key) = (ca.to_str().unwrap(), ca_key.to_str().unwrap());
    let arguments = ["x509", "-req", "-CA", ca, "-CAkey", ca_key, "-days", "9"];
    let mut issued = tool::run("openssl", &arguments, &request);
    if !tool::shown(&tool::run("openssl", &["x509", "-noout", "-text"], &issued.stdout)).contains("Version: 1") {
        issued = tool::run("openssl", &[&arguments[..], &["-x509v1"]].concat(), &request);
    }
    fs::write(&chain, &issued.stdout).unwrap();
    let shown = Credentials { chain, key };
    let mut count = 0;
    for version in VERSIONS {
        let printed = gate.openssl(version, Some(&shown), &[]);
        assert!(printed.contains("SSL alert number 43\n"), "{version}: {printed}");
        let record = gate.record(&mut count);
        assert_eq!(record["outcome"], "client_certificate_invalid", "{record:#}");
        let reason = record["reason"].as_str().unwrap();
        assert!(reason.starts_with("the client certificate is of X.509 version 1, expected version 3"), "{reason}");
        assert!(reason.contains("CN=old") && !reason.contains(char::is_control), "{reason:?}");
    }
}
