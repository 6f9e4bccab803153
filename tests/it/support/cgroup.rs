//! A control group with a limit of memory, where this machine and user may make one.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::procfs::eventually;

/// The group. Dropping it removes it; what runs in it must have ended.
pub(crate) struct Group {
    folder: PathBuf,
    /// The files with the limit, the largest use so far, and how often the kernel has ended a process for it.
    files: [&'static str; 3],
}

impl Group {
    /// A group that may take so many bytes. `None` where none can be made.
    pub(crate) fn new(bytes: usize) -> Option<Self> {
        Self::one(bytes).or_else(|| Self::two(bytes))
    }

    /// In the hierarchy of version 1.
    fn one(bytes: usize) -> Option<Self> {
        let top = mounted(|kind, options| kind == "cgroup" && options.split(',').any(|option| option == "memory"))?;
        let files = ["memory.limit_in_bytes", "memory.max_usage_in_bytes", "memory.oom_control"];
        Self::made(&top, files, bytes)
    }

    /// In the one of version 2.
    fn two(bytes: usize) -> Option<Self> {
        let top = mounted(|kind, _| kind == "cgroup2")?;
        // Fails where the controller is on already, or may not be turned on; then the next step shows which.
        let _ = fs::write(top.join("cgroup.subtree_control"), "+memory");
        Self::made(&top, ["memory.max", "memory.peak", "memory.events"], bytes)
    }

    fn made(top: &Path, files: [&'static str; 3], bytes: usize) -> Option<Self> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("tlsgate-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = top.join(name);
        fs::create_dir(&folder).ok()?;
        let group = Self { folder, files };
        let limited = fs::write(group.folder.join(files[0]), bytes.to_string()).is_ok();
        limited.then_some(group)
    }

    /// A shell command after which the shell is in the group.
    pub(crate) fn enter(&self) -> String {
        format!("echo $$ > {}", self.folder.join("cgroup.procs").display())
    }

    /// The file that has the limit.
    pub(crate) fn limit(&self) -> PathBuf {
        self.folder.join(self.files[0])
    }

    /// The most bytes that were ever used.
    pub(crate) fn peak(&self) -> usize {
        // Kernels before 6.5 do not have it in version 2.
        let text = fs::read_to_string(self.folder.join(self.files[1])).unwrap_or_default();
        text.trim().parse().unwrap_or(0)
    }

    /// How many processes the kernel has ended in it.
    pub(crate) fn killed(&self) -> usize {
        let text = fs::read_to_string(self.folder.join(self.files[2])).unwrap();
        text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.parse().ok()).unwrap()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Files that are still charged to it go to the group above.
        eventually("the group is empty", || fs::remove_dir(&self.folder).ok());
    }
}

/// Where the first file system of that kind, with these options, is mounted.
fn mounted(is_it: impl Fn(&str, &str) -> bool) -> Option<PathBuf> {
    let table = fs::read_to_string("/proc/self/mountinfo").ok()?;
    table.lines().find_map(|line| {
        let (place, system) = line.split_once(" - ")?;
        let mut system = system.split(' ');
        let (kind, options) = (system.next()?, system.nth(1)?);
        is_it(kind, options).then(|| place.split(' ').nth(4).map(PathBuf::from))?
    })
}
