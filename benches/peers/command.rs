//! The command: its options, the installed proxies, and the order of the work.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use clap::Parser;

use crate::load::{Fault, aside};
use crate::material::Material;
use crate::measure::{Bench, Settings};
use crate::network::Network;
use crate::peer::running::{Cores, take_files};
use crate::peer::{KINDS, Kind, Peer};
use crate::report::{About, Outcome, Report};
use crate::{latency, picture, processor, rows};

/// The length of a measurement of latency or goodput.
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(60);

/// Measures the processor time that tlsgate and other TLS proxies use for the same work, and their latency and goodput.
///
/// Proxies that are not installed are left out, with a note on how to get them. Nothing is installed, and no setting of
/// the machine is changed.
#[derive(Parser, Debug)]
#[command(name = "peers")]
pub(crate) struct Options {
    /// A few minutes: fewer rounds, less work in each.
    #[arg(long)]
    quick: bool,
    /// How often to measure in the order A B … B A; 5, or 2 with --quick.
    #[arg(long, value_name = "COUNT")]
    rounds: Option<usize>,
    /// Only these rows; a name, or the beginning of names with a star: "full-*,push-1". See --list. Rows of latency and
    /// goodput run only if they are named here.
    #[arg(long, value_delimiter = ',', value_name = "ROWS")]
    rows: Vec<String>,
    /// Only these proxies, by their names in the table.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    peers: Vec<String>,
    /// Another HAProxy, besides the installed one. Like the next three, may be given more than once.
    #[arg(long, value_name = "PROGRAM")]
    haproxy: Vec<PathBuf>,
    /// Another nginx.
    #[arg(long, value_name = "PROGRAM")]
    nginx: Vec<PathBuf>,
    /// An Envoy that is neither named by the variable ENVOY, nor in target/envoy, nor in PATH.
    #[arg(long, value_name = "PROGRAM")]
    envoy: Vec<PathBuf>,
    /// Another tlsgate, such as an earlier one.
    #[arg(long, value_name = "PROGRAM")]
    tlsgate: Vec<PathBuf>,
    /// Idle connections at one time; 9000, or 1000 with --quick.
    #[arg(long, value_name = "COUNT")]
    idle: Option<usize>,
    /// The number of certificates in the rows with many; 10000, or 1000 with --quick.
    #[arg(long, value_name = "COUNT")]
    certificates: Option<usize>,
    /// How long each measurement of latency or goodput lasts; 10, or 4 with --quick.
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<f64>,
    /// Writes everything to this file, with each sample and each proxy's settings.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Draws the table to this file.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Measures nothing: shows what earlier runs have written with --json, as one table.
    #[arg(long, value_delimiter = ',', value_name = "FILES")]
    pub(crate) from: Vec<PathBuf>,
    /// Prints the settings that each proxy got.
    #[arg(long)]
    settings: bool,
    /// Prints the rows and the proxies, and does nothing.
    #[arg(long)]
    pub(crate) list: bool,
    /// Cargo gives this flag to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

/// Returns the tables. Without a network it only lists the proxies.
pub(crate) fn run(options: &Options, network: Option<Network>) -> io::Result<String> {
    if !options.from.is_empty() {
        return options.shown_again();
    }
    let (peers, missing) = options.peers_found();
    let all = rows::all(options.quick);
    let (idle, certificates) = options.sizes();
    let states = [format!("idle-{idle}"), "many".to_owned(), "workers".to_owned()];
    let latency = latency::all();
    let Some(mut network) = network else {
        let rows: Vec<&String> = all.iter().map(|row| &row.name).chain(&states).collect();
        return Ok(list(&rows, &latency, &peers, &missing));
    };
    let latency: Vec<_> = latency.into_iter().filter(|row| options.names(&row.name)).collect();
    let rows: Vec<_> = all.into_iter().filter(|row| options.wants(&row.name)).collect();
    let [wants_idle, wants_many, wants_workers] = states.map(|name| options.wants(&name));
    if rows.is_empty() && latency.is_empty() && !wants_idle && !wants_many && !wants_workers {
        return Err(io::Error::other("no row has such a name; --list shows them"));
    }
    if peers.is_empty() {
        return Err(io::Error::other("no proxy has such a name; --list shows them"));
    }

    let cores = cores()?;
    processor::pin(&cores.load)?;
    let files = take_files()?;
    if !latency.is_empty() {
        network.warnings.extend(aside::warning());
    }
    for line in network.warnings.iter().chain(&missing) {
        eprintln!("{line}");
    }
    let folder = tempfile::tempdir()?;
    fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o711))?;
    let material = Material::write(folder.path())?;
    let rounds = options.rounds.unwrap_or(if options.quick { 2 } else { 5 }).max(1);
    let seconds = options.length()?;
    let bench = Bench { peers, cores, material, folder, rounds, quick: options.quick, seconds };
    let mut settings = Settings::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let results = runtime.block_on(async {
        let mut results = bench.in_turns(&rows, &mut settings).await;
        if wants_idle {
            // Each takes two descriptors here and two in the proxy.
            let room = usize::try_from(files / 2).unwrap_or(usize::MAX).saturating_sub(300);
            results.extend(bench.idle(idle.min(room)).await);
        }
        if wants_many {
            results.extend(bench.many(certificates).await?);
        }
        if wants_workers {
            results.extend(bench.workers().await);
        }
        results.extend(bench.latency(&latency, certificates.max(2), &mut settings, &mut network.warnings).await?);
        Ok::<Vec<Outcome>, Fault>(results)
    });
    let results = results.map_err(io::Error::other)?;
    let report = report(&bench, network, missing, settings, results)?;
    options.write(&report)
}

fn list(rows: &[&String], latency: &[latency::Row], peers: &[Peer], missing: &[String]) -> String {
    let mut text = String::from("rows:\n");
    text.extend(rows.iter().map(|name| format!("  {name}\n")));
    text.push_str("rows that run only if they are named:\n");
    text.extend(latency.iter().map(|row| format!("  {}\n", row.name)));
    text.push_str("proxies:\n");
    text.extend(peers.iter().map(|peer| format!("  {}: {}\n", peer.name, peer.about)));
    text.extend(missing.iter().map(|missing| format!("  {missing}\n")));
    text
}

impl Options {
    /// The installed proxies, and notes on the missing ones.
    fn peers_found(&self) -> (Vec<Peer>, Vec<String>) {
        let (mut peers, mut missing) = (Vec::new(), Vec::new());
        for kind in KINDS {
            let wanted = |name: &str| self.peers.is_empty() || self.peers.iter().any(|peer| peer == name);
            let given = match kind {
                Kind::Haproxy => &self.haproxy[..],
                Kind::Nginx => &self.nginx[..],
                Kind::Envoy => &self.envoy[..],
                Kind::Tlsgate => &self.tlsgate[..],
                _ => &[],
            };
            match kind.find() {
                _ if kind == Kind::Envoy && !given.is_empty() => {}
                Some(program) if wanted(kind.name()) => peers.push(Peer::new(kind.name(), kind, program)),
                None if wanted(kind.name()) => {
                    missing.push(format!("{} is missing: {}", kind.name(), kind.how_to_get()));
                }
                _ => {}
            }
            for (number, program) in given.iter().enumerate() {
                let first = kind == Kind::Envoy && number == 0;
                let name = if first { kind.name().to_owned() } else { format!("{}-{}", kind.name(), number + 2) };
                if wanted(&name) {
                    peers.push(Peer::new(name, kind, program.clone()));
                }
            }
        }
        (peers, missing)
    }

    fn shown_again(&self) -> io::Result<String> {
        let read = |path: &PathBuf| Ok::<Report, io::Error>(serde_json::from_slice(&fs::read(path)?)?);
        let runs = self.from.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let shown = |name: &str| self.peers.is_empty() || self.peers.iter().any(|peer| peer == name);
        let mut merged = Report::merged(runs, shown).ok_or_else(|| io::Error::other("--from: no file"))?;
        merged.results.retain(|row| self.wants(&row.row));
        self.write(&merged)
    }

    fn wants(&self, row: &str) -> bool {
        self.rows.is_empty() || self.names(row)
    }

    fn names(&self, row: &str) -> bool {
        let matches = |wanted: &String| match wanted.strip_suffix('*') {
            Some(beginning) => row.starts_with(beginning),
            None => row == wanted,
        };
        self.rows.iter().any(matches)
    }

    /// Of each measurement of latency or goodput.
    fn length(&self) -> io::Result<Duration> {
        let seconds = self.seconds.unwrap_or(if self.quick { 4.0 } else { 10.0 });
        let length = Duration::try_from_secs_f64(seconds).ok().filter(|length| (SHORTEST..=LONGEST).contains(length));
        length.ok_or_else(|| io::Error::other(format!("--seconds {seconds}: not between {SHORTEST:?} and {LONGEST:?}")))
    }

    /// Idle connections, and certificates.
    fn sizes(&self) -> (usize, usize) {
        let (idle, certificates) = if self.quick { (1000, 1000) } else { (9000, 10_000) };
        (self.idle.unwrap_or(idle), self.certificates.unwrap_or(certificates).max(1))
    }

    fn write(&self, report: &Report) -> io::Result<String> {
        if let Some(path) = &self.json {
            fs::write(path, serde_json::to_string_pretty(report)? + "\n")?;
        }
        if let Some(path) = &self.svg {
            fs::write(path, picture::svg(report))?;
        }
        let mut text = report.tables();
        if self.settings {
            for peer in &report.peers {
                for (tuning, settings) in &peer.settings {
                    text.push_str(&format!("\n{}, {tuning}:\n{settings}\n", peer.name));
                }
            }
        }
        Ok(text)
    }
}

fn report(
    bench: &Bench,
    network: Network,
    missing: Vec<String>,
    mut settings: Settings,
    results: Vec<Outcome>,
) -> io::Result<Report> {
    let seen: BTreeSet<&String> = results.iter().flat_map(|row| row.cells.keys()).collect();
    let about = |peer: &Peer| About {
        name: peer.name.clone(),
        about: peer.about.clone(),
        settings: settings.remove(&peer.name).unwrap_or_default(),
    };
    let peers = bench.peers.iter().filter(|peer| seen.contains(&peer.name)).map(about).collect();
    let processors = fs::read_to_string("/proc/cpuinfo")?;
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    Ok(Report {
        commit: commit(),
        processor: model.map_or("an unknown processor", |(_, model)| model).to_owned(),
        cores: std::thread::available_parallelism()?.get().max(bench.cores.load.len() + bench.cores.proxy.len()),
        kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned(),
        network,
        rounds: bench.rounds,
        quick: bench.quick,
        peers,
        missing,
        results,
    })
}

/// The proxies on the last core, and their load on the one before.
fn cores() -> io::Result<Cores> {
    match processor::cores()?[..] {
        [.., load, proxy] => Ok(Cores { load: vec![load], proxy: vec![proxy] }),
        [only] => Ok(Cores { load: vec![only], proxy: vec![only] }),
        [] => Err(io::Error::other("no core may be used")),
    }
}

/// The version of the source of this program.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").arg("-C").arg(env!("CARGO_MANIFEST_DIR")).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short", "HEAD"]) else { return "of an unknown commit".into() };
    let changed = git(&["status", "--porcelain", "--untracked-files=no", "src", "Cargo.lock"]);
    if changed.is_none_or(|files| files.is_empty()) { commit } else { format!("{commit} with changes") }
}
