//! Buffers that exist only while bytes are in flight. Each thread has small last-in-first-out pools, so that the buffer
//! that is taken is still in the processor's caches. Must not know: what the bytes are.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

/// How large a buffer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
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
            Size::Small => 20 * 1024,
            Size::Medium => 128 * 1024,
            Size::Large => 258 * 1024,
        }
    }

    /// A buffer from the pool, or a new one. It still contains the bytes of its last user.
    pub fn take(size: Size) -> Self {
        let pooled = POOLS.with_borrow_mut(|pools| pools[size as usize].pop());
        // `vec![0; …]` asks for zeroed pages, which the kernel provides only when they are touched.
        Self(pooled.unwrap_or_else(|| vec![0; Self::bytes(size)].into_boxed_slice()))
    }

    /// Whether this is no buffer.
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
        // It fails only while the thread ends; then the memory is freed.
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

/// How many idle buffers a thread keeps of each size: at most 7 MiB. More are in use only while many connections wait
/// for slow peers, and those are freed afterwards.
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
