//! Three members, of which one is killed or hangs.

use std::collections::BTreeSet;

use tlsgate::etcd::MemberState;

use super::*;
use crate::support::etcd::Version;
use crate::support::list_server::{Answer, ListServer};

/// What goes on while members come and go: a lease is kept, values are written, a watch is followed.
struct Traffic {
    etcd: Etcd,
    lease: Lease,
    watch: Option<Watch>,
    reached: Revision,
    number: u32,
    written: BTreeSet<String>,
    seen: BTreeSet<String>,
}

impl Traffic {
    async fn new(store: &Store) -> Self {
        let etcd = client(store);
        let lease = etcd.grant(Duration::from_secs(60)).await.unwrap();
        let (written, seen) = (BTreeSet::new(), BTreeSet::new());
        Self { etcd, lease, watch: None, reached: 0, number: 0, written, seen }
    }

    /// Writes until something was written for certain, and the watch has seen it.
    async fn goes_on(&mut self) {
        loop {
            self.number += 1;
            let key = format!("log/{:05}", self.number);
            let write = when(&[(&key, 0)], vec![leased(&key, "x", Some(self.lease))]);
            match self.etcd.write(&write).await {
                Ok(Written::Done(_)) => {
                    self.written.insert(key.clone());
                    break self.sees(&key).await;
                }
                Ok(Written::Refused) => panic!("nobody else writes"),
                Ok(Written::Unknown) | Err(Trouble::Unreachable(_)) => {}
                Err(trouble) => panic!("{trouble}"),
            }
        }
        // Renewals are tried again in time.
        while let Err(trouble) = self.etcd.keep(self.lease).await {
            assert!(matches!(trouble, Trouble::Unreachable(_) | Trouble::Restart(_)), "{trouble}");
        }
    }

    async fn sees(&mut self, key: &str) {
        while !self.seen.contains(key) {
            let changes = match &mut self.watch {
                // A member that hangs is noticed by requests, which somebody makes: as here the renewals.
                Some(watch) => match timeout(Duration::from_secs(1), watch.next()).await {
                    Ok(changes) => changes,
                    Err(_) => self.etcd.keep(self.lease).await.map(|()| Vec::new()),
                },
                None => self.begin().await,
            };
            match changes {
                Ok(changes) => self.seen.extend(changes.into_iter().map(|entry| entry.key)),
                Err(Trouble::Unreachable(_) | Trouble::Restart(_)) => self.watch = None,
                Err(trouble) => panic!("{trouble}"),
            }
        }
    }

    async fn begin(&mut self) -> Result<Vec<Entry>, Trouble> {
        let what = owned(&["log/", "other"]);
        let (revision, entries) = self.etcd.read(&what).await?;
        assert!(revision >= self.reached, "{revision} is older than {}", self.reached);
        self.reached = revision;
        self.watch = Some(self.etcd.watch(&what, revision).await?);
        Ok(entries)
    }

    async fn ends(mut self, store: &Store) {
        self.goes_on().await;
        assert!(self.seen.is_superset(&self.written));
        let there: BTreeSet<String> = self.etcd.keys("log/").await.unwrap().into_iter().collect();
        assert!(there.is_superset(&self.written));
        assert_eq!(store.all().len(), there.len());
        self.etcd.revoke(self.lease).await.unwrap();
        assert!(store.all().is_empty());
    }
}

#[test]
fn everything_goes_on_while_members_are_killed_and_come_back_the_leader_included() {
    for version in Version::BOTH {
        let mut store = Store::three(version);
        run(async {
            let mut traffic = Traffic::new(&store).await;
            traffic.goes_on().await;
            let leader = store.leader();
            for member in [leader, (leader + 1) % 3] {
                store.kill(member);
                for _ in 0..5 {
                    traffic.goes_on().await;
                }
                store.restart(member);
                store.is_healthy();
            }
            traffic.ends(&store).await;
        });
    }
}

#[test]
fn everything_goes_on_while_a_member_hangs_the_leader_included() {
    for version in Version::BOTH {
        let store = Store::three(version);
        run(async {
            let mut traffic = Traffic::new(&store).await;
            traffic.goes_on().await;
            let leader = store.leader();
            for member in [leader, (leader + 1) % 3] {
                store.freeze(member);
                for _ in 0..5 {
                    traffic.goes_on().await;
                }
                store.thaw(member);
                store.is_healthy();
            }
            traffic.ends(&store).await;
        });
    }
}

/// The states, as soon as each member answers and they agree about who leads: one that has just been started can take longer
/// than a request waits, and whoever led before learns of the election last.
async fn all_answer(etcd: &Etcd) -> Vec<MemberState> {
    loop {
        let states: Result<Vec<MemberState>, String> =
            etcd.members().await.into_iter().map(|member| member.state).collect();
        match states {
            Ok(states) if states.iter().filter(|state| state.is_leader).count() == 1 => return states,
            _ => tokio::task::yield_now().await,
        }
    }
}

#[test]
fn without_a_majority_every_member_is_named_and_nothing_is_done() {
    for version in Version::BOTH {
        let mut store = Store::three(version);
        run(async {
            let etcd = client(&store);
            done(&etcd, vec![put("a", "1")]).await;
            let watch = etcd.watch(&owned(&["a"]), 1).await;
            store.kill(0);
            store.kill(1);
            let error = loop {
                match etcd.read(&owned(&["a"])).await {
                    Err(Trouble::Unreachable(error)) => break error,
                    other => assert!(other.is_ok(), "{other:?}"),
                }
            };
            assert!(store.urls().iter().all(|url| error.contains(url.as_str())), "{error}");
            let mut watch = watch.unwrap();
            let ended = loop {
                match watch.next().await {
                    Ok(_) => {}
                    Err(trouble) => break trouble,
                }
            };
            assert!(matches!(ended, Trouble::Unreachable(_)), "{ended}");
            let states = etcd.members().await;
            assert_eq!(states.iter().map(|member| member.state.is_ok()).collect::<Vec<_>>(), [false, false, true]);
            store.restart(0);
            store.restart(1);
            store.is_healthy();
            while etcd.read(&owned(&["a"])).await.is_err() {}
            let states = all_answer(&etcd).await;
            assert_eq!(states.len(), 3);
            assert!(states.iter().all(|state| state.alarms.is_empty()), "{states:?}");
        });
    }
}

#[test]
fn what_is_no_etcd_is_named_and_no_value_is_in_an_error() {
    let server = ListServer::start();
    server.set("v3/kv/txn", Answer::Body(b"<html>".to_vec()));
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    run(async {
        let endpoints = vec![format!("http://{}", server.address), format!("http://{gone}")];
        let timeout = Duration::from_secs(3);
        let settings = Settings { endpoints, prefix: "/p".into(), ca: None, identity: None, user: None, timeout };
        let etcd = Etcd::new(&settings).unwrap();
        let write = when(&[], vec![put("a", "a secret value")]);
        for _ in 0..5 {
            let written = format!("{:?} {:?}", etcd.write(&write).await, etcd.read(&owned(&["a"])).await);
            assert!(!written.contains("secret") && !written.contains("YSBz"), "{written}");
        }
        assert!(matches!(etcd.read(&owned(&["a"])).await, Err(Trouble::Refused(why)) if why.contains("404")));
        let wrong = Settings { endpoints: vec!["etcd".into()], ..settings };
        assert!(matches!(Etcd::new(&wrong), Err(Trouble::Refused(_))));
    });
}

#[test]
fn a_member_in_whose_place_something_else_answers_is_passed_over() {
    let store = Store::one(Version::Newer);
    let paths = ["v3/kv/range", "v3/kv/txn", "v3/lease/grant", "v3/lease/keepalive", "v3/watch"];
    for answer in [None, Some("<html>"), Some("{}"), Some(r#"{"result":{"header":{"revision":"-1"}}}"#)] {
        let server = ListServer::start();
        for path in paths.iter().filter(|_| answer.is_some()) {
            server.set(path, Answer::Body(answer.unwrap_or_default().into()));
        }
        let endpoints = vec![format!("http://{}", server.address), store.urls()[0].clone()];
        run(async {
            let settings = Settings { endpoints, ..settings(&store) };
            let asked = |path: &str| server.requests().iter().any(|head| head.contains(path));
            // Who is asked first is drawn by chance.
            while !paths.iter().all(|path| asked(path) || *path == "v3/kv/txn" && answer.is_some()) {
                let new = || Etcd::new(&settings).unwrap();
                new().put(vec![("a".into(), b"1".to_vec())]).await.unwrap();
                let (revision, entries) = new().read(&owned(&["a"])).await.unwrap();
                assert_eq!(shown(&entries), [("a", Some("1"))]);
                let lease = new().grant(Duration::from_secs(60)).await.unwrap();
                new().keep(lease).await.unwrap();
                let mut watch = new().watch(&owned(&["b"]), revision).await.unwrap();
                // What was sent to something else may have been done: then it is asked for again.
                let etcd = new();
                while etcd.write(&when(&[], vec![put("b", "2")])).await.unwrap() == Written::Unknown {}
                assert_eq!(until(&mut watch, "b").await.unwrap().last().unwrap().value, Some(b"2".to_vec()));
            }
        });
    }
}
