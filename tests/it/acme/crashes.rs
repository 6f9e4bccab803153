//! The program is killed at every step of an order, and started again: it ends with one certificate, and the authority
//! has no more work than it must have.

use std::path::Path;
use std::time::{Duration, Instant};

use super::scene::{Plan, Scene};
use crate::support::acme::between::Between;
use crate::support::acme::faults::{Fault, Moment};
use crate::support::acme::kinds::Kind;
use crate::support::procfs::eventually;

/// Kills it at that step of its first order, and starts it again without faults.
fn killed(kind: Kind, moment: Moment) -> Scene {
    let mut gate = None;
    let mut scene = Scene::before(&Plan::simple(), |between, _| gate = Some(between.hold(kind, moment)));
    let gate = gate.unwrap();
    gate.wait();
    scene.kill();
    scene.between.mend();
    gate.open();
    scene.resume();
    scene
}

#[test]
fn before_there_is_an_order_it_begins_again() {
    for kind in [Kind::Directory, Kind::NewNonce, Kind::NewAccount, Kind::NewOrder] {
        for moment in [Moment::Before, Moment::After] {
            let scene = killed(kind, moment);
            scene.completed("a");
            let made = scene.between.count(Kind::NewOrder);
            // It cannot know of an order whose answer has not arrived.
            let unknown = usize::from((kind, moment) == (Kind::NewOrder, Moment::After));
            assert_eq!(made, 1 + unknown, "{kind:?} {moment:?}");
            assert_eq!(scene.between.count(Kind::Certificate), 1, "{kind:?} {moment:?}");
        }
    }
}

#[test]
fn an_order_that_was_under_way_is_taken_up_again() {
    for kind in [Kind::Authorization, Kind::Challenge, Kind::Finalize, Kind::Certificate] {
        for moment in [Moment::Before, Moment::After] {
            let scene = killed(kind, moment);
            scene.completed("a");
            // An authority that looks while nothing listens invalidates the order.
            let lost = usize::from((kind, moment) == (Kind::Challenge, Moment::After));
            let made = scene.between.count(Kind::NewOrder);
            assert!((1..=1 + lost).contains(&made), "{kind:?} {moment:?}: {made}");
            assert_eq!(scene.between.count(Kind::NewAccount), 1, "{kind:?} {moment:?}");
        }
    }
}

#[test]
fn a_hundred_starts_make_no_more_orders_than_the_back_off_allows() {
    let script = |between: &Between, _: &Path| {
        between.always(Kind::NewOrder, Fault::CutAfter);
    };
    let mut scene = Scene::before(&Plan::simple(), script);
    let begun = Instant::now();
    scene.between.wait(Kind::NewOrder, 1);
    for _ in 0..100 {
        scene.restart();
        // It has read what it remembers.
        eventually("the next attempt is planned", || scene.next());
    }
    // A minute, by chance half of it, and longer each time.
    let allowed = 1 + begun.elapsed().as_secs() / SHORTEST.as_secs();
    let made = u64::try_from(scene.between.count(Kind::NewOrder)).unwrap();
    assert!(made <= allowed, "{made} orders in {:?}", begun.elapsed());
    assert!(scene.between.count(Kind::NewAccount) == 1);
}

const SHORTEST: Duration = Duration::from_secs(30);
