//! How much memory this process may take: as it is configured, or four fifths of what its control group or the machine
//! has. Must not know: how much is in use.

use std::fmt::{self, Display};
use std::fs;
use std::path::{Path, PathBuf};

/// `[limits] memory`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// Four fifths of what the control group or the machine has, whichever is less.
    Auto,
    /// No bound.
    Off,
    /// So many bytes.
    Bytes(usize),
}

/// How many bytes may be in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    pub bytes: usize,
    pub source: Source,
}

/// Where a bound comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// `[limits] memory`.
    Configured,
    Machine,
    Group(Group),
}

/// The folder of a control group that has a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub folder: PathBuf,
    pub version: Version,
}

/// The version of control groups, which decides how the files are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    One,
    Two,
}

impl Bound {
    /// The bound of this setting, as things are now. `None` where there is none.
    pub fn find(setting: Setting) -> Option<Self> {
        match setting {
            Setting::Off => None,
            Setting::Bytes(bytes) => Some(Self { bytes, source: Source::Configured }),
            Setting::Auto => smallest(Path::new("/")).map(|(bytes, source)| Self { bytes: bytes / 5 * 4, source }),
        }
    }

    /// A limit of the control group or the machine that is below this bound, if there is one: it would be reached first.
    pub fn undercut(&self) -> Option<(usize, Source)> {
        smallest(Path::new("/")).filter(|(bytes, _)| *bytes < self.bytes)
    }
}

impl Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configured => f.write_str("[limits] memory"),
            Self::Machine => f.write_str("the machine's memory"),
            Self::Group(group) => write!(f, "{}", group.folder.join(group.version.limit()).display()),
        }
    }
}

impl Version {
    /// The file with the limit.
    fn limit(self) -> &'static str {
        match self {
            Self::One => "memory.limit_in_bytes",
            Self::Two => "memory.max",
        }
    }
}

/// The smallest limit that there is, and whose it is. `root` is `/`, except in tests.
fn smallest(root: &Path) -> Option<(usize, Source)> {
    let groups = groups(root).into_iter().filter_map(|group| Some((limit(&group)?, Source::Group(group))));
    let machine = machine(root).map(|bytes| (bytes, Source::Machine));
    // The first one of the smallest: the innermost group.
    machine.into_iter().chain(groups).min_by_key(|(bytes, _)| *bytes)
}

/// The memory of the machine, in bytes (proc_meminfo(5)).
fn machine(root: &Path) -> Option<usize> {
    let text = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let kib: usize =
        text.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB"))?.parse().ok()?;
    kib.checked_mul(1024)
}

/// The limit of a group; `None` if it has none.
fn limit(group: &Group) -> Option<usize> {
    let text = fs::read_to_string(group.folder.join(group.version.limit())).ok()?;
    // Version 2 writes "max" where there is none, and version 1 a number that no machine reaches.
    text.trim().parse().ok().filter(|bytes| *bytes < NO_LIMIT)
}

/// The groups of this process that count memory, the innermost first, and then those around it.
pub(super) fn groups(root: &Path) -> Vec<Group> {
    let read = |name: &str| fs::read_to_string(root.join(name)).unwrap_or_default();
    let (own, mounts) = (read("proc/self/cgroup"), read("proc/self/mountinfo"));
    let mut groups = Vec::new();
    for (version, path) in own.lines().filter_map(membership) {
        for (mounted, folder) in mounts.lines().filter_map(|line| mount(line, version)) {
            // In a container, the path may be one of the host that cannot be seen here: then the mount itself is the group.
            let inner = Path::new(path).strip_prefix(mounted).unwrap_or(Path::new(""));
            let top = root.join(folder.trim_start_matches('/'));
            let inside = top.join(inner);
            let around = inside.ancestors().take_while(|folder| folder.starts_with(&top));
            groups.extend(around.map(|folder| Group { folder: folder.to_owned(), version }));
        }
    }
    groups
}

/// A line of `/proc/self/cgroup` (cgroups(7)): the version, if it is about memory, and the path below the mount.
fn membership(line: &str) -> Option<(Version, &str)> {
    let mut fields = line.splitn(3, ':');
    let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
    match controllers {
        "" => Some((Version::Two, path)),
        _ if controllers.split(',').any(|one| one == "memory") => Some((Version::One, path)),
        _ => None,
    }
}

/// A line of `/proc/self/mountinfo` (proc_pid_mountinfo(5)), if it is a mount of that version: which path is mounted, and
/// where.
fn mount(line: &str, version: Version) -> Option<(&str, &str)> {
    let (place, system) = line.split_once(" - ")?;
    let mut system = system.split(' ');
    let (kind, options) = (system.next()?, system.nth(1).unwrap_or_default());
    let counts = match version {
        Version::One => kind == "cgroup" && options.split(',').any(|option| option == "memory"),
        Version::Two => kind == "cgroup2",
    };
    let mut place = place.split(' ').skip(3);
    counts.then_some((place.next()?, place.next()?))
}

/// From here on a number of version 1 means that there is no limit.
const NO_LIMIT: usize = 1 << 60;

#[cfg(test)]
mod tests;
