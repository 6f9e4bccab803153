//! Reads bytes to their end, up to a limit, and converts them to text. Must not know: what they are read from.

use std::io::{self, Read};

use zeroize::Zeroizing;

/// Reads to the end. More than `largest` bytes are an error. `length` is the expected number; it can be wrong, since a
/// file can grow while it is read, and files in /proc report no length.
pub(super) fn read_to_end(from: impl Read, length: u64, largest: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    let room = usize::try_from(length).map_or(0, |length| length.min(BELIEVED) + 1);
    // A file that has grown, or that reports no length, may take more room: then the vector moves, and what it leaves behind
    // is not wiped.
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    // One byte more than allowed, to find out whether there is one.
    from.take(largest.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > largest {
        return Err(too_large(largest));
    }
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
