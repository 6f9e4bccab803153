//! Where tlsgate keeps what it must not lose. Whether the folder can be used is known only when it is opened.

use std::path::{Path, PathBuf};

use crate::config::file;
use crate::config::located::{ConfigError, Located};
use crate::config::validate::paths;

/// `[state]`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    pub directory: Option<Located<PathBuf>>,
}

pub(super) fn validated(state: file::state::State, folder: &Path, errors: &mut Vec<ConfigError>) -> State {
    let file::state::State { directory } = state;
    if let Some(empty) = directory.as_ref().filter(|directory| directory.value.is_empty()) {
        errors.push(empty.error("found \"\", expected the path of a folder"));
    }
    State { directory: directory.map(|written| paths::file(written, folder)) }
}
