//! What can be changed at the page, by whoever has signed in, each after a form that confirms it; and the log of it.

use super::{Browser, Scene, TOKEN, violations};
use crate::support::client::{Ending, connect, drain};
use crate::support::pki::{Extra, Key};
use crate::support::procfs::eventually;

#[test]
fn without_a_session_nothing_can_be_changed() {
    let scene = Scene::troubled();
    let mut browser = Browser::start();
    browser.open(&scene.url("/"));
    assert_eq!(browser.count("main a[href^='/change'], main form"), 0);
    browser.open(&scene.url("/change/reload"));
    assert_eq!(browser.value("location.pathname"), "/sign-in");
    browser.fill("#token", "a-wrong-token-of-some-length");
    browser.click("form.step button");
    assert!(browser.text("[role=alert]").contains("wrong"), "{}", browser.text("main"));
    assert_eq!(violations(&mut browser), [""; 0]);
    let line = scene.proxy.log_line("the admin API refused a request");
    assert!(
        line.contains("reason=\"wrong_token\"") && line.contains("/sign-in") && !line.contains("a-wrong"),
        "{line}"
    );
    browser.fill("#token", TOKEN);
    browser.click("form.step button");
    assert_eq!(browser.value("location.pathname"), "/");
    assert!(browser.count("main a[href^='/change']") > 0);
    assert_eq!(browser.value("document.cookie"), "", "no script can read the session");
    browser.click(".controls form button");
    assert_eq!(browser.count("main a[href^='/change']"), 0);
    assert!(!scene.proxy.log().contains(TOKEN));
}

#[test]
fn a_server_is_drained_and_the_log_has_it() {
    let scene = Scene::troubled();
    let mut browser = scene.signed_in();
    browser.click("#backends tbody tr:last-child .action");
    assert!(browser.text("main").contains("backend web"), "{}", browser.text("main"));
    assert_eq!(browser.value("document.querySelector('[name=state]:checked').value"), "ready");
    let state = || scene.door.get("/api/v1/backends").json()["backends"][1]["servers"][0]["state"].clone();
    assert_eq!(state(), "ready", "a look at the form changes nothing");
    browser.value("document.querySelector('#state-drain').click(); null");
    browser.click("form.step button");
    assert_eq!((browser.value("location.pathname"), state()), ("/".into(), "drain".into()));
    assert!(browser.text("#note").contains("\"drain\""), "{}", browser.text("#note"));
    assert!(browser.text("#backends tbody tr:last-child").contains("drained"));
    assert!(browser.text("#wrong").contains("taken out of service"));
    let line = scene.proxy.log_line("a change was requested through the admin API");
    assert!(line.contains("/change/server?backend=web") && line.contains("status=200"), "{line}");
    browser.open(&scene.url("/"));
    assert_eq!(browser.count("#note"), 0, "it is shown once");
}

#[test]
fn connections_are_found_and_closed_and_the_log_has_it() {
    let scene = Scene::troubled();
    let mut tcp = connect(scene.proxy.address("ldaps"));
    let other = connect(scene.proxy.address("apps"));
    let open = || scene.door.get("/api/v1/connections").json()["connections"].as_array().unwrap().len();
    eventually("both are open", || (open() == 2).then_some(()));
    let mut browser = scene.signed_in();
    browser.open(&scene.url("/connections"));
    assert_eq!(browser.count("#open tbody tr"), 2);
    assert_eq!(browser.count("#open a.button"), 0, "without a filter there is nothing to close");
    browser.fill("#older_than", "soon");
    browser.click("#open form button");
    assert!(browser.text("[role=alert]").contains("older_than: found \"soon\""), "{}", browser.text("main"));
    browser.fill("#older_than", "");
    browser.fill("#listener", "ldaps");
    browser.click("#open form button");
    assert_eq!(browser.count("#open tbody tr"), 1);
    assert!(browser.text("#open tbody").contains("ldaps"), "{}", browser.text("#open"));
    browser.click("#open a.button");
    assert!(browser.text("main").contains("listener = ldaps"), "{}", browser.text("main"));
    assert_eq!(open(), 2, "a look at the form changes nothing");
    browser.value("document.querySelector('#mode-now').click(); document.querySelector('#sure').click(); null");
    browser.click("form.step button");
    assert!(browser.text("#note").contains("1 connection was asked to end (now)"), "{}", browser.text("main"));
    assert_eq!(drain(&mut tcp), (Vec::new(), Ending::Reset));
    eventually("the other one stays", || (open() == 1).then_some(()));
    let line = scene.proxy.log_line("connections were closed through the admin API");
    assert!(line.contains("filters=\"listener=ldaps\"") && line.contains("count=1"), "{line}");
    drop(other);
}

#[test]
fn a_reload_shows_what_has_changed_and_what_is_wrong() {
    let scene = Scene::troubled();
    let mut browser = scene.signed_in();
    let file = scene.pki.folder().join("tlsgate.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    browser.click("#process .action");
    browser.click("form.step button");
    assert!(browser.text("#note").contains("Reloaded"), "{}", browser.text("main"));
    std::fs::write(&file, text.replace("fall = 1", "fall = \"<b>x</b>\"")).unwrap();
    scene.proxy.log_line("not reloaded, everything stays as it is");
    browser.open(&scene.url("/"));
    assert!(browser.text("#wrong").contains("the last reload was refused"), "{}", browser.text("#wrong"));
    assert!(browser.text("#wrong").contains("<b>x</b>"), "{}", browser.text("#wrong"));
    browser.click("#process .action");
    browser.click("form.step button");
    let refusal = browser.text("[role=alert]");
    assert!(refusal.contains("Nothing was changed") && refusal.contains("<b>x</b>"), "{refusal}");
    assert_eq!(violations(&mut browser), [""; 0]);
}

#[test]
fn a_certificate_is_added_and_its_key_is_not_shown_again() {
    let scene = Scene::troubled();
    let mut browser = scene.signed_in();
    let (certificate, key) = scene.pki.pair(&["new.test"], Key::P256, &Extra::default());
    let other = scene.pki.pair(&["other.test"], Key::P256, &Extra::default()).1;
    browser.click("#listeners tbody tr:first-child .action");
    let fill = |browser: &mut Browser, key: &str| {
        browser.fill("#name", "new.test");
        browser.fill("#certificate", &certificate);
        browser.fill("#key", key);
        browser.value("document.querySelector('#sure').checked = true; null");
    };
    fill(&mut browser, &other);
    browser.click("form.step button");
    assert!(browser.text("[role=alert]").contains("does not belong to the certificate"), "{}", browser.text("main"));
    let fields =
        browser.value("['name', 'certificate', 'key'].map((id) => document.getElementById(id).value.length > 0)");
    assert_eq!(fields, serde_json::json!([true, true, false]));
    assert!(!scene.pki.folder().join("certs/new.test.crt").exists());
    fill(&mut browser, &key);
    browser.click("form.step button");
    assert!(browser.text("#note").contains("added to listener ldaps"), "{}", browser.text("main"));
    browser.open(&scene.url("/?q=new.test"));
    assert!(browser.count("#certificates tbody tr") >= 1);
    assert_eq!(
        std::fs::read_to_string(scene.pki.folder().join("certs/new.test.crt")).unwrap().trim(),
        certificate.trim()
    );
}
