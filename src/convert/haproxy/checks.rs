//! How the servers of one backend are checked, while it is read. Must not know: which section or option asks for it.

use crate::convert::job::Health;

/// What a backend says about checks, before its servers say whether there are any.
#[derive(Debug, Default)]
pub(super) struct Checks {
    pub(super) health: Health,
    pub(super) on: bool,
}
