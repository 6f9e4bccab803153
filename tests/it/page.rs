//! The page of the admin server, in a browser: what it shows, that it needs no script and loads nothing from elsewhere, and
//! what can be changed there. This file: a proxy with something of everything wrong with it.

use std::net::{SocketAddr, TcpListener};

use crate::support::backend::Backend;
use crate::support::browser::Browser;
use crate::support::http::{Door, Response};
use crate::support::pki::{Extra, Key, Pki, write_private};
use crate::support::procfs::eventually;
use crate::support::proxy::Proxy;

mod changes;
mod held;
mod labels;
mod looks;
mod many;
mod refused;
mod secure;
mod shown;

const TOKEN: &str = "correct-horse-battery-staple";
/// The value of a label, in which every character is one that HTML escapes or that could end an attribute.
const OWNER: &str = "\"'><img src=x onerror=alert(1)><script>alert('&')</script></td>";

/// A proxy with an admin server, and the address of that.
struct Scene {
    pki: Pki,
    proxy: Proxy,
    address: SocketAddr,
    door: Door,
    down: SocketAddr,
}

impl Scene {
    /// With the token, with one certificate of each kind, a server that is up and one that is down.
    fn troubled() -> Self {
        Self::with("token_file = \"token\"\n")
    }

    /// The same with these lines of `[admin]` and below it. Clients of its listeners may stay without a hello.
    fn with(admin: &str) -> Self {
        let pki = Pki::new();
        for (stem, days) in [("valid", 90), ("soon", 3), ("expired", -2)] {
            let extra = Extra { validity: Some((-60, days)), ..Extra::default() };
            pki.write("certs", stem, &[&format!("{stem}.test"), &format!("www.{stem}.test")], Key::P256, &extra);
        }
        pki.write("admin", "own", &["admin.test", "127.0.0.1"], Key::P256, &Extra::default());
        write_private(&pki.folder().join("token"), TOKEN);
        let up = Backend::echo().address;
        // Nobody listens there any more.
        let down = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let owner = serde_json::json!(OWNER);
        let text = format!(
            "[admin]\nlisten=\"127.0.0.1:0\"\n{admin}\n\
             [state]\ndirectory = \"state\"\n[acme.inside]\ndirectory = \"https://127.0.0.1:1/directory\"\n\
             [[listener]]\nname = \"ldaps\"\nlisten = \"127.0.0.1:0\"\nbackend = \"directory\"\nhandshake_timeout = \"1h\"\n\
             certificates = [\"certs\", {{ acme = \"inside\", names = [\"ordered.test\"] }}]\n\
             labels = {{ team = \"directory\", env = \"prod\" }}\n\
             [[listener]]\nname = \"apps\"\nlisten = \"127.0.0.1:0\"\nbackend = \"web\"\ncertificates = [\"certs\"]\n\
             handshake_timeout = \"1h\"\n\
             [[listener.route]]\nname = \"through\"\nserver_names = [\"db.test\"]\nmode = \"passthrough\"\nbackend = \"web\"\n\
             labels = {{ owner = {owner} }}\n\
             [backend.directory]\nservers = [\"{up}\", \"{down}\"]\n\
             [backend.directory.health]\ntype = \"tcp\"\ninterval = \"100ms\"\ntimeout = \"90ms\"\nfall = 1\n\
             [backend.web]\nservers = [\"{up}\"]\nlabels = {{ site = \"Berlin\" }}\n"
        );
        let proxy = Proxy::start(pki.folder(), &text);
        let line = proxy.log_line("admin API listening address=");
        let address: SocketAddr = line.split_once("address=").unwrap().1.trim().parse().unwrap();
        proxy.log_line("server is down");
        Self { pki, proxy, address, door: Door::Tcp(address), down }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A form as a browser would send it from a page of this server, with these headers besides.
    fn post(&self, path: &str, more: &[(&str, &str)], body: &str) -> Response {
        let origin = format!("http://{}", self.address);
        let own = [("Content-Type", "application/x-www-form-urlencoded"), ("Origin", &*origin)];
        let headers: Vec<_> =
            own.into_iter().filter(|(name, _)| !more.iter().any(|(other, _)| other == name)).collect();
        self.door.ask("POST", path, &[&headers[..], more].concat(), body)
    }

    /// Signs in, and returns the cookie and the secret of the session.
    fn session(&self) -> (String, String) {
        let answer = self.post("/sign-in", &[], &format!("token={TOKEN}"));
        assert_eq!(answer.status, 303, "{answer:?}");
        let cookie = cookie(&answer);
        let page = self.door.ask("GET", "/change/reload", &[("Cookie", &*cookie)], "");
        let secret = page.body.split_once("name=\"secret\" value=\"").unwrap().1.split('"').next().unwrap();
        (cookie, secret.to_owned())
    }

    /// A browser that has signed in, with the page open.
    fn signed_in(&self) -> Browser {
        let mut browser = Browser::start();
        browser.open(&self.url("/sign-in"));
        browser.fill("#token", TOKEN);
        browser.click("form.step button");
        browser
    }
}

/// The cookie that an answer sets, as it is sent back. The head of an answer is in lower case here, and a value is not.
fn cookie(answer: &Response) -> String {
    answer.exact.lines().find_map(|line| line.strip_prefix("set-cookie: ")?.split(';').next()).unwrap().to_owned()
}

/// Adds axe-core to a page, and returns the violations of its rules.
fn violations(browser: &mut Browser) -> Vec<String> {
    let axe = std::fs::read_to_string(crate::support::tool::from_npm("axe-core/axe.min.js")).unwrap();
    browser.value(&format!("{axe}; null"));
    let found = browser.value("axe.run(document, { resultTypes: ['violations'] }).then((result) => [result.passes.length, result.violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.html + node.failureSummary).join(' | ')}`)])");
    assert!(found[0].as_u64().unwrap() > 10, "{found}");
    found[1].as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect()
}
