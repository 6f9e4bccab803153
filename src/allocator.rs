//! The allocator: what it reports, its thread, and what it gives back. Must not know: who allocates, and what.

use tikv_jemalloc_ctl::{Access, AsName, Result, arenas, background_thread, epoch, stats};

/// What the allocator has from the system.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Heap {
    /// Bytes of pages that are in use, with the allocator's own tables.
    pub active: usize,
    /// The same with pages that are free and not given back yet.
    pub resident: usize,
}

/// Lets the allocator return free memory to the system on a thread of its own. Without it, memory stays until the thread that
/// has freed it allocates again. To be called after the process has given up its rights, since a thread keeps those that it
/// was started with.
pub fn start_thread() {
    // Refused where the allocator is another one, as in benchmarks: free memory then stays a little longer.
    let _ = background_thread::write(true);
}

/// Bytes that are allocated and not freed: what grows if something leaks. `None` where the allocator does not report them.
pub fn allocated() -> Option<usize> {
    // The figures are those of the last time that this was advanced.
    epoch::advance().ok()?;
    stats::allocated::read().ok()
}

/// What the allocator has from the system. `None` where it does not report that.
pub fn heap() -> Option<Heap> {
    epoch::advance().ok()?;
    let active = stats::active::read().ok()? + stats::metadata::read().ok()?;
    Some(Heap { active, resident: stats::resident::read().ok()?.max(active) })
}

/// Gives free pages back to the system now. Usually that happens some seconds after they were freed.
pub fn give_back() {
    let count = arenas::narenas::read().unwrap_or(0);
    for arena in 0..count {
        // An error means that the arena is not in use.
        let _ = give_back_of(arena);
    }
}

/// A time of zero gives back what is free at once; then the time is as it was.
fn give_back_of(arena: u32) -> Result<()> {
    let name = format!("arena.{arena}.dirty_decay_ms\0");
    // Not in one call: the crate's `update` has one place for the old value and the new one, and writes the old one back.
    let time: isize = name.as_str().name().read()?;
    name.as_str().name().write(0_isize)?;
    name.as_str().name().write(time)
}

#[cfg(test)]
pub(crate) mod tests {
    use tikv_jemalloc_ctl::thread;

    use super::*;

    /// The program's own one, so that tests can count.
    #[global_allocator]
    static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

    /// How many bytes more this thread keeps after `act`: what it has taken without what it has given back.
    pub(crate) fn kept(act: impl FnOnce()) -> i64 {
        let (taken, given_back) = (thread::allocatedp::read().unwrap(), thread::deallocatedp::read().unwrap());
        let now = || taken.get() as i64 - given_back.get() as i64;
        let before = now();
        act();
        now() - before
    }

    #[test]
    fn after_free_pages_were_given_back_later_ones_wait_as_long_as_before() {
        let time = || "arena.0.dirty_decay_ms\0".name().read();
        let before: Result<isize> = time();
        assert!(before.is_ok_and(|before| before > 0));
        give_back();
        assert_eq!(time(), before);
    }
}
