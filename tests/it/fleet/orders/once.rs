//! One order in all, validated at any node.

use super::{Scene, leader};
use crate::support::acme::faults::Moment;
use crate::support::acme::kinds::Kind;
use crate::support::tool;

#[test]
fn a_certificate_is_ordered_once_validated_at_a_node_that_does_not_lead_and_served_by_all() {
    let scene = Scene::new();
    let gate = scene.between.hold(Kind::NewOrder, Moment::Before);
    let nodes = ["a", "b", "c"].map(|name| scene.node(name));
    let nodes: Vec<_> = nodes.iter().collect();
    gate.wait();
    let (first, others) = leader(&nodes);
    scene.leads(others[0]);
    gate.open();
    let served = scene.all_serve(&nodes, None);
    assert_eq!(served.names, std::slice::from_ref(&scene.name));
    assert_eq!((scene.between.count(Kind::NewOrder), scene.between.count(Kind::NewAccount)), (1, 1));

    // Whoever does not lead says who does, and shows what there is.
    let shown = tool::shown(&others[1].run(&["list"]));
    assert!(shown.contains("valid") && shown.contains(&format!("leads the fleet: {}", first.name)), "{shown}");
    let refused = others[1].run(&["renew", "--all"]);
    assert!(!refused.status.success());
    let shown = tool::shown(&refused);
    assert!(shown.contains(&format!("{:?} does", first.name)), "{shown}");

    // A renewal, validated at another node.
    scene.leads(others[1]);
    let output = first.run(&["renew", "--all"]);
    assert!(output.status.success(), "{}\n{}", tool::shown(&output), first.proxy.log());
    scene.all_serve(&nodes, Some(&served));
    assert_eq!((scene.between.count(Kind::NewOrder), scene.between.count(Kind::NewAccount)), (2, 1));
    assert_eq!(scene.keys("challenge/"), Vec::<String>::new());
}
