//! Ten years with certificates for 47 days. The clock of the program is stepped (Debian's libfaketime), that of the
//! authority's certificates with it.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use super::scene::{Plan, Scene};
use crate::support::acme::between::Between;
use crate::support::acme::faults::Fault;
use crate::support::acme::kinds::Kind;
use crate::support::acme::reissue::{Leaf, Reissuer};
use crate::support::clock::Clock;
use crate::support::procfs::eventually;
use crate::support::proxy::{PROGRAM, Proxy};

const DAY: u64 = 86_400;
const LIFETIME: u64 = 47 * DAY;
/// A third of the lifetime is left.
const DUE: u64 = LIFETIME * 2 / 3;
/// Before this nothing is renewed.
const EARLIEST: u64 = DUE - LIFETIME / 10;

fn start(folder: &Path, config: &str) -> Proxy {
    let path = folder.join("tlsgate.toml");
    fs::write(&path, config).unwrap();
    let mut command = Command::new(PROGRAM);
    command.args(["run", "-c"]).arg(path).stdin(Stdio::null());
    Clock::fake(&mut command, folder);
    Proxy::spawn(command, 1).unwrap_or_else(|log| panic!("tlsgate did not start:\n{log}"))
}

#[test]
fn for_ten_years_every_renewal_is_in_its_window_and_there_is_no_other_order() {
    let (mut clock, issued) = (None, Arc::new(Mutex::new(Vec::new())));
    let script = |between: &Between, folder: &Path| {
        let (reissuer, issued) = (Reissuer::new(&folder.join("other.pem")), Arc::clone(&issued));
        let now = clock.insert(Clock::new(folder)).clone();
        let reissue = move |chain: &str| {
            let ahead = now.ahead();
            issued.lock().unwrap().push(ahead);
            let from = SystemTime::now() + Duration::from_secs(ahead);
            reissuer.reissue(chain, &Leaf { from, until: from + Duration::from_secs(LIFETIME), ..Leaf::default() })
        };
        between.always(Kind::Certificate, Fault::text(reissue));
    };
    let scene = Scene::with(&Plan::simple(), script, start);
    let clock = clock.unwrap();
    let first = scene.issued("a");
    let mut cycles = 0;
    while clock.ahead() < 10 * 365 * DAY {
        clock.step(EARLIEST - DAY);
        scene.look();
        // If it has renewed now, it was too early, and that is seen below.
        clock.step(DUE - EARLIEST + DAY + 60);
        scene.look();
        cycles += 1;
        scene.between.wait(Kind::Certificate, cycles + 1);
        let later = scene.now() + i64::try_from(clock.ahead() + DAY).unwrap();
        eventually("the next one is planned", || scene.next().filter(|at| *at > later));
    }
    let last = scene.replaced("a", &first);
    assert!(last.until > scene.now() + i64::try_from(clock.ahead()).unwrap(), "{last:?}");
    let issued = issued.lock().unwrap();
    for pair in issued.windows(2) {
        assert!((EARLIEST..=DUE + 120).contains(&(pair[1] - pair[0])), "{issued:?}");
    }
    let counts = [Kind::NewOrder, Kind::Certificate, Kind::NewAccount].map(|kind| scene.between.count(kind));
    assert_eq!(counts, [cycles + 1, cycles + 1, 1]);
    // Few requests for each certificate: order, authorization, challenge, finalize, certificate, and some looks.
    assert!(scene.between.total() < 20 * (cycles + 1), "{} requests for {cycles}", scene.between.total());
}
