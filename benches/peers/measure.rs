//! The same work on all proxies in turn, A B C … C B A, so that a drift affects all of them equally.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::Duration;

use crate::load::Fault;
use crate::load::target::Target;
use crate::load::work::Work;
use crate::material::Material;
use crate::peer::running::{Cores, Running, Start};
use crate::peer::{Kind, Peer, Tuning};
use crate::report::{Better, Cell, Outcome};
use crate::rows::{Listener, Row};

/// The common part of all measurements.
pub(crate) struct Bench {
    pub(crate) peers: Vec<Peer>,
    pub(crate) cores: Cores,
    pub(crate) material: Material,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) rounds: usize,
    pub(crate) quick: bool,
    /// The length of each measurement of latency or goodput.
    pub(crate) seconds: Duration,
}

/// The settings of each proxy, by its name.
pub(crate) type Settings = BTreeMap<String, BTreeMap<String, String>>;

impl Bench {
    pub(crate) fn start(&self, tuning: Tuning) -> Start<'_> {
        Start { folder: self.folder(), cores: &self.cores, tuning, material: &self.material, many: None, workers: 1 }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The rows that are measured in turns, with all proxies running.
    pub(crate) async fn in_turns(&self, rows: &[Row], settings: &mut Settings) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        for tuning in [Tuning::Connections, Tuning::Bulk] {
            let rows: Vec<&Row> = rows.iter().filter(|row| row.tuning == tuning).collect();
            if rows.is_empty() {
                continue;
            }
            let only_naive = rows.iter().all(|row| row.only_naive);
            let started: Vec<(&Peer, io::Result<Running>)> = self
                .peers
                .iter()
                .filter(|peer| !only_naive || is_ours(peer))
                .map(|peer| (peer, Running::start(peer, &self.start(tuning))))
                .collect();
            keep_settings(settings, tuning, &started);
            for row in rows {
                outcomes.push(self.row(row, &started).await);
            }
        }
        outcomes
    }

    async fn row(&self, row: &Row, started: &[(&Peer, io::Result<Running>)]) -> Outcome {
        let mut cells = BTreeMap::new();
        let mut running = Vec::new();
        for (peer, proxy) in started {
            if row.only_naive && !is_ours(peer) {
                continue;
            }
            match proxy {
                Ok(proxy) if row.listener != Listener::Passthrough || proxy.launch.passthrough => {
                    running.push((peer, proxy));
                }
                Ok(_) => drop(cells.insert(peer.name.clone(), Cell::failed("it does not pass TLS through by name"))),
                Err(why) => drop(cells.insert(peer.name.clone(), Cell::failed(why))),
            }
        }
        for ((peer, proxy), counts) in turns(&running, self.rounds) {
            let cell: &mut Cell = cells.entry(peer.name.clone()).or_default();
            if cell.fault.is_some() {
                continue;
            }
            match self.sample(row, proxy).await {
                Ok(value) if counts => cell.samples.push(value),
                Ok(_) => {}
                Err(fault) => cell.fault = Some(proxy.backend.fault().unwrap_or_else(|| fault.to_string())),
            }
        }
        let outcome = Outcome {
            row: row.name.clone(),
            what: row.what.clone(),
            unit: row.unit.name().into(),
            better: Better::Less,
            only_naive: row.only_naive,
            cells,
        };
        show(&outcome);
        outcome
    }

    async fn sample(&self, row: &Row, proxy: &Running) -> Result<f64, Fault> {
        let (address, site) = match row.listener {
            Listener::Ecdsa => (proxy.ecdsa, &self.material.ecdsa.site),
            Listener::Rsa => (proxy.rsa, &self.material.rsa.site),
            Listener::Passthrough => (proxy.passthrough, &self.material.ecdsa.site),
        };
        let target = Target {
            address,
            terms: row.terms,
            sites: [site.clone()].into(),
            passthrough: row.listener == Listener::Passthrough,
        };
        let (seconds, units) = cost(proxy, row.work, &target).await?;
        Ok(row.unit.value(seconds, units))
    }
}

/// The order in which they are measured, and whether the sample counts. The first round is for warming up, and shows
/// which proxies cannot do it.
pub(crate) fn turns<T: Copy>(all: &[T], rounds: usize) -> Vec<(T, bool)> {
    let mut order: Vec<_> = all.iter().map(|one| (*one, false)).collect();
    for _ in 0..rounds {
        order.extend(all.iter().map(|one| (*one, true)));
        order.extend(all.iter().rev().map(|one| (*one, true)));
    }
    order
}

/// Keeps the settings of each, for the report.
pub(crate) fn keep_settings(settings: &mut Settings, tuning: Tuning, started: &[(&Peer, io::Result<Running>)]) {
    for (peer, running) in started {
        match running {
            Ok(running) => {
                let all = settings.entry(peer.name.clone()).or_default();
                all.insert(format!("{tuning:?}").to_lowercase(), running.launch.settings.clone());
            }
            Err(why) => eprintln!("{}: {why}", peer.name),
        }
    }
}

/// Processor time of the proxy for this work, in seconds, and the number of units.
pub(crate) async fn cost(proxy: &Running, work: Work, target: &Target) -> Result<(f64, u64), Fault> {
    let others = proxy.backend.open();
    let ready = work.prepare(target).await?;
    let before = proxy.settled(usize::MAX).await?;
    let units = ready.run().await?;
    let after = proxy.settled(others).await?;
    if let Some(fault) = proxy.backend.fault() {
        return Err(Fault::Backend(fault));
    }
    Ok((after.since(&before)?.as_secs_f64(), units))
}

fn is_ours(peer: &Peer) -> bool {
    matches!(peer.kind, Kind::Tlsgate | Kind::TlsgateRustls | Kind::Naive)
}

/// A line of progress for the user.
pub(crate) fn show(outcome: &Outcome) {
    let figures: Vec<String> = outcome
        .cells
        .iter()
        .map(|(name, cell)| {
            let figure = cell.median().map_or_else(|| "–".into(), crate::report::number);
            format!("{name} {figure}")
        })
        .collect();
    eprintln!("{} ({}): {}", outcome.row, outcome.unit, figures.join(", "));
}
