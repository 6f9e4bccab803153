//! Ten thousand certificates: in pages, and each page is small.

use std::fs;

use super::Browser;
use crate::support::backend::Backend;
use crate::support::http::Door;
use crate::support::pki::{Extra, Key, Pki};
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
