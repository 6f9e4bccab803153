//! What the process may do. Whether the user and the group exist is known only when they are looked up.

use std::path::{Path, PathBuf};

use crate::config::file;
use crate::config::located::{ConfigError, Located};
use crate::config::validate::paths;
use crate::config::values::process::Sandbox;

/// `[process]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Whom the process becomes.
    pub user: Option<Located<String>>,
    /// By default the primary group of the user.
    pub group: Option<Located<String>>,
    pub sandbox: Located<Sandbox>,
    /// Files and folders that the process may use besides those that other keys name.
    pub sandbox_paths: Vec<Located<PathBuf>>,
}

impl Process {
    /// Whether the process gives up rights, so that another one has to keep those of the start.
    pub fn gives_up_rights(&self) -> bool {
        self.user.is_some() || self.sandbox.value != Sandbox::Off
    }
}

pub(super) fn validated(process: file::process::Process, folder: &Path, errors: &mut Vec<ConfigError>) -> Process {
    let file::process::Process { user, group, sandbox, sandbox_paths } = process;
    if let (Some(group), None) = (&group, &user) {
        errors.push(group.error("has no effect without \"user\", whom the process becomes"));
    }
    let empty = |name: &&Located<String>| name.value.is_empty();
    errors.extend(user.iter().filter(empty).map(|user| user.error("found \"\", expected the name of a user")));
    errors.extend(group.iter().filter(empty).map(|group| group.error("found \"\", expected the name of a group")));
    let paths = sandbox_paths.iter().flatten().filter(empty);
    errors.extend(paths.map(|path| path.error("found \"\", expected the path of a file or folder")));
    Process { user, group, sandbox, sandbox_paths: paths::files(sandbox_paths, folder) }
}
