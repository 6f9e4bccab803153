//! The node that leads is killed in the middle of an order: another one goes on with it.

use super::{Scene, leader};
use crate::support::acme::faults::Moment;
use crate::support::acme::kinds::Kind;
use crate::support::procfs::eventually;
use crate::support::tool;

/// Kills the node that leads at that moment of the first order. Returns with three nodes that serve what the others have
/// ordered.
fn killed(kind: Kind, moment: Moment) -> Scene {
    let scene = Scene::new();
    let gate = scene.between.hold(kind, moment);
    let [mut a, mut b, mut c] = ["a", "b", "c"].map(|name| scene.node(name));
    scene.leads(&a);
    gate.wait();
    let first = leader(&[&a, &b, &c]).0.name;
    let killed = if first == "a" {
        &mut a
    } else if first == "b" {
        &mut b
    } else {
        &mut c
    };
    killed.kill();
    scene.between.mend();
    gate.open();
    let (nodes, ip): (Vec<_>, _) = {
        let all = [&a, &b, &c];
        let ip = all.iter().find(|node| node.name == first).unwrap().ip;
        (all.into_iter().filter(|node| node.name != first).collect(), ip)
    };
    scene.leads(nodes[0]);
    let (next, _) = leader(&nodes);
    // An attempt that was interrupted counts as failed, and the next one waits for a minute: unless it is asked for.
    eventually("it is ordered", || {
        let valid = next.acme()["certificates"][0]["state"] == "valid";
        (valid || next.run(&["renew", "--all"]).status.success()).then_some(())
    });
    let served = scene.all_serve(&nodes, None);
    // The one that was killed comes back, and takes what the others have.
    let again = scene.start(first, ip);
    assert_eq!(scene.all_serve(&[&again, nodes[0], nodes[1]], None), served);
    let output = leader(&[&again, nodes[0], nodes[1]]).0.run(&["renew", "--all"]);
    assert!(output.status.success(), "{}", tool::shown(&output));
    scene.all_serve(&[&again, nodes[0], nodes[1]], Some(&served));
    assert_eq!(scene.between.count(Kind::NewAccount), 1, "the account is the same");
    scene
}

#[test]
fn before_the_authority_looks_the_order_goes_on() {
    let scene = killed(Kind::Challenge, Moment::Before);
    assert_eq!(scene.between.count(Kind::NewOrder), 2, "one order, and one renewal");
}

#[test]
fn after_the_request_the_order_goes_on_with_the_same_key() {
    let scene = killed(Kind::Finalize, Moment::After);
    assert_eq!(scene.between.count(Kind::NewOrder), 2, "one order, and one renewal");
}
