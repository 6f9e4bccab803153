//! State instead of work: the memory of idle connections, and thousands of certificates, which a proxy reads at
//! start and again when it is reloaded.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::load::Fault;
use crate::load::session::Session;
use crate::load::target::{Group, Site, Target, Terms, Version};
use crate::load::work::{self, Work};
use crate::material::Many;
use crate::measure::{Bench, cost, show};
use crate::peer::Tuning;
use crate::peer::running::{Running, Start};
use crate::report::{Better, Cell, Outcome};

const TERMS: Terms = Terms { version: Version::Tls13, group: Group::X25519, resumed: false };
/// The bytes through each idle connection before the measurement, in either direction.
const EACH_WAY: u64 = 128 * 1024;
/// How many connections are busy at the same time while the idle ones are made.
const WAVE: usize = 16;
const MIB: f64 = 1_048_576.0;
/// The longest time for a reload.
const RELOAD: Duration = Duration::from_secs(60);

impl Bench {
    /// Memory of one idle connection, and the cost of a round trip while all of them are open.
    pub(crate) async fn idle(&self, connections: usize) -> Vec<Outcome> {
        let mut memory = BTreeMap::new();
        let mut beside = BTreeMap::new();
        for peer in &self.peers {
            eprintln!("{connections} idle connections: {}", peer.name);
            let (cell, other) = match self.idle_in(peer, connections).await {
                Ok((memory, beside)) => (Cell::of(vec![memory]), Cell::of(beside)),
                Err(fault) => (Cell::failed(&fault), Cell::failed(&fault)),
            };
            memory.insert(peer.name.clone(), cell);
            beside.insert(peer.name.clone(), other);
        }
        let (n, kib) = (connections, 2 * EACH_WAY / 1024);
        vec![
            outcome(&format!("idle-{n}"), &format!("each of {n} idle connections after {kib} KiB"), "KiB", memory),
            outcome(&format!("beside-{n}"), &format!("64 B there and back beside {n} idle connections"), "µs", beside),
        ]
    }

    async fn idle_in(&self, peer: &crate::peer::Peer, connections: usize) -> Result<(f64, Vec<f64>), Fault> {
        let proxy = Running::start(peer, &self.start(Tuning::Connections))?;
        let target = Target {
            address: proxy.ecdsa,
            terms: TERMS,
            sites: [self.material.ecdsa.site.clone()].into(),
            passthrough: false,
        };
        // One-time allocations are not part of a connection.
        drop(idle_connections(&target, 2 * WAVE).await?);
        proxy.settled(0).await?;
        let before = steady(&proxy).await?;
        let held = idle_connections(&target, connections).await?;
        let after = steady(&proxy).await?;
        let each = after.saturating_sub(before) as f64 / 1024.0 / connections as f64;
        let mut beside = Vec::new();
        for _ in 0..self.rounds {
            let work =
                Work::Answers { connections: 64, rounds: if self.quick { 100 } else { 300 }, request: 64, answer: 64 };
            let (seconds, units) = cost(&proxy, work, &target).await?;
            beside.push(seconds * 1e6 / units as f64);
        }
        drop(held);
        Ok((each, beside))
    }

    /// Start, memory, handshakes and reload with that many certificates.
    pub(crate) async fn many(&self, count: usize) -> Result<Vec<Outcome>, io::Error> {
        let many = Many::write(&self.folder().join("many"), count)?;
        let rows = [
            ("start", "start, processor time", "s"),
            ("memory", "memory after start", "MiB"),
            ("one", "full handshake, always one name", "µs"),
            ("random", "full handshake, random names", "µs"),
            ("reload", "one changed, reload, processor time", "s"),
        ];
        let mut cells: [BTreeMap<String, Cell>; 5] = Default::default();
        for peer in &self.peers {
            eprintln!("{count} certificates: {}", peer.name);
            let found = match self.many_in(peer, &many).await {
                Ok(found) => found,
                Err(fault) => rows.map(|_| Cell::failed(&fault)),
            };
            for (cells, cell) in cells.iter_mut().zip(found) {
                cells.insert(peer.name.clone(), cell);
            }
        }
        let outcomes = rows.into_iter().zip(cells).map(|((row, what, unit), cells)| {
            outcome(&format!("many-{row}"), &format!("{count} certificates: {what}"), unit, cells)
        });
        Ok(outcomes.collect())
    }

    async fn many_in(&self, peer: &crate::peer::Peer, many: &Many) -> Result<[Cell; 5], Fault> {
        let start = Start { many: Some(many), ..self.start(Tuning::Connections) };
        let (mut starts, mut memory) = (Vec::new(), Vec::new());
        let (mut proxy, used) = started(peer, &start, many).await?;
        starts.push(used);
        // One measurement is enough for what takes long.
        let times = if self.quick || used > 2.0 { 1 } else { 3 };
        for _ in 1..times {
            memory.push(proxy.tree.memory()? as f64 / MIB);
            drop(proxy);
            let again = started(peer, &start, many).await?;
            starts.push(again.1);
            proxy = again.0;
        }
        memory.push(proxy.tree.memory()? as f64 / MIB);

        let all = Target { address: proxy.ecdsa, terms: TERMS, sites: Arc::clone(&many.sites), passthrough: false };
        let middle = many.sites.len() / 2;
        let one = Target { sites: [many.sites[middle].clone()].into(), ..all.clone() };
        let work = Work::Connections { count: if self.quick { 400 } else { 1200 }, at_once: 8 };
        let (mut hot, mut random) = (Vec::new(), Vec::new());
        for _ in 0..self.rounds {
            for (target, figures) in [(&one, &mut hot), (&all, &mut random)] {
                let (seconds, units) = cost(&proxy, work, target).await?;
                figures.push(seconds * 1e6 / units as f64);
            }
        }
        let mut reloads = Cell::default();
        for number in 1..=times {
            match reload(&proxy, many, number, &one).await {
                Ok(used) => reloads.samples.push(used),
                Err(fault) => reloads.fault = Some(fault.to_string()),
            }
        }
        Ok([Cell::of(starts), Cell::of(memory), Cell::of(hot), Cell::of(random), reloads])
    }
}

/// Starts it, and returns the processor time, in seconds, until it had served the last of all names.
async fn started(peer: &crate::peer::Peer, start: &Start<'_>, many: &Many) -> Result<(Running, f64), Fault> {
    let proxy = Running::start(peer, start)?;
    let last: Vec<Site> = many.sites.last().cloned().into_iter().collect();
    let target = Target { address: proxy.ecdsa, terms: TERMS, sites: last.into(), passthrough: false };
    Work::Connections { count: 1, at_once: 1 }.prepare(&target).await?.run().await?;
    let used = proxy.settled(0).await?.total().as_secs_f64();
    Ok((proxy, used))
}

/// Replaces a certificate, signals the proxy, and returns the processor time, in seconds, until the new one is served
/// and the proxy is idle again.
async fn reload(proxy: &Running, many: &Many, number: usize, target: &Target) -> Result<f64, Fault> {
    let Some(signal) = proxy.launch.reload else {
        return Err(io::Error::other("it is not set up to read certificates again").into());
    };
    let before = proxy.settled(0).await?;
    let site = many.renew(number)?;
    let target = Target { sites: [site].into(), ..target.clone() };
    proxy.signal(signal)?;
    // Old processes end in between; frequent readings keep the lost part of their time small.
    let seen = async {
        let (mut seen, mut quiet) = (before.clone(), Instant::now());
        let served = async {
            while (Work::Connections { count: 1, at_once: 1 }).prepare(&target).await?.run().await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Ok::<(), Fault>(())
        };
        tokio::pin!(served);
        let mut done = false;
        while !done || quiet.elapsed() < Duration::from_millis(300) {
            tokio::select! {
                end = &mut served, if !done => (done, quiet) = (end.map(|()| true)?, Instant::now()),
                () = tokio::time::sleep(Duration::from_millis(3)) => {}
            }
            let used = seen.seen_since(&before);
            seen.see(&proxy.tree.used()?);
            if seen.seen_since(&before) > used + Duration::from_millis(1) {
                quiet = Instant::now();
            }
        }
        Ok::<f64, Fault>(seen.seen_since(&before).as_secs_f64())
    };
    let late = |_| Fault::Late("the reload", RELOAD);
    tokio::time::timeout(RELOAD, seen).await.map_err(late)?
}

/// Opens them, a few at a time, each with data both ways.
async fn idle_connections(target: &Target, count: usize) -> Result<Vec<Session>, Fault> {
    let client = target.client()?;
    let name = target.sites.first().map(|site| site.name.clone());
    let mut made = Vec::with_capacity(count);
    while made.len() < count {
        let (sender, mut receiver) = tokio::sync::mpsc::channel(WAVE);
        let wave = (0..WAVE.min(count - made.len())).map(|_| {
            let (target, client, name, sender) = (target.clone(), Arc::clone(&client), name.clone(), sender.clone());
            async move {
                let name = name.ok_or_else(|| io::Error::other("no name"))?;
                let mut session = Session::open(&target, &client, name, true).await?;
                work::push(&mut session, EACH_WAY, 16 * 1024).await?;
                let moved = work::pull(&mut session, EACH_WAY, 16 * 1024).await?;
                sender.send(session).await.map_err(io::Error::other)?;
                Ok(moved)
            }
        });
        work::all(wave).await?;
        drop(sender);
        while let Some(session) = receiver.recv().await {
            made.push(session);
        }
    }
    Ok(made)
}

/// Memory, once it is stable.
async fn steady(proxy: &Running) -> Result<u64, Fault> {
    let began = Instant::now();
    let mut before = proxy.tree.memory()?;
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = proxy.tree.memory()?;
        if now.abs_diff(before) < 128 * 1024 || began.elapsed() > Duration::from_secs(10) {
            return Ok(now);
        }
        before = now;
    }
}

fn outcome(row: &str, what: &str, unit: &str, cells: BTreeMap<String, Cell>) -> Outcome {
    let (row, what, unit) = (row.into(), what.into(), unit.into());
    let outcome = Outcome { row, what, unit, better: Better::Less, only_naive: false, cells };
    show(&outcome);
    outcome
}
