//! tlsgate's own record layer, compared with the RFCs and with rustls's. Here: helpers for scripts and for comparing
//! verdicts.

use rustls::CipherSuite;

use crate::tls::record::interface::RecordError;
use crate::tls::record::{Layer, Records};
use crate::tls::wire::codes::framing::MAX_FRAGMENT;
use duel::{Side, Verdict, agree, read};
use peer::{Forged, Item, record};

pub(crate) mod duel;
mod faults;
pub(crate) mod handshake;
mod messages;
mod opening;
pub(crate) mod peer;
mod pieces;
mod random;
mod sealing;

const CCS: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const DATA: u8 = 23;

const SIDES: [Side; 2] = [Side::Server, Side::Client];

fn whole() -> usize {
    usize::MAX
}

/// Both layers' verdicts, which must agree.
fn both(suite: CipherSuite, side: Side, script: &[Item]) -> Verdict {
    let ours = read(Layer::Tlsgate, suite, side, script, whole);
    let theirs = read(Layer::Rustls, suite, side, script, whole);
    if let Err(how) = agree(script, &ours, &theirs) {
        panic!("{suite:?} {side:?} {script:?}\n{how}");
    }
    ours
}

fn items(records: impl IntoIterator<Item = Forged>) -> Vec<Item> {
    records.into_iter().map(Item::Record).collect()
}

fn data(content: &[u8]) -> Forged {
    record(DATA, content)
}

fn close_notify() -> Forged {
    record(ALERT, &[1, 0])
}

/// Seals `plain` as the relay does; returns all that is sent.
fn sealed(records: &mut Records, plain: &[u8]) -> Result<Vec<u8>, RecordError> {
    let room = records.room();
    let mut slots = vec![0; room.stride() * 16];
    for (piece, part) in room.pieces(plain.len()).zip(plain.chunks(MAX_FRAGMENT)) {
        slots[piece].copy_from_slice(part);
    }
    let mut out = Vec::new();
    let length = records.seal(&mut slots, plain.len(), &mut out)?;
    out.extend_from_slice(&slots[..length]);
    Ok(out)
}
