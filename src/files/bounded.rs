//! Reads bytes to their end, up to a limit, and converts them to text. Must not know: what they are read from.

use std::io::{self, Read};

use zeroize::Zeroizing;

/// Reads to the end. More than `largest` bytes are an error. `length` is the expected number; it can be wrong, since a
/// file can grow while it is read, and files in /proc report no length. What is read is nowhere else in memory afterwards:
/// the standard library's own way reads short files by way of the stack, and moves a vector that grows without wiping it.
pub(super) fn read_to_end(mut from: impl Read, length: u64, largest: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    // One byte more, so that a file of the expected length is not followed by a larger buffer.
    let room = usize::try_from(length).map_or(0, |length| length.min(BELIEVED) + 1);
    let (mut bytes, mut filled) = (Zeroizing::new(vec![0; room.max(LEAST)]), 0);
    loop {
        if filled == bytes.len() {
            let mut larger = Zeroizing::new(vec![0; 2 * filled]);
            larger[..filled].copy_from_slice(&bytes);
            bytes = larger;
        }
        match from.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if filled as u64 > largest {
            return Err(too_large(largest));
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

pub(super) fn text(mut bytes: Zeroizing<Vec<u8>>) -> io::Result<Zeroizing<String>> {
    match String::from_utf8(std::mem::take(&mut *bytes)) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(error) => {
            drop(Zeroizing::new(error.into_bytes()));
            Err(io::Error::new(io::ErrorKind::InvalidData, "is not text in UTF-8"))
        }
    }
}

pub(super) fn too_large(largest: u64) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, format!("is larger than {} MiB", largest >> 20))
}

/// How much memory is reserved at most because of the reported length. A sparse file can report any length.
const BELIEVED: usize = 1 << 20;

/// The smallest buffer.
const LEAST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    /// Notes where it was asked to write to, and gives some bytes at a time.
    struct Noting<'n> {
        left: &'n [u8],
        piece: usize,
        places: Vec<(usize, usize)>,
    }

    impl Read for &mut Noting<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.left.len().min(self.piece).min(buffer.len());
            let (now, later) = self.left.split_at(count);
            buffer[..count].copy_from_slice(now);
            self.left = later;
            self.places.push((buffer.as_ptr() as usize, count));
            Ok(count)
        }
    }

    #[test]
    fn a_secret_is_read_to_where_it_stays() {
        for length in [0, 1, 11, 31, 63, 64, 65, 4096] {
            let secret = vec![7; length];
            let mut from = Noting { left: &secret, piece: 10, places: Vec::new() };
            let read = read_to_end(&mut from, length as u64, 5000).unwrap();
            assert_eq!(*read, secret);
            let (start, end) = (read.as_ptr() as usize, read.as_ptr() as usize + length);
            let inside = |(place, count): &(usize, usize)| *count == 0 || (start <= *place && place + count <= end);
            assert!(from.places.iter().all(inside), "{length}");
        }
    }

    #[test]
    fn a_length_that_is_wrong_is_no_error_and_the_largest_one_counts() {
        for (length, largest, fits) in
            [(1000, 1000, true), (1000, 999, false), (1, 1, true), (0, 0, true), (1, 0, false)]
        {
            let bytes = vec![7; length];
            for expected in [0, 5, 1 << 40] {
                let read = read_to_end(&*bytes, expected, largest);
                assert_eq!(read.is_ok_and(|read| *read == bytes), fits, "{length} of {largest}, expected {expected}");
            }
        }
    }
}
