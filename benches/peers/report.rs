//! The results: figures with their spread, and the comparison; as tables, and as JSON.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::network::Network;

/// Gaps below this are ties.
const TIE: f64 = 0.10;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) commit: String,
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) kernel: String,
    pub(crate) network: Network,
    pub(crate) rounds: usize,
    pub(crate) quick: bool,
    pub(crate) peers: Vec<About>,
    pub(crate) missing: Vec<String>,
    pub(crate) results: Vec<Outcome>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct About {
    pub(crate) name: String,
    pub(crate) about: String,
    pub(crate) settings: BTreeMap<String, String>,
}

/// One row.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) row: String,
    pub(crate) what: String,
    pub(crate) unit: String,
    pub(crate) better: Better,
    pub(crate) only_naive: bool,
    pub(crate) cells: BTreeMap<String, Cell>,
}

/// Which of two figures is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Better {
    Less,
    More,
}

impl Better {
    /// The better one comes first.
    pub(crate) fn order(self, left: f64, right: f64) -> Ordering {
        match self {
            Self::Less => left.total_cmp(&right),
            Self::More => right.total_cmp(&left),
        }
    }
}

/// One proxy in one row.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Cell {
    pub(crate) samples: Vec<f64>,
    /// Why there are no samples, or no more of them.
    pub(crate) fault: Option<String>,
}

impl Cell {
    pub(crate) fn of(samples: Vec<f64>) -> Self {
        Self { samples, fault: None }
    }

    pub(crate) fn failed(fault: impl ToString) -> Self {
        Self { samples: Vec::new(), fault: Some(fault.to_string()) }
    }

    pub(crate) fn median(&self) -> Option<f64> {
        if self.fault.is_some() { None } else { quantile(&self.samples, 0.5) }
    }

    /// Half of the distance between the quartiles, as a share of the median.
    pub(crate) fn spread(&self) -> Option<f64> {
        let (low, high) = (quantile(&self.samples, 0.25)?, quantile(&self.samples, 0.75)?);
        Some((high - low) / 2.0 / self.median()?)
    }
}

/// Quantile, interpolated linearly between samples.
fn quantile(samples: &[f64], share: f64) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = share * sorted.len().checked_sub(1)? as f64;
    let (below, above) = (sorted.get(place.floor() as usize)?, sorted.get(place.ceil() as usize)?);
    Some(below + (above - below) * place.fract())
}

pub(crate) const OURS: &str = "tlsgate";
pub(crate) const NAIVE: &str = "naive";

/// Whether a proxy of that name is neither tlsgate nor the naive relay.
pub(crate) fn is_rival(name: &str) -> bool {
    !name.starts_with(OURS) && name != NAIVE
}

impl Outcome {
    /// The best of the other proxies, and its figure.
    pub(crate) fn best(&self) -> Option<(&str, f64)> {
        let rivals = self.cells.iter().filter(|(name, _)| is_rival(name));
        let figures = rivals.filter_map(|(name, cell)| Some((name.as_str(), cell.median()?)));
        figures.min_by(|left, right| self.better.order(left.1, right.1))
    }

    pub(crate) fn ratio_to_best(&self) -> Option<f64> {
        self.ratio(self.best()?.1)
    }

    pub(crate) fn ratio_to_naive(&self) -> Option<f64> {
        self.ratio(self.cells.get(NAIVE)?.median()?)
    }

    fn ratio(&self, other: f64) -> Option<f64> {
        Some(self.cells.get(OURS)?.median()? / other).filter(|ratio| ratio.is_finite())
    }
}

impl Report {
    /// One report of several runs on the same machine: all rows, and of a row that is in two of them the later. Without
    /// the proxies that `shown` leaves out.
    pub(crate) fn merged(runs: Vec<Self>, shown: impl Fn(&str) -> bool) -> Option<Self> {
        let mut merged = runs.into_iter().reduce(|mut all: Self, next| {
            all.results.retain(|old| next.results.iter().all(|new| new.row != old.row));
            all.results.extend(next.results);
            let known = |name: &str, peers: &[About]| peers.iter().any(|peer| peer.name == name);
            all.peers.extend(next.peers.into_iter().filter(|peer| !known(&peer.name, &all.peers)).collect::<Vec<_>>());
            let warnings = next.network.warnings.into_iter().filter(|one| !all.network.warnings.contains(one));
            let warnings: Vec<String> = warnings.collect();
            all.network.warnings.extend(warnings);
            all
        })?;
        merged.peers.retain(|peer| shown(&peer.name));
        for row in &mut merged.results {
            row.cells.retain(|name, _| shown(name));
        }
        Some(merged)
    }

    /// Everything, in Markdown.
    pub(crate) fn tables(&self) -> String {
        let mut text = format!(
            "tlsgate {}; {} ({} cores), Linux {}; {}{}; medians of {} times A B … B A\n\n",
            self.commit,
            self.processor,
            self.cores,
            self.kernel,
            self.network.congestion_control,
            if self.network.own { " in a network of its own" } else { "" },
            self.rounds,
        );
        for warning in self.network.warnings.iter().chain(&self.missing) {
            let _ = writeln!(text, "- {warning}");
        }
        for peer in &self.peers {
            let _ = writeln!(text, "- {}: {}", peer.name, peer.about);
        }
        for only_naive in [false, true] {
            let outcomes: Vec<&Outcome> = self.results.iter().filter(|row| row.only_naive == only_naive).collect();
            if !outcomes.is_empty() {
                text.push('\n');
                text.push_str(&self.table(&outcomes));
            }
        }
        let mut faults: BTreeMap<(&str, String), Vec<&str>> = BTreeMap::new();
        for outcome in &self.results {
            for (peer, cell) in &outcome.cells {
                if let Some(fault) = &cell.fault {
                    let fault = fault.lines().map(str::trim).collect::<Vec<_>>().join(" / ");
                    faults.entry((peer, fault)).or_default().push(&outcome.row);
                }
            }
        }
        if !faults.is_empty() {
            text.push_str("\nWithout a figure (–):\n\n");
        }
        for ((peer, fault), rows) in faults {
            let _ = writeln!(text, "- {peer}: {fault} ({})", rows.join(", "));
        }
        text
    }

    fn table(&self, outcomes: &[&Outcome]) -> String {
        let shown = |peer: &&About| outcomes.iter().any(|outcome| outcome.cells.contains_key(&peer.name));
        let peers: Vec<&About> = self.peers.iter().filter(shown).collect();
        let rivals = peers.iter().any(|peer| is_rival(&peer.name));
        let mut text = String::from("| |");
        let mut rule = String::from("|---|");
        for peer in &peers {
            let _ = write!(text, " {} |", peer.name);
            rule.push_str("---|");
        }
        let naive = peers.iter().any(|peer| peer.name == NAIVE);
        for (there, name) in [(rivals, "tlsgate / best"), (naive, "tlsgate / naive")] {
            if there {
                let _ = write!(text, " {name} |");
                rule.push_str("---|");
            }
        }
        let _ = writeln!(text, "\n{rule}");
        for outcome in outcomes {
            let more = if outcome.better == Better::More { " (more is better)" } else { "" };
            let _ = write!(text, "| {}, {}{more} |", outcome.what, outcome.unit);
            for peer in &peers {
                let cell = outcome.cells.get(&peer.name);
                let _ = write!(text, " {} |", cell.map_or_else(|| "–".into(), figure));
            }
            if rivals {
                let best = outcome.best().map_or("", |(name, _)| name);
                let ratio = outcome
                    .ratio_to_best()
                    .map_or_else(|| "–".into(), |ratio| format!("{} ({best})", ratio_text(ratio)));
                let _ = write!(text, " {ratio} |");
            }
            if naive {
                let _ = write!(text, " {} |", outcome.ratio_to_naive().map_or_else(|| "–".into(), ratio_text));
            }
            text.push('\n');
        }
        text
    }
}

pub(crate) fn ratio_text(ratio: f64) -> String {
    let tie = if (ratio - 1.0).abs() < TIE { " tie" } else { "" };
    format!("{ratio:.2}{tie}")
}

fn figure(cell: &Cell) -> String {
    let Some(median) = cell.median() else { return "–".into() };
    let spread = cell.spread().filter(|spread| *spread >= 0.005);
    number(median) + &spread.map_or_else(String::new, |spread| format!(" ±{:.0} %", spread * 100.0))
}

/// More than three digits have no meaning here.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        0.0..0.995 => format!("{value:.3}"),
        0.995..9.95 => format!("{value:.2}"),
        9.95..99.5 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}
