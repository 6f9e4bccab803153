//! Keys that are encrypted with a passphrase, which comes from a file, a credential or a program.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::check::check;
use crate::support::client::{Client, Tls, connect, trusting};
use crate::support::http::Door;
use crate::support::pki::{Extra, Key, Pki, write_private};
use crate::support::procfs::eventually;
use crate::support::proxy::{PROGRAM, Proxy};
use crate::support::tool::{self, shown};

const PASSPHRASE: &str = "correct horse";

/// Encrypts the key in `file` with OpenSSL.
fn encrypt(file: &Path, passphrase: &str, how: &[&str]) {
    let pass = format!("pass:{passphrase}");
    let arguments = [&["pkcs8", "-topk8", "-passout", &pass], how].concat();
    let encrypted = tool::run("openssl", &arguments, &fs::read(file).unwrap());
    assert!(encrypted.status.success(), "{}", shown(&encrypted));
    let text = String::from_utf8(encrypted.stdout).unwrap();
    assert!(text.contains("BEGIN ENCRYPTED PRIVATE KEY"));
    write_private(file, &text);
}

fn config(keys: &str, certificates: &str) -> String {
    format!(
        "{keys}\n[admin]\nlisten=\"unix:admin.sock\"\n[[listener]]\nname = \"main\"\nlisten = \"127.0.0.1:0\"\ncertificates = {certificates}\nbackend = \"none\"\n[backend.none]\nservers = [\"127.0.0.1:1\"]\n"
    )
}

/// Whether a client that asks for `name` gets a certificate that has it.
fn is_served(proxy: &Proxy, pki: &Pki, name: &str) -> bool {
    Tls::BOTH.into_iter().all(|tls| {
        let config = trusting(&pki.ca(), tls).into();
        Client::on(connect(proxy.address("main")), &config, name).handshake().is_ok()
    })
}

fn secret(folder: &Path, name: &str, text: &str) {
    write_private(&folder.join(name), text);
}

/// A program that looks its passphrase up in `folder` by the name of the key's file.
fn program(folder: &Path, text: &str) {
    let path = folder.join("program");
    // Moved into place by another process: whoever starts a program while it is open for writing here would inherit that.
    let written = Command::new("sh")
        .args(["-c", "printf '#!/bin/sh\\n%s\\n' \"$1\" > \"$0\" && chmod 755 \"$0\""])
        .arg(&path)
        .arg(text)
        .status();
    assert!(written.unwrap().success());
}

#[test]
fn every_form_in_which_openssl_encrypts_is_served() {
    let pki = Pki::new();
    let forms: [&[&str]; 8] = [
        &[],
        &["-v2", "aes-128-cbc", "-v2prf", "hmacWithSHA1"],
        &["-v2", "aes-192-cbc", "-v2prf", "hmacWithSHA224"],
        &["-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA256", "-iter", "100000"],
        &["-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA384"],
        &["-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA512"],
        &["-v2", "aes-256-cbc", "-scrypt"],
        &["-scrypt", "-scrypt_N", "1024", "-scrypt_r", "4", "-scrypt_p", "2"],
    ];
    for (number, how) in forms.iter().enumerate() {
        let name = format!("n{number}.test");
        let kind = if number % 2 == 0 { Key::P256 } else { Key::Rsa2048 };
        let (_, key) = pki.write("certs", &format!("n{number}"), &[&name], kind, &Extra::default());
        encrypt(&key, PASSPHRASE, how);
    }
    // One file with certificate and key, and one key in DER.
    let (certificate, key) = pki.write("", "both", &["both.test"], Key::P256, &Extra::default());
    encrypt(&key, PASSPHRASE, &[]);
    let both = fs::read_to_string(&certificate).unwrap() + &fs::read_to_string(&key).unwrap();
    write_private(&pki.folder().join("certs/both.pem"), &both);
    let (_, key) = pki.write("", "der", &["der.test"], Key::P256, &Extra::default());
    encrypt(&key, PASSPHRASE, &[]);
    let text = fs::read_to_string(&key).unwrap();
    let base64: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
    fs::write(&key, STANDARD.decode(base64).unwrap()).unwrap();
    secret(pki.folder(), "passphrase", &format!("{PASSPHRASE}\n"));
    let keys = "[keys]\npassphrases = \"file:passphrase\"";
    let config = config(keys, "[\"certs\", { cert = \"der.crt\", key = \"der.key\" }]");
    let checked = check(pki.folder(), &config);
    assert!(checked.ok && checked.warnings.is_empty(), "{:?} {:?}", checked.errors, checked.warnings);
    let proxy = Proxy::start(pki.folder(), &config);
    let names = (0..forms.len()).map(|number| format!("n{number}.test")).chain(["both.test".into(), "der.test".into()]);
    for name in names {
        assert!(is_served(&proxy, &pki, &name), "{name}");
    }
}

#[test]
fn a_passphrase_comes_from_a_file_a_credential_or_a_program() {
    let pki = Pki::new();
    for (name, passphrase) in [("file", "1"), ("credential", "2"), ("program", "3"), ("own", "4")] {
        let (_, key) = pki.write("certs", name, &[&format!("{name}.test")], Key::P256, &Extra::default());
        encrypt(&key, passphrase, &[]);
    }
    let folder = pki.folder();
    fs::create_dir(folder.join("own")).unwrap();
    for file in ["own.crt", "own.key"] {
        fs::rename(folder.join("certs").join(file), folder.join("own").join(file)).unwrap();
    }
    secret(folder, "one", "1\n");
    secret(folder, "two", "2\n");
    secret(folder, "four", "4\n");
    // It has nothing to say about other keys, which is no reason to give up.
    program(folder, "case \"$1\" in */certs/program.key) echo 3; echo other;; *) echo no idea >&2; exit 1;; esac");
    let config = config(
        "[keys]\npassphrases = [\"file:one\", \"credential:two\", \"program:program\"]",
        "[\"certs\", { cert = \"own/own.crt\", key = \"own/own.key\", passphrase = \"file:four\" }]",
    );
    fs::write(folder.join("tlsgate.toml"), &config).unwrap();
    let mut command = Command::new(PROGRAM);
    command.args(["run", "-c"]).arg(folder.join("tlsgate.toml")).stdin(Stdio::null());
    let proxy = Proxy::spawn(command_with(command, folder), 1).unwrap_or_else(|log| panic!("{log}"));
    for name in ["file", "credential", "program", "own"] {
        assert!(is_served(&proxy, &pki, &format!("{name}.test")), "{name}: {}", proxy.log());
    }
    // Neither the log nor the API shows a passphrase; the API shows where each comes from.
    let shown = Door::unix(folder).get("/api/v1/config").body;
    assert!(shown.contains("credential:two") && shown.contains("/four") && !shown.contains("no idea"), "{shown}");
}

/// With `folder` as the place of credentials.
fn command_with(mut command: Command, folder: &Path) -> Command {
    command.env("CREDENTIALS_DIRECTORY", folder);
    command
}

#[test]
fn a_key_that_no_passphrase_opens_is_an_error_or_skipped() {
    let pki = Pki::new();
    let folder = pki.folder();
    let (_, key) = pki.write("certs", "locked", &["locked.test"], Key::P256, &Extra::default());
    pki.write("certs", "open", &["open.test"], Key::P256, &Extra::default());
    encrypt(&key, PASSPHRASE, &[]);
    secret(folder, "wrong", "wrong\n");
    secret(folder, "other", "other\n");
    let pair = "{ cert = \"certs/locked.crt\", key = \"certs/locked.key\" }";
    let errors = |keys: &str| {
        let checked = check(folder, &config(keys, pair));
        assert!(!checked.ok);
        checked.errors.join("\n")
    };
    let error = errors("");
    assert!(error.contains("locked.key: holds a private key that is encrypted") && error.contains("[keys]"), "{error}");
    let error = errors("[keys]\npassphrases = [\"file:wrong\", \"file:other\", \"file:gone\", \"program:program\"]");
    assert!(error.contains("none of the 2 passphrases") && error.contains("gone: no such file"), "{error}");
    // What a program writes to its standard error is shown, what it writes to its standard output never is.
    program(folder, "echo hush; echo no vault >&2; exit 3");
    let error = errors("[keys]\npassphrases = [\"file:wrong\", \"program:program\"]");
    assert!(error.contains("the one passphrase") && error.contains("no vault") && !error.contains("hush"), "{error}");
    // In a folder it is skipped, and the others are served.
    let folder_config = config("[keys]\npassphrases = \"file:wrong\"", "[\"certs\"]");
    let checked = check(folder, &folder_config);
    let warnings = checked.warnings.join("\n");
    assert!(checked.ok && warnings.contains("skipped: ") && warnings.contains("locked.key"), "{warnings}");
    let proxy = Proxy::start(folder, &folder_config);
    assert!(is_served(&proxy, &pki, "open.test") && !is_served(&proxy, &pki, "locked.test"));
    // The file of the passphrase is watched.
    secret(folder, "wrong", PASSPHRASE);
    eventually("the key to be opened", || is_served(&proxy, &pki, "locked.test").then_some(()));
}

#[test]
fn what_costs_too_much_or_is_in_another_form_is_refused_with_the_reason() {
    let pki = Pki::new();
    let (_, key) = pki.write("certs", "a", &["a.test"], Key::Rsa2048, &Extra::default());
    let plain = fs::read_to_string(&key).unwrap();
    secret(pki.folder(), "passphrase", PASSPHRASE);
    let config =
        config("[keys]\npassphrases = \"file:passphrase\"", "{ cert = \"certs/a.crt\", key = \"certs/a.key\" }");
    let error = || {
        let checked = check(pki.folder(), &config);
        assert!(!checked.ok);
        checked.errors.join("\n")
    };
    let traditional = tool::run(
        "openssl",
        &["rsa", "-traditional", "-aes256", "-passout", &format!("pass:{PASSPHRASE}")],
        plain.as_bytes(),
    );
    assert!(traditional.status.success(), "{}", shown(&traditional));
    write_private(&key, &String::from_utf8(traditional.stdout).unwrap());
    let found = error();
    assert!(found.contains("a.key") && found.contains("openssl pkcs8 -topk8"), "{found}");
    for (how, word) in [(["-v2", "des3"], "AES-CBC"), (["-v1", "PBE-SHA1-3DES"], "PBES2")] {
        write_private(&key, &plain);
        encrypt(&key, PASSPHRASE, &how);
        let found = error();
        assert!(found.contains("a.key") && found.contains(word), "{found}");
    }
}

#[test]
fn a_passphrase_that_everybody_may_read_is_a_warning() {
    let pki = Pki::new();
    let (_, key) = pki.write("certs", "a", &["a.test"], Key::P256, &Extra::default());
    encrypt(&key, PASSPHRASE, &[]);
    let file = pki.folder().join("passphrase");
    fs::write(&file, PASSPHRASE).unwrap();
    for keys in ["[keys]\npassphrases = \"file:passphrase\"", ""] {
        let own = if keys.is_empty() { ", passphrase = \"file:passphrase\"" } else { "" };
        let config = config(keys, &format!("{{ cert = \"certs/a.crt\", key = \"certs/a.key\"{own} }}"));
        for (mode, warnings) in [(0o644, 1), (0o600, 0)] {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            let checked = check(pki.folder(), &config);
            let found = checked.warnings.iter().filter(|warning| warning.contains("can be read by everyone")).count();
            assert!(checked.ok && found == warnings, "{:?}", checked.warnings);
        }
    }
}

#[test]
fn an_encrypted_key_is_uploaded_where_its_passphrase_is_known() {
    let pki = Pki::new();
    pki.write("certs", "a", &["a.test"], Key::P256, &Extra::default());
    let (certificate, key) = pki.write("", "b", &["b.test"], Key::P256, &Extra::default());
    secret(pki.folder(), "passphrase", PASSPHRASE);
    let proxy = Proxy::start(pki.folder(), &config("[keys]\npassphrases = \"file:passphrase\"", "[\"certs\"]"));
    let upload = || {
        let [certificate, key] = [&certificate, &key].map(|file| fs::read_to_string(file).unwrap());
        let body = serde_json::json!({ "name": "b", "certificate": certificate, "key": key }).to_string();
        Door::unix(pki.folder()).ask(
            "POST",
            "/api/v1/listeners/main/certificates",
            &[("Content-Type", "application/json")],
            &body,
        )
    };
    let plain = fs::read_to_string(&key).unwrap();
    encrypt(&key, "another", &[]);
    let refused = upload();
    assert!(refused.status == 422 && refused.error().contains("passphrase"), "{}", refused.body);
    write_private(&key, &plain);
    encrypt(&key, PASSPHRASE, &[]);
    assert_eq!(upload().status, 201);
    assert!(is_served(&proxy, &pki, "b.test"));
    assert!(fs::read_to_string(pki.folder().join("certs/b.key")).unwrap().contains("ENCRYPTED"));
}
