//! The reader of a probed server's answers: whole and in pieces the result must be the same, without a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tlsgate::cli::probe::reply::{Reply, ReplyError, ReplyReader};

fuzz_target!(|data: &[u8]| {
    let whole = read(std::iter::once(data));
    let size = 1 + data.last().map_or(0, |byte| usize::from(*byte) % 7);
    match (whole, read(data.chunks(size))) {
        // The error shows only the bytes that have arrived, so its text may differ.
        (Err(ReplyError::NotTls(_)), Err(ReplyError::NotTls(_))) => {}
        (whole, pieces) => assert_eq!(whole, pieces),
    }
});

fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Result<Option<Reply>, ReplyError> {
    let mut reader = ReplyReader::default();
    for piece in pieces.filter(|piece| !piece.is_empty()) {
        reader.raw.extend_from_slice(piece);
        if reader.advance()? {
            return Ok(Some(reader.into_reply()));
        }
    }
    Ok(None)
}
