//! Nodes and publishers, driven over real members; what they build and serve is played.

use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use tlsgate::fleet::drive::{Hands, drive};
use tlsgate::fleet::key;
use tlsgate::fleet::node::{Identity, Node};
use tlsgate::fleet::publisher::{Draft, End, Publisher, Reason};
use tlsgate::fleet::record::{Record, Registration, Root};
use tlsgate::fleet::seal::Seal;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::*;
use crate::support::etcd::Version;

/// What can be seen of a node from outside.
#[derive(Debug, Default, Clone)]
struct State {
    serving: Option<Record>,
    is_connected: bool,
    trouble: Option<String>,
    served: u32,
    /// Releases that cannot be served: the next times.
    spoils: u32,
}

struct Player {
    name: String,
    state: Arc<Mutex<State>>,
    build: Duration,
}

impl Hands<Node> for Player {
    async fn build(&mut self, root: &Root) -> Result<(), String> {
        sleep(self.build).await;
        if root.0.ends_with(&format!("not {}", self.name)) { Err("line 7".into()) } else { Ok(()) }
    }

    async fn serve(&mut self, _: &Record) -> Result<(), String> {
        let mut state = self.state.lock().unwrap();
        if state.spoils > 0 {
            state.spoils -= 1;
            return Err("it was spoiled".into());
        }
        state.served += 1;
        Ok(())
    }

    async fn forget(&mut self, _: &Root) {}

    async fn restore(&mut self, _: &Record) -> Result<(), String> {
        Ok(())
    }

    fn seen(&mut self, node: &mut Node, trouble: Option<&str>) -> bool {
        let mut state = self.state.lock().unwrap();
        state.serving = node.serving().cloned();
        state.is_connected = node.is_connected();
        state.trouble = trouble.map(str::to_owned).or_else(|| node.trouble());
        true
    }
}

struct Actor {
    state: Arc<Mutex<State>>,
    stop: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Actor {
    fn new(store: &Store, name: &str, build: Duration) -> Self {
        let (state, stop, etcd) = (Arc::new(Mutex::new(State::default())), Arc::new(Notify::new()), client(store));
        let identity = Identity { name: name.into(), machine: format!("machine of {name}"), process: "one".into() };
        let mut player = Player { name: name.into(), state: Arc::clone(&state), build };
        let stopped = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            let mut node = Node::new(seal(), identity, None);
            drive(&mut node, &etcd, &mut player, stopped.notified()).await;
        });
        Self { state, stop, task }
    }

    fn state(&self) -> State {
        self.state.lock().unwrap().clone()
    }

    async fn stop(self) {
        self.stop.notify_one();
        self.task.await.unwrap();
    }
}

fn seal() -> Arc<Seal> {
    Arc::new(Seal::new(&[b"a secret"]).unwrap())
}

/// A publisher has nothing to do outside the store.
struct Watching;

impl Hands<Publisher> for Watching {
    fn seen(&mut self, publisher: &mut Publisher, _: Option<&str>) -> bool {
        publisher.end().is_none()
    }
}

async fn publish(store: &Store, root: &str) -> End {
    let now = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let (by, note) = ("the test".to_owned(), String::new());
    let draft = Draft { root: Root(root.into()), canary: None, without: Vec::new(), by, note, base: None, parts: 0 };
    let attempt = format!("attempt for {root} at {now} {}", fastrand::u64(..));
    let mut publisher = Publisher::new(seal(), draft, attempt, now + 40_000);
    drive(&mut publisher, &client(store), &mut Watching, std::future::pending()).await;
    publisher.end().cloned().unwrap()
}

fn committed(end: End) -> Record {
    match end {
        End::Committed(record) => record,
        other => panic!("{other:?}"),
    }
}

async fn eventually(what: &str, mut look: impl FnMut() -> bool) {
    let looking = async {
        while !look() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, looking).await.unwrap_or_else(|_| panic!("never: {what}"));
}

async fn all_serve(actors: &[Actor], record: &Record) {
    let look = || actors.iter().all(|actor| actor.state().serving.as_ref() == Some(record));
    eventually(&format!("all serve {record:?}: {:?}", actors.iter().map(Actor::state).collect::<Vec<_>>()), look).await;
}

async fn cast(store: &Store, nodes: usize) -> Vec<Actor> {
    let actors: Vec<_> =
        (0..nodes).map(|number| Actor::new(store, &format!("n{number}"), Duration::from_millis(20))).collect();
    eventually("all are connected", || actors.iter().all(|actor| actor.state().is_connected)).await;
    actors
}

#[test]
fn releases_are_served_everywhere_or_refused_by_name_and_who_stops_is_gone_at_once() {
    for version in Version::BOTH {
        let store = Store::one(version);
        run(async {
            let actors = cast(&store, 5).await;
            for number in 1..=20 {
                let record = committed(publish(&store, &format!("root {number}")).await);
                assert_eq!(record.number, number);
                all_serve(&actors, &record).await;
            }
            let refused = publish(&store, "root 21 not n3").await;
            let reason = Reason::Refused { node: "n3".into(), reason: "line 7".into() };
            assert_eq!(refused, End::Withdrawn(reason));
            for actor in &actors {
                assert_eq!((actor.state().served, actor.state().trouble), (20, None));
            }
            assert!(store.all().keys().any(|key| key.starts_with("/test/a/node/")));
            for actor in actors {
                actor.stop().await;
            }
            let left: Vec<String> = store.all().into_keys().collect();
            let stays =
                |key: &&String| ["control/current", "release/", "nodes-generation"].iter().any(|one| key.contains(one));
            assert_eq!(left.iter().filter(stays).count(), left.len(), "{left:?}");
        });
    }
}

#[test]
fn what_cannot_be_served_any_more_is_built_again_and_who_was_deleted_comes_back() {
    let store = Store::one(Version::Debian);
    run(async {
        let actors = cast(&store, 2).await;
        actors[0].state.lock().unwrap().spoils = 3;
        let record = committed(publish(&store, "root").await);
        all_serve(&actors, &record).await;
        assert_eq!(actors[0].state().spoils, 0);

        // Who is deleted comes back, and leaves nothing of before.
        let nodes = || store.all().into_keys().filter(|key| key.starts_with("/test/a/node/")).count();
        store.delete("/test/a/node/");
        eventually("both are back", || nodes() == 2 && actors.iter().all(|actor| actor.state().is_connected)).await;
        let record = committed(publish(&store, "another root").await);
        all_serve(&actors, &record).await;
        for actor in actors {
            actor.stop().await;
        }
        assert!(!store.all().into_keys().any(|key| key.contains("/node/") || key.contains("/answer/")));
    });
}

#[test]
fn a_build_that_takes_longer_than_the_lease_holds_up_nothing() {
    let store = Store::one(Version::Newer);
    run(async {
        let slow = Actor::new(&store, "slow", Duration::from_secs(14));
        eventually("it is connected", || slow.state().is_connected).await;
        let session = |store: &Store| {
            let value = store.get(&format!("/test/a/{}", key::node("slow"))).unwrap();
            seal().open::<Registration>(&key::node("slow"), &value).unwrap().session
        };
        let before = session(&store);
        let record = committed(publish(&store, "root").await);
        all_serve(std::slice::from_ref(&slow), &record).await;
        assert_eq!(session(&store), before);
    });
}

#[test]
fn releases_go_on_while_members_are_killed_or_hang() {
    for version in Version::BOTH {
        let mut store = Store::three(version);
        run(async {
            let actors = cast(&store, 3).await;
            let mut last = 0;
            for round in 0..4 {
                let member = if round == 0 { store.leader() } else { round % 3 };
                if round % 2 == 0 {
                    store.kill(member)
                } else {
                    store.freeze(member)
                }
                let record = loop {
                    match publish(&store, &format!("root {round}")).await {
                        End::Committed(record) => break record,
                        End::Withdrawn(_) | End::Unknown(_) => {}
                    }
                };
                assert!(record.number > last);
                last = record.number;
                all_serve(&actors, &record).await;
                if round % 2 == 0 {
                    store.restart(member)
                } else {
                    store.thaw(member)
                }
                store.is_healthy();
            }
            eventually("all is well", || actors.iter().all(|actor| actor.state().trouble.is_none())).await;
        });
    }
}

#[test]
fn while_etcd_is_gone_nodes_serve_on_and_say_so_and_a_restored_backup_gets_the_release_back() {
    for version in Version::BOTH {
        let mut store = Store::one(version);
        let folder = store.folder.path().to_owned();
        run(async {
            let actors = cast(&store, 3).await;
            let old = committed(publish(&store, "old").await);
            all_serve(&actors, &old).await;
            store.offline(|_, data| super::restored::copy(data, &folder.join("backup")));
            let new = committed(publish(&store, "new").await);
            all_serve(&actors, &new).await;

            store.kill(0);
            let url = store.urls().remove(0);
            let look = || {
                actors.iter().all(|actor| {
                    let state = actor.state();
                    !state.is_connected && state.trouble.is_some_and(|trouble| trouble.contains(&url))
                })
            };
            eventually("all say that it is gone", look).await;
            assert!(actors.iter().all(|actor| actor.state().serving.as_ref() == Some(&new)));
            super::restored::copy(&folder.join("backup"), &store.data(0));
            store.restart(0);
            store.is_healthy();

            let look = || {
                let current = store.get(&format!("/test/a/{}", key::CURRENT)).unwrap();
                seal().open::<Record>(key::CURRENT, &current).unwrap() == new
            };
            eventually("the release is back", look).await;
            eventually("all are connected", || actors.iter().all(|actor| actor.state().is_connected)).await;
            let newest = committed(publish(&store, "newest").await);
            all_serve(&actors, &newest).await;
            assert_eq!(newest.number, new.number + 1);
        });
    }
}
