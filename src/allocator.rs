//! The allocator: what it reports, and its thread. Must not know: who allocates, and what.

use tikv_jemalloc_ctl::{background_thread, epoch, stats};

/// Lets the allocator return free memory to the system on a thread of its own. Without it, memory stays until the thread that
/// has freed it allocates again. To be called after the process has given up its rights, since a thread keeps those that it
/// was started with.
pub fn start_thread() {
    // Refused where the allocator is another one, as in tests of the library: free memory then stays a little longer.
    let _ = background_thread::write(true);
}

/// Bytes that are in use. `None` where the allocator does not report them.
pub fn allocated() -> Option<usize> {
    // The figures are those of the last time that this was advanced.
    epoch::advance().ok()?;
    stats::allocated::read().ok()
}
