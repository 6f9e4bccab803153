//! What is shown of a key in a token: which token, which key. Never a PIN.

use crate::keys::wiped::found;
use crate::support::backend::Backend;
use crate::support::client::{Client, Tls, trusting};
use crate::support::http::Door;
use crate::support::pki::Key;
use crate::support::tool::shown;

use super::scene::{OPEN, PIN, Token, config};

const KEY: &str = "pkcs11:token=the%20token;object=a.test";

#[test]
fn views_and_verbs_show_the_token_and_the_key() {
    let token = Token::with(&[("a.test", Key::P256)]);
    let text = config("", &[token.source("a.test")], "", "127.0.0.1:1");
    let (report, all) = token.check(&text);
    assert_eq!(report["ok"], true, "{report:#}");
    assert_eq!(report["listeners"][0]["files"][0]["private_key"], KEY);
    assert!(!all.contains(PIN));
    let path = token.configure(&text);
    let path = path.to_str().unwrap();
    for arguments in [
        &["cert", "list", "--config", path, "--format", "json"][..],
        &["explain", "--config", path, "--sni", "a.test"],
        &["explain", "--config", path, "--sni", "a.test", "--format", "json"],
    ] {
        let output = token.command(arguments).output().unwrap();
        let text = shown(&output);
        assert!(output.status.success() && text.contains(KEY) && !text.contains(PIN), "{arguments:?}: {text}");
    }
    let proxy = token.start(&text);
    let door = Door::unix(token.pki.folder());
    let certificates = door.get("/api/v1/certificates").json();
    assert_eq!(certificates["certificates"][0]["token"], KEY, "{certificates:#}");
    let metrics = door.get("/metrics").body;
    assert!(metrics.contains("tlsgate_limits_token_waiting 0\n") && !metrics.contains(PIN), "{metrics}");
    let configuration = door.get("/api/v1/config").body;
    assert!(configuration.contains("object=a.test?module-path=") && configuration.contains("pin-source=file:"));
    assert!(!configuration.contains(PIN) && !proxy.log().contains(PIN));
}

#[test]
fn the_pin_is_wiped_from_memory_after_each_login() {
    let token = Token::with(&[("a.test", Key::P256)]);
    let module = token.shim();
    let backend = Backend::echo().address.to_string();
    let proxy = token.start(&config(OPEN, &[token.source_with("a.test", &module)], "", &backend));
    let served = || {
        let settings = trusting(&token.pki.ca(), Tls::V13).into();
        Client::silent(proxy.address("main"), &settings, "a.test").handshake().is_ok()
    };
    let secrets = [("the PIN".to_owned(), PIN.as_bytes().to_vec())];
    assert!(served());
    assert_eq!(found(proxy.pid(), &secrets), Vec::<String>::new());
    token.becomes("away");
    assert!(!served());
    token.no_longer("away");
    crate::support::procfs::eventually("the token is used again", || served().then_some(()));
    assert_eq!(token.noted("logins"), 2);
    assert_eq!(found(proxy.pid(), &secrets), Vec::<String>::new());
}
