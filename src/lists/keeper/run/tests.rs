//! Which points are remembered and forgotten, and when, by a clock of the test.

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use tempfile::TempDir;

use super::*;
use crate::lists::settings::{From, Wanted};
use crate::tls::trust::lists::points::Point;
use crate::tls::trust::lists::prove::{Facts, Series};

/// The rounds of a process, which nothing runs.
struct Process {
    now: Arc<AtomicI64>,
    seen: Arc<Seen>,
    rounds: Rounds,
}

impl Process {
    /// With its state, and with a CA whose clients show distribution points.
    fn start(folder: &Path, at: i64) -> Self {
        let (file, key) = (folder.join("ca.pem"), KeyPair::generate().unwrap());
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        std::fs::write(&file, params.self_signed(&key).unwrap().pem()).unwrap();
        let settings = Settings {
            state: Some(folder.to_owned()),
            proxy: None,
            ca: None,
            refresh: Duration::from_secs(86_400),
            timeout: Duration::from_secs(1),
            wanted: vec![Wanted { from: From::Points, ca: vec![file] }],
        };
        let (now, seen) = (Arc::new(AtomicI64::new(at)), Arc::new(Seen::default()));
        let clock = Arc::clone(&now);
        let tools = Tools {
            seen: Arc::clone(&seen),
            nudge: mpsc::channel(1).0,
            clock: Clock::new(move || clock.load(Ordering::Relaxed)),
            board: Arc::new(ArcSwap::from_pointee(Status::default())),
        };
        let all = BTreeMap::new();
        let mut rounds = Rounds { tools, settings: None, house: None, trouble: None, all, points_kept: 0 };
        rounds.follow(Arc::new(settings));
        assert_eq!(rounds.trouble, None);
        Self { now, seen, rounds }
    }

    /// An attempt fails at that time.
    fn fail(&mut self, at: i64) {
        self.now.store(at, Ordering::Relaxed);
        self.rounds.ended(&url(), Err(Trouble::new("nobody answers")));
    }

    fn knows(&self) -> bool {
        let points = self.rounds.house.as_ref().unwrap().points();
        let known = self.seen.all().contains(&point());
        assert_eq!(known, points.iter().any(|(kept, _)| *kept == point()), "it is kept as it is known");
        assert_eq!(known, self.rounds.all.contains_key(&url()), "it is fetched as it is known");
        known
    }

    /// A peer shows the point.
    fn show(&mut self, at: i64) {
        self.now.store(at, Ordering::Relaxed);
        if !self.seen.know(&[point()], at) {
            self.seen.note(vec![point()], at);
            self.rounds.shown();
        }
    }
}

fn point() -> Point {
    Point(vec!["http://a.test/1.crl".into()])
}

fn url() -> Arc<Url> {
    Arc::new(Url::parse("http://a.test/1.crl").unwrap())
}

/// What a list says that is out of date at that time.
fn facts(next_update: i64) -> Facts {
    Facts {
        issuer: "CN=a".into(),
        this_update: next_update - DAY,
        next_update,
        entries: 0,
        newness: (0, Vec::new(), 0),
        series: Series { issuer: Vec::new(), key: [0; 32], scope: None },
        digest: [0; 32],
    }
}

#[test]
fn a_point_whose_list_is_out_of_date_is_not_forgotten_since_clients_may_be_judged_by_it() {
    let folder = TempDir::new().unwrap();
    let mut process = Process::start(folder.path(), NOW);
    process.show(NOW);
    process.rounds.all.get_mut(&url()).unwrap().kept = Some(facts(NOW));
    for weeks in [1, 2, 50] {
        process.fail(NOW + weeks * WEEK + 1);
        assert!(process.knows(), "nobody has shown it for {weeks} weeks");
    }
}

#[test]
fn a_point_without_a_list_is_forgotten_after_a_week_and_one_with_a_current_list_is_not() {
    let folder = TempDir::new().unwrap();
    let mut process = Process::start(folder.path(), NOW);
    process.show(NOW);
    process.fail(NOW);
    process.fail(NOW + WEEK);
    assert!(process.knows());
    process.fail(NOW + WEEK + 1);
    assert!(!process.knows());
    process.show(NOW + WEEK + 2);
    process.rounds.all.get_mut(&url()).unwrap().kept = Some(facts(NOW + 9 * WEEK));
    process.fail(NOW + 9 * WEEK);
    assert!(process.knows(), "its list is good, whether anybody shows it or not");
}

#[test]
fn when_a_point_was_shown_outlives_a_restart() {
    let folder = TempDir::new().unwrap();
    let mut process = Process::start(folder.path(), NOW);
    process.show(NOW);
    drop(process);
    let mut process = Process::start(folder.path(), NOW + 100);
    assert_eq!(process.seen.shown(), [(point(), NOW)]);
    // The times are written once an hour, and not at each handshake.
    process.show(NOW + 3600);
    process.rounds.settle();
    let kept = |process: &Process| process.rounds.house.as_ref().unwrap().points();
    assert_eq!(kept(&process), [(point(), Some(NOW))]);
    process.now.store(NOW + 100 + DAY, Ordering::Relaxed);
    process.rounds.settle();
    assert_eq!(kept(&process), [(point(), Some(NOW + 3600))]);
    drop(process);
    assert_eq!(Process::start(folder.path(), NOW + 2 * DAY).seen.shown(), [(point(), NOW + 3600)]);
}

const DAY: i64 = 86_400;

const NOW: i64 = 1_800_000_000;
