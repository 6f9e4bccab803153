//! The fleet's secret is changed as it is documented: orders go on, and nothing is left that the old one has sealed.

use serde_json::Value;

use super::{Node, PROGRAM, Scene, leader};
use crate::support::acme::kinds::Kind;
use crate::support::procfs::eventually;
use crate::support::tool;

/// One step of the change, on the file that all machines have.
fn step(scene: &Scene, verb: &str, nodes: &[&Node]) {
    let file = scene.path("fleet.key").display().to_string();
    let output = tool::run(PROGRAM, &["fleet", "key", verb, &file], b"");
    assert!(output.status.success(), "{verb}: {}", tool::shown(&output));
    for node in nodes {
        node.proxy.signal("HUP");
    }
}

fn status(scene: &Scene) -> Value {
    let output = scene.verb(&["status", "--format", "json"]);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", tool::shown(&output)))
}

#[test]
fn orders_go_on_after_a_change_of_the_secret_and_a_fresh_node_has_all_certificates() {
    let scene = Scene::new();
    let (a, b) = (scene.node("a"), scene.node("b"));
    scene.leads(&a);
    let served = scene.all_serve(&[&a, &b], None);
    eventually("account, order and certificate are shared", || (scene.keys("acme/").len() >= 3).then_some(()));
    step(&scene, "add", &[&a, &b]);
    // No node knows yet that the new one is first now.
    step(&scene, "promote", &[]);
    let shown = status(&scene);
    let of_old = shown["keys_sealed_with_second_secret"].as_array().unwrap();
    assert!(of_old.iter().any(|key| key.as_str().unwrap().ends_with("account.json")), "{shown}");
    let text = tool::shown(&scene.verb(&["status"]));
    assert!(text.contains("of certificates of authorities") && text.contains("the node that leads seals"), "{text}");
    [&a, &b].iter().for_each(|node| node.proxy.signal("HUP"));
    let output = scene.publish();
    assert!(output.status.success(), "{}", tool::shown(&output));
    eventually("nothing is sealed with the old secret any more", || {
        let shown = status(&scene);
        let is_new = shown["keys_sealed_with_second_secret"] == Value::Array(Vec::new());
        (is_new && shown["sealed_with_second_secret"] == false).then_some(())
    });
    step(&scene, "drop", &[&a, &b]);
    let renewed = eventually("it is renewed with the new secret alone", || {
        let (first, _) = leader(&[&a, &b]);
        let is_done = first.run(&["renew", "--all"]).status.success();
        is_done.then(|| scene.all_serve(&[&a, &b], Some(&served)))
    });
    let fresh = scene.node("c");
    assert_eq!(scene.all_serve(&[&a, &b, &fresh], None), renewed);
    assert_eq!(scene.between.count(Kind::NewAccount), 1, "the account is the same");
}
