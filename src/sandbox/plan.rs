//! A configuration → the files and folders that a process with it may use. Must not know: how that is enforced.
//!
//! A file is replaced by rename, and Kubernetes swaps a link: so the folders count in which that happens, and not the file
//! that is there now. Where a folder belongs to the whole system, such as `/etc`, only the file counts.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::config::located::ConfigError;
use crate::config::validate::Config;
use crate::sandbox::sources::Sources;
use crate::tls::certificate::source::folder;

pub mod access;
mod links;
mod system;
pub mod wants;

use access::Access;
use links::{Leads, Links};
pub(super) use system::MADE_ANEW;
use wants::{Need, Want};

/// A file, or a folder with everything in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Without links.
    pub path: PathBuf,
    pub access: Access,
    /// The keys that it comes from; none for what every process uses.
    pub keys: BTreeSet<String>,
}

/// The files and folders that a process may use.
#[derive(Debug, Default)]
pub struct Plan {
    /// Sorted by path.
    places: Vec<Place>,
    /// What the configuration names and does not exist, with its key.
    absent: Vec<(String, PathBuf)>,
    sources: Sources,
}

impl Plan {
    /// Looks at where the paths lead now. `file` is that of the configuration, if it can be read again.
    pub fn of(config: &Config, file: Option<&Path>) -> Self {
        let mut draft = Draft::default();
        if let Some(path) = file {
            let (key, path) = ("the configuration".to_owned(), path.to_owned());
            draft.add(&Want { key, at: None, path, need: Need::File });
        }
        wants::of(config).iter().for_each(|want| draft.add(want));
        for (path, access) in system::paths() {
            let leads = draft.links.of(&path);
            // Its folder as well where it is not one of the whole system: programs that keep /etc/resolv.conf replace the
            // file that it leads to.
            let found =
                leads.end.iter().chain(leads.lasts.iter().filter(|folder| is_own(folder) && leads.lasts.len() > 1));
            found.for_each(|path| draft.place(path, access, None));
        }
        let state = config.state.directory.as_ref().filter(|_| config.fleet.is_some());
        let plan = Self { sources: Sources::of(config), ..draft.into_plan() };
        // A first release is put there once the process has become who it will be.
        let absent =
            plan.absent.into_iter().filter(|(_, path)| state.is_none_or(|state| !path.starts_with(&state.value)));
        Self { absent: absent.collect(), ..plan }
    }

    /// What is needed for the addresses from which backends are connected to.
    pub fn sources(&self) -> Sources {
        self.sources
    }

    /// All of it.
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// The places from which files are read because a key names them.
    pub fn named(&self) -> impl Iterator<Item = &Path> {
        let read = |place: &&Place| matches!(place.access, Access::Read | Access::Change) && !place.keys.is_empty();
        self.places.iter().filter(read).map(|place| place.path.as_path())
    }

    /// What the configuration names and does not exist.
    pub fn absent(&self) -> impl Iterator<Item = String> {
        let text = |(key, path): &(String, PathBuf)| format!("{key}: {}", path.display());
        self.absent.iter().map(text)
    }

    /// An error for each key of another configuration whose path a process with this plan cannot use. Keys that take effect
    /// at the next start do not count.
    pub fn missing(&self, config: &Config) -> Vec<ConfigError> {
        let mut links = Links::default();
        let wants = wants::of(config);
        let outside = wants.iter().filter_map(|want| {
            let (path, access) = needed(want, &mut links)?;
            (!self.includes(&path, access)).then(|| {
                let message = format!("{} is not one of the files that this process can use; {ADVICE}", path.display());
                ConfigError { path: want.key.clone(), position: want.at, message }
            })
        });
        outside.chain(self.unbound(config)).collect()
    }

    /// An error for each source, where this process may bind no socket of a connection.
    fn unbound(&self, config: &Config) -> impl Iterator<Item = ConfigError> {
        let sources = config.backends.iter().filter_map(|backend| backend.source.as_ref());
        let message = format!("this process may not choose the address of a connection; {ADVICE}");
        sources.filter(|_| !self.sources.any).map(move |source| source.error(message.clone()))
    }

    fn includes(&self, path: &Path, access: Access) -> bool {
        self.places.iter().any(|place| place.includes(path, access))
    }
}

impl Place {
    fn includes(&self, path: &Path, access: Access) -> bool {
        (self.access == access || self.access == Access::Change) && path.starts_with(&self.path)
    }
}

/// What a running process needs for a key that can change in a reload; `None` where there is nothing, which loading it will
/// report.
fn needed(want: &Want, links: &mut Links) -> Option<(PathBuf, Access)> {
    let leads = links.of(&want.path);
    match want.need {
        Need::File | Need::Certificates => Some((leads.end?, Access::Read)),
        // It is made if it does not exist.
        Need::State => Some((leads.end.unwrap_or_else(|| want.path.clone()), Access::Change)),
        Need::Socket if want.key.starts_with("admin") => None,
        // In a folder of the whole system, the monitor removes it.
        Need::Socket => Some((leads.lasts.into_iter().find(|folder| is_own(folder))?, Access::Remove)),
        // What the admin server cannot write to, it can serve all the same.
        Need::Folder | Need::Log | Need::Anything => None,
    }
}

/// A plan in the making.
#[derive(Debug, Default)]
struct Draft {
    links: Links,
    places: BTreeMap<(PathBuf, Access), BTreeSet<String>>,
    absent: Vec<(String, PathBuf)>,
    /// Folders of certificates that were looked into.
    entered: BTreeSet<PathBuf>,
}

impl Draft {
    fn add(&mut self, want: &Want) {
        let leads = self.links.of(&want.path);
        let (key, before) = (Some(want.key.as_str()), self.places.len());
        match (want.need, &leads.end) {
            (Need::File, _) => self.file(&leads, want),
            (Need::Certificates, Some(end)) if end.is_dir() => {
                self.place(end, Access::Read, key);
                self.switches(&leads, want);
                self.folder(&end.clone(), end, want, folder::DEEPEST);
            }
            (Need::Certificates, _) => self.file(&leads, want),
            (Need::Folder | Need::State | Need::Anything, Some(end)) => self.place(end, Access::Change, key),
            (Need::Log, end) => {
                // A FIFO is opened for reading, too; a device's folder is not the log's.
                match end.as_ref().filter(|end| fs::metadata(end).is_ok_and(|is| !is.is_file())) {
                    Some(end) => self.place(end, Access::Change, key),
                    None => {
                        let folders = leads
                            .lasts
                            .iter()
                            .filter(|folder| is_own(folder) || OF_LOGS.iter().any(|logs| *folder == Path::new(logs)));
                        folders.for_each(|folder| self.place(folder, Access::Append, key));
                        // In another one, only the file itself.
                        match end {
                            Some(file) => self.place(file, Access::Append, key),
                            None if self.places.len() == before && !want.path.exists() => {
                                self.absent.push((want.key.clone(), want.path.clone()));
                            }
                            None => {}
                        }
                    }
                }
                // /dev/stdout, say: the last link leads to something without a name.
                if end.is_none() && want.path.exists() {
                    self.place(&want.path, Access::Append, key);
                }
            }
            (Need::Socket, _) => {
                let own = leads.lasts.iter().filter(|folder| is_own(folder));
                own.for_each(|folder| self.place(folder, Access::Remove, key));
            }
            (Need::State, None) => {
                self.places.entry((want.path.clone(), Access::Change)).or_default().insert(want.key.clone());
            }
            (Need::Folder | Need::Anything, None) => self.absent.push((want.key.clone(), want.path.clone())),
        }
    }

    /// A file, and what may take its place.
    fn file(&mut self, leads: &Leads, want: &Want) {
        let before = self.places.len();
        let key = Some(want.key.as_str());
        for folder in leads.lasts.iter().filter(|folder| is_own(folder)) {
            self.place(folder, Access::Read, key);
        }
        self.switches(leads, want);
        match &leads.end {
            Some(end) => self.place(end, Access::Read, key),
            None if self.places.len() == before => self.absent.push((want.key.clone(), want.path.clone())),
            None => {}
        }
    }

    fn switches(&mut self, leads: &Leads, want: &Want) {
        for folder in leads.switches.iter().filter(|folder| is_own(folder)) {
            self.place(folder, Access::Read, Some(&want.key));
        }
    }

    /// The files to which links in a folder of certificates lead. `top` is the folder that is named.
    fn folder(&mut self, folder: &Path, top: &Path, want: &Want, depth: usize) {
        let Ok(entries) = fs::read_dir(folder) else { return };
        if !self.entered.insert(folder.to_owned()) {
            return;
        }
        for entry in entries.flatten().filter(|entry| !entry.file_name().as_bytes().starts_with(b".")) {
            let Ok(kind) = entry.file_type() else { continue };
            let path = entry.path();
            let leads = if kind.is_symlink() { self.links.of(&path) } else { Leads::default() };
            let real = leads.end.clone().unwrap_or_else(|| path.clone());
            let is_folder = kind.is_dir() || kind.is_symlink() && real.is_dir();
            match kind.is_symlink() {
                true if is_folder && !is_own(&real) => {}
                true if is_folder => self.place(&real, Access::Read, Some(&want.key)),
                true => self.linked(&path, &leads, top, want),
                false => {}
            }
            if is_folder && depth > 0 && is_own(&real) {
                self.folder(&real, if kind.is_symlink() { &real } else { top }, want, depth - 1);
            }
        }
    }

    /// A link in a folder of certificates to a file elsewhere. certbot links live/NAME/x.pem to archive/NAME/x1.pem: another
    /// certificate will have another NAME, so it is the folder of all names that counts.
    fn linked(&mut self, link: &Path, leads: &Leads, top: &Path, want: &Want) {
        self.switches(leads, want);
        let below =
            link.parent().and_then(|folder| folder.strip_prefix(top).ok()).filter(|below| *below != Path::new(""));
        for folder in leads.lasts.iter().filter(|folder| !folder.starts_with(top)) {
            let above = below
                .filter(|below| folder.ends_with(below))
                .and_then(|below| folder.ancestors().nth(below.components().count()).filter(|above| is_own(above)));
            match (above, &leads.end) {
                (Some(above), _) => self.place(above, Access::Read, Some(&want.key)),
                (None, _) if is_own(folder) => self.place(folder, Access::Read, Some(&want.key)),
                (None, Some(end)) => self.place(end, Access::Read, Some(&want.key)),
                (None, None) => {}
            }
        }
    }

    fn place(&mut self, path: &Path, access: Access, key: Option<&str>) {
        // Most of ten thousand links lead to one folder.
        if path.exists() {
            let keys = self.places.entry((path.to_owned(), access)).or_default();
            keys.extend(key.filter(|key| !keys.contains(*key)).map(str::to_owned));
        }
    }

    /// Leaves out what another place includes, and adds its keys to that.
    fn into_plan(self) -> Plan {
        let mut places: Vec<Place> = Vec::new();
        // From the widest access to the narrowest; of one access, a folder comes before what is in it.
        let mut sorted: Vec<_> = self.places.into_iter().collect();
        sorted.sort_by(|((a, of_a), _), ((b, of_b), _)| of_b.cmp(of_a).then_with(|| a.cmp(b)));
        for ((path, access), keys) in sorted {
            match places.iter_mut().find(|place| place.includes(&path, access)) {
                Some(place) => place.keys.extend(keys),
                None => places.push(Place { path, access, keys }),
            }
        }
        places.sort_by(|a, b| (&a.path, a.access).cmp(&(&b.path, b.access)));
        Plan { places, absent: self.absent, ..Plan::default() }
    }
}

/// Whether a folder may be opened for one file in it. Those of the whole system hold what is none of tlsgate's business.
fn is_own(folder: &Path) -> bool {
    let home = folder.parent() == Some(Path::new("/home"));
    !home && !OF_THE_SYSTEM.iter().any(|shared| folder == Path::new(shared)) && !folder.starts_with("/proc")
}

/// The folders of the Filesystem Hierarchy Standard 3.0 in which each program has files.
const OF_THE_SYSTEM: &[&str] = &[
    "/",
    "/bin",
    "/boot",
    "/dev",
    "/dev/shm",
    "/etc",
    "/etc/ssl",
    "/etc/pki",
    "/etc/pki/tls",
    "/home",
    "/lib",
    "/lib64",
    "/media",
    "/mnt",
    "/opt",
    "/root",
    "/run",
    "/run/user",
    "/sbin",
    "/srv",
    "/sys",
    "/tmp",
    "/usr",
    "/usr/bin",
    "/usr/lib",
    "/usr/lib64",
    "/usr/libexec",
    "/usr/local",
    "/usr/local/bin",
    "/usr/local/etc",
    "/usr/local/lib",
    "/usr/local/share",
    "/usr/sbin",
    "/usr/share",
    "/var",
    "/var/cache",
    "/var/lib",
    "/var/local",
    "/var/log",
    "/var/opt",
    "/var/run",
    "/var/spool",
    "/var/tmp",
];

/// Folders of the whole system in which a log is made again after it was moved away.
const OF_LOGS: &[&str] = &["/var/log", "/tmp", "/var/tmp", "/dev/shm"];

const ADVICE: &str = "files that the configuration names are known from its start on: an upgrade in place (SIGUSR2), which \
                      nobody notices, or a restart makes it use the new configuration";

#[cfg(test)]
mod tests;
