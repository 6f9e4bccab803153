//! What a probed server sends to a client that has keys of its own: whole and in pieces the result must be the same, without
//! a panic. The first byte chooses between the answer to a hello and what is encrypted after it, already opened.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tlsgate::cli::probe::reply::ReplyError;
use tlsgate::cli::probe::sealed::{Messages, Sealed};
use tlsgate::cli::probe::visit::{Given, Next, Visit};
use tlsgate::explain::clients;
use tlsgate::tls::wire::draft::Draft;

fuzz_target!(|data: &[u8]| {
    let Some((kind, data)) = data.split_first() else { return };
    let size = 1 + data.last().map_or(0, |byte| usize::from(*byte) % 7);
    if kind % 4 != 0 {
        assert_eq!(opened(std::iter::once(data)), opened(data.chunks(size)));
        return;
    }
    // The keys differ, so a server's answer that needs them is never opened: what is in the clear must be the same.
    let (whole, pieces) = (answered(std::iter::once(data)), answered(data.chunks(size)));
    match (&whole.1, &pieces.1) {
        // The error shows only the bytes that have arrived, so its text may differ.
        (Some(ReplyError::NotTls(_)), Some(ReplyError::NotTls(_))) => {}
        (one, other) => assert_eq!(one.is_some(), other.is_some()),
    }
    if whole.1.is_none() {
        assert_eq!(whole.0, pieces.0);
    }
});

fn opened<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Result<Option<Sealed>, ReplyError> {
    let mut messages = Messages::default();
    for piece in pieces {
        messages.raw.extend_from_slice(piece);
        if messages.advance()? {
            return Ok(Some(messages.into_sealed()));
        }
    }
    Ok(None)
}

fn answered<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Given, Option<ReplyError>) {
    let hello = clients::named("curl").unwrap().hello().unwrap();
    let mut visit = Visit::new(Draft::parse(&hello).unwrap()).unwrap();
    let mut error = None;
    for piece in pieces.filter(|piece| !piece.is_empty()) {
        let mut next = visit.take(piece);
        // What came with a HelloRetryRequest is read after the second hello.
        while let Ok(Next::Say(_)) = next {
            next = visit.take(&[]);
        }
        match next {
            Ok(Next::Done) => break,
            Ok(_) => {}
            Err(wrong) => {
                error = Some(wrong);
                break;
            }
        }
    }
    let _ = visit.farewell();
    (visit.into_given(), error)
}
