//! What the other tests rely on: requests pass, are counted by their kind, and come to harm as scripted.

use serde_json::{Value, json};

use crate::support::acme::between::Between;
use crate::support::acme::faults::{Fault, Moment};
use crate::support::acme::kinds::Kind;
use crate::support::acme::own_address;
use crate::support::acme::pebble::Pebble;
use crate::support::pki::Pki;
use crate::support::tool;

#[test]
fn requests_pass_are_counted_and_come_to_harm() {
    let (pebble, pki) = (Pebble::shared(), Pki::new());
    let between = Between::start(pebble, own_address(), pki.folder());
    let ca = pki.folder().join("between.pem");
    let get = |more: &[&str], url: &str| {
        tool::run("curl", &[&["-sS", "--cacert", ca.to_str().unwrap()], more, &[url]].concat(), b"")
    };
    between.offer(|offers| offers.profiles = vec!["short"]);
    let directory = get(&[], &between.directory());
    let directory: Value =
        serde_json::from_slice(&directory.stdout).unwrap_or_else(|_| panic!("{}", tool::shown(&directory)));
    assert_eq!(directory["meta"]["profiles"], json!({ "short": "of the test" }), "{directory}");
    assert_eq!(directory["renewalInfo"], Value::Null);
    let nonce = directory["newNonce"].as_str().unwrap();
    let head = get(&["-I"], nonce);
    assert!(String::from_utf8_lossy(&head.stdout).to_lowercase().contains("replay-nonce:"), "{}", tool::shown(&head));
    assert_eq!((between.count(Kind::Directory), between.count(Kind::NewNonce), between.total()), (1, 1, 2));

    between.once(Kind::NewNonce, Fault::Cut);
    assert!(!get(&["-I"], nonce).status.success());
    between.once(Kind::NewNonce, Fault::CutAfter);
    assert!(!get(&["-I"], nonce).status.success());
    assert_eq!((between.count(Kind::NewNonce), between.seen(Kind::NewNonce).len()), (2, 3));
    between.always(Kind::Directory, Fault::problem(429, "rateLimited", "too many").header("retry-after", "60"));
    let limited = get(&["-i"], &between.directory());
    assert!(String::from_utf8_lossy(&limited.stdout).contains("rateLimited"), "{}", tool::shown(&limited));
    between.mend();
    for moment in [Moment::Before, Moment::After] {
        let gate = between.hold(Kind::Directory, moment);
        let before = between.count(Kind::Directory);
        std::thread::scope(|scope| {
            let held = scope.spawn(|| get(&[], &between.directory()));
            gate.wait();
            assert_eq!(between.count(Kind::Directory) - before, usize::from(moment == Moment::After));
            gate.open();
            assert!(held.join().unwrap().status.success());
        });
    }
}
