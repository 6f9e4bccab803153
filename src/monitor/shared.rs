//! The one monitor of this process. Must not know: who starts it, who needs it.

use std::sync::OnceLock;

use crate::monitor::handle::Monitor;

/// Makes it known to all of this process. A second one is ignored.
pub fn share(monitor: &Monitor) {
    // A process starts one monitor.
    let _ = SHARED.set(monitor.clone());
}

/// The monitor, for code that is too far from the start to be given it: what reads files, on threads of its own.
pub fn shared() -> Option<&'static Monitor> {
    SHARED.get()
}

static SHARED: OnceLock<Monitor> = OnceLock::new();
