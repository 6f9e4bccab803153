//! Which servers are candidates, and what a reload keeps.

use super::*;
use crate::backend::condition::{Health, State};
use crate::labels::Labels;

pub(in crate::backend) fn entry(port: u16) -> Entry {
    Entry {
        place: Place::Address(Address::Tcp(([127, 0, 0, 1], port).into())),
        weight: 1,
        backup: false,
        max_connections: usize::MAX,
    }
}

fn settings(servers: Vec<Entry>) -> Settings {
    Settings {
        name: "test".into(),
        labels: Labels::default(),
        servers,
        balance: Algorithm::RoundRobin,
        connect_timeout: Duration::from_secs(1),
        connect_attempts: 3,
        pauses: Pauses { first: Duration::from_secs(1), longest: Duration::from_secs(60) },
        slow_start: None,
        when_all_down: WhenAllDown::Fail,
        on_down: OnDown::Keep,
        proxy_protocol: Version::Off,
        source: None,
    }
}

fn three() -> Vec<Entry> {
    (1..=3).map(entry).collect()
}

pub(in crate::backend) fn pool(servers: Vec<Entry>) -> Pool {
    Pool::new(settings(servers), None, None)
}

fn pick(pool: &Pool, tried: &[usize]) -> Result<(usize, Lease), NoServer> {
    pool.pick(&pool.members(), [127, 0, 0, 1].into(), tried, Instant::now())
}

fn picks(pool: &Pool, count: usize) -> Vec<usize> {
    (0..count).map(|_| pick(pool, &[]).unwrap().0).collect()
}

fn server(pool: &Pool, index: usize) -> Arc<Server> {
    Arc::clone(&pool.members().list[index].server)
}

#[test]
fn a_server_is_tried_once_and_then_there_is_none_left() {
    let pool = pool(three());
    let mut tried = Vec::new();
    while let Ok((index, _)) = pick(&pool, &tried) {
        tried.push(index);
    }
    assert_eq!(pick(&pool, &tried).unwrap_err(), NoServer::Tried);
    tried.sort_unstable();
    assert_eq!(tried, [0, 1, 2]);
    assert_eq!(pick(&self::pool(Vec::new()), &[]).unwrap_err(), NoServer::Unknown);
}

#[test]
fn backups_serve_while_no_other_can() {
    let pool = pool(vec![entry(1), Entry { backup: true, ..entry(2) }]);
    assert_eq!(picks(&pool, 3), [0, 0, 0]);
    assert_eq!(pick(&pool, &[0]).unwrap().0, 1);
    let first = server(&pool, 0);
    first.set_state(State::Drain);
    assert_eq!(picks(&pool, 3), [1, 1, 1]);
    first.set_state(State::Ready);
    first.lease(9).unwrap().failed(pool.settings.pauses);
    assert_eq!(picks(&pool, 3), [1, 1, 1]);
}

#[test]
fn a_server_that_failed_is_the_last_resort() {
    let pool = pool(three());
    for index in [0, 1] {
        server(&pool, index).lease(9).unwrap().failed(pool.settings.pauses);
    }
    assert_eq!(picks(&pool, 3), [2, 2, 2]);
    server(&pool, 2).set_health(Health::Down);
    assert!(picks(&pool, 4).iter().all(|index| *index < 2));
}

#[test]
fn while_all_are_down_the_setting_decides() {
    let mut settings = settings(three());
    for (wanted, found) in [(WhenAllDown::Fail, Err(NoServer::Down)), (WhenAllDown::Any, Ok(()))] {
        settings.when_all_down = wanted;
        let pool = Pool::new(settings.clone(), None, None);
        (0..3).for_each(|index| server(&pool, index).set_health(Health::Down));
        assert_eq!(pick(&pool, &[]).map(drop), found);
        // A server that the operator has taken out of service is never used.
        for index in 0..3 {
            server(&pool, index).set_state(State::Maint);
        }
        assert_eq!(pick(&pool, &[]).map(drop), Err(NoServer::Down));
    }
}

#[test]
fn no_server_exceeds_its_max_connections() {
    for balance in [Algorithm::RoundRobin, Algorithm::LeastConnections, Algorithm::RandomTwo, Algorithm::SourceIp] {
        let servers = (1..=3).map(|port| Entry { max_connections: usize::from(port) * 10, ..entry(port) }).collect();
        let pool = Pool::new(Settings { balance, ..settings(servers) }, None, None);
        let held: Vec<_> = std::thread::scope(|scope| {
            let asking: Vec<_> =
                (0..4).map(|_| scope.spawn(|| (0..100).filter_map(|_| pick(&pool, &[]).ok()).collect())).collect();
            asking.into_iter().flat_map(|asked| -> Vec<(usize, Lease)> { asked.join().unwrap() }).collect()
        });
        assert_eq!(held.len(), 60, "{balance:?}");
        assert_eq!([0, 1, 2].map(|index| server(&pool, index).active()), [10, 20, 30]);
        assert_eq!(pick(&pool, &[]).unwrap_err(), NoServer::Full);
        drop(held);
        assert_eq!([0, 1, 2].map(|index| server(&pool, index).active()), [0; 3]);
    }
}

#[test]
fn a_server_that_comes_back_starts_slowly() {
    let mut settings = settings(vec![entry(1), entry(2)]);
    settings.slow_start = Some(Duration::from_secs(100));
    for balance in [Algorithm::RoundRobin, Algorithm::LeastConnections, Algorithm::RandomTwo, Algorithm::SourceIp] {
        let pool = Pool::new(Settings { balance, ..settings.clone() }, None, None);
        let back = server(&pool, 1);
        back.set_health(Health::Down);
        back.set_health(Health::Up);
        let began = Instant::now();
        // Its share is that of its warmth: 0.1 to 0.9 beside 1.0.
        for (seconds, wanted) in [(10, 0.1 / 1.1), (50, 0.5 / 1.5), (90, 0.9 / 1.9), (100, 0.5), (500, 0.5)] {
            let (members, now) = (pool.members(), began + Duration::from_secs(seconds));
            let client = |number: u32| IpAddr::from(std::net::Ipv4Addr::from(0x0a00_0000 + number));
            // Each holds its connection, as those of a directory do; a random draw does so by itself.
            let mut held = Vec::new();
            let mut came = 0;
            for number in 0..10_000 {
                let (index, lease) = pool.pick(&members, client(number), &[], now).unwrap();
                came += index;
                held.push(lease);
            }
            let share = came as f64 / 10_000.0;
            assert!((share - wanted).abs() < 0.02, "{balance:?} after {seconds} s: {share}, wanted {wanted}");
        }
    }
}

#[test]
fn the_condition_of_a_server_outlives_a_reload() {
    let before = pool(three());
    let server = server(&before, 1);
    server.set_state(State::Drain);
    let lease = server.lease(9);
    let after = Pool::new(settings(vec![entry(9), entry(2)]), None, Some(&before));
    assert!(Arc::ptr_eq(&after.members().list[1].server, &server));
    // Removed and added again while it still has a connection, it is the same; after that, another.
    let without = Pool::new(settings(vec![entry(9)]), None, Some(&after));
    let back = Pool::new(settings(three()), None, Some(&without));
    assert!(Arc::ptr_eq(&back.members().list[1].server, &server));
    drop(lease);
    let back = Pool::new(settings(three()), None, Some(&Pool::new(settings(vec![entry(9)]), None, Some(&back))));
    assert!(!Arc::ptr_eq(&back.members().list[1].server, &server));
}

#[test]
fn turns_continue_through_a_reload_that_changes_nothing() {
    let before = pool(three());
    assert_eq!(picks(&before, 2), [0, 1]);
    let after = Pool::new(settings(three()), None, Some(&before));
    assert_eq!(picks(&after, 2), [2, 0]);
}

#[test]
fn servers_of_a_source_come_and_go_with_weight_and_priority() {
    let source = Source::Srv { name: "_ldap._tcp.test".into() };
    let found = |port: u16, priority, weight| crate::backend::discover::Found {
        priority,
        address: ([127, 0, 0, 9], port).into(),
        weight,
        target: "a".into(),
    };
    let entries = vec![entry(1), Entry { place: Place::Source(source), weight: 2, ..entry(0) }];
    let pool = pool(entries.clone());
    assert_eq!(pool.members().list.len(), 1);
    assert!(pool.lookups[0].learn(Ok(vec![found(1, 0, 5), found(2, 10, 1)])) && pool.renew() && !pool.renew());
    let shown = |pool: &Pool| {
        let members = pool.members();
        members.list.iter().map(|m| (m.server.address.port().unwrap(), m.weight, m.tier.priority)).collect::<Vec<_>>()
    };
    assert_eq!(shown(&pool), [(1, 1, 0), (1, 10, 0), (2, 2, 10)]);
    let lease = server(&pool, 1).lease(9);
    assert!(pool.lookups[0].learn(Ok(vec![found(2, 10, 1)])) && pool.renew());
    assert_eq!(shown(&pool), [(1, 1, 0), (2, 2, 10)]);
    // Through a reload, too, and back while it still has a connection, it is the same.
    let after = Pool::new(settings(entries), None, Some(&pool));
    assert_eq!(shown(&after), [(1, 1, 0), (2, 2, 10)]);
    assert!(after.lookups[0].learn(Ok(vec![found(1, 0, 5)])) && after.renew());
    assert_eq!(server(&after, 1).active(), 1);
    drop(lease);
    assert_eq!(server(&after, 1).active(), 0);
}

#[test]
fn a_server_that_is_found_while_a_reload_reads_its_files_is_the_same_in_both_pools() {
    let found = |ports: &[u16]| {
        let of = |port: &u16| crate::backend::discover::Found {
            priority: 0,
            address: ([127, 0, 0, 9], *port).into(),
            weight: 1,
            target: "a".into(),
        };
        Ok(ports.iter().map(of).collect())
    };
    let entries =
        vec![entry(1), Entry { place: Place::Source(Source::Srv { name: "_ldap._tcp.test".into() }), ..entry(0) }];
    let next = |before: &Pool| Arc::new(Pool::new(settings(entries.clone()), None, Some(before)));
    let serving = Arc::new(pool(entries.clone()));
    serving.comes_into_force();
    let source = &serving.lookups[0];
    let built = next(&serving);
    assert!(source.learn(found(&[1])) && serving.renew());
    // Another pool of the same backend, that is held, has found it itself.
    let held = next(&serving);
    assert!(source.learn(found(&[2, 1])) && serving.renew());
    let of = |pool: &Pool, port: u16| {
        let members = pool.members();
        let all: Vec<_> = members.list.iter().map(|member| Arc::clone(&member.server)).collect();
        all.into_iter().find(|server| server.address == Address::Tcp(([127, 0, 0, 9], port).into())).unwrap()
    };
    let (first, second) = (of(&serving, 1), of(&serving, 2));
    second.set_state(State::Drain);
    let _lease = second.lease(9);
    for after in [&built, &held] {
        after.comes_into_force();
        assert!(Arc::ptr_eq(&of(after, 1), &first) && Arc::ptr_eq(&of(after, 2), &second));
        assert!(!after.renew(), "nothing was missing");
        assert_eq!((of(after, 2).state(), of(after, 2).active()), (State::Drain, 1));
    }
}

#[test]
fn a_connection_from_before_a_reload_and_one_after_it_count_for_the_same_server() {
    let entries = vec![Entry { place: Place::Source(Source::Srv { name: "_ldap._tcp.test".into() }), ..entry(0) }];
    let old = Arc::new(pool(entries.clone()));
    old.comes_into_force();
    let new = Arc::new(Pool::new(settings(entries), None, Some(&old)));
    new.comes_into_force();
    let address = ([127, 0, 0, 9], 1).into();
    let found = crate::backend::discover::Found { priority: 0, address, weight: 1, target: "a".into() };
    assert!(new.lookups[0].learn(Ok(vec![found])));
    // The older connection is the first to notice it.
    assert!(old.renew());
    let _lease = server(&old, 0).lease(9);
    assert_eq!(server(&new, 0).active(), 1);
    assert!(!new.renew() && Arc::ptr_eq(&server(&old, 0), &server(&new, 0)));
}

#[test]
fn what_a_release_adds_starts_slowly_from_when_it_comes_into_force_and_what_it_removes_stays_known() {
    let old = Arc::new(pool(three()));
    old.comes_into_force();
    let held = Arc::new(Pool::new(settings(vec![entry(1), entry(4)]), None, Some(&old)));
    let built = server(&held, 1);
    // It gets its only connection after the release was built.
    let removed = server(&old, 1);
    let _lease = removed.lease(9);
    held.comes_into_force();
    assert!(!Arc::ptr_eq(&server(&held, 1), &built), "its slow start began while the release was held");
    assert!(Arc::ptr_eq(&server(&held, 0), &server(&old, 0)));
    let back = Arc::new(Pool::new(settings(three()), None, Some(&held)));
    back.comes_into_force();
    assert!(Arc::ptr_eq(&server(&back, 1), &removed) && server(&back, 1).active() == 1);
}

#[test]
fn a_state_of_another_process_waits_for_its_server_to_be_found() {
    let source = |name: &str| Entry { place: Place::Source(Source::Srv { name: name.into() }), ..entry(0) };
    let found = |port: u16| crate::backend::discover::Found {
        priority: 0,
        address: ([127, 0, 0, 9], port).into(),
        weight: 1,
        target: "a".into(),
    };
    let address = |found: crate::backend::discover::Found| Address::Tcp(found.address);
    let pool = pool(vec![entry(1), source("_a._tcp.test"), source("_b._tcp.test")]);
    pool.take_over(&entry_address(1), State::Maint);
    pool.take_over(&address(found(2)), State::Drain);
    pool.take_over(&address(found(3)), State::Drain);
    let states = |pool: &Pool| pool.members().list.iter().map(|member| member.server.state()).collect::<Vec<_>>();
    assert_eq!(states(&pool), [State::Maint]);
    // One source after the other, the second one at its second attempt.
    assert!(pool.lookups[0].learn(Ok(vec![found(2), found(4)])) && pool.renew());
    assert!(!pool.lookups[1].learn(Err("no answer".into())));
    assert_eq!(states(&pool), [State::Maint, State::Drain, State::Ready]);
    assert!(pool.lookups[0].learn(Ok(vec![found(2)])) && pool.renew());
    assert!(pool.lookups[1].learn(Ok(vec![found(3)])) && pool.renew());
    assert_eq!(states(&pool), [State::Maint, State::Drain, State::Drain]);
    // Later it is another server, as ever.
    assert!(pool.lookups[1].learn(Ok(Vec::new())) && pool.renew());
    assert!(pool.lookups[1].learn(Ok(vec![found(3)])) && pool.renew());
    assert_eq!(states(&pool), [State::Maint, State::Drain, State::Ready]);
    pool.take_over(&address(found(5)), State::Drain);
    assert!(pool.lookups[1].learn(Ok(vec![found(5)])) && pool.renew());
    assert_eq!(states(&pool), [State::Maint, State::Drain, State::Ready], "nothing was awaited");
}

fn entry_address(port: u16) -> Address {
    Address::Tcp(([127, 0, 0, 1], port).into())
}
