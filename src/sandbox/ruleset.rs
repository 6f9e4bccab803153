//! A plan → what the kernel enforces of it, with Landlock: files, ports, signals. Must not know: where a plan comes from.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::thread;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, LandlockStatus, NetPort, PathBeneath, PathFd, Ruleset,
    RulesetAttr as _, RulesetCreatedAttr as _, RulesetError, Scope,
};
use rustix::fs::{CWD, Mode, OFlags, openat};

use crate::sandbox::plan::access::Access;
use crate::sandbox::plan::{MADE_ANEW, Plan};

/// What is enforced.
#[derive(Debug)]
pub(super) struct Enforced {
    pub(super) version: u32,
    /// The number of files and folders that can be used.
    pub(super) paths: usize,
    /// Abstract Unix sockets of other processes can be used.
    pub(super) abstract_sockets: bool,
    /// What the kernel would forget.
    _held: Vec<OwnedFd>,
}

/// Restricts the calling thread, and those that it starts later. `None` where the kernel does not have Landlock.
pub(super) fn enforce(plan: &Plan) -> Result<Option<Enforced>, RulesetError> {
    let held = MADE_ANEW.iter().filter_map(|path| openat(CWD, *path, HELD, Mode::empty()).ok()).collect();
    // systemd of a user, or in a container, may listen for notifications there.
    let abstract_sockets =
        std::env::var_os("NOTIFY_SOCKET").is_some_and(|name| name.as_encoded_bytes().starts_with(b"@"));
    let mut ruleset = Ruleset::default()
        .handle_access(AccessFs::from_all(FILES))?
        .handle_access(AccessNet::BindTcp)?
        .scope(Scope::Signal)?;
    if !abstract_sockets {
        ruleset = ruleset.scope(Scope::AbstractUnixSocket)?;
    }
    let mut created = ruleset.create()?;
    let mut paths = 0;
    for place in plan.places() {
        // It was there a moment ago.
        let Ok(path) = PathFd::new(&place.path) else { continue };
        created = created.add_rule(PathBeneath::new(path, rights(&place.path, place.access)))?;
        paths += 1;
    }
    if plan.sources().any {
        // The ports that the kernel chooses. The filter of system calls allows none to listen on them.
        created = created.add_rule(NetPort::new(0, AccessNet::BindTcp))?;
    }
    let version = version(created.restrict_self()?.landlock);
    Ok((version > 0).then_some(Enforced { version, paths, abstract_sockets, _held: held }))
}

/// The version of Landlock that the kernel offers, 0 for none.
pub(super) fn offered() -> u32 {
    // The crate reports it of a thread that has restricted itself.
    let probe = || {
        let created = Ruleset::default().handle_access(AccessFs::MakeBlock).and_then(Ruleset::create);
        created.and_then(|created| created.restrict_self()).map_or(0, |status| version(status.landlock))
    };
    thread::spawn(probe).join().unwrap_or(0)
}

fn version(status: LandlockStatus) -> u32 {
    match status {
        LandlockStatus::NotEnabled | LandlockStatus::NotImplemented => 0,
        LandlockStatus::Available { effective_abi, kernel_abi } => {
            u32::try_from(kernel_abi.unwrap_or(effective_abi as i32)).unwrap_or(0)
        }
    }
}

/// The same for a file and a folder, except for what a file does not have.
fn rights(path: &Path, access: Access) -> BitFlags<AccessFs> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let append = AccessFs::WriteFile | AccessFs::MakeReg;
    let rights = match access {
        Access::Read => read,
        Access::Append => append,
        Access::Remove => AccessFs::RemoveFile.into(),
        Access::Change => {
            let folders = AccessFs::MakeDir | AccessFs::RemoveDir | AccessFs::Refer;
            read | append | folders | AccessFs::RemoveFile | AccessFs::Truncate
        }
    };
    match fs::metadata(path) {
        Ok(is) if is.is_dir() => rights,
        _ => rights & AccessFs::from_file(FILES),
    }
}

/// All rights on files up to Linux 6.10. Later ones are added when they were tried.
const FILES: ABI = ABI::V5;

const HELD: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
