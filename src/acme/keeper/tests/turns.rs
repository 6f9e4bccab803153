//! What comes first, what comes once, and what is made up for.

use super::*;

#[test]
fn whoever_asks_again_for_what_is_queued_or_under_way_waits_for_the_same_order() {
    let pebble = Pebble::start("");
    let scene = Scene::start(vec![pebble.authority("p")], vec![wanted("p", &["a.test"], KeyKind::EcdsaP256)]);
    let first = scene.all_valid().certificates[0].serial.clone();
    let handle = scene.keeper.handle();
    let renew = || handle.renew(Which::default());
    let (one, two, three) = wait(async { tokio::join!(renew(), renew(), renew()) });
    for outcomes in [one, two, three] {
        assert!(outcomes.as_ref().unwrap()[0].result.is_ok(), "{outcomes:?}");
    }
    let status = scene.all_valid();
    assert_eq!(status.authorities[0].renewals["issued"], 2);
    assert_ne!(status.certificates[0].serial, first);
    // What has ended is over.
    assert!(wait(renew()).unwrap()[0].result.is_ok());
    assert_eq!(scene.status().authorities[0].renewals["issued"], 3);
}
