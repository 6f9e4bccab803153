//! The verb with which `tlsgate run` starts its monitor, and what a configuration allows it. Must not know: what the monitor does.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::cli::answer::exit::FAILED;
use crate::cli::answer::print::complain;
use crate::config;
use crate::config::validate::Config;
use crate::config::validate::fleet::Machine;
use crate::files::opening;
use crate::member::releases;
use crate::monitor::{self, Allowed, Ids, Monitor, process};
use crate::net::endpoint::Endpoint;
use crate::rights;
use crate::sandbox::floor::Floor;
use crate::sandbox::plan::Plan;

pub(super) fn monitor() -> ExitCode {
    match process::run(look_up) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("the monitor process, which only `tlsgate run` starts, ends: {error}"));
            FAILED.into()
        }
    }
}

/// Starts the monitor, where the process is to give up rights. `file` is that of the configuration, if the monitor may read it
/// again.
pub(super) fn start(
    config: &Config,
    file: Option<&Path>,
    user: Option<&rights::ids::Ids>,
    plan: &Plan,
) -> io::Result<Option<Monitor>> {
    if !config.process.gives_up_rights() {
        return Ok(None);
    }
    let floor = Floor::of(config, user).to_string();
    let user = user.map(|user| Ids { uid: user.uid, gid: user.gid, groups: user.groups.clone() });
    // The sandbox knows the files that are there now; the monitor opens what takes their places.
    let places: HashSet<PathBuf> = plan.named().map(Path::to_owned).collect();
    let allowed = Allowed { places: places.iter().cloned().collect(), ..allowed(config) };
    let monitor = Monitor::start(allowed, file, user, &floor)?;
    monitor::share(&monitor);
    let opener = monitor.clone();
    opening::set_stand_in(Box::new(move |path| match path.ancestors().any(|above| places.contains(above)) {
        true => opener.open(path),
        false => Err(io::ErrorKind::PermissionDenied.into()),
    }));
    Ok(Some(monitor))
}

/// What the file names now. A pipe in its place is an error, since nobody would write into it.
fn look_up(path: &Path) -> Result<Allowed, String> {
    let read = match config::is_of_machine(path) {
        true => config::load_machine(path).map(|machine| of_releases(&machine)),
        false => config::load_file(path).map(|config| allowed(&config)),
    };
    read.map_err(|errors| errors.first().map(ToString::to_string).unwrap_or_default())
}

/// What the releases of the fleet name that are on the disk: the next one is bound before it is served. The serving process
/// has put them there, and can put others there: so only the programs of the start are run.
fn of_releases(machine: &Machine) -> Allowed {
    let files = machine.fleet.directory().map(|state| releases::configurations(&state.value)).unwrap_or_default();
    let configs = files.iter().filter_map(|file| config::load_release(machine, file).ok());
    let addresses = configs.flat_map(|config| allowed(&config).addresses).collect();
    Allowed { addresses, ..Allowed::default() }
}

/// What a configuration names.
fn allowed(config: &Config) -> Allowed {
    let authorities = &config.acme.authorities;
    let listeners = config.listeners.iter().flat_map(|listener| listener.listen.iter().map(|place| &place.value));
    let admin = config.admin.listen.iter().chain(&config.admin.probes).map(|place| &place.value);
    let http_01 = authorities.iter().flat_map(|authority| &authority.http);
    // Sockets that the service manager passes need not be bound.
    let addresses = listeners.chain(admin).chain(http_01).filter_map(Endpoint::address).cloned();
    let programs = config.programs().into_iter().map(|program| program.value);
    Allowed { addresses: addresses.collect(), programs: programs.collect(), places: Vec::new() }
}
