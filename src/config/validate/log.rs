//! What is logged, and where. Whether the access log can be written is known only when it is opened.

use std::path::Path;

use crate::config::file;
use crate::config::located::Located;
use crate::config::validate::paths::resolved;
use crate::observe::access::format::Format;
use crate::observe::access::target::Target;
use crate::observe::log::Level;

/// `[log]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    pub level: Level,
    pub access: Located<Target>,
    pub access_format: Format,
}

pub(super) fn validated(log: file::log::Log, folder: &Path) -> Log {
    let file::log::Log { level, access, access_format } = log;
    let target = match &access.value {
        Target::File(path) => Target::File(resolved(path, folder)),
        other @ (Target::Stdout | Target::Stderr | Target::Off) => other.clone(),
    };
    let access = access.with(target);
    Log { level: level.value, access, access_format: access_format.value }
}
