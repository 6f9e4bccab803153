//! One soak, from its beginning to its end. Must not know: what each of its threads does.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::api::Api;
use crate::configuration::{LISTENERS, SHUTDOWN_TIMEOUT};
use crate::faults::{Fault, Faults, Span};
use crate::ledger::Ledger;
use crate::log;
use crate::material::Material;
use crate::pressure::CLIENTS;
use crate::problems::Problems;
use crate::program::{Exit, Program};
use crate::sample::Sample;
use crate::samples::{Measures, open_files};
use crate::{bad, good, held, kills, pressure, report, samples, swaps, upgrades};

/// What all threads of the soak share.
pub(crate) struct Soak {
    pub(crate) started: Instant,
    pub(crate) duration: Duration,
    /// For how long a process serves until another takes over.
    pub(crate) upgrades_every: Duration,
    pub(crate) material: Material,
    pub(crate) program: Program,
    pub(crate) api: Api,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) faults: Arc<Faults>,
    pub(crate) problems: Arc<Problems>,
    pub(crate) measures: Measures,
    pub(crate) log: Arc<log::Log>,
    over: Mutex<bool>,
    news: Condvar,
}

impl Soak {
    fn start(duration: Duration, upgrades_every: Duration) -> Self {
        let material = Material::new();
        let (log, faults) = (log::shared(), Arc::new(Faults::default()));
        let problems = Arc::new(Problems::new(Arc::clone(&log)));
        let ledger = Arc::new(Ledger::new(Arc::clone(&faults), Arc::clone(&problems)));
        let records = Arc::clone(&ledger);
        let record = move |line: String| records.record(&line);
        let program = Program::start(material.folder(), LISTENERS, Arc::clone(&log), record);
        Self {
            started: Instant::now(),
            duration,
            upgrades_every,
            api: Api::new(material.folder()),
            material,
            program,
            ledger,
            faults,
            problems,
            measures: Measures::default(),
            log,
            over: Mutex::new(false),
            news: Condvar::new(),
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        *self.over.lock().unwrap()
    }

    /// Waits for that time; false if the soak ends before.
    pub(crate) fn pause(&self, time: Duration) -> bool {
        let over = self.over.lock().unwrap();
        !*self.news.wait_timeout_while(over, time, |over| !*over).unwrap().0
    }

    /// Seconds since the start.
    pub(crate) fn seconds(&self, at: Instant) -> f64 {
        at.saturating_duration_since(self.started).as_secs_f64()
    }

    fn end(&self) {
        *self.over.lock().unwrap() = true;
        self.news.notify_all();
    }

    /// Waits until `look` finds something, and complains if it never does.
    pub(crate) fn eventually<T>(&self, what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(found) = look() {
                return Some(found);
            }
            if Instant::now() > deadline {
                self.problems.add(Instant::now(), format!("never: {what}"));
                return None;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

pub(crate) fn run(duration: Duration, upgrades_every: Duration) -> ExitCode {
    let soak = Soak::start(duration, upgrades_every);
    soak.eventually("it is ready", LIMIT, || soak.api.ask("GET", "/readyz").ok().filter(|answer| answer.0 == 200));
    // Before there is any client: at the end it must be so again.
    let idle = open_files(soak.program.pid()).unwrap_or_default();
    let samples = load(&soak);
    cools_down(&soak, idle);
    was_short(&soak);
    soak.program.signal(Signal::SIGTERM);
    ends(&soak, soak.program.pid(), &[Exit::Code(0)]);
    soak.program.finish();
    soak.ledger.sweep(Duration::ZERO);
    for server in soak.material.servers() {
        for (at, what) in server.corruptions() {
            soak.problems.add(at, what);
        }
    }
    for (kind, count) in soak.log.severe() {
        if kind.starts_with("ERROR") {
            soak.problems.add(Instant::now(), format!("{count} errors in the log: {kind}"));
        }
    }
    report::write(&soak, &samples)
}

/// All threads, until the time is over.
fn load(soak: &Soak) -> Vec<Sample> {
    thread::scope(|scope| {
        for thread in 0..GOOD {
            scope.spawn(move || good::load(soak, thread));
        }
        scope.spawn(|| bad::load(soak, GOOD));
        scope.spawn(|| held::load(soak, GOOD + 1));
        scope.spawn(|| pressure::load(soak, GOOD + 2));
        scope.spawn(|| kills::load(soak));
        scope.spawn(|| swaps::load(soak));
        scope.spawn(|| upgrades::load(soak));
        let samples = scope.spawn(|| samples::take(soak));
        soak.pause(soak.duration);
        soak.end();
        samples.join().unwrap()
    })
}

/// When all clients have gone, nothing of them is left.
fn cools_down(soak: &Soak, idle: usize) {
    let pid = soak.program.pid();
    soak.eventually("all records are there", LIMIT, || (soak.ledger.waiting() == 0).then_some(()));
    soak.eventually("no connection is open", LIMIT, || {
        (soak.api.metric("tlsgate_connections_active").ok()? == 0.0).then_some(())
    });
    // Besides, there may be a health check of each server at this moment.
    let most = idle + soak.material.servers().count();
    let what = format!("{most} open files at most, as before there was any client");
    let closed = soak.eventually(&what, LIMIT, || open_files(pid).filter(|files| *files <= most));
    if closed.is_none() {
        soak.problems.add(Instant::now(), format!("these are open: {}", described(pid)));
    }
}

/// A bound of memory that has closed nobody was not tried. Neither the few clients of a debug build reach it, nor those of a
/// short time.
fn was_short(soak: &Soak) {
    let outcomes = soak.ledger.tally().outcomes;
    let has_stalled = outcomes.values().any(|outcomes| outcomes.contains_key("memory_stalled"));
    let is_long = |span: Span| span.until.is_some_and(|until| until.duration_since(span.from) >= SHORTEST);
    let was_tried = soak.faults.all().into_iter().any(|span| span.fault == Fault::Pressure && is_long(span));
    if was_tried && !cfg!(debug_assertions) && !has_stalled {
        let what = format!("nobody was closed with memory_stalled though {CLIENTS} clients did not read");
        soak.problems.add(Instant::now(), what);
    }
}

/// The open files of a process, each kind with its number; sockets with their addresses and states.
fn described(pid: u32) -> String {
    let folder = PathBuf::from(format!("/proc/{pid}/fd"));
    let links = fs::read_dir(folder).into_iter().flatten().flatten().filter_map(|file| fs::read_link(file.path()).ok());
    let tables: String = ["tcp", "tcp6", "unix"]
        .map(|table| fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default())
        .concat();
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for link in links {
        let link = link.display().to_string();
        let inode = link.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']'));
        let line =
            inode.and_then(|inode| tables.lines().find(|line| line.split_whitespace().any(|word| word == inode)));
        *kinds.entry(line.map_or(link, |line| line.split_whitespace().collect::<Vec<_>>().join(" "))).or_default() += 1;
    }
    kinds.into_iter().map(|(kind, count)| format!("\n    {count} × {kind}")).collect()
}

/// A process that was told to end does so in time, with one of these exit codes.
pub(crate) fn ends(soak: &Soak, pid: u32, expected: &[Exit]) {
    let what = format!("process {pid} ends");
    let Some(exit) = soak.eventually(&what, SHUTDOWN_TIMEOUT + LIMIT, || soak.program.ended(pid)) else { return };
    if !expected.contains(&exit) {
        soak.problems.add(Instant::now(), format!("process {pid}: {exit:?}, expected one of {expected:?}"));
    }
}

/// Threads of good clients.
const GOOD: u8 = 4;
const LIMIT: Duration = Duration::from_secs(30);
/// Several times what stalled connections are given while memory is short.
const SHORTEST: Duration = Duration::from_secs(20);
