//! How the page looks: no rule of axe-core is violated and nothing is cut off, in either colours, narrow and wide.

use serde_json::json;

use super::{Browser, Scene, eventually, violations};

#[test]
fn no_rule_is_violated_and_nothing_is_cut_off() {
    let scene = Scene::troubled();
    eventually("the order has failed", || {
        let acme = scene.door.get("/api/v1/acme").json();
        (acme["certificates"][0]["state"] == "failed").then_some(())
    });
    let mut browser = scene.signed_in();
    let server = format!("/change/server?backend=directory&server={}", scene.down);
    let pages = [
        "/",
        "/?q=nothing-fits",
        "/connections",
        "/sign-in",
        "/change/reload",
        "/change/connections?client=127.0.0.1",
        "/change/certificate?listener=ldaps",
        &server,
    ];
    for (width, height) in [(1440, 1000), (360, 800)] {
        browser.size(width, height);
        for scheme in ["light", "dark"] {
            browser.colours(scheme);
            for path in pages {
                browser.open(&scene.url(path));
                assert_eq!(violations(&mut browser), [""; 0], "{path}, {width}, {scheme}");
                let wide = browser.value("document.documentElement.scrollWidth");
                assert!(wide.as_u64().unwrap() <= u64::from(width), "{path} is {wide} wide on {width}");
                kept(
                    &mut browser,
                    &format!("{}-{width}-{scheme}", path.split(['?', '&']).next().unwrap().replace('/', "_")),
                );
            }
        }
    }
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn colours_follow_the_system_and_a_choice() {
    let scene = Scene::troubled();
    let mut browser = Browser::start();
    let ground = "getComputedStyle(document.body).backgroundColor";
    let grounds = ["light", "dark"].map(|scheme| {
        browser.colours(scheme);
        browser.open(&scene.url("/"));
        browser.value(ground)
    });
    assert_ne!(grounds[0], grounds[1]);
    // The system is dark, and light is chosen.
    browser.value("document.querySelector('#theme').click(); null");
    assert_eq!(browser.value(ground), grounds[0]);
    browser.open(&scene.url("/"));
    assert_eq!((browser.value(ground), browser.text("#theme")), (grounds[0].clone(), "Colours: light".into()));
    browser.call("Emulation.setScriptExecutionDisabled", json!({ "value": true }));
    browser.open(&scene.url("/"));
    assert_eq!(browser.value(ground), grounds[1], "without a script, the system's colours are used");
}

/// Keeps a picture for people where they ask for it: `TLSGATE_TEST_PICTURES=FOLDER`.
fn kept(browser: &mut Browser, name: &str) {
    let Some(folder) = std::env::var_os("TLSGATE_TEST_PICTURES") else { return };
    let picture = browser.picture();
    std::fs::write(std::path::Path::new(&folder).join(format!("page{name}.png")), picture).unwrap();
}
