//! Whatever goes wrong, the old certificate is served on, and the words of the failure are shown. Must not know: the
//! words of the program besides the authority's.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};
use serde_json::{Value, json};

use super::scene::{Plan, Scene, TLS_ALPN};
use crate::support::acme::faults::{Fault, Moment};
use crate::support::acme::kinds::Kind;
use crate::support::acme::own_address;
use crate::support::acme::reissue::{Leaf, Reissuer};
use crate::support::backend::Backend;
use crate::support::pki::{Extra, Key};
use crate::support::procfs::eventually;

#[test]
fn an_authority_that_refuses_garbles_or_breaks_off_costs_nothing_that_is_served() {
    let scene = Scene::start(&Plan::simple());
    let (old, authority) = (scene.issued("a"), scene.between.address.to_string());
    let authority = authority.as_str();
    let problem = |status, kind, words| Fault::problem(status, kind, words);
    let cases = [
        (
            "an internal error",
            Kind::NewOrder,
            problem(500, "serverInternal", "words of an internal error"),
            "internal error",
        ),
        ("an overloaded proxy in front", Kind::NewOrder, Fault::answer(503, "<h1>busy</h1>"), "503"),
        (
            "unauthorized",
            Kind::NewOrder,
            problem(403, "unauthorized", "words about what is not allowed"),
            "not allowed",
        ),
        (
            "rejected names",
            Kind::NewOrder,
            problem(400, "rejectedIdentifier", "words about the name"),
            "words about the name",
        ),
        ("wrong nonces for ever", Kind::NewOrder, problem(400, "badNonce", "words about the nonce"), "badNonce"),
        ("garbage for an order", Kind::NewOrder, Fault::answer(201, "\u{0}garbage"), authority),
        ("garbage for an authorization", Kind::Authorization, Fault::answer(200, "{"), authority),
        ("no certificate", Kind::Certificate, Fault::answer(200, "garbage"), "certificate"),
        ("cut before finalize", Kind::Finalize, Fault::Cut, authority),
        (
            "a bad request to sign",
            Kind::Finalize,
            problem(403, "badCSR", "words about the request"),
            "words about the request",
        ),
    ];
    for (what, kind, fault, words) in cases {
        let before = scene.between.seen(kind).len();
        scene.between.always(kind, fault);
        scene.fails(what, &[words]);
        let asked = scene.between.seen(kind).len() - before;
        assert!((1..20).contains(&asked), "{what}: {asked} requests");
        scene.between.mend();
    }
    scene.mended(&old);
}

/// An order or authorization that the authority has looked at, with another result and the problem in it (RFC 8555
/// sections 7.1.3 and 7.1.4).
fn invalid(words: Option<&'static str>) -> Fault {
    Fault::json(move |resource| {
        if resource["status"] != "pending" {
            invalidate(resource, words);
        }
    })
}

fn invalidate(resource: &mut Value, words: Option<&str>) {
    resource["status"] = json!("invalid");
    let kind = "urn:ietf:params:acme:error:unauthorized";
    let error = words.map_or(Value::Null, |words| json!({ "type": kind, "detail": words, "status": 403 }));
    match resource.get_mut("challenges").and_then(Value::as_array_mut) {
        Some(challenges) => {
            for challenge in challenges {
                challenge["status"] = json!("invalid");
                challenge["error"] = error.clone();
            }
        }
        None if words.is_some() => resource["error"] = error,
        None => {}
    }
}

#[test]
fn the_reason_of_an_authority_that_is_not_convinced_is_shown() {
    let scene = Scene::start(&Plan::simple());
    let old = scene.issued("a");
    scene.between.always(Kind::Authorization, invalid(Some("words of the authorization")));
    scene.between.always(Kind::Order, invalid(None));
    scene.fails("an authorization", &["words of the authorization", &scene.name("a")]);
    scene.between.mend();
    // An authorization of an earlier attempt, which nobody has asked the authority to look at now.
    scene.between.always(Kind::Authorization, Fault::json(|resource| invalidate(resource, Some("words of before"))));
    scene.fails("an old authorization", &["words of before", &scene.name("a")]);
    scene.between.mend();
    for kind in [Kind::Order, Kind::Finalize] {
        scene.between.always(kind, invalid(Some("words of the order")));
    }
    scene.fails("an order", &["words of the order"]);
    scene.mended(&old);
}

/// An order with this state and so many authorizations.
fn crowded(status: &'static str) -> Fault {
    Fault::json(move |order| {
        let url = order["authorizations"][0].as_str().unwrap().to_owned();
        order["status"] = json!(status);
        order["authorizations"] = (0..10_000).map(|at| json!(format!("{url}x{at}"))).collect();
    })
}

/// Adds so many challenges of kinds that nobody knows, each with an error.
fn odd(authorization: &mut Value, count: usize) {
    let one = |at| {
        json!({ "type": format!("odd-{at}"), "url": "https://a.test/", "token": "x", "status": "invalid",
                           "error": { "detail": format!("words of oddness {at}") } })
    };
    let mut challenges: Vec<Value> = (0..count).map(one).collect();
    challenges.append(authorization["challenges"].as_array_mut().unwrap());
    authorization["challenges"] = challenges.into();
}

#[test]
fn an_authority_that_never_stops_answering_is_left_and_little_of_it_is_kept() {
    let scene = Scene::start(&Plan::simple());
    let old = scene.issued("a");
    for (kind, status) in [(Kind::NewOrder, "invalid"), (Kind::NewOrder, "pending"), (Kind::Order, "invalid")] {
        let asked = scene.between.seen(Kind::Authorization).len();
        scene.between.always(kind, crowded(status));
        scene.fails("too many authorizations", &["found 10000 authorizations in an order, expected at most 1"]);
        let asked = scene.between.seen(Kind::Authorization).len() - asked;
        assert!(asked < 5, "{kind:?} {status}: {asked} authorizations were asked for");
        scene.between.mend();
    }
    scene.between.always(Kind::Authorization, Fault::json(|authorization| odd(authorization, 2000)));
    scene.fails("an authorization without end", &["found an authorization of", "expected at most 65536"]);
    scene.between.mend();
    let many = |authorization: &mut Value| {
        if authorization["status"] != "pending" {
            invalidate(authorization, Some("words of the authorization"));
            odd(authorization, 200);
        }
    };
    scene.between.always(Kind::Authorization, Fault::json(many));
    scene.between.always(Kind::Order, invalid(None));
    scene.fails(
        "many challenges",
        &["tls-alpn-01: urn:ietf:params:acme:error:unauthorized: words of the authorization"],
    );
    assert!(!scene.list().to_string().contains("oddness"), "{}", scene.list());
    let kept = scene.remembered();
    assert_eq!(kept["refused"], json!({ scene.name("a"): ["tls-alpn-01"] }), "{kept}");
    scene.mended(&old);
}

#[test]
fn an_order_at_an_address_that_is_none_is_not_remembered() {
    let scene = Scene::start(&Plan::simple());
    let old = scene.issued("a");
    let order = json!({ "status": "pending", "identifiers": [{ "type": "dns", "value": scene.name("a") }],
                        "authorizations": [], "finalize": "https://a.test/" });
    for location in ["http://a.test/order", "order of mine"] {
        let fault = Fault::answer(201, &order.to_string()).header("location", location);
        scene.between.always(Kind::NewOrder, fault);
        scene.fails("no URL", &["expected an https URL", location]);
        assert_eq!(scene.remembered()["order"], Value::Null);
        scene.between.mend();
    }
    scene.mended(&old);
}

/// The authority itself finds nobody, and cannot look the name up.
#[test]
fn an_authority_that_finds_nobody_says_so() {
    let unchecked = format!("{TLS_ALPN}\ncheck = false");
    let scene = Scene::start(&Plan { authority: &unchecked, ..Plan::simple() });
    scene.issued("a");
    let name = scene.name("a");
    scene.leads("a", own_address());
    scene.fails("a name that leads elsewhere", &[&name, "tls-alpn-01"]);
    scene.pebble.record("set-servfail", &json!({ "host": format!("{name}.") }));
    scene.fails("a name server that fails", &[&name, "tls-alpn-01"]);
}

/// A server that claims to know the challenge, and has another certificate.
fn impostor(scene: &Scene) -> Ipv4Addr {
    let (certificate, key) = scene.pki.pair(&[&scene.name("a")], Key::P256, &Extra::default());
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
    config.alpn_protocols = vec![b"acme-tls/1".to_vec()];
    let (config, ip) = (Arc::new(config), own_address());
    Backend::on(TcpListener::bind((ip, scene.pebble.tls_port)).unwrap(), move |mut stream| {
        let mut tls = ServerConnection::new(Arc::clone(&config)).map_err(std::io::Error::other)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut stream)?;
        }
        Ok(())
    });
    ip
}

#[test]
fn what_would_not_convince_the_authority_is_not_tried() {
    let scene = Scene::start(&Plan::simple());
    let old = scene.issued("a");
    let (ip, asked) = (impostor(&scene), scene.between.count(Kind::Challenge));
    scene.leads("a", ip);
    scene.fails("another server", &[&scene.name("a"), &ip.to_string()]);
    assert_eq!(scene.between.count(Kind::Challenge), asked, "the authority was asked to try");
    scene.leads("a", scene.ip);
    scene.mended(&old);
}

#[test]
fn a_certificate_that_is_not_right_is_not_served() {
    let scene = Scene::start(&Plan::simple());
    let old = scene.issued("a");
    let (now, day) = (SystemTime::now(), Duration::from_secs(86_400));
    let cases = [
        (
            "for another name",
            Leaf { names: Some(vec!["elsewhere.test".to_owned()]), ..Leaf::default() },
            "elsewhere.test",
        ),
        ("for another key", Leaf { other_key: true, ..Leaf::default() }, "key"),
        ("expired", Leaf { from: now - 10 * day, until: now - day, ..Leaf::default() }, "valid"),
        ("not valid yet", Leaf { from: now + day, until: now + 10 * day, ..Leaf::default() }, "valid"),
        ("without its chain", Leaf { chain: false, ..Leaf::default() }, "chain"),
    ];
    for (what, leaf, words) in cases {
        let reissuer = Reissuer::new(&scene.path("other.pem"));
        scene.between.always(Kind::Certificate, Fault::text(move |chain| reissuer.reissue(chain, &leaf)));
        scene.fails(what, &[words]);
        scene.between.mend();
    }
    // The same CA with nothing wrong is fine.
    let reissuer = Reissuer::new(&scene.path("other.pem"));
    scene.between.always(Kind::Certificate, Fault::text(move |chain| reissuer.reissue(chain, &Leaf::default())));
    scene.renew();
    let new = scene.replaced("a", &old);
    scene.mended(&new);
}

#[test]
fn an_authority_that_is_down_or_says_nothing_is_given_up_in_time() {
    let patient = format!("{TLS_ALPN}\ntimeout = \"1s\"");
    let scene = Scene::start(&Plan { authority: &patient, ..Plan::simple() });
    let (old, authority) = (scene.issued("a"), scene.between.address.to_string());
    let all = [Kind::Directory, Kind::NewNonce, Kind::NewOrder];
    for kind in all {
        scene.between.always(kind, Fault::Cut);
    }
    scene.fails("down", &[&authority]);
    scene.between.mend();
    let gates = all.map(|kind| scene.between.hold(kind, Moment::Before));
    scene.fails("silent", &[&authority]);
    for gate in gates {
        gate.open();
    }
    scene.mended(&old);
}

#[test]
fn retry_after_is_obeyed_and_remembered() {
    let mut scene = Scene::start(&Plan::simple());
    let old = scene.issued("a");
    let limited = Fault::problem(429, "rateLimited", "words about too many").header("retry-after", "7200");
    scene.between.always(Kind::NewOrder, limited);
    // It is due: what there is has been revoked.
    assert!(scene.run(&["acme", "revoke", &scene.name("a")]).status.success());
    scene.failed("words about too many");
    scene.between.mend();
    let orders = scene.between.seen(Kind::NewOrder).len();
    let in_an_hour = scene.now() + 3600;
    for _ in 0..3 {
        eventually("the next attempt is later", || scene.next().filter(|at| *at > in_an_hour));
        scene.restart();
    }
    assert_eq!(scene.between.seen(Kind::NewOrder).len(), orders);
    assert_eq!(scene.issued("a"), old);
}
