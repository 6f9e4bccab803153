//! What every test uses: the program, certificates, backends, other people's tools.

pub(crate) mod backend;
pub(crate) mod check;
pub(crate) mod http;
pub(crate) mod pki;
pub(crate) mod proxy;
pub(crate) mod tool;

use std::time::Duration;

/// No wait in a test ends well after this; none of them asserts how long anything takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
