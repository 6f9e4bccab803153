//! Buffers that exist only while bytes are in flight. Each thread has small last-in-first-out pools, so that the buffer
//! that is taken is still in the processor's caches. Where memory is short, buffers are smaller. Must not know: what the
//! bytes are, how much memory there is.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::net::idle::Idle;

/// How large a buffer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Size {
    /// One page: 4 KiB. Less than a TLS record may have; only where memory is short.
    Tiny,
    /// One TLS record of the largest size, and some more: 20 KiB.
    Small,
    /// About seven such records: 128 KiB.
    Medium,
    /// Sixteen TLS records, each with room for its header and tag: 258 KiB.
    Large,
}

/// A buffer from this thread's pool, to which it returns when it is dropped; the default is no buffer, and takes no
/// memory.
#[derive(Debug, Default)]
pub struct Buffer(Box<[u8]>);

impl Buffer {
    /// The length of a buffer of that size.
    pub const fn bytes(size: Size) -> usize {
        match size {
            Size::Tiny => 4 * 1024,
            Size::Small => 20 * 1024,
            Size::Medium => 128 * 1024,
            Size::Large => 258 * 1024,
        }
    }

    /// A buffer from the pool, or a new one. It still contains the bytes of its last user.
    pub fn take(size: Size) -> Self {
        let pooled = POOLS.with_borrow_mut(|pools| pools[size as usize].take());
        // `vec![0; …]` asks for zeroed pages, which the kernel provides only when they are touched.
        Self(pooled.unwrap_or_else(|| made(vec![0; Self::bytes(size)])))
    }

    /// A buffer of that size, or a smaller one where memory is short.
    pub fn up_to(size: Size) -> Self {
        Self::take(size.affordable())
    }

    /// A buffer of exactly these bytes, for bytes that have to wait.
    pub fn of(bytes: &[u8]) -> Self {
        Self(made(bytes.to_vec()))
    }

    /// Whether this is no buffer.
    pub fn is_none(&self) -> bool {
        self.0.is_empty()
    }
}

impl Size {
    /// This size, or the largest below it that memory permits now.
    pub fn affordable(self) -> Self {
        let [made, large, small] = [&MADE, &LARGE_UNTIL, &SMALL_UNTIL].map(|bytes| bytes.load(Ordering::Relaxed));
        self.within(made, large, small)
    }

    /// The same where `made` bytes exist: large ones are made up to `large` bytes, small ones up to `small`.
    fn within(self, made: usize, large: usize, small: usize) -> Self {
        let fits = |until| made.saturating_add(Buffer::bytes(self)) <= until;
        match self {
            Self::Medium | Self::Large if !fits(large) => Self::Small.within(made, large, small),
            Self::Small if !fits(small) => Self::Tiny,
            size => size,
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.0);
        if buffer.is_empty() {
            return;
        }
        let sizes = [Size::Tiny, Size::Small, Size::Medium, Size::Large];
        let size = sizes.into_iter().find(|size| Self::bytes(*size) == buffer.len());
        let freed = match size {
            Some(size) => pool(buffer, size),
            None => Some(buffer),
        };
        MADE.fetch_sub(freed.map_or(0, |freed| freed.len()), Ordering::Relaxed);
    }
}

/// A buffer that is new. All that exist are counted.
fn made(buffer: Vec<u8>) -> Box<[u8]> {
    MADE.fetch_add(buffer.len(), Ordering::Relaxed);
    buffer.into_boxed_slice()
}

/// Puts a buffer into this thread's pool, or returns it where there is no place for it.
fn pool(buffer: Box<[u8]>, size: Size) -> Option<Box<[u8]>> {
    let until = if size > Size::Small { &LARGE_UNTIL } else { &SMALL_UNTIL };
    if until.load(Ordering::Relaxed) == 0 {
        return Some(buffer);
    }
    let mut buffer = Some(buffer);
    // It fails only while the thread ends; then the memory is freed.
    let _ = POOLS.try_with(|pools| {
        let Ok(mut pools) = pools.try_borrow_mut() else { return };
        buffer = buffer.take().and_then(|buffer| pools[size as usize].keep(buffer, KEPT[size as usize]));
    });
    buffer
}

/// Whether large buffers are no longer given.
pub fn is_tight() -> bool {
    LARGE_UNTIL.load(Ordering::Relaxed) == 0
}

/// Sets how many more bytes of buffers may be made: as long as there are `large` or more left, of all sizes; as long as
/// there are `small` left, of the small sizes; after that tiny ones only. With 0, idle buffers of these sizes are no
/// longer kept either.
pub fn permit(large: usize, small: usize) {
    let made = MADE.load(Ordering::Relaxed);
    for (until, more) in [(&LARGE_UNTIL, large), (&SMALL_UNTIL, small)] {
        until.store(if more == 0 { 0 } else { made.saturating_add(more) }, Ordering::Relaxed);
    }
}

/// Frees the idle buffers of this thread.
pub fn free_idle() {
    free(Idle::clear);
}

/// Frees those that were idle all the time since this was called before.
pub fn free_unused() {
    free(Idle::trim);
}

fn free(which: impl Fn(&mut Idle<Box<[u8]>>) -> Vec<Box<[u8]>>) {
    let freed: Vec<_> = POOLS.with_borrow_mut(|pools| pools.iter_mut().flat_map(which).collect());
    MADE.fetch_sub(freed.iter().map(|buffer| buffer.len()).sum(), Ordering::Relaxed);
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

thread_local! {
    static POOLS: RefCell<[Idle<Box<[u8]>>; 4]> =
        const { RefCell::new([Idle::new(), Idle::new(), Idle::new(), Idle::new()]) };
}

/// The bytes of all buffers, idle or in use. Changes only where one is allocated or freed.
static MADE: AtomicUsize = AtomicUsize::new(0);
/// Up to how many bytes of all buffers another large one is made.
static LARGE_UNTIL: AtomicUsize = AtomicUsize::new(usize::MAX);
/// The same for a small one.
static SMALL_UNTIL: AtomicUsize = AtomicUsize::new(usize::MAX);

/// How many idle buffers a thread keeps of each size: at most 7 MiB, as long as they are needed from time to time. More are
/// in use only while many connections wait for slow peers, and those are freed afterwards.
const KEPT: [usize; 4] = [16, 64, 12, 16];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again_by_the_next_one_who_wants_its_size() {
        for size in [Size::Small, Size::Medium, Size::Large] {
            let mut buffer = Buffer::take(size);
            assert_eq!(buffer.len(), Buffer::bytes(size));
            buffer[0] = 7;
            let address = buffer.as_ptr();
            drop(buffer);
            assert_eq!(Buffer::take(size).as_ptr(), address);
        }
    }

    #[test]
    fn none_is_not_pooled() {
        drop(Buffer::default());
        assert!(!Buffer::take(Size::Small).is_none());
    }

    #[test]
    fn no_more_is_kept_than_said() {
        drop((0..200).map(|_| Buffer::take(Size::Large)).collect::<Vec<_>>());
        assert_eq!(POOLS.with_borrow(|pools| pools[Size::Large as usize].len()), KEPT[Size::Large as usize]);
    }

    #[test]
    fn what_only_a_peak_has_needed_is_freed() {
        free_idle();
        drop([Size::Large; 5].map(Buffer::take));
        free_unused();
        drop([Size::Large; 2].map(Buffer::take));
        free_unused();
        let idle = || POOLS.with_borrow(|pools| pools[Size::Large as usize].len());
        assert_eq!(idle(), 2);
        free_unused();
        assert_eq!(idle(), 0);
    }

    #[test]
    fn where_memory_is_short_buffers_are_smaller() {
        let [small, large] = [Size::Small, Size::Large].map(Buffer::bytes);
        let rows = [
            (Size::Large, usize::MAX, usize::MAX, Size::Large),
            (Size::Large, 7 + large, 0, Size::Large),
            (Size::Large, 6 + large, usize::MAX, Size::Small),
            (Size::Medium, 0, 7 + small, Size::Small),
            (Size::Large, 0, 6 + small, Size::Tiny),
            (Size::Small, 0, 0, Size::Tiny),
            (Size::Tiny, 0, 0, Size::Tiny),
        ];
        for (asked, large, small, given) in rows {
            assert_eq!(asked.within(7, large, small), given, "{asked:?} {large} {small}");
        }
    }

    #[test]
    fn bytes_that_wait_have_a_buffer_of_their_own_size_and_it_is_not_kept() {
        let waiting = Buffer::of(b"some bytes");
        assert_eq!(&*waiting, b"some bytes");
        drop(waiting);
        POOLS.with_borrow(|pools| assert!(pools.iter().all(|pool| pool.len() == 0)));
        drop(Buffer::take(Size::Small));
        free_idle();
        POOLS.with_borrow(|pools| assert!(pools.iter().all(|pool| pool.len() == 0)));
    }
}
