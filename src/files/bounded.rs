//! Bytes are read to their end, up to a bound, and taken as text. Must not know: what they are read from.

use std::io::{self, Read};

/// Reads to the end, at most `largest` bytes: more is an error. `length` is how many there should be; it may be wrong, since
/// a file may grow while it is read, and those of /proc have no length at all.
pub(super) fn read_to_end(from: impl Read, length: u64, largest: u64) -> io::Result<Vec<u8>> {
    let room = usize::try_from(length).map_or(0, |length| length.min(BELIEVED) + 1);
    let mut bytes = Vec::with_capacity(room);
    from.take(largest.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > largest {
        return Err(too_large(largest));
    }
    Ok(bytes)
}

pub(super) fn text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "is not text in UTF-8"))
}

pub(super) fn too_large(largest: u64) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, format!("is larger than {} MiB", largest >> 20))
}

/// Bytes for which room is made because the file says that it is that long.
const BELIEVED: usize = 1 << 20;
