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

#[test]
fn an_order_that_is_due_does_not_wait_for_an_authority_that_is_asked_about_another_certificate() {
    let pebble = Pebble::start("");
    let (a, b) = (wanted("p", &["a.test"], KeyKind::EcdsaP256), wanted("p", &["b.test"], KeyKind::EcdsaP256));
    let scene = Scene::start(vec![pebble.authority("p")], vec![Arc::clone(&a)]);
    scene.all_valid();
    let Scene { state, keeper, _folder, .. } = scene;
    drop(keeper);
    // As if another authority had issued it, which takes connections and never answers.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let directory = format!("https://{}/dir", silent.local_addr().unwrap());
    let other = Authority { directory, timeout: Duration::from_secs(3600), ..pebble.authority("silent") };
    let file = fs::read_dir(state.join("acme/p/orders")).unwrap().next().unwrap().unwrap().path();
    let mut kept: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    (kept["issued_by"], kept["next_question"]) = ("silent".into(), 0.into());
    fs::write(&file, kept.to_string()).unwrap();
    let scene = Scene::at(&state, vec![pebble.authority("p"), other], vec![a, b]);
    scene.all_valid();
}
