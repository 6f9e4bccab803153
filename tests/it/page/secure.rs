//! The page over TLS, and over a Unix socket, whose permissions take the place of the token.

use serde_json::json;

use super::{Browser, Scene, TOKEN, cookie};
use crate::support::http::Door;
use crate::support::proxy::Proxy;

#[test]
fn over_tls_the_cookie_is_bound_to_it() {
    let scene = Scene::with("token_file = \"token\"\n[admin.tls]\ncertificates = [\"admin\"]\n");
    let mut browser = Browser::start();
    browser.call("Security.setIgnoreCertificateErrors", json!({ "ignore": true }));
    browser.open(&format!("https://{}/sign-in", scene.address));
    browser.fill("#token", TOKEN);
    browser.click("form.step button");
    assert!(browser.count("main a[href^='/change']") > 0, "{}", browser.text("main"));
    let cookies = browser.call("Network.getCookies", json!({}));
    let own = &cookies["cookies"][0];
    assert_eq!(own["name"], format!("__Host-tlsgate{}", scene.address.port()));
    assert_eq!([&own["secure"], &own["httpOnly"], &own["sameSite"]], [&json!(true), &json!(true), &json!("Strict")]);
    browser.click("#process .action");
    browser.click("form.step button");
    assert!(browser.text("#note").contains("Reloaded"), "{}", browser.text("main"));
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn at_a_unix_socket_no_token_is_needed_and_a_browser_has_to_name_this_machine() {
    let scene = Scene::with("");
    // The same configuration with a socket in place of the port.
    let text = std::fs::read_to_string(scene.pki.folder().join("tlsgate.toml")).unwrap();
    let Scene { pki, proxy, .. } = scene;
    drop(proxy);
    let unix = text.replacen("listen=\"127.0.0.1:0\"", "listen=\"unix:admin.sock\"", 1);
    let _proxy = Proxy::start(pki.folder(), &unix);
    let door = Door::unix(pki.folder());
    let browser = |host: &'static str| [("Host", host), ("Accept-Language", "en")];
    for host in ["evil.test:9900", "10.0.0.1:9900", "admin.evil.test"] {
        for path in ["/", "/sign-in", "/api/v1/config"] {
            assert_eq!(door.ask("GET", path, &browser(host), "").status, 421, "{host}{path}");
        }
        let change = [("Host", host), ("Origin", "http://evil.test:9900")];
        assert_eq!(door.ask("POST", "/api/v1/reload", &change, "").status, 421, "{host}");
    }
    assert_eq!(door.ask("GET", "/api/v1/config", &[("Host", "whatever")], "").status, 200, "it is no browser");
    assert!(door.ask("GET", "/sign-in", &browser("localhost:9900"), "").body.contains("without a token"));
    let own = [("Host", "localhost:9900"), ("Origin", "http://localhost:9900")];
    let entered = door.ask("POST", "/sign-in", &own, "x=y");
    assert_eq!(entered.status, 303, "{entered:?}");
    let own_cookie = cookie(&entered);
    assert!(own_cookie.starts_with("tlsgate9900="), "{own_cookie}");
    let session = [("Host", "localhost:9900"), ("Cookie", &*own_cookie)];
    assert!(door.ask("GET", "/", &session, "").body.contains("/change/reload"));
}
