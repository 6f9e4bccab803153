//! Several processes: two with one state folder, and one that takes over from another while an order is under way.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use super::scene::{Plan, Scene};
use crate::support::acme::between::Between;
use crate::support::acme::faults::Moment;
use crate::support::acme::kinds::Kind;
use crate::support::acme::own_address;
use crate::support::acme::visitor::Visitor;
use crate::support::procfs::eventually;
use crate::support::proxy::PROGRAM;
use crate::support::tool;

#[test]
fn a_second_one_with_the_same_state_serves_and_orders_when_the_first_has_ended() {
    let plan = Plan::simple();
    let mut scene = Scene::start(&plan);
    let served = scene.issued("a");
    let (other, name) = (own_address(), scene.name("a"));
    let second = scene.second(&plan, other);
    let address = (other, scene.pebble.tls_port).into();
    // It says who has the folder.
    let pid = scene.proxy.pid().to_string();
    second.log_line(&pid);
    let config = scene.path("second/tlsgate.toml");
    let run = |arguments: &[&str]| tool::run(PROGRAM, &[arguments, &["-c", config.to_str().unwrap()]].concat(), b"");
    let listed = tool::shown(&run(&["acme", "list", "--format", "json"]));
    assert!(listed.contains(&pid), "{listed}");
    assert_eq!(Visitor::new().served(address, &name).unwrap(), served);
    let refused = run(&["acme", "renew", "--all"]);
    assert!(!refused.status.success() && tool::shown(&refused).contains(&pid), "{}", tool::shown(&refused));
    assert_eq!((scene.between.count(Kind::NewOrder), scene.between.count(Kind::NewAccount)), (1, 1));
    // What the first renews, the second serves.
    scene.renew();
    let renewed = scene.replaced("a", &served);
    eventually("the second serves it too", || {
        (Visitor::new().served(address, &name) == Ok(renewed.clone())).then_some(())
    });
    scene.kill();
    scene.leads("a", other);
    eventually("the second orders", || run(&["acme", "renew", "--all"]).status.success().then_some(()));
    let last = eventually("another certificate", || {
        Visitor::new().served(address, &name).ok().filter(|served| *served != renewed)
    });
    assert_eq!(last.names, [name]);
    assert_eq!(scene.between.count(Kind::NewAccount), 1);
}

/// A process that is not the test's own child; dropping this ends it.
struct Successor(String);

impl Drop for Successor {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-KILL", &self.0]).status();
    }
}

#[test]
fn a_successor_takes_up_the_order_that_is_under_way() {
    let mut gate = None;
    let script = |between: &Between, _: &Path| {
        gate = Some(between.hold(Kind::Finalize, Moment::Before));
    };
    let scene = Scene::before(&Plan::simple(), script);
    let gate = gate.unwrap();
    gate.wait();
    let (done, handshakes) = (AtomicBool::new(false), AtomicU64::new(0));
    let _successor = thread::scope(|scope| {
        scope.spawn(|| {
            let visitor = Visitor::new();
            while !done.load(Ordering::Acquire) {
                let served = visitor.served(scene.address(), "main.test");
                served.unwrap_or_else(|ending| panic!("a handshake failed: {ending:?}"));
                handshakes.fetch_add(1, Ordering::Relaxed);
            }
        });
        scene.proxy.signal("USR2");
        let line = scene.proxy.log_line("another process has taken over");
        let successor = Successor(line.rsplit_once("pid=").unwrap().1.trim().to_owned());
        gate.open();
        scene.completed("a");
        done.store(true, Ordering::Release);
        successor
    });
    assert!(handshakes.load(Ordering::Relaxed) > 0);
    assert_eq!((scene.between.count(Kind::NewOrder), scene.between.count(Kind::NewAccount)), (1, 1));
}
