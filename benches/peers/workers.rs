//! Two workers compared with one. Without separate cores for load and backend, twice the work in the same time cannot
//! be shown; the cost of each piece of work for the busier of two workers can, and it is half if they neither hinder
//! each other nor leave the work to one of them.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::load::Fault;
use crate::load::target::{Group, Target, Terms, Version};
use crate::load::work::Work;
use crate::measure::{Bench, show};
use crate::peer::running::{Cores, Running, Start};
use crate::peer::{Kind, Peer, Tuning};
use crate::report::{Better, Cell, Outcome};
use crate::rows::Unit;

const TERMS: Terms = Terms { version: Version::Tls13, group: Group::X25519, resumed: false };

impl Bench {
    /// Many short connections, and few long ones, with one worker and with two.
    pub(crate) async fn workers(&self) -> Vec<Outcome> {
        let less = if self.quick { 4 } else { 1 };
        let short = Work::Connections { count: 3200 / less, at_once: 16 };
        let long = Work::Push { connections: 16, amount: (32 << 20) / less, record: 16 * 1024 };
        let mut outcomes = Vec::new();
        for (name, what, work, unit, tuning) in [
            ("short", "full handshake", short, Unit::Microseconds, Tuning::Connections),
            ("long", "client → backend, 16 connections", long, Unit::SecondsPerGigabyte, Tuning::Bulk),
        ] {
            for workers in [1, 2] {
                let mut cells = BTreeMap::new();
                for peer in self.peers.iter().filter(|peer| has_workers(peer)) {
                    let cell = match self.busier(peer, workers, work, unit, tuning).await {
                        Ok(samples) => Cell::of(samples),
                        Err(fault) => Cell::failed(fault),
                    };
                    cells.insert(peer.name.clone(), cell);
                }
                let plural = if workers == 1 { "one worker" } else { "the busier of two workers" };
                let outcome = Outcome {
                    row: format!("workers-{name}-{workers}"),
                    what: format!("{what}: {plural}"),
                    unit: unit.name().into(),
                    better: Better::Less,
                    only_naive: false,
                    cells,
                };
                show(&outcome);
                outcomes.push(outcome);
            }
        }
        outcomes
    }

    async fn busier(
        &self,
        peer: &Peer,
        workers: usize,
        work: Work,
        unit: Unit,
        tuning: Tuning,
    ) -> Result<Vec<f64>, Fault> {
        // All cores, since two workers on one core would hinder each other.
        let cores =
            Cores { load: self.cores.load.clone(), proxy: [&self.cores.load[..], &self.cores.proxy[..]].concat() };
        let start = Start { cores: &cores, workers, ..self.start(tuning) };
        let proxy = Running::start(peer, &start)?;
        let sites = [self.material.ecdsa.site.clone()].into();
        let target = Target { address: proxy.ecdsa, terms: TERMS, sites, passthrough: false };
        let mut samples = Vec::new();
        for round in 0..=2 * self.rounds {
            let ready = work.prepare(&target).await?;
            proxy.settled(usize::MAX).await?;
            let before = proxy.tree.threads()?;
            let units = ready.run().await?;
            proxy.settled(0).await?;
            let used = proxy
                .tree
                .threads()?
                .into_iter()
                .map(|(thread, used)| used.saturating_sub(before.get(&thread).copied().unwrap_or_default()));
            let busiest = used.max().unwrap_or(Duration::ZERO);
            // The first run is for warming up.
            if round > 0 {
                samples.push(unit.value(busiest.as_secs_f64(), units));
            }
        }
        Ok(samples)
    }
}

/// stunnel has a thread for each connection.
fn has_workers(peer: &Peer) -> bool {
    !matches!(peer.kind, Kind::Stunnel | Kind::Naive)
}
