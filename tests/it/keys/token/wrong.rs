//! What can be wrong with a key in a token is named, where it stands, and without the PIN.

use std::fs;

use crate::support::http::Door;
use crate::support::pki::{Extra, Key, write_private};

use super::scene::{MODULE, PIN, Token, config};

/// A configuration with that URI and more keys of the source.
fn with(uri: &str, more: &str) -> String {
    config("", &[format!("{{ cert = \"a.test.crt\", key = \"{uri}\"{more} }}")], "", "127.0.0.1:1")
}

/// The only error of a check, which a start reports as well.
fn error(token: &Token, config: &str) -> String {
    let (report, all) = token.check(config);
    assert_eq!(report["ok"], false, "{report:#}");
    let errors = report["errors"].as_array().unwrap();
    let message = errors[0]["message"].as_str().unwrap().to_owned();
    assert_eq!(errors.len(), 1, "{errors:?}");
    let log = token.try_start(config).map(drop).unwrap_err();
    // Where the module cannot be loaded, a start has not read the certificate yet.
    let of_key = message.split_once(" with ").map_or(message.as_str(), |(_, of_key)| of_key);
    assert!(log.contains(of_key), "{message}: {log}");
    assert!(!all.contains(PIN) && !log.contains(PIN), "{all} {log}");
    message
}

#[test]
fn each_part_that_is_wrong_is_named() {
    let token = Token::with(&[("a.test", Key::P256), ("other.test", Key::P256), ("rsa.test", Key::Rsa2048)]);
    fs::write(token.path("module.so"), "no module").unwrap();
    let no_module = token.path("module.so").display().to_string();
    let query = format!("module-path={MODULE}&pin-source=file:pin");
    for (path, query, parts) in [
        ("token=the%20token;object=a.test", "module-path=/no/such.so", &["/no/such.so", "cannot be loaded"][..]),
        ("token=the%20token;object=a.test", &format!("module-path={no_module}"), &["module.so", "cannot be loaded"]),
        (
            "token=the%20token;object=a.test",
            &format!("module-path={}", token.build("other", "int nothing;")),
            &["C_GetFunctionList"],
        ),
        ("token=another;object=a.test", &query, &["no such token", "has \"the token\""]),
        ("token=the%20token;object=b.test", &query, &["no such private key"]),
        ("token=the%20token;object=a.test;id=%01", &query, &["no such private key"]),
        ("token=the%20token;object=other.test", &query, &["a.test.crt", "object=other.test", "does not belong to"]),
        ("token=the%20token;object=rsa.test", &query, &["a.test.crt", "object=rsa.test", "does not belong to"]),
        (
            "token=the%20token;object=a.test",
            &format!("module-path={MODULE}"),
            &["wants a PIN", "pin-source", "passphrase"],
        ),
        (
            "token=the%20token;object=a.test",
            &format!("module-path={MODULE}&pin-source=file:no-such-pin"),
            &["the PIN cannot be read", "no-such-pin", "no such file"],
        ),
        ("token=the%20token", &query, &["names no key"]),
        ("token=the%20token;object=a.test", "pin-source=file:pin", &["names no module"]),
        ("token=the%20token;object=a.test;colour=red", &query, &["\"colour\""]),
    ] {
        let message = error(&token, &with(&format!("pkcs11:{path}?{query}"), ""));
        assert!(parts.iter().all(|part| message.contains(part)), "{path}?{query}: {message}");
    }
}

#[test]
fn a_pin_in_the_configuration_is_refused_and_so_are_two_sources_of_it() {
    let token = Token::with(&[("a.test", Key::P256)]);
    let uri = format!("pkcs11:token=the%20token;object=a.test?module-path={MODULE}");
    let message = error(&token, &with(&format!("{uri}&pin-value={PIN}"), ""));
    assert!(message.contains("pin-value") && message.contains("pin-source"), "{message}");
    let message = error(&token, &with(&format!("{uri}&pin-source=file:pin"), ", passphrase = \"file:pin\""));
    assert!(message.contains("pin-source as well"), "{message}");
}

/// SoftHSM does not lock itself; other tokens do after three wrong PINs.
#[test]
fn a_wrong_pin_is_tried_once_until_it_is_another_one() {
    let token = Token::with(&[("a.test", Key::P256)]);
    write_private(&token.path("pin"), "12121212\n");
    let module = token.shim();
    let message = error(&token, &with(&token_uri(&module), ""));
    assert!(
        message.contains("CKR_PIN_INCORRECT") && message.contains("file:") && !message.contains("1212"),
        "{message}"
    );
    // A process that runs, and gets such a key by a reload.
    token.pki.write("", "file", &["file.test"], Key::P256, &Extra::default());
    let in_file = "{ cert = \"file.crt\", key = \"file.key\" }".to_owned();
    let proxy = token.start(&config(OFF, std::slice::from_ref(&in_file), "", "127.0.0.1:1"));
    let both = format!("{{ cert = \"a.test.crt\", key = \"{}\" }}", token_uri(&module));
    token.configure(&config(OFF, &[in_file, both], "", "127.0.0.1:1"));
    let before = token.noted("logins");
    let reload = || Door::unix(token.pki.folder()).ask("POST", "/api/v1/reload", &[], "");
    // The change of the configuration may have caused a reload by itself already.
    for _ in 0..3 {
        let refused = reload();
        assert!(refused.status >= 400 && refused.body.contains("refuse"), "{}", refused.body);
    }
    assert_eq!(token.noted("logins"), before + 1);
    write_private(&token.path("pin"), &format!("{PIN}\n"));
    let done = reload();
    assert_eq!(done.status, 200, "{}", done.body);
    assert_eq!(token.noted("logins"), before + 2);
    assert!(!proxy.log().contains("1212") && !proxy.log().contains(PIN));
}

/// Otherwise it could load no module later.
const OFF: &str = "[process]\nsandbox = \"off\"\n";

fn token_uri(module: &str) -> String {
    format!("pkcs11:token=the%20token;object=a.test?module-path={module}&pin-source=file:pin")
}
