//! `tlsgate cert list` and `cert show`, compared with OpenSSL's output for the same files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rcgen::{CertificateParams, CustomExtension};
use serde_json::{Value, json};
use tlsgate::tls::wire::codes;

use crate::support::pki::{Extra, Key, Pki, generate, write_private};
use crate::support::proxy::PROGRAM;
use crate::support::tool::{self, shown};

mod chains;

fn cert(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).arg("cert").args(arguments).output().unwrap()
}

fn json(arguments: &[&str]) -> Value {
    let output = cert(&[arguments, &["--format", "json"]].concat());
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", shown(&output)))
}

/// The one certificate that is shown for a path.
fn one(path: &Path, more: &[&str]) -> Value {
    let report = json(&[&["show", path.to_str().unwrap()], more].concat());
    assert_eq!(report["errors"], json!([]), "{report:#}");
    let all = report["certificates"].as_array().unwrap();
    assert_eq!(all.len(), 1, "{report:#}");
    all[0].clone()
}

fn shell(script: &str, path: &Path) -> String {
    let output = tool::run("sh", &["-c", script, "sh", path.to_str().unwrap()], b"");
    assert!(output.status.success(), "{}", shown(&output));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn every_fact_is_the_one_that_openssl_prints() {
    let pki = Pki::with_ca_key(Key::P384);
    for key in [Key::Rsa2048, Key::Rsa3072, Key::P256, Key::P384, Key::P521, Key::Ed25519] {
        let (path, _) = pki.write("certs", &format!("{key:?}"), &["a.test", "*.b.test"], key, &Extra::default());
        let found = one(&path, &["--ca", pki.ca().to_str().unwrap()]);
        let x509 = |option: &str| shell(&format!("openssl x509 -noout {option} -in \"$1\""), &path);
        let digest = "| openssl dgst -sha256 | sed 's/.*= //'";
        let spki = shell(
            &format!("openssl x509 -pubkey -noout -in \"$1\" | openssl pkey -pubin -outform der {digest}"),
            &path,
        );
        assert_eq!(found["spki_sha256"], spki, "{key:?}");
        assert_eq!(found["sha256"], shell(&format!("openssl x509 -outform der -in \"$1\" {digest}"), &path));
        assert_eq!(format!("serial={}", found["serial_number"].as_str().unwrap()), x509("-serial"));
        assert_eq!(found["names"], json!(["a.test", "*.b.test"]));
        let text = x509("-text");
        let bits = found["key_bits"].as_u64().unwrap();
        // OpenSSL prints no size for Ed25519.
        assert!(text.contains(&format!("({bits} bit)")) || key == Key::Ed25519, "{text}");
        assert!(text.contains(&format!("Signature Algorithm: {}", found["signature_algorithm"].as_str().unwrap())));
        assert_eq!(found["subject"], "CN=a.test");
        assert_eq!(found["issuer"], "CN=tlsgate test CA");
        // 90 only in the second in which it was made.
        assert!(found["valid"] == true && [89, 90].contains(&found["days_left"].as_i64().unwrap()), "{found:#}");
        assert_eq!(found["private_key"]["matches"], true);
        assert_eq!(found["chain"]["end"], "complete");
        let dates = x509("-dates -dateopt iso_8601");
        let expected = |name: &str| found[name].as_str().unwrap().replace('T', " ");
        assert_eq!(dates, format!("notBefore={}\nnotAfter={}", expected("not_before"), expected("not_after")));
    }
}

#[test]
fn no_key_is_needed_and_one_that_is_there_is_judged() {
    let pki = Pki::new();
    let key = |found: &Value| found["private_key"]["matches"].clone();
    let (path, private) = pki.write("certs", "main", &["main.test"], Key::P256, &Extra::default());
    assert_eq!(key(&one(&path, &[])), true);
    let (_, strange) = pki.pair(&["other.test"], Key::P256, &Extra::default());
    write_private(&private, &strange);
    assert_eq!(key(&one(&path, &[])), false);
    write_private(&private, "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n");
    let encrypted = one(&path, &[]);
    assert_eq!(key(&encrypted), Value::Null);
    assert_eq!(encrypted["private_key"]["error"], "is encrypted with a passphrase");
    fs::remove_file(&private).unwrap();
    let without = one(&path, &[]);
    assert_eq!(without["private_key"], json!({ "found": false }));
    assert_eq!(without["names"], json!(["main.test"]));
    // Combined, with the key first; and in DER.
    let (certificate, own) = pki.pair(&["main.test"], Key::P256, &Extra::default());
    let combined = pki.folder().join("combined.pem");
    write_private(&combined, &(own + &certificate));
    assert_eq!(key(&one(&combined, &[])), true);
    let der = pki.folder().join("main.der");
    shell(&format!("openssl x509 -in \"$1\" -outform der -out {:?}", der), &path);
    assert_eq!(one(&der, &[])["serial_number"], without["serial_number"]);
}

#[test]
fn a_folder_is_shown_as_it_would_be_served() {
    let pki = Pki::new();
    pki.write("certs", "b", &["b.test"], Key::P256, &Extra::default());
    pki.write("certs", "a", &["a.test"], Key::P256, &Extra::default());
    let (crt, key) = pki.write("certs/secret", "tls", &["k8s.test"], Key::P256, &Extra::default());
    assert!(crt.ends_with("certs/secret/tls.crt") && key.exists());
    let (certificate, _) = pki.pair(&["alone.test"], Key::P256, &Extra::default());
    fs::write(pki.folder().join("certs/d-alone.pem"), certificate).unwrap();
    fs::write(pki.folder().join("certs/notes.txt"), "no certificate").unwrap();
    let report = json(&["show", pki.folder().join("certs").to_str().unwrap()]);
    let names: Vec<&Value> = report["certificates"].as_array().unwrap().iter().map(|one| &one["names"][0]).collect();
    assert_eq!(names, ["a.test", "b.test", "alone.test", "k8s.test"]);
    assert_eq!(report["errors"], json!([]));
}

#[test]
fn what_cannot_be_shown_is_reported_and_the_rest_is_still_shown() {
    let pki = Pki::new();
    let (path, key) = pki.write("certs", "main", &["main.test"], Key::P256, &Extra::default());
    let write = |name: &str, text: &[u8]| {
        let path = pki.folder().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let pem = fs::read_to_string(&path).unwrap();
    let paths = [
        path.to_str().unwrap().to_owned(),
        key.to_str().unwrap().to_owned(),
        pki.folder().join("nowhere.crt").to_str().unwrap().to_owned(),
        write("empty.crt", b""),
        write("cut.crt", &pem.as_bytes()[..pem.len() / 2]),
        write("noise.crt", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        write("base64.crt", b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n"),
    ];
    fs::create_dir(pki.folder().join("bare")).unwrap();
    let bare = pki.folder().join("bare").to_str().unwrap().to_owned();
    let mut arguments = vec!["show"];
    arguments.extend(paths.iter().map(String::as_str));
    arguments.push(&bare);
    let report = json(&arguments);
    assert_eq!(report["certificates"].as_array().unwrap().len(), 1);
    let none = "no certificate found (expected a \"-----BEGIN CERTIFICATE-----\" section, or one certificate in DER)";
    let expected = [
        format!("{}: {none}", paths[1]),
        format!("{}: no such file", paths[2]),
        format!("{}: is empty", paths[3]),
        format!("{}: is cut short: the section \"CERTIFICATE\" that begins at line 1 has no end line", paths[4]),
        format!("{}: the certificate at line 1 cannot be read: it is not X.509 in DER", paths[5]),
        format!("{}: is not valid PEM: line 1: the section \"CERTIFICATE\" is not base64", paths[6]),
        format!("{bare}: no certificate found (expected x.crt or x.pem, or folders with tls.crt)"),
    ];
    assert_eq!(report["errors"], json!(expected));
    let output = cert(&arguments);
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(message, expected.map(|error| format!("error: {error}\n")).concat());
    assert_eq!(cert(&["show"]).status.code(), Some(2));
    assert_eq!(cert(&["show", path.to_str().unwrap(), "--expires-within", "14"]).status.code(), Some(2));
    let ca = cert(&["show", path.to_str().unwrap(), "--ca", &paths[2]]);
    assert_eq!(ca.status.code(), Some(1));
    assert_eq!(String::from_utf8(ca.stderr).unwrap(), format!("error: --ca: {}: no such file\n", paths[2]));
}

#[test]
fn scripts_learn_of_what_expires_by_the_exit_code() {
    let pki = Pki::new();
    let write = |name: &str, from: i64, to: i64| {
        let extra = Extra { validity: Some((from, to)), ..Extra::default() };
        pki.write("certs", name, &["a.test"], Key::P256, &extra).0.to_str().unwrap().to_owned()
    };
    let (long, soon) = (write("long", -1, 90), write("soon", -60, 5));
    let (past, future) = (write("past", -30, -2), write("future", 3, 90));
    let (fresh, old) = (write("fresh", -2, 4), write("old", -5, 1));
    for (paths, within, code) in [
        (&[&long, &soon, &past, &future][..], None, 0),
        (&[&long, &soon], Some("1d"), 0),
        (&[&long, &soon], Some("14d"), 1),
        (&[&long], Some("14d"), 0),
        (&[&long, &past], Some("0s"), 1),
        (&[&long, &future], Some("0s"), 1),
        // "soon" is relative to the lifetime: of six days, four are enough.
        (&[&fresh], Some("14d"), 1),
        (&[&long, &fresh], Some("soon"), 0),
        (&[&long, &soon], Some("soon"), 1),
        (&[&old], Some("soon"), 1),
        (&[&past], Some("soon"), 1),
        (&[&future], Some("soon"), 1),
    ] {
        let mut arguments = vec!["show"];
        arguments.extend(paths.iter().map(|path| path.as_str()));
        arguments.extend(within.iter().flat_map(|within| ["--expires-within", within]));
        assert_eq!(cert(&arguments).status.code(), Some(code), "{arguments:?}");
    }
    let text = |path: &str| String::from_utf8(cert(&["show", path]).stdout).unwrap();
    // The exact number of days depends on the second in which it was made.
    let shows = |path: &str, either: [&str; 2]| {
        let text = text(path);
        assert!(either.iter().any(|words| text.contains(&format!(", {words}\n"))), "{text}");
    };
    shows(&long, ["89 days left", "90 days left"]);
    shows(&soon, ["EXPIRES SOON: 4 days left", "EXPIRES SOON: 5 days left"]);
    shows(&past, ["EXPIRED 2 days ago", "EXPIRED 1 day ago"]);
    assert!(text(&future).contains(", NOT YET VALID\n"), "{}", text(&future));
}

#[test]
fn embedded_scts_are_counted_as_openssl_does() {
    let pki = Pki::new();
    let signature = [0x30, 6, 2, 1, 1, 2, 1, 1];
    let sct = |log: u8, milliseconds: u64| {
        let fields = [&[0][..], &[log; 32], &milliseconds.to_be_bytes(), &[0, 0, 4, 3, 0, 8], &signature].concat();
        [&u16::try_from(fields.len()).unwrap().to_be_bytes()[..], &fields].concat()
    };
    let write = |name: &str, scts: &[Vec<u8>]| -> PathBuf {
        let list = scts.concat();
        let list = [&u16::try_from(list.len()).unwrap().to_be_bytes()[..], &list].concat();
        let length = u8::try_from(list.len()).unwrap();
        let length = if length < 0x80 { vec![length] } else { vec![0x81, length] };
        let mut params = CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
        let value = [&[4][..], &length, &list].concat();
        params.custom_extensions.push(CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 11129, 2, 4, 2], value));
        let path = pki.folder().join(name);
        fs::write(&path, params.self_signed(&generate(Key::P256)).unwrap().pem()).unwrap();
        path
    };
    let two = write("two.crt", &[sct(0xaa, 1_700_000_000_000), sct(0xbb, 1_700_000_001_500)]);
    let text = shell("openssl x509 -noout -text -in \"$1\"", &two);
    assert_eq!(text.matches("Signed Certificate Timestamp:").count(), 2, "{text}");
    let found = one(&two, &[]);
    let expected = json!([
        { "log_id": "aa".repeat(32), "timestamp": "2023-11-14T22:13:20Z" },
        { "log_id": "bb".repeat(32), "timestamp": "2023-11-14T22:13:21.5Z" },
    ]);
    assert_eq!(found["scts"], expected);
    assert!(text.contains("Nov 14 22:13:20.000 2023 GMT"), "{text}");
    let none = pki.write("certs", "none", &["a.test"], Key::P256, &Extra::default()).0;
    assert_eq!(one(&none, &[])["scts"], json!([]));
    let broken = write("broken.crt", &[sct(0xaa, 1)[..40].to_vec()]);
    let found = one(&broken, &[]);
    assert_eq!(found["scts_error"], "the SCT extension is malformed: an entry is cut short");
    assert_eq!(found["names"], json!(["a.test"]));
}

#[test]
fn a_configuration_is_listed_by_listener() {
    let pki = Pki::new();
    pki.write("certs", "a-rsa", &["a.test", "b.test"], Key::Rsa2048, &Extra::default());
    pki.write("certs", "a-ec", &["a.test"], Key::P256, &Extra { validity: Some((-60, 5)), ..Extra::default() });
    let (named, key) =
        pki.write("more", "x", &["x.test"], Key::P384, &Extra { validity: Some((-9, -2)), ..Extra::default() });
    fs::write(pki.folder().join("certs/broken.crt"), "-----BEGIN CERTIFICATE-----\n").unwrap();
    fs::write(pki.folder().join("certs/broken.key"), "").unwrap();
    pki.write("own", "o", &["admin.test"], Key::P256, &Extra::default());
    let config = format!(
        "[admin]\nlisten = \"127.0.0.1:0\"\ntls = {{ certificates = [\"own\"] }}\n[backend.none]\nservers = [\"127.0.0.1:1\"]\n[[listener]]\nname = \"second\"\nlisten = \"127.0.0.1:0\"\ncertificates = [\"certs\"]\nbackend = \"none\"\n[[listener]]\nname = \"first\"\nlisten = \"127.0.0.1:0\"\nbackend = \"none\"\ncertificates = [{{ cert = {named:?}, key = {key:?}, names = [\"other.test\"] }}]\n",
    );
    let file = pki.folder().join("tlsgate.toml");
    fs::write(&file, config).unwrap();
    let (file, ca) = (file.to_str().unwrap(), pki.ca());
    let arguments = ["list", "-c", file, "--ca", ca.to_str().unwrap()];
    let report = json(&arguments);
    let all = report["certificates"].as_array().unwrap();
    let shown: Vec<_> = all.iter().map(|one| (&one["listener"], &one["served_names"], &one["chain"]["end"])).collect();
    // In the order of the configuration, and of the folder.
    let (complete, second) = (&json!("complete"), &json!("second"));
    assert_eq!(shown[0], (second, &json!(["a.test"]), complete));
    assert_eq!(shown[1], (second, &json!(["a.test", "b.test"]), complete));
    assert_eq!(shown[2], (&json!("first"), &json!(["other.test"]), complete));
    assert_eq!(shown[3], (&json!(null), &json!(["admin.test"]), complete));
    let errors = report["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 1);
    assert!(errors[0].as_str().unwrap().contains("broken.crt"), "{errors:?}");
    let output = cert(&arguments);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["listener", "second"]);
    assert_eq!(lines[1][..4], ["a.test", "ECDSA", "P-256", "SOON"]);
    assert_eq!(lines[2][..5], ["a.test", "+1", "RSA", "2048", "until"]);
    assert_eq!(lines[3], ["listener", "first"]);
    assert_eq!(lines[4][..4], ["other.test", "ECDSA", "P-384", "EXPIRED"]);
    assert_eq!(lines[5], ["admin"]);
    assert_eq!(lines[6][..4], ["admin.test", "ECDSA", "P-256", "until"]);
    let checked = tool::run(PROGRAM, &["check", "--format", "json", "-c", file], b"");
    let report: Value = serde_json::from_slice(&checked.stdout).unwrap();
    let own = &report["admin"][0];
    assert_eq!(own["names"], json!(["admin.test"]));
    assert!(own["certificate"].as_str().unwrap().ends_with("own/o.crt"), "{report:#}");
    assert!(own["private_key"].as_str().unwrap().ends_with("own/o.key"), "{report:#}");
    let missing = cert(&["list", "-c", "/nowhere.toml"]);
    assert_eq!((missing.status.code(), missing.stdout.is_empty()), (Some(1), true));
}

#[test]
fn openssls_names_of_cipher_suites_are_understood() {
    let output = tool::run("openssl", &["ciphers", "-stdname", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"], b"");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut seen = 0;
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [iana, "-", openssl, ..] = words[..] else { panic!("{line}") };
        // A suite that our clients never offer has IANA's name only.
        if iana.contains("PSK") || iana.contains("SRP") {
            continue;
        }
        let by_iana = codes::suite(iana).unwrap_or_else(|| panic!("{iana} is not known"));
        assert_eq!(codes::suite(openssl), Some(by_iana), "{openssl}");
        assert_eq!(codes::suite_name(by_iana), iana);
        seen += 1;
    }
    assert!(seen > 80, "only {seen} suites seen");
}
