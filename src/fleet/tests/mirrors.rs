//! Mirrors of what authorities issue, on a store that forgets, with a lead that moves, lost answers, late notices and crashes. One
//! seed is one schedule.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use serde_json::json;
use zeroize::Zeroizing;

use super::etcd::Etcd;
use crate::fleet::key;
use crate::fleet::machine::{Action, Machine};
use crate::fleet::mirror::Mirror;
use crate::fleet::mirror::item::{Bytes, Content, Item};
use crate::fleet::mirror::paths::Known;
use crate::fleet::seal::Seal;
use crate::fleet::store::{Change, Entry, Lease, Revision, Transaction, Written};

const NODES: usize = 3;
const PATHS: [&str; 3] = ["a/account.json", "a/orders/x.json", "a/certificates/x-1/rsa-2048"];

/// One node, with what survives a crash.
struct Node {
    mirror: Mirror,
    lease: Option<Lease>,
    disk: BTreeMap<String, Content>,
    stamps: BTreeMap<String, Known>,
    watched: Vec<String>,
    notices: VecDeque<Entry>,
    /// What was offered, with the number at which it is shared.
    offered: Vec<(u64, String, u64)>,
}

struct World {
    random: fastrand::Rng,
    seal: Arc<Seal>,
    etcd: Etcd,
    nodes: Vec<Node>,
    now: u64,
    version: u64,
    /// By path: the last version of which the leader was told that it is shared.
    shared: BTreeMap<String, u64>,
}

fn content(version: u64) -> Content {
    // One in four says that there is nothing.
    if version % 4 == 3 {
        Content::Gone
    } else {
        Content::File(Bytes(Zeroizing::new(version.to_string().into_bytes())))
    }
}

fn name(at: usize) -> String {
    format!("n{at}")
}

impl World {
    fn new(seed: u64) -> Self {
        let seal = Arc::new(Seal::new(&[b"secret"]).unwrap());
        let node = |at| Node {
            mirror: Mirror::new(Arc::clone(&seal), name(at), BTreeMap::new()),
            lease: None,
            disk: BTreeMap::new(),
            stamps: BTreeMap::new(),
            watched: Vec::new(),
            notices: VecDeque::new(),
            offered: Vec::new(),
        };
        let nodes = (0..NODES).map(node).collect();
        let random = fastrand::Rng::with_seed(seed);
        Self { random, seal, etcd: Etcd::default(), nodes, now: 1, version: 0, shared: BTreeMap::new() }
    }

    fn notify(&mut self, entries: &[Entry]) {
        for node in self.nodes.iter_mut().filter(|node| node.lease.is_some()) {
            let is_watched = |entry: &&Entry| node.watched.iter().any(|prefix| entry.key.starts_with(prefix.as_str()));
            node.notices.extend(entries.iter().filter(is_watched).cloned());
        }
    }

    /// Reads what the node watches, and watches from there.
    fn read(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        let Some(lease) = node.lease else { return };
        node.watched = node.mirror.watched();
        node.notices.clear();
        let entries = self.etcd.list(&node.watched);
        node.mirror.connected(lease, entries);
    }

    fn deliver(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        if let Some(entry) = node.notices.pop_front() {
            node.mirror.changed(entry);
        }
    }

    fn act(&mut self, at: usize, with_faults: bool) {
        self.now += 1;
        match self.nodes[at].mirror.next(self.now) {
            Some(Action::Connect) => {
                self.nodes[at].lease = Some(self.etcd.grant(self.now));
                self.read(at);
            }
            Some(Action::Read) => self.read(at),
            Some(Action::Write(transaction)) => self.write(at, &transaction, with_faults),
            Some(other) => panic!("{other:?}"),
            None => {}
        }
    }

    fn write(&mut self, at: usize, transaction: &Transaction, with_faults: bool) {
        let fate = if with_faults { self.random.u8(0..10) } else { 9 };
        if fate == 0 {
            return self.nodes[at].mirror.written(Written::Unknown);
        }
        match self.etcd.write(transaction) {
            None => self.lose(at),
            Some((written, entries)) => {
                self.notify(&entries);
                // The notice may come before the answer.
                while self.random.bool() && !self.nodes[at].notices.is_empty() {
                    self.deliver(at);
                }
                self.nodes[at].mirror.written(if fate == 1 { Written::Unknown } else { written });
            }
        }
    }

    fn lose(&mut self, at: usize) {
        (self.nodes[at].lease, self.nodes[at].notices) = (None, VecDeque::new());
        self.nodes[at].mirror.lost();
    }

    /// What the hands of a node do.
    fn work(&mut self, at: usize, with_faults: bool) {
        let node = &mut self.nodes[at];
        for (path, item) in node.mirror.take_coming(2) {
            let fails = with_faults && self.random.u8(0..8) == 0;
            if !fails {
                node.disk.insert(path.clone(), Item::clone(&item).content);
            }
            node.mirror.wrote(path, item, !fails);
        }
        for path in node.mirror.lacking() {
            let content = node.disk.get(&path).cloned().unwrap_or(Content::Gone);
            node.mirror.found(path, content);
        }
        node.stamps.extend(node.mirror.take_learned());
        node.mirror.are_up();
        let (_, done) = node.mirror.progress();
        let shared = node.offered.extract_if(.., |(until, ..)| *until <= done);
        for (_, path, version) in shared {
            let last = self.shared.entry(path).or_default();
            *last = version.max(*last);
        }
    }

    /// The one who orders at that node writes something.
    fn order(&mut self, at: usize) {
        if !self.nodes[at].mirror.may_order() {
            return;
        }
        self.version += 1;
        let (path, version) = (PATHS[self.random.usize(0..PATHS.len())].to_owned(), self.version);
        let node = &mut self.nodes[at];
        node.disk.insert(path.clone(), content(version));
        node.mirror.offer(path.clone(), content(version));
        node.offered.push((node.mirror.progress().0, path, version));
    }

    /// The lead goes to a node, which hears of it; who had it hears of that later.
    fn lead(&mut self, at: usize) {
        let put = Change::Put { key: key::LEADER.into(), value: vec![0], lease: None };
        let (written, _) = self.etcd.write(&Transaction { when: Vec::new(), then: vec![put] }).unwrap();
        let Written::Done(revision) = written else { panic!("{written:?}") };
        self.tell(at, Some(revision));
    }

    fn tell(&mut self, at: usize, revision: Option<Revision>) {
        self.nodes[at].offered.clear();
        self.nodes[at].mirror.lead(revision.map(|revision| (key::LEADER.to_owned(), revision)));
    }

    fn crash(&mut self, at: usize) {
        let gone = Content::Gone.digest();
        let node = &mut self.nodes[at];
        let mut here: BTreeMap<_, _> = node
            .stamps
            .iter()
            .filter(|(_, known)| known.digest == gone)
            .map(|(p, known)| (p.clone(), *known))
            .collect();
        for (path, content) in node.disk.iter().filter(|(_, content)| **content != Content::Gone) {
            let digest = content.digest();
            let stamp = node.stamps.get(path).filter(|known| known.digest == digest).map_or(0, |known| known.stamp);
            here.insert(path.clone(), Known { stamp, digest });
        }
        node.mirror = Mirror::new(Arc::clone(&self.seal), name(at), here);
        (node.lease, node.notices, node.offered) = (None, VecDeque::new(), Vec::new());
    }

    /// Nothing goes wrong any more, and one node leads.
    fn settle(&mut self) {
        let leader = self.random.usize(0..NODES);
        (0..NODES).filter(|at| *at != leader).for_each(|at| self.tell(at, None));
        self.lead(leader);
        for _ in 0..400 {
            for at in 0..NODES {
                while !self.nodes[at].notices.is_empty() {
                    self.deliver(at);
                }
                self.work(at, false);
                self.act(at, false);
            }
        }
        assert!(self.nodes[leader].mirror.may_order());
    }

    fn check(&self) {
        let stored: BTreeMap<String, Content> = self
            .etcd
            .list(&[key::ORDERS.to_owned()])
            .into_iter()
            .map(|entry| {
                let item: Item = self.seal.open(&entry.key, entry.value.as_ref().unwrap()).unwrap();
                (entry.key.strip_prefix(key::ORDERS).unwrap().to_owned(), item.content)
            })
            .collect();
        let there = |all: &BTreeMap<String, Content>| -> BTreeMap<String, Content> {
            all.iter().filter(|(_, content)| **content != Content::Gone).map(|(p, c)| (p.clone(), c.clone())).collect()
        };
        for (at, node) in self.nodes.iter().enumerate() {
            // What was written by one who lost the lead before it was shared, and was never shared, may stay.
            let mut here = there(&node.disk);
            here.retain(|path, _| stored.contains_key(path));
            assert_eq!(here, there(&stored), "node {at}");
        }
        for (path, version) in &self.shared {
            let later: BTreeSet<_> = (*version..=self.version).map(|version| content(version).digest().0).collect();
            assert!(stored.get(path).is_some_and(|found| later.contains(&found.digest().0)), "{path} was lost");
        }
    }

    fn step(&mut self) {
        let at = self.random.usize(0..NODES);
        match self.random.u8(0..100) {
            0..30 => self.act(at, true),
            30..55 => self.deliver(at),
            55..75 => self.work(at, true),
            75..90 => self.order(at),
            90..92 => self.lead(at),
            92..94 => self.tell(at, None),
            94..96 => self.crash(at),
            96..98 => self.lose(at),
            _ => self.read(at),
        }
    }
}

/// What was shared is never lost, and in the end all have the same.
#[test]
fn whoever_leads_and_whatever_is_lost_all_have_what_was_shared() {
    for seed in 0..400 {
        let result = std::panic::catch_unwind(|| {
            let mut world = World::new(seed);
            (0..400).for_each(|_| world.step());
            world.settle();
            world.check();
            // The store forgets: it was restored from a backup, or is empty.
            let backup = world.etcd.clone();
            (0..200).for_each(|_| world.step());
            world.settle();
            if world.random.bool() {
                world.etcd.keys.retain(|key, _| world.random.bool() || !key.starts_with(key::ORDERS));
            } else {
                world.etcd.keys = backup.keys;
            }
            (0..NODES).for_each(|at| world.lose(at));
            world.settle();
            world.check();
        });
        assert!(result.is_ok(), "seed {seed} repeats it");
    }
}

/// The leader seals again what the old secret has sealed; so nothing is lost with it, and orders go on.
#[test]
fn when_the_secret_is_changed_all_that_is_shared_is_sealed_with_the_new_one() {
    for seed in 0..100 {
        let result = std::panic::catch_unwind(|| {
            let mut world = World::new(seed);
            (0..200).for_each(|_| world.step());
            world.settle();
            // While some nodes have the new one first and some do not, the lead moves between them.
            for secrets in [&[b"secret".as_slice(), b"new"][..], &[b"new", b"secret"]] {
                world.seal = Arc::new(Seal::new(secrets).unwrap());
                (0..100).for_each(|_| world.step());
            }
            (0..NODES).for_each(|at| world.crash(at));
            (0..100).for_each(|_| world.step());
            world.settle();
            world.check();
            for (key, (value, ..)) in world.etcd.keys.iter().filter(|(key, _)| key.starts_with(key::ORDERS)) {
                assert!(world.seal.is_of_first(key, value), "{key}");
            }
            world.seal = Arc::new(Seal::new(&[b"new"]).unwrap());
            (0..NODES).for_each(|at| world.crash(at));
            world.settle();
            world.check();
        });
        assert!(result.is_ok(), "seed {seed} repeats it");
    }
}

#[test]
fn an_answer_is_everywhere_before_it_counts_and_goes_with_the_one_who_put_it_up() {
    let mut world = World::new(1);
    world.settle();
    let leader = (0..NODES).find(|at| world.nodes[*at].mirror.may_order()).unwrap();
    world.nodes[leader].mirror.put_up(7, "id".into(), json!({ "token": "t" }));
    assert_eq!(world.nodes[leader].mirror.waits_for(7), None);
    for _ in 0..5 {
        world.act(leader, false);
    }
    let others: Vec<String> = (0..NODES).filter(|at| *at != leader).map(name).collect();
    assert_eq!(world.nodes[leader].mirror.waits_for(7), Some(others));
    for _ in 0..10 {
        for at in 0..NODES {
            world.deliver(at);
            world.work(at, false);
            world.act(at, false);
        }
    }
    assert_eq!(world.nodes[leader].mirror.waits_for(7), Some(Vec::new()));
    for (at, node) in world.nodes.iter().enumerate() {
        assert_eq!(node.mirror.posts().len(), usize::from(at != leader));
    }
    world.now += super::etcd::TTL + 1;
    let entries = world.etcd.expire(world.now);
    world.notify(&entries);
    for at in (0..NODES).filter(|at| *at != leader) {
        while !world.nodes[at].notices.is_empty() {
            world.deliver(at);
        }
        assert!(world.nodes[at].mirror.posts().is_empty());
    }
}

#[test]
fn what_does_not_open_is_not_taken_and_nobody_orders() {
    let mut world = World::new(2);
    world.settle();
    let leader = (0..NODES).find(|at| world.nodes[*at].mirror.may_order()).unwrap();
    for _ in 0..20 {
        world.order(leader);
        world.act(leader, false);
        world.work(leader, false);
    }
    world.settle();
    assert!(!world.shared.is_empty());
    let before: Vec<_> = world.nodes.iter().map(|node| node.disk.clone()).collect();
    let key = world.etcd.keys.keys().find(|key| key.starts_with(key::ORDERS)).unwrap().clone();
    let good = world.etcd.keys[&key].0.clone();
    // Another key's value, and a later one that was sealed with another secret.
    let other = Seal::new(&[b"another"]).unwrap();
    let item = Item { stamp: u64::MAX, content: content(1) };
    for value in [other.close(&key, &item).unwrap(), world.seal.close("acme/b", &item).unwrap(), Vec::new()] {
        let put = Change::Put { key: key.clone(), value, lease: None };
        let (_, entries) = world.etcd.write(&Transaction { when: Vec::new(), then: vec![put] }).unwrap();
        world.notify(&entries);
        for _ in 0..20 {
            for at in 0..NODES {
                world.deliver(at);
                world.work(at, false);
                world.act(at, false);
            }
        }
        for (node, before) in world.nodes.iter().zip(&before) {
            assert_eq!(node.disk, *before);
            assert!(node.mirror.trouble().is_some() && !node.mirror.may_order());
        }
    }
    assert_ne!(world.etcd.keys[&key].0, good);
    world.etcd.keys.remove(&key);
    (0..NODES).for_each(|at| world.lose(at));
    world.settle();
    world.check();
}
