//! What lies where it is not safe: a configuration, and programs that it names, which others could change. Must not know: how
//! it is reported.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::config::validate::Config;
use crate::rights;
use crate::sandbox::plan::Plan;
use crate::sandbox::plan::access::Access;

/// The files that a start with this configuration obeys: the configuration, unless it cannot be read again, the programs that it
/// names, the modules of tokens, and tlsgate itself.
pub fn obeyed(config: &Config, file: Option<&Path>) -> Vec<PathBuf> {
    let modules = config.sources().filter_map(|source| Some(source.value.token()?.module.clone()));
    let named = config.programs().into_iter().map(|program| program.value).chain(modules);
    file.map(Path::to_owned).into_iter().chain(named).chain(std::env::current_exe()).collect()
}

/// A line for each file that the process itself can change with this plan, although a later start obeys it.
pub fn of_plan(plan: &Plan, obeyed: &[PathBuf]) -> Vec<String> {
    let real = obeyed.iter().filter_map(|path| Some((path, fs::canonicalize(path).ok()?)));
    let found = real.filter_map(|(path, real)| {
        let writes = |access| matches!(access, Access::Append | Access::Change);
        let place = plan.places().iter().find(|place| writes(place.access) && real.starts_with(&place.path))?;
        let keys: Vec<&str> = place.keys.iter().map(String::as_str).collect();
        Some(format!(
            "{} is in {}, which the process itself can {} ({}): whoever takes the process over decides what the next start \
             does; keep it in another folder",
            path.display(),
            place.path.display(),
            place.access.word(),
            keys.join("; ")
        ))
    });
    found.collect()
}

/// A line for each file that somebody else than root could change, although root obeys it. Nothing where this is not root.
pub fn of_owners(obeyed: &[PathBuf]) -> Vec<String> {
    if !rights::is_root() {
        return Vec::new();
    }
    let found = obeyed.iter().filter_map(|path| {
        let real = fs::canonicalize(path).ok()?;
        let (part, why) = real.ancestors().find_map(|part| Some((part, changeable(part)?)))?;
        Some(format!(
            "{}: {} {why}, and tlsgate starts as root: whoever can change it decides what root does (expected root alone)",
            path.display(),
            part.display()
        ))
    });
    found.collect()
}

/// Who else than root may replace or write to it.
fn changeable(path: &Path) -> Option<String> {
    let is = fs::metadata(path).ok()?;
    // In a folder such as /tmp, only its owner replaces a file.
    let shared = is.is_dir() && is.mode() & 0o1000 != 0;
    match is.mode() {
        _ if is.uid() != 0 => Some(format!("belongs to uid {}", is.uid())),
        mode if mode & 0o002 != 0 && !shared => Some("may be written to by everybody".to_owned()),
        mode if mode & 0o020 != 0 && is.gid() != 0 && !shared => Some(format!("may be written to by gid {}", is.gid())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_that_everybody_may_write_to_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tlsgate.toml");
        fs::write(&path, "").unwrap();
        let mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        mode(0o644);
        let owner = (!rights::is_root()).then(|| "belongs to".to_owned());
        assert_eq!(changeable(&path).map(|why| why[..10].to_owned()), owner);
        if rights::is_root() {
            mode(0o666);
            assert_eq!(changeable(&path).as_deref(), Some("may be written to by everybody"));
            let lines = of_owners(std::slice::from_ref(&path));
            assert!(lines.len() == 1 && lines[0].contains("tlsgate.toml"), "{lines:?}");
        }
    }
}
