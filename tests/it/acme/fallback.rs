//! Another authority is asked when the first one goes on failing.

use std::path::Path;
use std::time::{Duration, SystemTime};

use super::scene::{Plan, Scene, TLS_ALPN};
use crate::support::acme::between::Between;
use crate::support::acme::faults::Fault;
use crate::support::acme::kinds::Kind;
use crate::support::acme::own_address;
use crate::support::acme::pebble::Pebble;
use crate::support::acme::reissue::{Leaf, Reissuer};
use crate::support::pki::Pki;

#[test]
fn it_takes_over_before_the_certificate_expires() {
    let (pebble, pki) = (Pebble::shared(), Pki::new());
    let spare = Between::start(pebble, own_address(), pki.folder());
    let top = format!(
        "[acme.spare]\ndirectory = {:?}\nca = {:?}\n{TLS_ALPN}\n",
        spare.directory(),
        pki.folder().join("between.pem"),
    );
    let authority = format!("{TLS_ALPN}\nfallback = [\"spare\"]");
    let script = |between: &Between, folder: &Path| {
        let reissuer = Reissuer::new(&folder.join("other.pem"));
        let reissue = move |chain: &str| {
            let (now, second) = (SystemTime::now(), Duration::from_secs(1));
            reissuer.reissue(chain, &Leaf { from: now - second, until: now + 15 * second, ..Leaf::default() })
        };
        between.once(Kind::Certificate, Fault::text(reissue));
    };
    let scene = Scene::before(&Plan { top: &top, authority: &authority, ..Plan::simple() }, script);
    scene.between.wait(Kind::Certificate, 1);
    let orders = scene.between.seen(Kind::NewOrder).len();
    scene.between.always(Kind::NewOrder, Fault::problem(500, "serverInternal", "words of the first authority"));
    let old = scene.issued("a");
    let new = scene.replaced("a", &old);
    assert!(old.until > scene.now() - 1, "too late");
    assert!(new.until > scene.now() + 86_400, "{new:?}");
    assert!(scene.between.seen(Kind::NewOrder).len() > orders, "the first was not asked");
    assert_eq!((spare.count(Kind::NewOrder), spare.count(Kind::NewAccount)), (1, 1));
    let listed = scene.list().to_string();
    assert!(listed.contains("spare"), "{listed}");
}
