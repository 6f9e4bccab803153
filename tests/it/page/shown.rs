//! What the page shows, with a script and without one; its filter, its keyboard.

use serde_json::json;

use super::{Browser, Scene, eventually};

#[test]
fn what_is_wrong_comes_first_and_everything_else_follows() {
    let scene = Scene::troubled();
    eventually("the order has failed", || {
        let acme = scene.door.get("/api/v1/acme").json();
        (acme["certificates"][0]["state"] == "failed").then_some(())
    });
    let mut browser = Browser::start();
    // Everything is there without a script.
    browser.call("Emulation.setScriptExecutionDisabled", json!({ "value": true }));
    browser.open(&scene.url("/"));
    let sections = "[...document.querySelectorAll('main > section')].map((section) => section.id)";
    let expected = json!(["wrong", "listeners", "certificates", "backends", "connections", "acme", "process"]);
    assert_eq!(browser.value(sections), expected);
    let wrong = browser.text("#wrong");
    let down = scene.down.to_string();
    for expected in ["could not be ordered", "expired.test", "soon.test", &down, "ordered.test"] {
        assert!(wrong.contains(expected), "{expected}: {wrong}");
    }
    assert!(!wrong.contains("valid.test"), "{wrong}");
    let levels = browser.value("[...document.querySelectorAll('.trouble h3 .badge')].map((badge) => badge.innerText)");
    let rank = |level: &str| ["error", "warning", "notice"].iter().position(|known| *known == level).unwrap();
    let ranks: Vec<_> = levels.as_array().unwrap().iter().map(|level| rank(level.as_str().unwrap())).collect();
    assert!(ranks.len() > 3 && ranks.is_sorted(), "{levels}");
    assert!(browser.text("#listeners").contains("db.test") || browser.text("#listeners").contains("route through"));
    // The one that ends first is at the top.
    assert!(browser.text("#certificates tbody tr").contains("expired"), "{}", browser.text("#certificates"));
    assert_eq!(browser.count("#certificates tbody tr"), 3);
    assert!(browser.text("#backends").contains(&down) && browser.text("#connections").contains("ldaps"));
    assert!(browser.value("document.title").as_str().unwrap().contains("errors"));
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn the_filter_needs_no_script_and_keeps_what_is_wrong() {
    let scene = Scene::troubled();
    let mut browser = Browser::start();
    browser.call("Emulation.setScriptExecutionDisabled", json!({ "value": true }));
    browser.open(&scene.url("/"));
    browser.fill("#filter", "WWW.Soon");
    browser.click(".filter button");
    assert_eq!(browser.count("#certificates tbody tr"), 1);
    assert!(browser.text("#certificates tbody tr").contains("apps"), "of both listeners");
    assert_eq!(browser.value("document.querySelector('#filter').value"), "www.soon");
    assert!(browser.text("#certificates tbody th").starts_with("www.soon.test"), "the name that fits comes first");
    assert_eq!(browser.count("#listeners tbody tr"), 0);
    assert!(browser.text("#wrong").contains("expired.test"), "what is wrong is never left out");
    browser.click(".filter a");
    assert_eq!(browser.count("#listeners tbody tr"), 2);
    // A kind of trouble leads to its certificates.
    browser.click("#wrong a[href*='expired']");
    assert_eq!(browser.count("#certificates tbody tr"), 1);
    browser.open(&scene.url("/?q=%3Cscript%3Ealert(1)%3C/script%3E%22'"));
    assert_eq!(browser.value("document.querySelector('#filter').value"), "<script>alert(1)</script>\"'");
    assert_eq!(browser.count("main script, main img"), 0);
    // The other tables are not filtered: they have a row for each listener and each authority.
    assert_eq!(browser.count("#listeners tr, #certificates tr, #backends tr"), 0);
}

#[test]
fn nothing_is_loaded_from_elsewhere_and_no_policy_is_violated() {
    let scene = Scene::troubled();
    let mut browser = Browser::start();
    browser.open(&scene.url("/"));
    browser.value("document.querySelector('#refresh').click(); document.querySelector('#refresh').click(); document.querySelector('#theme').click(); null");
    browser.open(&scene.url("/sign-in"));
    let requests = browser.requests();
    assert!(requests.len() >= 5, "{requests:?}");
    assert!(requests.iter().all(|url| url.starts_with(&scene.url("/"))), "{requests:?}");
    assert_eq!(browser.complaints(), [""; 0]);
    for path in ["/", "/?q=x", "/sign-in"] {
        let answer = scene.door.get(path);
        let policy = answer.head.lines().find_map(|line| line.strip_prefix("content-security-policy: ")).unwrap();
        assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"), "{policy}");
        for part in ["frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'", "script-src 'self';"] {
            assert!(policy.contains(part), "{part}: {policy}");
        }
        for line in ["cache-control: no-store", "x-content-type-options: nosniff", "referrer-policy: same-origin"] {
            assert!(answer.head.contains(line), "{line}: {}", answer.head);
        }
        assert!(!answer.body.contains("style=") && !answer.body.contains("onclick"), "{path}");
        assert_eq!(answer.body.matches("<script").count(), 1, "{path}");
    }
    let style = scene.door.get("/assets/page.css");
    let tag = style.exact.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap();
    assert_eq!(scene.door.ask("GET", "/assets/page.css", &[("If-None-Match", tag)], "").status, 304);
    assert_eq!(scene.door.get("/assets/none.css").status, 404);
    assert_eq!(scene.door.ask("HEAD", "/", &[], "").status, 200);
    assert_eq!(scene.door.ask("PUT", "/", &[], "").status, 405);
}

#[test]
fn a_keyboard_is_enough() {
    let scene = Scene::troubled();
    let mut browser = Browser::start();
    browser.open(&scene.url("/"));
    browser.press("Tab");
    let focus = "document.activeElement.getAttribute('href') ?? document.activeElement.id";
    assert_eq!(browser.value(focus), "#main", "the first key leads to a link past the header");
    let is_seen = "(() => { const box = document.activeElement.getBoundingClientRect(); return box.top >= 0 && box.width > 0; })()";
    assert_eq!(browser.value(is_seen), true);
    let mut seen = Vec::new();
    for _ in 0..40 {
        browser.press("Tab");
        let outline = "document.activeElement === document.body || getComputedStyle(document.activeElement).outlineStyle !== 'none'";
        assert_eq!(browser.value(outline), true, "{}", browser.value(focus));
        seen.push(browser.value(focus).as_str().unwrap_or_default().to_owned());
    }
    for expected in ["/", "filter", "refresh", "theme", "/sign-in", "#certificates", "#acme"] {
        assert!(seen.iter().any(|found| found == expected), "{expected}: {seen:?}");
    }
    browser.value("document.querySelector('#filter').focus(); null");
    browser.call("Input.insertText", json!({ "text": "soon" }));
    browser.loading(|browser| browser.press("Enter"));
    assert_eq!(browser.count("#certificates tbody tr"), 1);
}

#[test]
fn the_script_shows_changes_and_keeps_the_focus() {
    let scene = Scene::troubled();
    let mut browser = Browser::start();
    browser.open(&scene.url("/"));
    let link = "document.querySelector('#wrong a[href*=\"expired\"]')";
    browser.value(&format!("{link}.focus(); window.same = {link}; null"));
    std::fs::remove_file(scene.pki.folder().join("certs/soon.crt")).unwrap();
    std::fs::remove_file(scene.pki.folder().join("certs/soon.key")).unwrap();
    scene.proxy.log_line("soon.crt removed");
    // As the timer does.
    browser.until(
        "(async () => { await refresh(); return document.querySelectorAll('#certificates tbody tr').length === 2; })()",
    );
    assert_eq!(browser.value(&format!("document.activeElement === {link} && window.same !== {link}")), true);
    browser.value("document.querySelector('#refresh').click(); null");
    assert_eq!(browser.value("document.querySelector('#refresh').getAttribute('aria-pressed')"), "false");
    browser.open(&scene.url("/"));
    assert_eq!(browser.text("#refresh"), "Refresh: off", "the choice is remembered");
}
