//! Forms that were not sent by the page, sessions that are not there, and hosts that are not this one: nothing changes.

use super::{Scene, TOKEN, cookie};
use crate::support::client::connect;
use crate::support::http::Door;
use crate::support::procfs::eventually;

const DRAIN: &str = "state=drain";

#[test]
fn a_form_of_another_site_changes_nothing() {
    let scene = Scene::troubled();
    let (cookie, secret) = scene.session();
    let path = format!("/change/server?backend=web&server={}", server(&scene));
    let body = format!("{DRAIN}&secret={secret}");
    let session = ("Cookie", &*cookie);
    for foreign in [
        ("Origin", "https://evil.test"),
        ("Origin", "null"),
        ("Origin", ""),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
    ] {
        for (path, body) in [(&*path, &*body), ("/sign-in", &*format!("token={TOKEN}")), ("/sign-out", &*body)] {
            let answer = scene.post(path, &[session, foreign], body);
            assert_eq!(answer.status, 403, "{path} {foreign:?}: {answer:?}");
            assert!(!answer.head.contains("set-cookie"), "{answer:?}");
        }
    }
    for wrong in ["", "x", &cookie] {
        let answer = scene.post(&path, &[session], &format!("{DRAIN}&secret={wrong}"));
        assert_eq!(answer.status, 403, "{wrong}: {answer:?}");
    }
    assert_eq!(state(&scene), "ready");
    scene.proxy.log_line("reason=\"page\"");
    assert_eq!(scene.post(&path, &[session], &body).status, 303);
    assert_eq!(state(&scene), "drain");
}

#[test]
fn connections_are_neither_shown_nor_closed_where_a_filter_is_not_understood() {
    let scene = Scene::troubled();
    let client = connect(scene.proxy.address("ldaps"));
    let open = || scene.door.get("/api/v1/connections").json()["connections"].as_array().unwrap().len();
    eventually("it is open", || (open() == 1).then_some(()));
    let (cookie, secret) = scene.session();
    let session = ("Cookie", &*cookie);
    let body = format!("secret={secret}&mode=now&sure=yes");
    for (query, reason) in [
        ("client=%ff&listener=ldaps", "client: found"),
        ("lisener=x&listener=ldaps", "unknown parameter"),
        ("listener=ldaps&listener=apps", "listener: found"),
        ("listener=ldaps&after=zz", "after"),
        ("listener=ldaps&after=00000000-00000001", "after"),
        ("listener=ldaps&older_than=soon", "older_than: found"),
    ] {
        let shown = scene.door.ask("GET", &format!("/connections?{query}"), &[session], "").body;
        assert!(shown.contains(reason) && shown.contains("role=\"alert\""), "{query}: {shown}");
        assert!(!shown.contains("<tbody>") && !shown.contains("/change/connections"), "{query}: {shown}");
        let path = format!("/change/connections?{query}");
        for answer in [scene.door.ask("GET", &path, &[session], ""), scene.post(&path, &[session], &body)] {
            assert!(answer.status == 400 && answer.body.contains(reason), "{query}: {answer:?}");
        }
    }
    assert_eq!(open(), 1);
    let path = "/change/connections?listener=ldaps&route=&client=127.0.0.0%2F8";
    assert_eq!(scene.post(path, &[session], &body).status, 303);
    eventually("it is closed", || (open() == 0).then_some(()));
    drop(client);
}

#[test]
fn without_a_session_a_form_changes_nothing() {
    let scene = Scene::troubled();
    let (own, secret) = scene.session();
    let path = format!("/change/server?backend=web&server={}", server(&scene));
    let body = format!("{DRAIN}&secret={secret}");
    let bearer = format!("Bearer {TOKEN}");
    for headers in [&[][..], &[("Cookie", "tlsgate=x")], &[("Authorization", &*bearer)], &[("Cookie", TOKEN)]] {
        assert_eq!(scene.post(&path, headers, &body).status, 401, "{headers:?}");
    }
    // A session that has ended, here and in the browser.
    let ended = scene.post("/sign-out", &[("Cookie", &*own)], &format!("secret={secret}"));
    assert!(ended.status == 303 && ended.head.contains("max-age=0"), "{ended:?}");
    assert_eq!(scene.post(&path, &[("Cookie", &*own)], &body).status, 401);
    // The cookie of a session changes nothing in the API.
    let (own, _) = scene.session();
    assert_eq!(scene.post("/api/v1/reload", &[("Cookie", &*own)], "").status, 401);
    assert_eq!(state(&scene), "ready");
}

#[test]
fn a_session_ends_with_its_token() {
    let scene = Scene::troubled();
    let (cookie, secret) = scene.session();
    std::fs::write(scene.pki.folder().join("token"), "another-token-that-is-long").unwrap();
    let body = format!("secret={secret}");
    assert_eq!(scene.post("/change/reload", &[("Cookie", &*cookie)], &body).status, 401);
    std::fs::write(scene.pki.folder().join("token"), TOKEN).unwrap();
    assert_eq!(scene.post("/change/reload", &[("Cookie", &*cookie)], &body).status, 401, "it has ended for good");
}

#[test]
fn the_session_is_a_random_value_in_a_cookie_that_no_script_and_no_other_site_gets() {
    let scene = Scene::troubled();
    let answer = scene.post("/sign-in", &[], &format!("token={TOKEN}"));
    for part in ["; path=/", "; httponly", "; samesite=strict", "; max-age=3600"] {
        assert!(answer.head.contains(part), "{part}: {}", answer.head);
    }
    let first = cookie(&answer);
    assert!(first.starts_with(&format!("tlsgate{}=", scene.address.port())) && !first.contains(TOKEN), "{first}");
    assert_ne!(first, scene.session().0);
    for body in ["", "token=", "token=wrong-token-but-long"] {
        assert_eq!(scene.post("/sign-in", &[], body).status, 401, "{body}");
    }
}

#[test]
fn without_a_token_the_page_is_to_read_only() {
    let scene = Scene::with("");
    let page = scene.door.get("/");
    assert!(page.status == 200 && page.body.contains("Read-only") && !page.body.contains("/sign-in"));
    assert!(scene.door.get("/sign-in").body.contains("token_file"));
    assert_eq!(scene.post("/sign-in", &[], "token=x").status, 403);
}

#[test]
fn another_host_sees_nothing_and_probes_have_no_page() {
    let scene = Scene::with("token_file = \"token\"\nprobes = \"127.0.0.1:0\"\n");
    for path in ["/", "/assets/page.css", "/sign-in", "/change/reload", "/?q=x"] {
        let answer = scene.door.ask("GET", path, &[("Host", "evil.test")], "");
        assert_eq!(answer.status, 421, "{path}");
    }
    let line = scene.proxy.log_line(" probes listening address=");
    let probes = Door::Tcp(line.split_once("address=").unwrap().1.trim().parse().unwrap());
    for path in ["/", "/assets/page.css", "/sign-in", "/change/reload"] {
        assert_eq!(probes.get(path).status, 404, "{path}");
    }
    assert_eq!(probes.ask("POST", "/sign-in", &[], &format!("token={TOKEN}")).status, 404);
}

fn server(scene: &Scene) -> String {
    let backends = scene.door.get("/api/v1/backends").json();
    backends["backends"][1]["servers"][0]["address"].as_str().unwrap().to_owned()
}

fn state(scene: &Scene) -> String {
    let backends = scene.door.get("/api/v1/backends").json();
    backends["backends"][1]["servers"][0]["state"].as_str().unwrap().to_owned()
}
