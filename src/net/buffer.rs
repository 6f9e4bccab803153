//! Buffers that exist only while bytes are in flight: a small last-in-first-out pool for each thread.
//! Must not know: what the bytes are.

use std::cell::RefCell;

/// What a buffer from the pool can hold without growing.
pub const CAPACITY: usize = 64 * 1024;

/// A buffer from this thread's pool, empty.
pub fn take() -> Vec<u8> {
    POOL.with_borrow_mut(Vec::pop).unwrap_or_else(|| Vec::with_capacity(CAPACITY))
}

/// Gives a buffer back and leaves an empty one without memory behind. One that has grown or shrunk out of shape is
/// freed.
pub fn give_back(buffer: &mut Vec<u8>) {
    let mut buffer = std::mem::take(buffer);
    if !(CAPACITY..=2 * CAPACITY).contains(&buffer.capacity()) {
        return;
    }
    buffer.clear();
    POOL.with_borrow_mut(|pool| {
        if pool.len() < KEPT {
            pool.push(buffer);
        }
    });
}

/// Sees to it that there is room to read a good piece into the buffer.
pub fn ensure(buffer: &mut Vec<u8>) {
    if buffer.is_empty() && buffer.capacity() < CAPACITY {
        *buffer = take();
    } else if buffer.capacity() - buffer.len() < LEAST_ROOM {
        buffer.reserve(CAPACITY);
    }
}

thread_local! {
    static POOL: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// One TLS record (RFC 8446 section 5.2).
const LEAST_ROOM: usize = 5 + 16384 + 256;

/// 4 MiB a thread: more than that is in flight only while many connections wait for slow peers.
const KEPT: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_empty_and_is_used_again() {
        let mut buffer = take();
        buffer.extend_from_slice(b"secret");
        let address = buffer.as_ptr();
        give_back(&mut buffer);
        assert_eq!(buffer.capacity(), 0);
        let again = take();
        assert_eq!(again.as_ptr(), address);
        assert!(again.is_empty());
    }

    #[test]
    fn what_has_grown_is_not_kept() {
        let mut buffer = Vec::with_capacity(3 * CAPACITY);
        give_back(&mut buffer);
        assert!(take().capacity() < 3 * CAPACITY);
    }
}
