//! Messages between processes and the store: lost, late, and in the order that etcd promises.

use super::event::{Call, Event, Reply};
use super::world::{Host, Kind, Process, World};
use crate::fleet::store::{Entry, Written};

impl World {
    /// How long a message is under way; `None`: for ever.
    pub(super) fn delay(&mut self) -> Option<u64> {
        if self.is_calm() {
            return Some(self.rng.u64(1..20));
        }
        match self.rng.u32(0..100) {
            0..=1 => None,
            2..=3 => Some(self.rng.u64(1_000..12_000)),
            _ => Some(self.rng.u64(1..30)),
        }
    }

    pub(super) fn is_current(&self, host: usize, life: u64, session: u64) -> bool {
        let host = &self.hosts[host];
        host.life == life && host.session == session && host.process.is_some()
    }

    pub(super) fn call(&mut self, host: usize, what: Call, wait: u64) {
        let Host { life, session, .. } = self.hosts[host];
        self.hosts[host].call += 1;
        let (call, is_write) = (self.hosts[host].call, matches!(what, Call::Write(_)));
        if let Some(delay) = self.delay() {
            self.after(wait + delay, Event::Request { host, life, session, call, what });
        }
        self.after(wait + 3_000, Event::Timeout { host, life, session, call, is_write });
    }

    /// A request has arrived at the store: also of a process that is dead by now.
    pub(super) fn request(&mut self, host: usize, (life, session, call): (u64, u64, u64), what: Call) {
        if self.hosts[host].is_cut {
            return;
        }
        let is_current = self.is_current(host, life, session);
        let reply = match what {
            Call::Connect(watched) | Call::Read(watched) if is_current => {
                let lease = match self.hosts[host].lease {
                    Some(lease) => lease,
                    None => self.etcd.grant(self.now),
                };
                let entries = self.etcd.list(&watched);
                self.hosts[host].watches = watched;
                let was_there = self.hosts[host].lease.replace(lease).is_some();
                if !was_there {
                    self.after(3_000, Event::KeepAlive { host, life, session });
                }
                Reply::Listed(lease, entries)
            }
            Call::Connect(_) | Call::Read(_) => return,
            Call::Write(transaction) => {
                // Somebody who can write can also take a node's refusal away. That node then stays with what it has.
                if self.kind != Kind::Tampered {
                    self.is_agreed(&transaction);
                }
                let result = self.etcd.write(&transaction);
                if let Some((Written::Done(_), entries)) = &result {
                    self.note_commit(&transaction);
                    self.note_ring(host, &transaction);
                    self.has_its_parts(&transaction);
                    self.notify(entries);
                }
                Reply::Written(result.map(|(written, _)| written))
            }
        };
        // What is listed comes before what is watched from there.
        let delay = match reply {
            Reply::Listed(..) => Some(self.hosts[host].last_notice.max(self.now + 1) - self.now),
            Reply::Written(_) => self.delay(),
        };
        if let Reply::Listed(..) = reply {
            self.hosts[host].last_notice = self.now + delay.unwrap_or(1);
        }
        if let Some(delay) = delay {
            self.after(delay, Event::Response { host, life, session, call, what: reply });
        }
    }

    pub(super) fn response(&mut self, host: usize, what: Reply) {
        let machine = self.hosts[host].process.as_mut().unwrap().machine();
        match what {
            Reply::Listed(lease, entries) => machine.connected(lease, entries),
            Reply::Written(Some(written)) => machine.written(written),
            Reply::Written(None) => return self.lose(host),
        }
        self.step(host);
    }

    /// Watchers get what has changed, each in its own time.
    pub(super) fn notify(&mut self, entries: &[Entry]) {
        for host in 0..self.hosts.len() {
            let Host { life, session, lease, last_notice, is_cut, .. } = self.hosts[host];
            let watches = &self.hosts[host].watches;
            let is_watched = |entry: &&Entry| watches.iter().any(|prefix| entry.key.starts_with(prefix.as_str()));
            let entries: Vec<Entry> = entries.iter().filter(is_watched).cloned().collect();
            if lease.is_none() || entries.is_empty() {
                continue;
            }
            if is_cut {
                self.hosts[host].has_missed = true;
                continue;
            }
            let delay = if self.is_calm() { self.rng.u64(1..20) } else { self.rng.u64(1..300) };
            let time = last_notice.max(self.now + delay);
            self.hosts[host].last_notice = time;
            self.at(time, Event::Notice { host, life, session, entries });
        }
    }

    pub(super) fn keep_alive(&mut self, host: usize, life: u64, session: u64) {
        if !self.is_current(host, life, session) {
            return;
        }
        let Some(lease) = self.hosts[host].lease else { return };
        if matches!(&self.hosts[host].process, Some(Process::Publisher(publisher)) if publisher.end().is_some()) {
            // It has gone home, and its lease ends. What it has written may arrive later still.
            return;
        }
        if self.hosts[host].is_cut || !self.etcd.keep_alive(lease, self.now) {
            return self.lose(host);
        }
        self.after(3_000, Event::KeepAlive { host, life, session });
    }

    pub(super) fn lose(&mut self, host: usize) {
        let Some(process) = &mut self.hosts[host].process else { return };
        process.machine().lost();
        self.say(|| format!("{} lost", self.hosts[host].name));
        self.hosts[host].disconnect();
        self.step(host);
    }
}
