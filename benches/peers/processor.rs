//! What the operating system says a process and its children have used: processor time and memory. And on which cores
//! things run.

use std::fs;
use std::io;
use std::time::Duration;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::time::clock_getcpuclockid;
use nix::unistd::Pid;

/// A process and all that it has started.
pub(crate) struct Tree {
    root: u32,
}

/// Processor time of one tree at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Used {
    /// Threads that have ended are counted too.
    living: Duration,
    /// Of children that have ended and were waited for, in steps of 10 ms.
    pub(crate) ended: Duration,
    pub(crate) pids: Vec<u32>,
}

impl Used {
    /// What was used since `before`, if no process began or ended in between: of one that ended, part is lost.
    pub(crate) fn since(&self, before: &Self) -> io::Result<Duration> {
        if self.pids != before.pids {
            return Err(io::Error::other(format!("processes ended or began: {:?}, then {:?}", before.pids, self.pids)));
        }
        Ok(self.living - before.living)
    }

    /// What was used since `before`, with what children used that ended in between.
    pub(crate) fn since_with_ended(&self, before: &Self) -> Duration {
        (self.living + self.ended).saturating_sub(before.living + before.ended)
    }

    pub(crate) fn total(&self) -> Duration {
        self.living + self.ended
    }
}

impl Tree {
    pub(crate) fn new(root: u32) -> Self {
        Self { root }
    }

    pub(crate) fn used(&self) -> io::Result<Used> {
        let (mut living, mut ended) = (Duration::ZERO, Duration::ZERO);
        let pids = self.pids()?;
        for &pid in &pids {
            let clock = clock_getcpuclockid(Pid::from_raw(pid.try_into().map_err(io::Error::other)?));
            // One that ended since it was listed is noticed by its absence.
            let Ok(now) = clock.and_then(|clock| clock.now()) else { continue };
            living += Duration::from(now);
            ended += Duration::from_millis(10 * (field(pid, 15)? + field(pid, 16)?));
        }
        Ok(Used { living, ended, pids })
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

    /// In their order.
    fn pids(&self) -> io::Result<Vec<u32>> {
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

/// The field of that number in `/proc/PID/stat`, as proc(5) counts them.
fn field(pid: u32, number: usize) -> io::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let rest = text.rsplit(')').next().unwrap_or_default();
    let field = rest.split_whitespace().nth(number - 2);
    field.and_then(|field| field.parse().ok()).ok_or_else(|| io::Error::other(format!("no field {number} in {text}")))
}

/// The cores that this process may use.
pub(crate) fn cores() -> io::Result<Vec<usize>> {
    let set = sched_getaffinity(Pid::from_raw(0))?;
    Ok((0..CpuSet::count()).filter(|&core| set.is_set(core).unwrap_or(false)).collect())
}

/// Binds this thread to `cores`, and with it what it starts from now on.
pub(crate) fn pin(cores: &[usize]) -> io::Result<()> {
    let mut set = CpuSet::new();
    for &core in cores {
        set.set(core)?;
    }
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}
