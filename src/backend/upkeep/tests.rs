//! When checks begin, and which of them continue.

use super::*;
use crate::backend::balance::Algorithm;
use crate::backend::condition::Pauses;
use crate::backend::health::kind::Kind;
use crate::backend::pool;
use crate::labels::Labels;
use crate::net::proxy_protocol::write::Version;

#[test]
fn checks_begin_on_the_next_beat() {
    let (start, millis) = (Instant::now(), Duration::from_millis);
    for (wanted, beat, begins) in
        [(0, 100, 0), (1, 100, 100), (99, 100, 100), (100, 100, 100), (1234, 100, 1300), (77, 0, 77)]
    {
        assert_eq!(on_the_beat(start + millis(wanted), start, millis(beat)), start + millis(begins), "{wanted}");
    }
}

fn pool(name: &str, fall: u32) -> Arc<Pool> {
    let servers = (1..=3).map(|port| pool::Entry {
        place: pool::Place::Address(Address::Tcp(([127, 0, 0, 1], port).into())),
        weight: 1,
        backup: false,
        max_connections: usize::MAX,
    });
    let settings = pool::Settings {
        name: name.into(),
        labels: Labels::default(),
        servers: servers.collect(),
        balance: Algorithm::RoundRobin,
        connect_timeout: Duration::from_secs(1),
        connect_attempts: 1,
        pauses: Pauses { first: Duration::from_secs(1), longest: Duration::from_secs(1) },
        slow_start: None,
        when_all_down: pool::WhenAllDown::Fail,
        on_down: pool::OnDown::Keep,
        proxy_protocol: Version::Off,
        source: None,
    };
    let check = Check {
        kind: Kind::Tcp,
        tls: None,
        preface: Vec::new(),
        port: None,
        source: None,
        // No check is due while this test runs.
        interval: Duration::from_secs(100_000),
        jitter: Duration::ZERO,
        timeout: Duration::from_secs(1),
        rise: 1,
        fall,
    };
    Arc::new(Pool::new(settings, Some(Arc::new(check)), None))
}

#[test]
fn a_backend_whose_servers_change_does_not_affect_the_checks_of_other_backends() {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _inside = runtime.enter();
    let mut checks = Checks { running: HashMap::new(), start: Instant::now() };
    let by_name = |pools: &[&Arc<Pool>]| -> HashMap<Arc<str>, Arc<Pool>> {
        pools.iter().map(|pool| (Arc::clone(pool.name()), Arc::clone(pool))).collect()
    };
    let tasks = |checks: &Checks, backend: &str| {
        let of = checks.running.get(backend).into_iter().flatten();
        let mut ids: Vec<_> = of.map(|(address, running)| (address.to_string(), running._task.0.id())).collect();
        ids.sort_by(|one, other| one.0.cmp(&other.0));
        ids
    };
    let (a, b) = (pool("a", 1), pool("b", 1));
    checks.follow(&by_name(&[&a, &b]));
    let first = (tasks(&checks, "a"), tasks(&checks, "b"));
    assert_eq!((first.0.len(), first.1.len()), (3, 3));
    // The same check continues.
    checks.follow_one(&a);
    checks.follow(&by_name(&[&a, &b]));
    assert_eq!((tasks(&checks, "a"), tasks(&checks, "b")), first);
    // The servers of another backend are different ones, even with the same addresses.
    checks.follow_one(&pool("a", 1));
    assert!(tasks(&checks, "a").iter().zip(&first.0).all(|(now, before)| now.0 == before.0 && now.1 != before.1));
    assert_eq!(tasks(&checks, "b"), first.1);
    checks.follow(&by_name(&[&b]));
    assert_eq!((tasks(&checks, "a"), tasks(&checks, "b")), (Vec::new(), first.1));
}
