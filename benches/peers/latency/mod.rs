//! Latency and goodput instead of processor time: the rows, and the order in which they are measured. One sample of a
//! row has several figures, and each figure has a line of its own in the table.

use std::collections::BTreeMap;
use std::io;

use crate::load::Fault;
use crate::load::latencies::Latencies;
use crate::load::steady::Steady;
use crate::load::target::{Group, Target, Terms, Version};
use crate::material::{Many, Pair};
use crate::measure::{Bench, Settings, keep_settings, show, turns};
use crate::peer::running::{Running, Start};
use crate::peer::{Peer, Tuning};
use crate::processor::Others;
use crate::report::{Better, Cell, Outcome};

mod beside;
mod crowd;
mod offered;

pub(crate) const TERMS: Terms = Terms { version: Version::Tls13, group: Group::X25519, resumed: false };

/// A row, whose samples have the figures of its kind.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    what: String,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// Round trips beside a load, or alone.
    Beside { load: Option<Steady>, connections: usize, rate: f64 },
    /// Round trips while the proxy reads its certificates again and again.
    Reloads,
    /// Good clients and transfers beside so many slow clients and a flood of handshakes.
    Crowd { slow: u64 },
    /// Connections at a multiple of the rate that the proxy can serve.
    Goodput { times: f64 },
    /// Connections at a rate that each proxy should be able to serve.
    Connections { rate: f64 },
}

/// What a sample says: the end of the row's name, its description, and its unit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figure(&'static str, &'static str, &'static str, Better);

/// A value for each figure of a kind, or the reason why there is none.
type Values = Vec<Result<f64, String>>;

const P50: Figure = Figure("p50", "median", "ms", Better::Less);
const P99: Figure = Figure("p99", "99 %", "ms", Better::Less);
const P999: Figure = Figure("p99.9", "99.9 %", "ms", Better::Less);
const FLOORS: [Figure; 2] =
    [Figure("floor-p50", "floor, median", "ms", Better::Less), Figure("floor-p99", "floor, 99 %", "ms", Better::Less)];

/// All of them. Each takes real time, so they run only if they are named.
pub(crate) fn all() -> Vec<Row> {
    let row = |name: String, what: String, kind| Row { name, what, kind };
    let mut rows = Vec::new();
    for (name, what, load) in [
        ("handshakes", "RSA handshakes", Steady::Connections { at_once: 64 }),
        ("downloads", "16 downloads", Steady::Downloads { connections: 16 }),
        ("uploads", "16 uploads", Steady::Uploads { connections: 16 }),
    ] {
        let kind = Kind::Beside { load: Some(load), connections: beside::CONNECTIONS, rate: beside::RATE };
        rows.push(row(format!("beside-{name}"), format!("64 B beside {what}"), kind));
    }
    rows.push(row("beside-reload".into(), "64 B during reloads".into(), Kind::Reloads));
    for slow in [100, 8000] {
        let what = format!("{slow} slow clients and a flood");
        rows.push(row(format!("crowd-{slow}"), what, Kind::Crowd { slow }));
    }
    for times in [1.0, 2.0, 5.0] {
        let what = format!("RSA handshakes, {times} × capacity");
        rows.push(row(format!("goodput-{times}x"), what, Kind::Goodput { times }));
    }
    for rate in [1000.0, 5000.0, 10_000.0] {
        let what = format!("64 B, {rate} a second");
        rows.push(row(format!("latency-ping-{rate}"), what, Kind::Beside { load: None, connections: 64, rate }));
    }
    for rate in [250.0, 500.0] {
        let what = format!("ECDSA handshakes, {rate} a second");
        rows.push(row(format!("latency-connections-{rate}"), what, Kind::Connections { rate }));
    }
    rows
}

impl Kind {
    fn figures(self) -> Vec<Figure> {
        match self {
            Self::Beside { load: None, .. } => [&[P50, P99, P999][..], &FLOORS].concat(),
            Self::Beside { load: Some(Steady::Connections { .. }), .. } => {
                [&[P50, P99, P999, Figure("done", "done meanwhile", "1/s", Better::More)][..], &FLOORS].concat()
            }
            Self::Beside { load: Some(_), .. } => {
                let moved = Figure("moved", "moved meanwhile", "MB/s", Better::More);
                let cost = Figure("cost", "processor time", "s/GB", Better::Less);
                [&[P50, P99, P999, moved, cost][..], &FLOORS].concat()
            }
            Self::Reloads => {
                let longest = Figure("max", "longest", "ms", Better::Less);
                let each = Figure("each", "one reload", "s", Better::Less);
                [&[P50, P99, P999, longest, each][..], &FLOORS].concat()
            }
            Self::Crowd { .. } => crowd::FIGURES.to_vec(),
            Self::Goodput { .. } => offered::GOODPUT.to_vec(),
            Self::Connections { .. } => [&[P50, P99, P999][..], &[offered::BEGUN]].concat(),
        }
    }
}

/// A row is disturbed if other programs use more of its cores.
const DISTURBED: f64 = 0.05;

/// The cells of a row: for each of its figures, and each proxy.
struct Cells<'a> {
    row: &'a Row,
    figures: Vec<(Figure, BTreeMap<String, Cell>)>,
    /// The largest share of the cores that other programs used during a sample.
    others: f64,
}

impl<'a> Cells<'a> {
    fn new(row: &'a Row) -> Self {
        let figures = row.kind.figures().into_iter().map(|figure| (figure, BTreeMap::new())).collect();
        Self { row, figures, others: 0.0 }
    }

    fn fault(&mut self, peer: &Peer, fault: &impl ToString) {
        for (_, cells) in &mut self.figures {
            cells.entry(peer.name.clone()).or_default().fault = Some(fault.to_string());
        }
    }

    /// A figure that one sample lacks has no median.
    fn add(&mut self, peer: &Peer, values: Values) {
        for ((_, cells), value) in self.figures.iter_mut().zip(values) {
            let cell = cells.entry(peer.name.clone()).or_default();
            match value {
                Ok(value) => cell.samples.push(value),
                Err(why) => drop(cell.fault.get_or_insert(why)),
            }
        }
    }

    fn outcomes(self, warnings: &mut Vec<String>) -> Vec<Outcome> {
        let Row { name, what, .. } = self.row;
        if self.others > DISTURBED {
            let percent = self.others * 100.0;
            let warning = format!("{name}: other programs used up to {percent:.0} % of its cores meanwhile");
            eprintln!("{warning}");
            warnings.push(warning);
        }
        let outcome = |(Figure(end, which, unit, better), cells)| Outcome {
            row: format!("{name}-{end}"),
            what: format!("{what}: {which}"),
            unit: String::from(unit),
            better,
            only_naive: false,
            cells,
        };
        let outcomes: Vec<Outcome> = self.figures.into_iter().map(outcome).collect();
        outcomes.iter().for_each(show);
        outcomes
    }
}

impl Bench {
    /// All of these rows. `certificates`: the number of certificates in the row with reloads.
    pub(crate) async fn latency(
        &self,
        rows: &[Row],
        certificates: usize,
        settings: &mut Settings,
        warnings: &mut Vec<String>,
    ) -> io::Result<Vec<Outcome>> {
        let mut outcomes = Vec::new();
        let (reloads, others): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| row.kind == Kind::Reloads);
        if !others.is_empty() {
            // Large buffers save a proxy processor time with bulk data, and make everybody else wait longer.
            let tuning = Tuning::Connections;
            let started: Vec<_> =
                self.peers.iter().map(|peer| (peer, Running::start(peer, &self.start(tuning)))).collect();
            keep_settings(settings, tuning, &started);
            for row in others {
                outcomes.extend(self.row_in_turns(row, &started).await.outcomes(warnings));
            }
        }
        for row in reloads {
            let many = Many::write(&self.folder().join("reloaded"), certificates)?;
            outcomes.extend(self.row_alone(row, &many).await.outcomes(warnings));
        }
        Ok(outcomes)
    }

    async fn row_in_turns<'a>(&self, row: &'a Row, started: &[(&Peer, io::Result<Running>)]) -> Cells<'a> {
        let mut cells = Cells::new(row);
        let mut running = Vec::new();
        for (peer, proxy) in started {
            match proxy {
                Ok(proxy) => running.push((*peer, proxy)),
                Err(why) => cells.fault(peer, why),
            }
        }
        let mut failed = Vec::new();
        for ((peer, proxy), counts) in turns(&running, self.rounds) {
            if failed.contains(&&peer.name) {
                continue;
            }
            match self.figures(row, proxy, None, &mut cells.others).await {
                Ok(values) if counts => cells.add(peer, values),
                Ok(_) => {}
                Err(fault) => {
                    cells.fault(peer, &fault);
                    failed.push(&peer.name);
                }
            }
        }
        cells
    }

    /// One proxy after the other: some of them look at their files now and then, so an idle one would disturb.
    async fn row_alone<'a>(&self, row: &'a Row, many: &Many) -> Cells<'a> {
        let mut cells = Cells::new(row);
        for peer in &self.peers {
            eprintln!("{}: {}", row.name, peer.name);
            let start = Start { many: Some(many), ..self.start(Tuning::Connections) };
            let proxy = match Running::start(peer, &start) {
                Ok(proxy) => proxy,
                Err(why) => {
                    cells.fault(peer, &why);
                    continue;
                }
            };
            for round in 0..=2 * self.rounds {
                match self.figures(row, &proxy, Some(many), &mut cells.others).await {
                    // The first is for warming up.
                    Ok(values) if round > 0 => cells.add(peer, values),
                    Ok(_) => {}
                    Err(fault) => {
                        cells.fault(peer, &fault);
                        break;
                    }
                }
            }
        }
        cells
    }

    /// One sample. What the backend found wrong comes first, since it is the cause.
    async fn figures(
        &self,
        row: &Row,
        proxy: &Running,
        many: Option<&Many>,
        others: &mut f64,
    ) -> Result<Values, Fault> {
        let watch = Others::watch(&[&self.cores.load[..], &self.cores.proxy[..]].concat())?;
        let found = match (row.kind, many) {
            (Kind::Beside { load, connections, rate }, _) => self.beside(proxy, load, connections, rate).await,
            (Kind::Crowd { slow }, _) => self.crowd(proxy, slow).await,
            (Kind::Goodput { times }, _) => self.goodput(proxy, times).await,
            (Kind::Connections { rate }, _) => self.connections(proxy, rate).await,
            (Kind::Reloads, Some(many)) => self.reloads(proxy, many).await,
            (Kind::Reloads, None) => Err(io::Error::other("there are no certificates").into()),
        };
        *others = others.max(watch.share()?);
        match proxy.backend.fault() {
            Some(fault) => Err(Fault::Backend(fault)),
            None => found,
        }
    }

    fn target(&self, address: std::net::SocketAddr, pair: &Pair) -> Target {
        Target { address, terms: TERMS, sites: [pair.site.clone()].into(), passthrough: false }
    }
}

fn milliseconds(latency: std::time::Duration) -> f64 {
    latency.as_secs_f64() * 1e3
}

/// The latencies below which so many of a thousand are.
fn percentiles<const COUNT: usize>(latencies: &Latencies, shares: [usize; COUNT]) -> Values {
    shares.into_iter().map(|share| latencies.permille(share).map(milliseconds)).collect()
}
