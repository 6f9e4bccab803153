//! tls-alpn-01 on listeners of every kind, and what a client of `acme-tls/1` cannot reach.

use std::path::Path;
use std::sync::Arc;

use rustls::AlertDescription;

use super::scene::{LISTENER, Plan, Scene};
use crate::support::acme::between::Between;
use crate::support::acme::faults::{Gate, Moment};
use crate::support::acme::kinds::Kind;
use crate::support::acme::visitor::{ECDSA, RSA, Visitor};
use crate::support::client::Ending;
use crate::support::clients_pki::ClientCa;

/// Where the certificate is for a route, and the listener's default is something else.
const ROUTE: &str = "[[listener.route]]\nserver_names = [\"NAME(a)\"]\ncertificates = [SOURCES]\nbackend = \"servers\"";

#[test]
fn it_is_answered_whatever_the_listener_does_otherwise() {
    let with_clients = format!("{LISTENER}\nclient_auth = {{ mode = \"require\", ca = [\"client-ca.pem\"] }}");
    let passthrough = format!("mode = \"passthrough\"\nbackend = \"servers\"\n{ROUTE}");
    let reject = format!("mode = \"reject\"\n{ROUTE}");
    let strict = format!("{LISTENER}\nunknown_name = \"reject\"\nrequire_sni = true");
    let route_with_clients =
        format!("mode = \"reject\"\n{ROUTE}\nclient_auth = {{ mode = \"require\", ca = [\"client-ca.pem\"] }}");
    for listener in [with_clients, passthrough, reject, strict, route_with_clients] {
        let scene = Scene::before(&Plan { listener: &listener, ..Plan::simple() }, |_, folder| {
            ClientCa::new(folder, "client-ca");
        });
        scene.between.wait(Kind::Certificate, 1);
        let served = scene.issued("a");
        assert_eq!(served.names, [scene.name("a")], "{listener}");
        assert_eq!(scene.between.count(Kind::NewOrder), 1, "{listener}");
    }
}

/// An order that waits until the authority is asked to check: the answer to the challenge is there.
fn under_way() -> (Scene, Arc<Gate>) {
    let mut gate = None;
    let script = |between: &Between, _: &Path| gate = Some(between.hold(Kind::Challenge, Moment::Before));
    let scene = Scene::before(&Plan::simple(), script);
    let gate = gate.unwrap();
    gate.wait();
    (scene, gate)
}

#[test]
fn an_authority_that_checks_gets_the_challenge_and_nothing_else() {
    let (scene, gate) = under_way();
    let authority = Visitor::with(&[ECDSA, RSA].concat(), &["acme-tls/1"], None);
    let name = scene.name("a");
    let refused = |protocols: &[&str], name: &str| {
        let visitor = Visitor::with(&[ECDSA, RSA].concat(), protocols, None);
        let Err((ending, port)) = visitor.visit(scene.address(), name) else {
            panic!("{protocols:?} {name} is served")
        };
        (ending, scene.outcome(port))
    };
    let mut visit = authority.visit(scene.address(), &name).unwrap_or_else(|(ending, _)| panic!("{ending:?}"));
    assert_eq!(visit.client.tls.alpn_protocol(), Some(&b"acme-tls/1"[..]));
    assert_eq!(visit.served().names, std::slice::from_ref(&name));
    let extensions = visit.critical_extensions();
    assert!(extensions.iter().any(|extension| extension == ACME_IDENTIFIER), "{extensions:?}");
    // Nothing is relayed: what it sends is not echoed.
    let port = visit.client.port();
    let _ = visit.client.send(b"hello");
    let (bytes, _) = visit.client.read_to_end();
    assert_eq!(bytes, b"");
    let record = scene.proxy.record(|record| record["client.port"] == port);
    assert!(record["backend.address"].is_null(), "{record}");
    assert_eq!(record["outcome"], "acme_challenge");

    // Only for that name, and only if nothing else is offered (RFC 8737 section 3).
    let none = (Some(Ending::Alert(AlertDescription::NoApplicationProtocol)), "no_common_protocol".to_owned());
    for (protocols, asked) in [
        (&["acme-tls/1"][..], "main.test"),
        (&["acme-tls/1"], &scene.name("other")),
        (&["acme-tls/1", "h2"], &name),
        (&["h2", "acme-tls/1"], &name),
    ] {
        assert_eq!(refused(protocols, asked), none, "{protocols:?} {asked}");
    }
    // Others do not get the challenge's certificate.
    scene.is_pending("a");
    gate.open();
    scene.issued("a");
    assert_eq!(refused(&["acme-tls/1"], &name), none);
}

/// id-pe-acmeIdentifier (RFC 8737 section 3).
const ACME_IDENTIFIER: &str = "1.3.6.1.5.5.7.1.31";
