//! The processor time and memory of a process and its children, as the operating system reports them. And the cores on
//! which things run.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::time::clock_getcpuclockid;
use nix::unistd::Pid;

/// A process and all its descendants.
pub(crate) struct Tree {
    root: u32,
}

/// Processor time of one tree at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Used {
    /// Of each process, including its threads that have ended.
    living: BTreeMap<u32, Duration>,
    /// Of children that have ended and were waited for, in steps of 10 ms.
    pub(crate) ended: Duration,
}

impl Used {
    /// The time used since `before`, if no process began or ended in between: part of the time of an ended one is lost.
    pub(crate) fn since(&self, before: &Self) -> io::Result<Duration> {
        if self.pids().ne(before.pids()) {
            let [before, now] = [before, self].map(|used| used.pids().collect::<Vec<_>>());
            return Err(io::Error::other(format!("processes ended or began: {before:?}, then {now:?}")));
        }
        Ok(self.living.values().sum::<Duration>() - before.living.values().sum::<Duration>())
    }

    /// Adds the values of a later moment; an ended process keeps its last value.
    pub(crate) fn see(&mut self, now: &Self) {
        self.living.extend(&now.living);
        self.ended = now.ended;
    }

    /// The time used since `before`, even if processes have ended in between, if [`Self::see`] was called often.
    pub(crate) fn seen_since(&self, before: &Self) -> Duration {
        let new =
            |(pid, used): (&u32, &Duration)| used.saturating_sub(before.living.get(pid).copied().unwrap_or_default());
        self.living.iter().map(new).sum()
    }

    pub(crate) fn total(&self) -> Duration {
        self.living.values().sum::<Duration>() + self.ended
    }

    pub(crate) fn pids(&self) -> impl Iterator<Item = &u32> {
        self.living.keys()
    }
}

impl Tree {
    pub(crate) fn new(root: u32) -> Self {
        Self { root }
    }

    pub(crate) fn used(&self) -> io::Result<Used> {
        let mut used = Used::default();
        for pid in self.pids()? {
            // The clock counts nanoseconds; fields 16 and 17, the time of ended children, have no other source.
            let clock = clock_getcpuclockid(Pid::from_raw(pid.try_into().map_err(io::Error::other)?));
            // A process that ended since it was listed is left out; the caller notices that it is missing.
            if let (Ok(now), Ok(user), Ok(system)) =
                (clock.and_then(|clock| clock.now()), field(pid, 16), field(pid, 17))
            {
                used.living.insert(pid, now.into());
                used.ended += Duration::from_millis(10 * (user + system));
            }
        }
        Ok(used)
    }

    /// Of each living thread.
    pub(crate) fn threads(&self) -> io::Result<BTreeMap<u32, Duration>> {
        let mut threads = BTreeMap::new();
        for pid in self.pids()? {
            for task in fs::read_dir(format!("/proc/{pid}/task"))? {
                let task = task?;
                let text = fs::read_to_string(task.path().join("schedstat"))?;
                let nanoseconds = text.split_whitespace().next().and_then(|text| text.parse().ok());
                let thread = task.file_name().to_string_lossy().parse().map_err(io::Error::other)?;
                threads.insert(thread, Duration::from_nanos(nanoseconds.unwrap_or_default()));
            }
        }
        Ok(threads)
    }

    /// Resident memory, in bytes. Pages that several processes share are divided among them.
    pub(crate) fn memory(&self) -> io::Result<u64> {
        let mut bytes = 0;
        for pid in self.pids()? {
            let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
            let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
            let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
            bytes += 1024 * kib.ok_or_else(|| io::Error::other("no Pss in smaps_rollup"))?;
        }
        Ok(bytes)
    }

    /// In ascending order.
    pub(crate) fn pids(&self) -> io::Result<Vec<u32>> {
        let mut found = vec![self.root];
        let mut at = 0;
        while let Some(&pid) = found.get(at) {
            at += 1;
            let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { continue };
            for task in tasks {
                let children = fs::read_to_string(task?.path().join("children")).unwrap_or_default();
                found.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
            }
        }
        found.sort_unstable();
        Ok(found)
    }
}

/// What other programs use of some cores, from a moment on.
pub(crate) struct Others {
    cores: Vec<usize>,
    began: Instant,
    busy: Duration,
    own: Duration,
}

impl Others {
    pub(crate) fn watch(cores: &[usize]) -> io::Result<Self> {
        let mut cores = cores.to_vec();
        cores.sort_unstable();
        cores.dedup();
        let (busy, own) = (busy(&cores)?, own()?);
        Ok(Self { cores, began: Instant::now(), busy, own })
    }

    /// The share of these cores that neither this process nor its children had since then, but others.
    pub(crate) fn share(&self) -> io::Result<f64> {
        let all = busy(&self.cores)?.saturating_sub(self.busy);
        let others = all.saturating_sub(own()?.saturating_sub(self.own));
        Ok(others.as_secs_f64() / self.began.elapsed().as_secs_f64() / self.cores.len().max(1) as f64)
    }
}

/// This process and its children.
fn own() -> io::Result<Duration> {
    Ok(Tree::new(std::process::id()).used()?.total())
}

/// The time of programs on these cores, and the time in which another machine had them, in steps of 10 ms. Interrupts
/// are left out, since they are no program's.
fn busy(cores: &[usize]) -> io::Result<Duration> {
    let text = fs::read_to_string("/proc/stat")?;
    let mut ticks = 0;
    for core in cores {
        let name = format!("cpu{core} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&name));
        let line = line.ok_or_else(|| io::Error::other(format!("/proc/stat has no {name}")))?;
        let columns: Vec<u64> = line.split_whitespace().filter_map(|number| number.parse().ok()).collect();
        // user, nice, system, and steal (proc(5)).
        ticks += [0, 1, 2, 7].iter().filter_map(|place| columns.get(*place)).sum::<u64>();
    }
    Ok(Duration::from_millis(10 * ticks))
}

/// The field of that number in `/proc/PID/stat`, as proc(5) counts them.
fn field(pid: u32, number: usize) -> io::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in the second field may contain blanks and parentheses, so the fields are counted after the last one.
    let rest = text.rsplit(')').next().unwrap_or_default();
    let field = rest.split_whitespace().nth(number - 3);
    field.and_then(|field| field.parse().ok()).ok_or_else(|| io::Error::other(format!("no field {number} in {text}")))
}

/// The cores that this process may use.
pub(crate) fn cores() -> io::Result<Vec<usize>> {
    let set = sched_getaffinity(Pid::from_raw(0))?;
    Ok((0..CpuSet::count()).filter(|&core| set.is_set(core).unwrap_or(false)).collect())
}

/// Binds this thread to `cores`, and everything that it starts from now on.
pub(crate) fn pin(cores: &[usize]) -> io::Result<()> {
    let mut set = CpuSet::new();
    for &core in cores {
        set.set(core)?;
    }
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}
