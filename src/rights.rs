//! Gives up the rights that a process does not need: its user, its groups, its capabilities, and what it could regain or leave
//! behind. Must not know: which files and system calls it needs.

use std::io;

use nix::errno::Errno;
use nix::unistd::{self, Gid, Uid};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set, remove_capability_from_bounding_set,
    set_capabilities, set_keep_capabilities, set_no_new_privs,
};
use thiserror::Error;

pub mod ids;

use ids::Ids;

/// Why rights could not be given up. What is given up before stays so.
#[derive(Debug, Error)]
pub enum Error {
    #[error(
        "cannot become the user {name} (uid {uid}) and the group {gid}: {source} (expected to be started as root, or as that user)"
    )]
    Become { name: String, uid: u32, gid: u32, source: io::Error },
    #[error("rights of the start could be regained after they were given up")]
    Regained,
    #[error("cannot give up capabilities: {0}")]
    Capabilities(io::Error),
    #[error("cannot give up {what}: {source}")]
    Kept { what: &'static str, source: io::Error },
}

/// What is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    pub uid: u32,
    /// The names of the capabilities that are left.
    pub capabilities: Vec<&'static str>,
}

/// Becomes that user, if there is one, and gives up what can be regained: capabilities, new privileges. To be called before
/// another thread exists, since that would keep them. `foreign`: connections come from addresses that are not this machine's.
pub fn give_up(ids: Option<&Ids>, foreign: bool) -> Result<Left, Error> {
    // Root could not read files that belong to other users. Kept only where nobody else was named.
    let files = match ids {
        None if unistd::geteuid().is_root() => CapabilitySet::DAC_OVERRIDE,
        _ => CapabilitySet::empty(),
    };
    // Not CAP_NET_ADMIN, with which it works as well: that opens the kernel's packet filters and more of its code to the process.
    let kept = if foreign { files | CapabilitySet::NET_RAW } else { files };
    narrow_bounding_set(kept);
    if let Some(ids) = ids {
        let keeping = |on| set_keep_capabilities(on).map_err(|error| Error::Capabilities(error.into()));
        // Who becomes another user would lose all of them.
        keeping(foreign)?;
        become_user(ids)?;
        keeping(false)?;
    }
    let capabilities = keep_only(kept).map_err(|error| Error::Capabilities(error.into()))?;
    set_no_new_privs(true).map_err(|error| Error::Kept { what: "new privileges", source: error.into() })?;
    if ids.is_some_and(|ids| ids.uid != 0) && can_become_root() {
        return Err(Error::Regained);
    }
    Ok(Left { uid: unistd::geteuid().as_raw(), capabilities })
}

/// Leaves no memory behind in a file, and shows it to no other process of this user.
pub fn hide_memory() -> Result<(), Error> {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let core = setrlimit(Resource::Core, none);
    core.map_err(|error| Error::Kept { what: "core dumps", source: error.into() })?;
    let dumpable = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    dumpable.map_err(|error| Error::Kept { what: "access of other processes to the memory", source: error.into() })
}

/// Whether this process may connect from addresses that are not this machine's.
pub fn may_be_foreign() -> bool {
    capabilities(None).is_ok_and(|own| own.effective.contains(CapabilitySet::NET_RAW))
}

/// Whether this process is root.
pub fn is_root() -> bool {
    unistd::geteuid().is_root()
}

fn become_user(ids: &Ids) -> Result<(), Error> {
    let (uid, gid) = (Uid::from_raw(ids.uid), Gid::from_raw(ids.gid));
    let failed = |error: Errno| Error::Become {
        name: ids.name.clone(),
        uid: ids.uid,
        gid: ids.gid,
        source: io::Error::from_raw_os_error(error as i32),
    };
    let is = (unistd::getresuid().map_err(failed)?, unistd::getresgid().map_err(failed)?);
    let same = is.0 == unistd::ResUid { real: uid, effective: uid, saved: uid }
        && is.1 == unistd::ResGid { real: gid, effective: gid, saved: gid };
    // A service manager may have started it as this user, who may not change any group.
    if !same || unistd::geteuid().is_root() {
        let groups: Vec<Gid> = ids.groups.iter().copied().map(Gid::from_raw).collect();
        unistd::setgroups(&groups).map_err(failed)?;
        unistd::setresgid(gid, gid, gid).map_err(failed)?;
        unistd::setresuid(uid, uid, uid).map_err(failed)?;
    }
    Ok(())
}

fn can_become_root() -> bool {
    let root = Uid::from_raw(0);
    unistd::seteuid(root).is_ok() || unistd::setresuid(root, root, root).is_ok() || unistd::setgroups(&[]).is_ok()
}

/// What no program that this process starts could have. Without CAP_SETPCAP it stays: no new privileges means the same.
fn narrow_bounding_set(kept: CapabilitySet) {
    for number in 0..u64::BITS {
        let one = CapabilitySet::from_bits_retain(1 << number);
        if !kept.contains(one) && remove_capability_from_bounding_set(one).is_err() {
            // The first number that the kernel does not know, or no right to do it.
            return;
        }
    }
}

fn keep_only(kept: CapabilitySet) -> rustix::io::Result<Vec<&'static str>> {
    // Kernels before 4.3 have no such set.
    let _ = clear_ambient_capability_set();
    let kept = capabilities(None)?.permitted & kept;
    let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
    set_capabilities(None, sets)?;
    Ok(NAMES.into_iter().filter(|(one, _)| kept.contains(*one)).map(|(_, name)| name).collect())
}

/// Those that can be kept.
const NAMES: [(CapabilitySet, &str); 2] =
    [(CapabilitySet::DAC_OVERRIDE, "CAP_DAC_OVERRIDE"), (CapabilitySet::NET_RAW, "CAP_NET_RAW")];
