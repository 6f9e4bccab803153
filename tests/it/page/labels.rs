//! Labels of listeners, routes and backends on the page: shown beside what has them, and found by the filter.

use serde_json::{Value, json};

use super::{Browser, OWNER, Scene, violations};

/// The texts of the labels in a row of a table, found by the text of the row.
fn labels(browser: &mut Browser, section: &str, row: &str) -> Value {
    browser.value(&format!(
        "[...[...document.querySelectorAll('{section} tbody tr')].find((row) => row.innerText.includes({})).querySelectorAll('.label')].map((label) => label.textContent)",
        json!(row)
    ))
}

#[test]
fn labels_are_shown_with_listener_route_and_backend() {
    let scene = Scene::troubled();
    let mut browser = Browser::start();
    browser.open(&scene.url("/"));
    assert_eq!(labels(&mut browser, "#listeners", "ldaps"), json!(["env=prod", "team=directory"]));
    assert_eq!(labels(&mut browser, "#listeners", "apps"), json!([format!("owner={OWNER}")]));
    assert_eq!(labels(&mut browser, "#backends", "web"), json!(["site=Berlin"]));
    assert_eq!(labels(&mut browser, "#backends", &scene.down.to_string()), json!([]));
    // Whatever is in a value, it is a text and nothing else.
    assert_eq!(browser.count("main img, main script, main [onerror]"), 0);
    assert_eq!(violations(&mut browser), [""; 0]);
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn the_filter_finds_labels() {
    let scene = Scene::troubled();
    let mut browser = Browser::start();
    for (filter, listeners, servers) in [
        ("team=directory", 1, 0),
        ("PROD", 1, 0),
        ("owner=%22'%3E%3Cimg", 1, 0),
        ("site=berlin", 0, 1),
        ("team=nobody", 0, 0),
    ] {
        browser.open(&scene.url(&format!("/?q={filter}")));
        let found = ["#listeners", "#backends"].map(|section| browser.count(&format!("{section} tbody tr")));
        assert_eq!(found, [listeners, servers], "{filter}");
    }
}

#[test]
fn a_route_that_fits_the_filter_is_among_those_that_are_shown() {
    let routes: String = (0..20)
        .map(|number| {
            format!("[[listener.route]]\nserver_names = \"r{number}.test\"\nlabels = {{ number = \"n{number}\" }}\n")
        })
        .collect();
    let many = "[[listener]]\nname = \"many\"\nlisten = \"127.0.0.1:0\"\nbackend = \"web\"\ncertificates = \"certs\"\n";
    let scene = Scene::with(&format!("token_file = \"token\"\n{many}{routes}"));
    let mut browser = Browser::start();
    browser.open(&scene.url("/"));
    assert_eq!(labels(&mut browser, "#listeners", "many"), json!(["number=n0", "number=n1", "number=n2", "number=n3"]));
    browser.open(&scene.url("/?q=number=n17"));
    assert_eq!(browser.count("#listeners tbody tr"), 1);
    assert_eq!(labels(&mut browser, "#listeners", "many")[0], "number=n17");
}
