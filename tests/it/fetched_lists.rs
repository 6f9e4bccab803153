//! Lists of revoked certificates that are fetched: they revoke, they are kept, and whatever their server does, what was good
//! stays good.

use std::fs;
use std::path::Path;

use rustls::pki_types::CertificateRevocationListDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;

use crate::routes::{answers_once, pki, s_client};
use crate::support::backend::Backend;
use crate::support::clients_pki::{ClientCa, Credentials, Kind};
use crate::support::http::Door;
use crate::support::list_server::{Answer, ListServer};
use crate::support::pki::Pki;
use crate::support::procfs::eventually;
use crate::support::proxy::Proxy;

mod above;
mod backends;
mod checked;
mod misbehaving;
mod points;
mod ways;

/// On the list.
const REVOKED: u64 = 66;

/// A CA, a server with its list, and a configuration for a proxy that asks clients for certificates.
struct Scene {
    pki: Pki,
    ca: ClientCa,
    lists: ListServer,
    backend: Backend,
    good: Credentials,
    revoked: Credentials,
}

impl Scene {
    fn new() -> Self {
        let (pki, lists) = (pki(), ListServer::start());
        let ca = ClientCa::new(pki.folder(), "client-ca");
        let good = ca.issue("good", &Kind::default());
        let revoked = ca.issue("revoked", &Kind { serial: REVOKED, ..Kind::default() });
        lists.list("ca.crl", &ca.numbered_list(5, &[REVOKED], 30));
        Self { pki, ca, lists, backend: answers_once(), good, revoked }
    }

    /// Everything that is fetched is fetched every second.
    fn config(&self, client_auth: &str) -> String {
        format!(
            "[admin]\nlisten=\"unix:admin.sock\"\n[state]\ndirectory=\"state\"\n[crl]\nrefresh=\"1s\"\ntimeout=\"1s\"\n\
             [[listener]]\nname = \"main\"\nlisten = \"127.0.0.1:0\"\ncertificates = [\"certs\"]\nbackend = \"plain\"\n\
             client_auth = {{ mode = \"require\", ca = \"client-ca.pem\", {client_auth} }}\n\
             [backend.plain]\nservers = [\"{}\"]\n",
            self.backend.address
        )
    }

    fn by_url(&self) -> String {
        self.config(&format!("crl = \"{}\"", self.lists.url("ca.crl")))
    }

    fn start(&self, config: &str) -> Proxy {
        Proxy::start(self.pki.folder(), config)
    }

    fn shown(&self) -> Vec<Value> {
        lists(self.pki.folder())
    }

    /// What is shown of the one list, as soon as it is known.
    fn only(&self) -> Value {
        eventually("one list", || self.shown().into_iter().next())
    }

    /// Whether this client gets through.
    fn accepts(&self, proxy: &Proxy, client: &Credentials) -> bool {
        let [chain, key] = [&client.chain, &client.key].map(|path| path.to_str().unwrap());
        let arguments = ["-cert", chain, "-cert_chain", chain, "-key", key];
        s_client(proxy.address("main"), Some("main.test"), &self.pki.ca(), &arguments).contains("hello\n")
    }

    /// The list is there, and used.
    fn is_enforced(&self, proxy: &Proxy) {
        eventually("the good client gets in", || self.accepts(proxy, &self.good).then_some(()));
        assert!(!self.accepts(proxy, &self.revoked));
        proxy.record(|record| record["outcome"] == "client_certificate_revoked");
    }
}

/// What the API shows of lists.
fn lists(folder: &Path) -> Vec<Value> {
    Door::Unix(folder.join("admin.sock")).get("/api/v1/crl").json()["lists"].as_array().unwrap().clone()
}

fn kept(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder.join("state/lists")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".crl")).collect()
}

#[test]
fn a_list_is_fetched_revokes_and_is_there_after_a_restart_without_its_server() {
    let scene = Scene::new();
    let mut proxy = scene.start(&scene.by_url());
    scene.is_enforced(&proxy);
    assert_eq!(kept(scene.pki.folder()).len(), 1);
    let shown = scene.only();
    assert_eq!((&shown["state"], &shown["found"]), (&"current".into(), &"url".into()), "{shown}");
    assert_eq!((&shown["issuer"], &shown["revoked_certificates"]), (&"CN=client-ca".into(), &1.into()), "{shown}");
    proxy.signal("TERM");
    assert!(proxy.wait().success());
    scene.lists.set("ca.crl", Answer::Nothing);
    let proxy = scene.start(&scene.by_url());
    assert!(scene.accepts(&proxy, &scene.good), "at once");
    assert!(!scene.accepts(&proxy, &scene.revoked));
}

#[test]
fn until_the_first_list_is_there_all_are_refused_or_none_as_configured() {
    let scene = Scene::new();
    scene.lists.set("ca.crl", Answer::Status(503, "Retry-After: 1\r\n".into()));
    let proxy = scene.start(&scene.by_url());
    assert!(!scene.accepts(&proxy, &scene.good));
    let record = proxy.records(1).remove(0);
    assert_eq!(record["outcome"], "client_certificate_revocation_unknown");
    eventually("shown", || (scene.only()["failures"] != 0).then_some(()));
    assert_eq!(scene.only()["state"], "pending");
    drop(proxy);
    let url = scene.lists.url("ca.crl");
    let proxy = scene.start(&scene.config(&format!("crl = \"{url}\", crl_missing = \"ignore\"")));
    assert!(scene.accepts(&proxy, &scene.good) && scene.accepts(&proxy, &scene.revoked));
    // Then there is one.
    scene.lists.list("ca.crl", &scene.ca.numbered_list(5, &[REVOKED], 30));
    eventually("the revoked client is refused", || (!scene.accepts(&proxy, &scene.revoked)).then_some(()));
    assert!(scene.accepts(&proxy, &scene.good));
}

#[test]
fn a_server_that_asks_for_a_pause_is_asked_at_once_where_somebody_reloads() {
    let scene = Scene::new();
    scene.lists.set("ca.crl", Answer::Status(503, "Retry-After: 86400\r\n".into()));
    let proxy = scene.start(&scene.by_url());
    eventually("failed", || (scene.only()["failures"] == 1).then_some(()));
    scene.lists.list("ca.crl", &scene.ca.numbered_list(5, &[REVOKED], 30));
    assert!(!scene.accepts(&proxy, &scene.good), "for five minutes at most");
    proxy.signal("HUP");
    scene.is_enforced(&proxy);
}

#[test]
fn who_is_revoked_later_is_refused_without_anybody_doing_anything() {
    let scene = Scene::new();
    scene.lists.list("ca.crl", &scene.ca.numbered_list(5, &[], 30));
    let proxy = scene.start(&scene.by_url());
    eventually("in", || scene.accepts(&proxy, &scene.revoked).then_some(()));
    eventually("asked again", || (scene.only()["fetches"]["unchanged"] != 0).then_some(()));
    scene.lists.list("ca.crl", &scene.ca.numbered_list(6, &[REVOKED], 30));
    eventually("out", || (!scene.accepts(&proxy, &scene.revoked)).then_some(()));
    assert!(scene.accepts(&proxy, &scene.good));
    // Asked so that the same list need not be sent again.
    assert!(scene.lists.requests().iter().any(|head| head.to_lowercase().contains("if-none-match: \"")));
}

#[test]
fn the_age_of_each_list_is_a_metric_whether_it_was_fetched_or_is_in_a_file() {
    let scene = Scene::new();
    let other = ClientCa::new(scene.pki.folder(), "other-ca");
    let [of_url, of_file] = [scene.ca.numbered_list(5, &[REVOKED], 30), other.list(&[], 20)];
    scene.lists.list("ca.crl", &of_url);
    fs::write(scene.pki.folder().join("other.crl"), &of_file).unwrap();
    let url = scene.lists.url("ca.crl");
    let began = jiff::Timestamp::now().as_second();
    let config = scene.config(&format!("crl = [\"{url}\", \"other.crl\"]"));
    let proxy = scene.start(&config.replace("\"client-ca.pem\"", "[\"client-ca.pem\", \"other-ca.pem\"]"));
    scene.is_enforced(&proxy);
    let metrics = Door::Unix(scene.pki.folder().join("admin.sock")).get("/metrics").body;
    let file = scene.pki.folder().join("other.crl");
    let now = jiff::Timestamp::now().as_second();
    let value = |series: String| -> i64 {
        let line = metrics.lines().find_map(|line| line.strip_prefix(&series)?.strip_prefix(' '));
        line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no value of {series}: {metrics}"))
    };
    for (list, issuer, pem) in
        [(url.as_str(), "CN=client-ca", &of_url), (file.to_str().unwrap(), "CN=other-ca", &of_file)]
    {
        let of =
            |name: &str| value(format!("tlsgate_crl_{name}_timestamp_seconds{{issuer=\"{issuer}\",list=\"{list}\"}}"));
        // As the list itself has them.
        assert_eq!([of("this_update"), of("next_update")], times(pem), "{list}");
        assert!(of("this_update") < began && now < of("next_update"), "{list}");
    }
    let of_url = |name: &str, more: &str| value(format!("tlsgate_crl_{name}{{list=\"{url}\"{more}}}"));
    let fetched = of_url("fetched_timestamp_seconds", "");
    assert!((began..=now).contains(&fetched), "{began} {fetched} {now}");
    assert_eq!(of_url("fetches_total", ",result=\"fetched\""), 1);
    assert_eq!((of_url("fetches_total", ",result=\"failed\""), of_url("failures", "")), (0, 0));
    assert_eq!(value(format!("tlsgate_crl_revoked_certificates{{issuer=\"CN=client-ca\",list=\"{url}\"}}")), 1);
    // Nobody has shown a distribution point.
    assert_eq!(
        [value("tlsgate_crl_learnt_points".into()), value("tlsgate_crl_points_not_learnt_total".into())],
        [0, 0]
    );
}

/// `thisUpdate` and `nextUpdate` of a list, in seconds since 1970.
fn times(pem: &str) -> [i64; 2] {
    let der = CertificateRevocationListDer::from_pem_slice(pem.as_bytes()).unwrap();
    let (_, list) = x509_parser::parse_x509_crl(&der).unwrap();
    [list.last_update(), list.next_update().unwrap()].map(|time| time.timestamp())
}
