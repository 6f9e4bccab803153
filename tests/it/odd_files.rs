//! Certificate files as they occur in practice, compared with OpenSSL: what OpenSSL reads is read, and the rest is
//! named.

use std::fs;
use std::path::Path;
use std::process::Command;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, DnValue, IsCa, Issuer, KeyPair, SerialNumber,
};
use serde_json::Value;

use crate::support::backend::Backend;
use crate::support::check::check;
use crate::support::pki::{Extra, Key, Pki, generate, write_private};
use crate::support::proxy::{PROGRAM, Proxy};
use crate::support::tool::{self, shown};

fn config(listener: &str, backend: &str) -> String {
    format!(
        "[[listener]]\nname = \"main\"\nlisten = \"127.0.0.1:0\"\ncertificates = [\"certs\"]\n{listener}\nbackend = \"b\"\n\n\
         [backend.b]\nservers = [\"{backend}\"]\n"
    )
}

/// How many certificates OpenSSL finds in a file; 0 if it gives up.
fn found_by_openssl(path: &Path) -> usize {
    let path = path.to_str().unwrap();
    let bundle = tool::run("openssl", &["crl2pkcs7", "-nocrl", "-certfile", path], b"");
    if !bundle.status.success() {
        return 0;
    }
    let printed = tool::run("openssl", &["pkcs7", "-print_certs"], &bundle.stdout);
    String::from_utf8(printed.stdout).unwrap().matches("-----BEGIN CERTIFICATE-----").count()
}

/// How many certificates `cert show` shows for a file, and whether it reports an error.
fn found_by_us(path: &Path) -> (usize, bool) {
    let report = show(path);
    let all = report["certificates"].as_array().unwrap();
    let count = all.first().map_or(0, |one| {
        let chain = &one["chain"];
        chain["length"].as_u64().unwrap() as usize
            + chain["not_part_of_it"].as_array().unwrap().len()
            + chain["to_other_roots"].as_array().unwrap().len()
    });
    (count, report["errors"] != serde_json::json!([]))
}

fn show(path: &Path) -> Value {
    let output = Command::new(PROGRAM).args(["cert", "show", "--format", "json"]).arg(path).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", shown(&output)))
}

fn openssl(arguments: &[&str]) -> String {
    let output = tool::run("openssl", arguments, b"");
    assert!(output.status.success(), "{}", shown(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn whatever_openssl_finds_in_a_file_is_found_too() {
    let pki = Pki::new();
    let (path, _) = pki.write("files", "one", &["one.test"], Key::P256, &Extra::default());
    let one = fs::read_to_string(&path).unwrap().replace("\r\n", "\n");
    let two = pki.pair(&["two.test"], Key::P256, &Extra::default()).0.replace("\r\n", "\n");
    let plain = format!("{one}{two}");
    let (other, trusted) = (pki.folder().join("two.pem"), pki.folder().join("trusted.pem"));
    fs::write(&other, &two).unwrap();
    let (other, out) = (other.to_str().unwrap(), trusted.to_str().unwrap());
    openssl(&["x509", "-in", other, "-trustout", "-setalias", "two", "-out", out]);
    let parameters = openssl(&["ecparam", "-name", "prime256v1"]);
    let lines: Vec<&str> = two.lines().collect();
    let body = lines[1..lines.len() - 1].concat();
    let cases: Vec<(&str, Vec<u8>, usize)> = vec![
        ("plain", plain.clone().into(), 2),
        ("X509", format!("{one}{}", two.replace("CERTIFICATE", "X509 CERTIFICATE")).into(), 2),
        ("TRUSTED", format!("{one}{}", fs::read_to_string(&trusted).unwrap()).into(), 2),
        ("byte-order marks", format!("\u{feff}{one}\u{feff}{two}").into(), 2),
        ("CRLF", plain.replace('\n', "\r\n").into(), 2),
        ("blanks at the end", plain.replace('\n', "  \n").into(), 2),
        ("no ASCII at the end", plain.replace('\n', "\u{a0}\n").into(), 2),
        ("one long line", format!("{one}{}\n{body}\n{}\n", lines[0], lines[lines.len() - 1]).into(), 2),
        ("short lines", plain.replace("MII", "M\nII").into(), 2),
        ("an indented body", plain.replace("\nMII", "\n \tMII").into(), 2),
        ("text between", format!("Bag Attributes\n    x: y\n{one}\nsubject=/CN=two\n---\n{two}---\n").into(), 2),
        ("parameters between", format!("{one}{parameters}{two}").into(), 2),
        ("a section that nobody knows", format!("{one}-----BEGIN FOO-----\nAAAA\n-----END FOO-----\n{two}").into(), 2),
        (
            "a comment about sections",
            format!("# -----BEGIN CERTIFICATE-----\n{one}# to -----END CERTIFICATE-----\n{two}").into(),
            2,
        ),
        ("a malformed BEGIN line", format!("-----BEGIN CERTIFICATE----\n{one}{two}").into(), 2),
        // From here on OpenSSL finds fewer.
        ("glued", format!("{}{two}", one.trim_end()).into(), 2),
        ("indented", format!("{one}{}", two.replace('\n', "\n  ").replacen("-----", "  -----", 1)).into(), 2),
        ("CR", plain.replace('\n', "\r").into(), 2),
        ("empty lines", plain.replace('\n', "\n\n").into(), 2),
        ("NULs", [one.as_bytes(), &[0; 300], two.as_bytes(), &[0; 300], b"noise"].concat(), 2),
        // Errors for both programs.
        ("cut", plain[..plain.len() - 40].into(), 0),
        ("no base64", plain.replacen("MII", "M!I", 1).into(), 0),
        ("UTF-16", plain.encode_utf16().flat_map(u16::to_le_bytes).collect(), 0),
    ];
    let path = pki.folder().join("odd.pem");
    let mut by_openssl = 0;
    for (what, text, expected) in cases {
        fs::write(&path, &text).unwrap();
        let theirs = found_by_openssl(&path);
        let (ours, failed) = found_by_us(&path);
        assert_eq!((ours, failed), (expected, expected == 0), "{what}");
        assert!(theirs <= ours, "{what}: OpenSSL finds {theirs}");
        by_openssl += usize::from(theirs > 0);
    }
    assert!(by_openssl >= 12, "OpenSSL read only {by_openssl} of the files");
}

/// A root, an intermediate, and a server's certificate below it.
struct Scene {
    pki: Pki,
    root: KeyPair,
    root_params: CertificateParams,
    middle: String,
    middle_issuer: Issuer<'static, KeyPair>,
    leaf: String,
    key: String,
}

fn authority(name: DnValue) -> CertificateParams {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.use_authority_key_identifier_extension = true;
    params
}

impl Scene {
    fn new() -> Self {
        let (root, middle_key, key) = (generate(Key::P256), generate(Key::P256), generate(Key::P256));
        let root_params = authority("root".into());
        let middle_params = authority("issuing".into());
        let middle = middle_params.signed_by(&middle_key, &Issuer::new(root_params.clone(), &root)).unwrap().pem();
        let middle_issuer = Issuer::new(middle_params, middle_key);
        let leaf = named("leaf.test").signed_by(&key, &middle_issuer).unwrap().pem();
        let pki = Pki::new();
        fs::create_dir(pki.folder().join("certs")).unwrap();
        write_private(&pki.folder().join("certs/x.key"), &key.serialize_pem());
        fs::write(pki.folder().join("root.pem"), root_params.self_signed(&root).unwrap().pem()).unwrap();
        Self { pki, root, root_params, middle, middle_issuer, leaf, key: key.serialize_pem() }
    }

    fn write(&self, text: &str) {
        // In one step, as renewals do it.
        let new = self.pki.folder().join("new.crt");
        fs::write(&new, text).unwrap();
        fs::rename(new, self.pki.folder().join("certs/x.crt")).unwrap();
    }

    /// How many certificates a server sends, and whether OpenSSL verifies them up to the root.
    fn sent(&self, proxy: &Proxy, name: &str) -> (usize, bool) {
        let (connect, root) = (proxy.address("main").to_string(), self.pki.folder().join("root.pem"));
        let arguments = [
            "s_client",
            "-connect",
            &connect,
            "-servername",
            name,
            "-showcerts",
            "-verify_return_error",
            "-CAfile",
            root.to_str().unwrap(),
        ];
        let output = tool::run("openssl", &arguments, b"");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (text.matches("-----BEGIN CERTIFICATE-----").count(), output.status.success())
    }

    fn served(&self, text: &str) -> (usize, bool) {
        self.write(text);
        let backend = Backend::echo();
        let proxy = Proxy::start(self.pki.folder(), &config("", &backend.address.to_string()));
        self.sent(&proxy, "leaf.test")
    }

    fn warnings(&self, text: &str) -> Vec<String> {
        self.write(text);
        let checked = check(self.pki.folder(), &config("", "127.0.0.1:389"));
        assert!(checked.ok, "{:?}", checked.errors);
        checked.warnings
    }
}

#[test]
fn two_files_put_together_are_both_served_after_a_reload_too() {
    let scene = Scene::new();
    scene.write(&scene.leaf);
    let backend = Backend::echo();
    let proxy = Proxy::start(scene.pki.folder(), &config("", &backend.address.to_string()));
    scene.write(&format!("{}{}", scene.leaf.trim_end(), scene.middle));
    proxy.log_line("x.crt replaced");
    assert_eq!(scene.sent(&proxy, "leaf.test"), (2, true));
}

#[test]
fn of_two_issuers_of_one_name_the_one_that_signed_is_sent_first() {
    let scene = Scene::new();
    let older = authority("issuing".into());
    let older =
        older.signed_by(&generate(Key::P256), &Issuer::new(scene.root_params.clone(), &scene.root)).unwrap().pem();
    assert_eq!(scene.served(&format!("{}{older}{}", scene.leaf, scene.middle)), (3, true));
    assert_eq!(scene.warnings(&format!("{}{older}{}", scene.leaf, scene.middle)), Vec::<String>::new());
    // Without the issuer that signed, clients refuse it, and that is reported.
    let warnings = scene.warnings(&format!("{}{older}", scene.leaf));
    let expected =
        "the chain does not verify: \"CN=issuing\" did not sign \"CN=leaf.test\", which names it as its issuer";
    assert!(warnings.iter().any(|warning| warning.ends_with(expected)), "{warnings:?}");
}

#[test]
fn what_is_not_read_of_a_file_is_a_warning() {
    let scene = Scene::new();
    let list = "-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n";
    let unknown = "-----BEGIN FOO-----\nAAAA\n-----END FOO-----\n";
    let commented: String = scene.middle.lines().map(|line| format!("# {line}\n")).collect();
    for (more, expected) in [
        (list, "a list of revoked certificates (X509 CRL) is not read here"),
        (unknown, "a section \"FOO\" is not read"),
        (&commented, "a section \"CERTIFICATE\" that does not begin its line is not valid, and is not read"),
    ] {
        let line = 1 + scene.leaf.lines().count();
        let warnings = scene.warnings(&format!("{}{more}", scene.leaf));
        let shown = show(&scene.pki.folder().join("certs/x.crt"));
        assert_eq!(shown["certificates"][0]["not_read"], serde_json::json!([format!("line {line}: {expected}")]));
        let expected = format!("x.crt: line {line}: {expected}");
        assert!(warnings.iter().any(|warning| warning.ends_with(&expected)), "{warnings:?}");
    }
}

#[test]
fn a_signature_that_was_damaged_is_a_warning() {
    let scene = Scene::new();
    let mut der = pem_to_der(&scene.leaf);
    *der.last_mut().unwrap() ^= 1;
    let warnings = scene.warnings(&format!("{}{}", der_to_pem(&der), scene.middle));
    assert!(warnings.iter().any(|warning| warning.contains("x.crt: the chain does not verify")), "{warnings:?}");
    // After a reload that adds it, it is served and reported.
    scene.write(&format!("{}{}", scene.leaf, scene.middle));
    let proxy = Proxy::start(scene.pki.folder(), &config("", "127.0.0.1:389"));
    scene.write(&format!("{}{}", der_to_pem(&der), scene.middle));
    proxy.log_line("x.crt: the chain does not verify");
}

#[test]
fn an_issuer_whose_name_is_written_in_another_string_type_is_sent() {
    let scene = Scene::new();
    let printable = authority(DnValue::PrintableString("ISSUING".try_into().unwrap()));
    let issuer = Issuer::from_params(&printable, scene.middle_issuer.key());
    let key = KeyPair::from_pem(&scene.key).unwrap();
    let leaf = named("leaf.test").signed_by(&key, &issuer).unwrap().pem();
    assert_eq!(scene.served(&format!("{leaf}{}", scene.middle)), (2, true));
}

#[test]
fn a_certificate_without_an_end_and_with_a_negative_serial_is_shown_as_it_is() {
    let pki = Pki::new();
    let mut params = named("end.test");
    params.not_after = rcgen::date_time_ymd(9999, 12, 31) + std::time::Duration::from_secs(86_399);
    params.serial_number = Some(SerialNumber::from_slice(&[0x7f, 1]));
    let mut der = params.self_signed(&generate(Key::P256)).unwrap().der().to_vec();
    // rcgen cannot make negative numbers.
    let at = der.windows(4).position(|window| window == [2, 2, 0x7f, 1]).unwrap();
    der[at + 2] = 0xff;
    let path = pki.folder().join("end.crt");
    fs::write(&path, der_to_pem(&der)).unwrap();
    let report = show(&path);
    let found = &report["certificates"][0];
    assert_eq!(found["not_after"], "9999-12-31T23:59:59Z");
    let serial = openssl(&["x509", "-noout", "-serial", "-in", path.to_str().unwrap()]);
    assert_eq!(serial.trim(), format!("serial={}", found["serial_number"].as_str().unwrap()));
    assert!(found["serial_number"].as_str().unwrap().starts_with('-'));
    let text =
        String::from_utf8(Command::new(PROGRAM).args(["cert", "show"]).arg(&path).output().unwrap().stdout).unwrap();
    assert!(text.contains(" to 9999-12-31T23:59:59Z, "), "{text}");
}

#[test]
fn a_pair_whose_certificate_writes_its_key_in_another_form_serves() {
    for (form, accepted) in [("compressed", true), ("explicit", false)] {
        let pki = Pki::new();
        fs::create_dir(pki.folder().join("certs")).unwrap();
        let (key, crt) = (pki.folder().join("certs/x.key"), pki.folder().join("certs/x.crt"));
        let (key, crt) = (key.to_str().unwrap(), crt.to_str().unwrap());
        openssl(&["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key]);
        let odd = pki.folder().join("odd.key");
        let odd = odd.to_str().unwrap();
        match form {
            "compressed" => openssl(&["ec", "-in", key, "-conv_form", "compressed", "-out", odd]),
            _ => openssl(&["ec", "-in", key, "-param_enc", "explicit", "-out", odd]),
        };
        openssl(&[
            "req",
            "-x509",
            "-new",
            "-key",
            odd,
            "-subj",
            "/CN=x.test",
            "-addext",
            "subjectAltName=DNS:x.test",
            "-days",
            "9",
            "-out",
            crt,
        ]);
        write_private(Path::new(key), &fs::read_to_string(key).unwrap());
        let checked = check(pki.folder(), &config("", "127.0.0.1:389"));
        let all = [checked.errors, checked.warnings].concat().join("\n");
        assert!(!all.contains("does not belong"), "{form}: {all}");
        if !accepted {
            assert!(all.contains("with the parameters of a curve instead of its name"), "{all}");
            continue;
        }
        assert!(all.contains("compressed point"), "{all}");
        let backend = Backend::echo();
        let proxy = Proxy::start(pki.folder(), &config("", &backend.address.to_string()));
        let connect = proxy.address("main").to_string();
        for version in ["-tls1_2", "-tls1_3"] {
            let arguments = [
                "s_client",
                "-connect",
                &connect,
                "-servername",
                "x.test",
                version,
                "-verify_return_error",
                "-CAfile",
                crt,
            ];
            let output = tool::run("openssl", &arguments, b"");
            assert!(output.status.success(), "{form} {version}: {}", shown(&output));
        }
    }
}

#[test]
fn keys_are_read_by_their_content() {
    let pki = Pki::new();
    for (stem, key, label) in [
        ("a", Key::Rsa2048, "RSA PRIVATE KEY"),
        ("b", Key::P256, "EC PRIVATE KEY"),
        ("c", Key::Rsa2048, "PRIVATE KEY"),
        ("d", Key::P384, "PRIVATE KEY"),
    ] {
        let (_, path) = pki.write("certs", stem, &[&format!("{stem}.test")], key, &Extra::default());
        let text = match label {
            // PKCS#1 and SEC1 under the label of PKCS#8.
            "PRIVATE KEY" => openssl(&["pkey", "-in", path.to_str().unwrap(), "-traditional"]),
            _ => fs::read_to_string(&path).unwrap(),
        };
        let relabelled: String = text
            .lines()
            .map(|line| match line.starts_with("-----") {
                true => format!("-----{} {label}-----\n", if line.contains("BEGIN") { "BEGIN" } else { "END" }),
                false => format!("{line}\n"),
            })
            .collect();
        write_private(&path, &relabelled);
        openssl(&["pkey", "-noout", "-in", path.to_str().unwrap()]);
    }
    let checked = check(pki.folder(), &config("", "127.0.0.1:389"));
    assert!(checked.ok, "{:?}", checked.errors);
    assert_eq!(checked.report["listeners"][0]["certificates"], 4, "{:?}", checked.warnings);
}

fn pem_to_der(text: &str) -> Vec<u8> {
    use rustls::pki_types::pem::PemObject;
    rustls::pki_types::CertificateDer::from_pem_slice(text.as_bytes()).unwrap().to_vec()
}

fn der_to_pem(der: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}
