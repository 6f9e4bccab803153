//! Virtual time, the network, and the processes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::etcd::Etcd;
use super::event::{Call, Done, Event};
use crate::fleet::drained::Drained;
use crate::fleet::leader::Leader;
use crate::fleet::machine::{Action, Machine};
use crate::fleet::node::{Identity, Node};
use crate::fleet::publisher::{Draft, Publisher};
use crate::fleet::record::{Canary, Record, Root};
use crate::fleet::seal::Seal;
use crate::fleet::store::{Lease, Written};
use crate::fleet::tickets::Ring;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Faults,
    Restored,
    Tampered,
}

pub(super) enum Process {
    Node(Box<Node>),
    Leader(Box<Leader>),
    Publisher(Box<Publisher>),
}

impl Process {
    pub(super) fn machine(&mut self) -> &mut dyn Machine {
        match self {
            Self::Node(node) => node.as_mut(),
            Self::Leader(leader) => leader.as_mut(),
            Self::Publisher(publisher) => publisher.as_mut(),
        }
    }
}

pub(super) struct Host {
    pub(super) name: String,
    /// `None`: it is dead.
    pub(super) process: Option<Process>,
    /// What a node keeps across restarts.
    pub(super) kept: Option<Record>,
    /// What a candidate keeps across restarts.
    pub(super) ring: Option<Ring>,
    pub(super) drained: Drained,
    pub(super) lease: Option<Lease>,
    pub(super) watches: Vec<String>,
    pub(super) is_cut: bool,
    /// Changes that it watches, while it was cut off: a watch has gaps only if it ends.
    pub(super) has_missed: bool,
    /// Something that it had built was lost.
    pub(super) is_spoiled: bool,
    /// How far its clock is ahead, in milliseconds.
    pub(super) ahead: u64,
    /// Of the process, of its connection, of its last call: what belongs to another one is void.
    pub(super) life: u64,
    pub(super) session: u64,
    pub(super) call: u64,
    /// Notices arrive in their order.
    pub(super) last_notice: u64,
}

pub(super) struct World {
    pub(super) rng: fastrand::Rng,
    pub(super) kind: Kind,
    pub(super) is_loud: bool,
    pub(super) now: u64,
    pub(super) queue: BTreeMap<(u64, u64), Event>,
    pub(super) sequence: u64,
    pub(super) etcd: Etcd,
    pub(super) backup: Etcd,
    pub(super) hosts: Vec<Host>,
    pub(super) nodes: usize,
    /// Nodes come first, then candidates, and then publishers.
    pub(super) publishers: usize,
    pub(super) seal: Arc<Seal>,
    /// All that was ever committed, by attempt.
    pub(super) committed: BTreeMap<String, Record>,
    /// The attempts that are published over another one only, and that one.
    pub(super) bases: BTreeMap<String, String>,
    /// All that was ever put, by stamp.
    pub(super) rings: BTreeMap<u64, Ring>,
    published: u64,
    pub(super) old: Vec<(String, Vec<u8>)>,
    /// All servers that were ever taken out or put back.
    pub(super) drained: Drained,
}

/// Faults happen until then; afterwards everything has to come right. In milliseconds.
const FAULTS_UNTIL: u64 = 90_000;
const END: u64 = 240_000;
const LAST_PUBLISH: u64 = 170_000;

impl World {
    pub(super) fn new(seed: u64, kind: Kind, is_loud: bool) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let nodes = rng.usize(1..=4);
        let seal = Arc::new(Seal::new(&[b"a secret"]).unwrap());
        let mut world = Self {
            rng,
            kind,
            is_loud,
            now: 0,
            queue: BTreeMap::new(),
            sequence: 0,
            etcd: Etcd::default(),
            backup: Etcd::default(),
            hosts: Vec::new(),
            nodes,
            publishers: 2 * nodes,
            seal,
            committed: BTreeMap::new(),
            bases: BTreeMap::new(),
            rings: BTreeMap::new(),
            published: 0,
            old: Vec::new(),
            drained: Drained::default(),
        };
        for index in 0..2 * nodes {
            let kind = if index < nodes { "n" } else { "l" };
            world.hosts.push(Host::new(format!("{kind}{}", index % nodes)));
            let at = world.rng.u64(0..3_000);
            world.at(at, Event::Restart(index));
        }
        for _ in 0..world.rng.usize(2..=6) {
            let at = world.rng.u64(1_000..FAULTS_UNTIL);
            world.at(at, Event::Publish);
        }
        for _ in 0..world.rng.usize(0..=25) {
            let at = world.rng.u64(0..FAULTS_UNTIL);
            world.at(at, Event::Fault);
        }
        if kind != Kind::Tampered {
            world.at(LAST_PUBLISH - 1, Event::Calm);
        }
        world.at(LAST_PUBLISH, Event::Publish);
        world.at(500, Event::Expire);
        world
    }

    pub(super) fn run(mut self) {
        while let Some(((time, _), event)) = self.queue.pop_first() {
            if time > END {
                break;
            }
            self.now = time;
            self.happen(event);
        }
        if self.kind != Kind::Tampered {
            self.has_converged();
            self.one_leads();
        }
        self.rings_are_true();
        self.reports_are_true();
    }

    pub(super) fn at(&mut self, time: u64, event: Event) {
        self.sequence += 1;
        self.queue.insert((time.max(self.now), self.sequence), event);
    }

    pub(super) fn after(&mut self, delay: u64, event: Event) {
        self.at(self.now + delay, event);
    }

    pub(super) fn is_calm(&self) -> bool {
        self.now >= FAULTS_UNTIL
    }

    #[expect(clippy::print_stdout, reason = "one schedule is printed for whoever repeats it")]
    pub(super) fn say(&self, what: impl FnOnce() -> String) {
        if self.is_loud {
            println!("{:>7} {}", self.now, what());
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Request { host, life, session, call, what } => self.request(host, (life, session, call), what),
            Event::Response { host, life, session, call, what } => {
                if self.is_current(host, life, session) && self.hosts[host].call == call && !self.hosts[host].is_cut {
                    self.hosts[host].call += 1;
                    self.response(host, what);
                }
            }
            Event::Notice { host, life, session, entries } => {
                if !self.is_current(host, life, session) {
                    // Nobody waits for it any more.
                } else if self.hosts[host].is_cut {
                    // It was under way when the line broke: the watch ends, as one that misses anything does.
                    self.hosts[host].has_missed = true;
                } else {
                    let process = self.hosts[host].process.as_mut().unwrap().machine();
                    entries.into_iter().for_each(|entry| process.changed(entry));
                    self.step(host);
                }
            }
            Event::Timeout { host, life, session, call, is_write } => {
                if self.is_current(host, life, session) && self.hosts[host].call == call {
                    self.hosts[host].call += 1;
                    if is_write {
                        self.hosts[host].process.as_mut().unwrap().machine().written(Written::Unknown);
                        self.step(host);
                    } else {
                        self.lose(host);
                    }
                }
            }
            Event::Local { host, life, done } => self.local(host, life, done),
            Event::KeepAlive { host, life, session } => self.keep_alive(host, life, session),
            Event::Step(host, life) => {
                if self.hosts[host].life == life {
                    self.step(host);
                    if let Some(Process::Leader(_)) = self.hosts[host].process {
                        self.after(1_000, Event::Step(host, life));
                    }
                }
            }
            Event::Expire => {
                let entries = self.etcd.expire(self.now);
                self.notify(&entries);
                self.after(500, Event::Expire);
            }
            Event::Fault => self.fault(),
            Event::Restart(host) => self.start(host),
            Event::Mend(host) => {
                self.hosts[host].is_cut = false;
                if std::mem::take(&mut self.hosts[host].has_missed) {
                    self.lose(host);
                }
            }
            Event::Publish => self.publish(),
            Event::Calm => self.nothing_is_forgotten(),
        }
    }

    pub(super) fn start(&mut self, host: usize) {
        if self.hosts[host].process.is_some() {
            return;
        }
        let name = self.hosts[host].name.clone();
        self.say(|| format!("{name} starts"));
        let (seal, Host { kept, ring, drained, .. }) = (self.seal.clone(), &self.hosts[host]);
        self.hosts[host].process = Some(if host < self.nodes {
            let identity = Identity {
                machine: format!("machine of {name}"),
                process: format!("process {}", self.hosts[host].life),
                name,
            };
            Process::Node(Box::new(Node::new(seal, identity, kept.clone()).with_drained(drained.clone())))
        } else {
            let secret = || Some(fastrand::u64(..).to_string());
            Process::Leader(Box::new(Leader::new(seal, name, ring.clone(), secret)))
        });
        self.step(host);
        let life = self.hosts[host].life;
        self.after(5_000, Event::Step(host, life));
    }

    fn publish(&mut self) {
        self.published += 1;
        let (number, is_last) = (self.published, self.now >= LAST_PUBLISH);
        // A root that ends in the name of a node cannot be built there.
        let root = |world: &mut Self, kind: &str| match world.rng.usize(0..world.nodes * 3) {
            bad if bad < world.nodes && !is_last => Root(format!("{kind} {number} not n{bad}")),
            _ => Root(format!("{kind} {number}")),
        };
        let random = |world: &mut Self| format!("n{}", world.rng.usize(0..world.nodes));
        let canary = (!is_last && self.rng.u32(0..4) == 0).then(|| Canary {
            root: root(self, "canary"),
            nodes: vec![random(self)],
            until: None,
        });
        let root = root(self, "root");
        let without = if !is_last && self.rng.u32(0..4) == 0 { vec![random(self)] } else { Vec::new() };
        let roots = std::iter::once(&root).chain(canary.as_ref().map(|canary| &canary.root));
        let parts = self.put_parts(roots);
        let base = if !is_last && self.rng.u32(0..4) == 0 { self.current() } else { None };
        if let Some(base) = &base {
            self.bases.insert(format!("attempt{number}"), base.attempt.clone());
        }
        let draft = Draft { root, canary, without, by: format!("p{number}"), note: String::new(), base, parts };
        let ahead = if is_last { 0 } else { self.rng.u64(0..200_000) };
        let patience = if is_last { 60_000 } else { self.rng.u64(1_000..40_000) };
        let publisher =
            Publisher::new(self.seal.clone(), draft, format!("attempt{number}"), self.now + ahead + patience);
        let mut host = Host { ahead, ..Host::new(format!("p{number}")) };
        host.process = Some(Process::Publisher(Box::new(publisher)));
        self.hosts.push(host);
        let index = self.hosts.len() - 1;
        self.say(|| format!("p{number} starts"));
        self.step(index);
        for wait in (patience.min(END)..patience + 60_000).step_by(5_000) {
            let life = self.hosts[index].life;
            self.after(wait, Event::Step(index, life));
        }
    }

    /// Lets a process do what it has to do next.
    pub(super) fn step(&mut self, host: usize) {
        let mut now = self.now + self.hosts[host].ahead;
        let Host { process: Some(process), ring, drained, .. } = &mut self.hosts[host] else { return };
        match process {
            Process::Node(node) => *drained = node.drained().clone(),
            Process::Leader(leader) => {
                // Its time is hours, and ends early enough for the last keys to arrive.
                now = now.min(END - 10_000) * 2_000;
                *ring = leader.ring().cloned();
            }
            Process::Publisher(_) => {}
        }
        let Some(action) = process.machine().next(now) else { return };
        self.say(|| format!("{} {action:?}", self.hosts[host].name));
        let watched = self.hosts[host].process.as_mut().unwrap().machine().watched();
        match action {
            Action::Connect => {
                self.hosts[host].session += 1;
                self.call(host, Call::Connect(watched), 300);
            }
            Action::Read => self.call(host, Call::Read(watched), 0),
            Action::Write(transaction) => self.call(host, Call::Write(transaction), 0),
            Action::Restore(record, transaction) => {
                self.put_parts(record.roots());
                self.call(host, Call::Write(transaction), 50);
            }
            Action::Build(root) => self.locally(host, 2_000, Done::Built(root)),
            Action::Serve(record) => {
                self.may_be_served(&self.hosts[host], &record);
                self.hosts[host].kept = Some(record.clone());
                self.locally(host, 50, Done::Served(record));
            }
            Action::Forget(_) => self.step(host),
        }
    }

    fn locally(&mut self, host: usize, most: u64, done: Done) {
        let (life, delay) = (self.hosts[host].life, self.rng.u64(0..most));
        self.after(delay, Event::Local { host, life, done });
    }

    fn local(&mut self, host: usize, life: u64, done: Done) {
        if self.hosts[host].life != life {
            return;
        }
        let name = self.hosts[host].name.clone();
        let Some(process) = &mut self.hosts[host].process else { return };
        match done {
            Done::Built(root) => {
                let is_bad = root.0.ends_with(&format!("not {name}"));
                let result = if is_bad { Err("line 7".to_owned()) } else { Ok(()) };
                process.machine().built(&root, result);
            }
            Done::Served(record) => process.machine().served(&record),
        }
        self.step(host);
    }
}

impl Host {
    fn new(name: String) -> Self {
        Self {
            name,
            process: None,
            kept: None,
            ring: None,
            drained: Drained::default(),
            lease: None,
            watches: Vec::new(),
            is_cut: false,
            has_missed: false,
            is_spoiled: false,
            ahead: 0,
            life: 0,
            session: 0,
            call: 0,
            last_notice: 0,
        }
    }

    pub(super) fn disconnect(&mut self) {
        self.lease = None;
        self.watches.clear();
        self.session += 1;
        self.call += 1;
    }
}
