//! `tlsgate check`, and what is refused of the keys about lists.

use std::fs;

use super::{REVOKED, Scene, kept};
use crate::support::check::check;
use crate::support::clients_pki::ClientCa;
use crate::support::list_server::Answer;
use crate::support::proxy::PROGRAM;
use crate::support::tool;

#[test]
fn a_kept_list_that_none_of_the_cas_signed_is_an_error_of_check_and_no_outage() {
    let scene = Scene::new();
    let report = check(scene.pki.folder(), &scene.by_url());
    assert!(report.ok && report.errors.is_empty(), "{:?}", report.errors);
    assert!(report.report["notes"].to_string().contains("is not fetched yet"), "{}", report.report);
    let proxy = scene.start(&scene.by_url());
    scene.is_enforced(&proxy);
    assert!(check(scene.pki.folder(), &scene.by_url()).ok);
    // Somebody exchanges the CA: the list is not of the new one.
    let other = ClientCa::new(scene.pki.folder(), "other-ca");
    fs::copy(other.file(), scene.pki.folder().join("client-ca.pem")).unwrap();
    let report = check(scene.pki.folder(), &scene.by_url());
    let words = ["client_auth: crl", &scene.lists.url("ca.crl"), "not signed by any of the CAs"];
    assert!(!report.ok && report.errors.len() == 1, "{:?}", report.errors);
    assert!(words.iter().all(|words| report.errors[0].contains(words)), "{:?}", report.errors);
    let line = proxy.log_line("the list is not used");
    assert!(line.contains("CN=client-ca"), "{line}");
    // tlsgate goes on, refuses whom no list covers, and does not start worse than it runs.
    assert!(!scene.accepts(&proxy, &scene.good));
    drop(proxy);
    let proxy = scene.start(&scene.by_url());
    assert!(!scene.accepts(&proxy, &scene.good));
    assert_eq!(kept(scene.pki.folder()).len(), 1);
}

#[test]
fn check_fetches_and_proves_where_it_is_asked_to() {
    let scene = Scene::new();
    assert!(check(scene.pki.folder(), &scene.by_url()).ok);
    assert_eq!(scene.lists.requests(), [] as [String; 0], "not otherwise");
    let fetched = || {
        let config = scene.pki.folder().join("tlsgate.toml");
        let output = tool::run(PROGRAM, &["check", "--fetch", "-c", config.to_str().unwrap()], b"");
        (output.status.code(), tool::shown(&output))
    };
    let (code, shown) = fetched();
    assert_eq!(code, Some(0), "{shown}");
    assert!(!scene.pki.folder().join("state").exists(), "nothing is kept");
    let foreign = ClientCa::new(scene.pki.folder(), "foreign");
    for (answer, words) in [
        (Answer::Body(foreign.list(&[], 30).into_bytes()), "was not signed by any of the CAs"),
        (Answer::Nothing, "connection"),
        (Answer::Stall, "no whole answer"),
    ] {
        scene.lists.set("ca.crl", answer);
        let (code, shown) = fetched();
        assert!(code == Some(1) && shown.contains(words) && shown.contains(&scene.lists.url("ca.crl")), "{shown}");
    }
}

#[test]
fn check_fetches_and_proves_the_lists_of_backends_cas() {
    let scene = Scene::new();
    let ca = ClientCa::new(scene.pki.folder(), "server-ca");
    ca.certify(|params| {
        let uris = vec![scene.lists.url("by-point.crl")];
        params.crl_distribution_points = vec![rcgen::CrlDistributionPoint { uris }];
    });
    let url = scene.lists.url("by-url.crl");
    let of_checks = scene.lists.url("of-checks.crl");
    let lists =
        [("by-url.crl", &url), ("of-checks.crl", &of_checks), ("by-point.crl", &scene.lists.url("by-point.crl"))];
    let names = "ca = \"server-ca.pem\"\nserver_name = \"server.test\"";
    let config = format!(
        "{}[backend.plain.tls]\n{names}\ncrl = [\"{url}\", \"distribution_points\"]\n\
         [backend.plain.health]\ntype = \"tls\"\n{names}\ncrl = \"{of_checks}\"\n",
        scene.by_url()
    );
    let good = ca.numbered_list(1, &[REVOKED], 30);
    lists.iter().for_each(|(name, _)| scene.lists.list(name, &good));
    let report = check(scene.pki.folder(), &config);
    assert!(report.ok, "{:?}", report.errors);
    let fetched = || {
        let config = scene.pki.folder().join("tlsgate.toml");
        let output = tool::run(PROGRAM, &["check", "--fetch", "-c", config.to_str().unwrap()], b"");
        (output.status.code(), tool::shown(&output))
    };
    let (code, shown) = fetched();
    assert_eq!(code, Some(0), "{shown}");
    let asked = scene.lists.requests();
    for (name, _) in lists {
        assert_eq!(asked.iter().filter(|head| head.contains(&format!("/{name} "))).count(), 1, "{name}: {asked:?}");
    }
    // Each by itself; the list of the clients' CA is good, and is none of the backend's.
    let of_clients = scene.ca.numbered_list(5, &[], 30);
    for (name, url) in lists {
        for (answer, words) in [
            (Answer::Body(of_clients.clone().into_bytes()), "was not signed by any of the CAs"),
            (Answer::Status(404, String::new()), "status 404"),
        ] {
            scene.lists.set(name, answer);
            let (code, shown) = fetched();
            assert_eq!(code, Some(1), "{name}: {shown}");
            let errors: Vec<&str> = shown.lines().filter(|line| line.contains(": error: ")).collect();
            let [error] = errors[..] else { panic!("{name}: {shown}") };
            assert!(error.contains(words) && error.contains(url.as_str()), "{name}: {error}");
        }
        scene.lists.list(name, &good);
    }
    assert_eq!(fetched().0, Some(0));
}

#[test]
fn a_damaged_file_in_the_folder_stops_no_start() {
    let scene = Scene::new();
    let proxy = scene.start(&scene.by_url());
    scene.is_enforced(&proxy);
    drop(proxy);
    let file = scene.pki.folder().join("state/lists").join(&kept(scene.pki.folder())[0]);
    let mut bytes = fs::read(&file).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&file, bytes).unwrap();
    let proxy = scene.start(&scene.by_url());
    // It is fetched again.
    scene.is_enforced(&proxy);
}

#[test]
fn what_cannot_work_is_refused_with_its_key() {
    let scene = Scene::new();
    let url = scene.lists.url("ca.crl");
    let with = |lists: &str| scene.config(&format!("crl = {lists}"));
    let backend = format!("{}[backend.plain.tls]\nserver_name=\"a.test\"\n", scene.by_url());
    let pins = "pins=[\"sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\"]";
    for (config, path, words) in [
        (with("\"ldap://a.test/ca.crl\""), "client_auth: crl", "expected a URL such as"),
        (with("\"http://u:p@a.test/ca.crl\""), "client_auth: crl", "without a user"),
        (with("[\"a.crl\", \"http://\"]"), "client_auth: crl[1]", "expected a URL such as"),
        (scene.by_url().replace("directory=\"state\"", ""), "client_auth: crl", "\"directory\" of [state] is missing"),
        (
            scene.config("crl = \"distribution_points\"").replace("directory=\"state\"", ""),
            "client_auth: crl",
            "\"directory\" of [state] is missing",
        ),
        (scene.by_url().replace("timeout=\"1s\"", "timeout=\"1ms\""), "crl: timeout", "expected at least \"1s\""),
        (scene.by_url().replace("refresh=\"1s\"", "proxy=\"https://a.test\""), "crl: proxy", "HTTP proxy"),
        (format!("{backend}{pins}\ncrl=\"{url}\"\n"), "backend \"plain\": tls: crl", "is given without \"ca\""),
        (
            format!("{}[backend.plain.health]\ntype=\"tcp\"\ncrl=\"{url}\"\n", scene.by_url()),
            "backend \"plain\": health: crl",
            "is only for checks that use TLS",
        ),
    ] {
        let report = check(scene.pki.folder(), &config);
        let found = report.errors.iter().any(|error| error.contains(path) && error.contains(words));
        assert!(!report.ok && found, "{path}: {words}: {:?}", report.errors);
    }
}
