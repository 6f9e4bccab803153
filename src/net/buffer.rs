//! Buffers that exist only while bytes are in flight: small last-in-first-out pools for each thread, so that the buffer
//! that is taken is the one that the processor's caches still hold. Must not know: what the bytes are.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

/// How large a buffer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// A TLS record or two.
    Small,
    /// A good piece of a stream.
    Medium,
    /// Sixteen TLS records.
    Large,
}

/// A buffer from this thread's pool, to which it goes back when dropped; or none, which takes no memory.
#[derive(Debug, Default)]
pub struct Buffer(Box<[u8]>);

impl Buffer {
    pub const fn bytes(size: Size) -> usize {
        match size {
            Size::Small => 20 * 1024,
            Size::Medium => 128 * 1024,
            Size::Large => 258 * 1024,
        }
    }

    /// What stands in it is what its last user left.
    pub fn take(size: Size) -> Self {
        let pooled = POOLS.with_borrow_mut(|pools| pools[size as usize].pop());
        // Fresh pages cost nothing before they are touched.
        Self(pooled.unwrap_or_else(|| vec![0; Self::bytes(size)].into_boxed_slice()))
    }

    pub fn is_none(&self) -> bool {
        self.0.is_empty()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.0);
        let Some(size) =
            [Size::Small, Size::Medium, Size::Large].into_iter().find(|size| Self::bytes(*size) == buffer.len())
        else {
            return;
        };
        // It fails while the thread ends, and then the memory goes with it.
        let _ = POOLS.try_with(|pools| {
            let Ok(mut pools) = pools.try_borrow_mut() else { return };
            let pool = &mut pools[size as usize];
            if pool.len() < KEPT[size as usize] {
                pool.push(buffer);
            }
        });
    }
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
    static POOLS: RefCell<[Vec<Box<[u8]>>; 3]> = const { RefCell::new([Vec::new(), Vec::new(), Vec::new()]) };
}

/// For each size. 7 MiB a thread at most: more is in flight only while many connections wait for slow peers, and is freed
/// after that.
const KEPT: [usize; 3] = [64, 12, 16];

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
}
