//! How much memory is in use, as the kernel would count it. Must not know: how much there may be.
//!
//! What the process itself knows is exact: the allocator's bytes, and what else it has written to (stacks, the program's
//! own data). Sockets' buffers are the kernel's. Where a control group counts, its own count is asked as well, since that is
//! what the kernel acts on: it has sockets (in version 2), pipes, and whatever else is in the group.

use std::fs;
use std::path::{Path, PathBuf};

use crate::allocator;
use crate::pressure::bound::{self, Bound, Group, Source, Version};

/// Where to look.
#[derive(Debug)]
pub struct Meter {
    /// The group whose limit is the bound.
    bounding: Option<Group>,
    /// The `memory.stat` of the group of this process, if it is of version 2: it has the bytes of sockets.
    sockets: Option<PathBuf>,
}

/// What is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Used {
    /// Bytes that count.
    pub bytes: usize,
    /// Bytes that the allocator holds for later, and could give back.
    pub idle: usize,
}

impl Meter {
    /// Measures what counts against that bound.
    pub fn new(bound: Option<&Bound>) -> Self {
        let bounding = match bound.map(|bound| &bound.source) {
            Some(Source::Group(group)) => Some(group.clone()),
            _ => None,
        };
        let own = bound::groups(Path::new("/")).into_iter().find(|group| group.version == Version::Two);
        let sockets = own.map(|group| group.folder.join("memory.stat")).filter(|file| file.exists());
        Self { bounding, sockets }
    }

    /// The bytes in use now.
    pub fn read(&self) -> Used {
        let heap = allocator::heap().unwrap_or_default();
        let idle = heap.resident.saturating_sub(heap.active);
        // The kernel's number of resident pages contains the allocator's; what is left are stacks and the program's data.
        let rest = fs::read_to_string("/proc/self/statm").ok().and_then(|text| anonymous(&text)).unwrap_or(REST);
        let own = heap.active + rest.saturating_sub(heap.resident);
        let bytes = match &self.bounding {
            Some(group) => own.max(group.used().unwrap_or(0)),
            None => own + self.sockets.as_ref().and_then(|file| statistic(file, "sock")).unwrap_or(0),
        };
        Used { bytes, idle }
    }
}

impl Group {
    /// The bytes that the group uses, without those of files that the kernel can simply drop.
    fn used(&self) -> Option<usize> {
        let (used, files) = match self.version {
            Version::One => ("memory.usage_in_bytes", "total_inactive_file"),
            Version::Two => ("memory.current", "inactive_file"),
        };
        let used: usize = fs::read_to_string(self.folder.join(used)).ok()?.trim().parse().ok()?;
        Some(used.saturating_sub(statistic(&self.folder.join("memory.stat"), files).unwrap_or(0)))
    }
}

/// A number of a group's `memory.stat`.
fn statistic(file: &Path, name: &str) -> Option<usize> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

/// The bytes of resident pages that do not belong to files, from `/proc/self/statm` (proc_pid_statm(5)).
fn anonymous(text: &str) -> Option<usize> {
    let mut pages = text.split(' ').skip(1);
    let (resident, of_files): (usize, usize) = (pages.next()?.parse().ok()?, pages.next()?.parse().ok()?);
    Some(resident.saturating_sub(of_files) * rustix::param::page_size())
}

/// Without `/proc`: an estimate.
const REST: usize = 8 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn group(version: Version, files: &[(&str, &str)]) -> Option<usize> {
        let folder = tempfile::tempdir().unwrap();
        files.iter().for_each(|(name, text)| fs::write(folder.path().join(name), text).unwrap());
        Group { folder: folder.path().to_owned(), version }.used()
    }

    #[test]
    fn files_that_can_be_dropped_do_not_count() {
        let stat = "anon 5\ninactive_file 1000\nactive_file 7\n";
        assert_eq!(group(Version::Two, &[("memory.current", "5000\n"), ("memory.stat", stat)]), Some(4000));
        let stat = "inactive_file 1\ntotal_inactive_file 2000\n";
        assert_eq!(group(Version::One, &[("memory.usage_in_bytes", "5000\n"), ("memory.stat", stat)]), Some(3000));
        assert_eq!(group(Version::Two, &[("memory.current", "5000\n")]), Some(5000));
        assert_eq!(group(Version::Two, &[("memory.current", "x\n")]), None);
    }

    #[test]
    fn pages_of_files_are_left_out() {
        let page = rustix::param::page_size();
        assert_eq!(anonymous("9000 100 30 5 0 400 0\n"), Some(70 * page));
        assert_eq!(anonymous(""), None);
    }

    #[test]
    fn what_is_allocated_and_written_to_counts() {
        let meter = Meter { bounding: None, sockets: None };
        let before = meter.read().bytes;
        let block = vec![1_u8; 64 << 20];
        let with = meter.read().bytes;
        assert!(with >= before + (48 << 20), "{before} {with}");
        drop(block);
    }
}
