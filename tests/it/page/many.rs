//! Ten thousand certificates, hundreds of connections: in pages, and each page is small.

use std::fs;
use std::net::TcpStream;

use serde_json::Value;

use super::{Browser, Scene};
use crate::support::backend::Backend;
use crate::support::client::{Ending, connect, drain};
use crate::support::http::Door;
use crate::support::pki::{Extra, Key, Pki};
use crate::support::procfs::eventually;
use crate::support::proxy::Proxy;

#[test]
fn ten_thousand_certificates_are_in_pages_of_a_small_size() {
    const COUNT: usize = 10_000;
    let (pki, backend) = (Pki::new(), Backend::echo());
    // One key for all: only the number of certificates matters here.
    let (first, key) = pki.write("certs", "host00000", &["host00000.test"], Key::P256, &Extra::default());
    let shared = rcgen::KeyPair::from_pem(&fs::read_to_string(&key).unwrap()).unwrap();
    for number in 1..COUNT {
        let stem = first.with_file_name(format!("host{number:05}"));
        let days = if number % 1000 == 7 { 2 } else { 80 };
        let extra = Extra { validity: Some((-10, days)), ..Extra::default() };
        let names = [format!("host{number:05}.test"), format!("www.host{number:05}.test")];
        fs::write(stem.with_extension("crt"), pki.certificate(&names.each_ref().map(String::as_str), &shared, &extra))
            .unwrap();
        fs::hard_link(&key, stem.with_extension("key")).unwrap();
    }
    let text = format!(
        "[admin]\nlisten=\"127.0.0.1:0\"\n[[listener]]\nname = \"main\"\nlisten = \"127.0.0.1:0\"\n\
         certificates = [\"certs\"]\nbackend = \"echo\"\n[backend.echo]\nservers = [\"{}\"]\n",
        backend.address
    );
    let proxy = Proxy::start(pki.folder(), &text);
    let line = proxy.log_line("admin API listening address=");
    let address = line.split_once("address=").unwrap().1.trim().to_owned();
    let door = Door::Tcp(address.parse().unwrap());
    for path in ["/", "/?q=host&certificates=200", "/?certificates=100", "/?q=expires+soon"] {
        let page = door.get(path);
        assert!(page.status == 200 && page.body.len() < 200_000, "{path}: {} bytes", page.body.len());
    }
    let mut browser = Browser::start();
    // Shown with `--nocapture`: docs/page.md has the figures.
    for _ in 0..5 {
        browser.open(&format!("http://{address}/"));
        browser.until("performance.getEntriesByName('first-contentful-paint').length == 1");
        let paint = browser.value("performance.getEntriesByName('first-contentful-paint')[0].startTime");
        let bytes = door.get("/").body.len();
        println!("{COUNT} certificates: first paint after {paint} ms, {bytes} bytes");
    }
    assert!(browser.text("#certificates .pager").contains("1–50 of 10,000"));
    assert!(browser.text("#wrong").contains("10 certificates will expire soon"));
    browser.click("#certificates .pager a:last-of-type");
    assert!(browser.text("#certificates .pager").contains("9,951–10,000 of 10,000"));
    browser.click("#certificates .pager a:nth-of-type(2)");
    assert!(browser.text("#certificates .pager").contains("9,901–9,950 of 10,000"));
    browser.open(&format!("http://{address}/?q=host04711"));
    assert_eq!(browser.count("#certificates tbody tr"), 1);
    assert_eq!(browser.count("#certificates .pager"), 0);
    browser.open(&format!("http://{address}/?certificates=99999"));
    assert!(browser.text("#certificates .pager").contains("of 10,000"), "past the end is the last page");
}

/// The ids of open connections that fit a query of the API, in order.
fn ids(scene: &Scene, query: &str) -> Vec<String> {
    let listed = scene.door.get(&format!("/api/v1/connections?limit=1000&{query}")).json();
    listed["connections"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn connections_beyond_the_first_page_are_shown_there_and_can_be_closed() {
    let scene = Scene::troubled();
    let open = |listener: &str, count: usize| -> Vec<TcpStream> {
        (0..count).map(|_| connect(scene.proxy.address(listener))).collect()
    };
    let (mut meant, _others) = (open("ldaps", 250), open("apps", 20));
    eventually("all are listed", || (ids(&scene, "").len() == 270).then_some(()));
    let mut browser = scene.signed_in();
    for (path, query, sizes) in [
        ("/connections", "", vec![100, 100, 70]),
        ("/connections?listener=ldaps", "listener=ldaps", vec![100, 100, 50]),
    ] {
        browser.open(&scene.url(path));
        let mut pages: Vec<Vec<String>> = Vec::new();
        while pages.len() < 9 {
            let rows = "[...document.querySelectorAll('#open tbody tr')].map((row) => row.cells[0].innerText.trim())";
            pages.push(serde_json::from_value(browser.value(rows)).unwrap());
            if browser.count("#open .pager a") == 0 {
                break;
            }
            browser.click("#open .pager a");
        }
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), sizes, "{path}");
        assert_eq!(pages.concat(), ids(&scene, query), "each is on one page, in order: {path}");
    }
    // One of the second page, found from there.
    let id = ids(&scene, "listener=ldaps")[150].clone();
    browser.open(&scene.url("/connections?listener=ldaps"));
    browser.click("#open .pager a");
    assert!(browser.text("#open tbody").contains(&id), "{}", browser.text("#open"));
    browser.fill("#id", &id);
    browser.click("#open form button");
    assert_eq!(browser.count("#open tbody tr"), 1);
    let listed = scene.door.get(&format!("/api/v1/connections?id={id}")).json();
    let Value::String(client) = &listed["connections"][0]["client"] else { panic!("{listed}") };
    browser.click("#open a.button");
    browser.value("document.querySelector('#mode-now').click(); document.querySelector('#sure').click(); null");
    browser.click("form.step button");
    assert!(browser.text("#note").contains("1 connection was asked to end (now)"), "{}", browser.text("main"));
    let place = meant.iter().position(|tcp| tcp.local_addr().unwrap().to_string() == *client).unwrap();
    assert_eq!(drain(&mut meant[place]), (Vec::new(), Ending::Reset));
    eventually("it is gone", || (!ids(&scene, "").contains(&id)).then_some(()));
    assert_eq!(ids(&scene, "").len(), 269, "all others stay");
}
