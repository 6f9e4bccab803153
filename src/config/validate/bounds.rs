//! Limits of the whole process. Every value that could be read is valid.

use crate::config::file;
use crate::pressure::bound::Setting;

/// `[limits]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    pub memory: Setting,
}

pub(super) fn validated(bounds: file::bounds::Bounds) -> Bounds {
    let file::bounds::Bounds { memory } = bounds;
    Bounds { memory: memory.value }
}
