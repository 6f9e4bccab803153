//! Whether a time passed in which this process did not run. Must not know: what was waited for.

use std::time::Duration;

/// Whether a timer that fires so long after it was due shows that the process or its machine was stopped meanwhile. Nobody could be
/// answered in that time, so it counts against no peer.
pub fn was_stopped(late_by: Duration) -> bool {
    late_by >= LATE
}

/// How much later than planned no timer fires while the process runs.
const LATE: Duration = Duration::from_secs(1);
