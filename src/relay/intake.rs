//! What a peer has sent over TLS: plaintext, decrypted in place and not yet passed on, and after it the bytes that are
//! not decrypted yet. Must not know: where they come from, where they go.

use std::io::IoSlice;
use std::ops::Range;

use crate::net::buffer::{self, Buffer, Size};
use crate::tls::record::Records;
use crate::tls::record::interface::{Opened, RecordError};
use crate::tls::wire::codes::framing::{MAX_FRAGMENT, RECORD_HEADER};

/// At most one buffer, and none while it would be empty.
#[derive(Debug, Default)]
pub(super) struct Intake {
    buffer: Buffer,
    /// Plaintext, in order; all of it is before `unopened`.
    pieces: Vec<Range<usize>>,
    /// How many of the pieces are passed on.
    passed: usize,
    unopened: Range<usize>,
    /// The last read returned many bytes: the next one gets a larger buffer.
    bulk: bool,
}

/// What opening records has brought, and cost.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fresh {
    /// Bytes of plaintext.
    pub(super) plain: usize,
    /// What it has cost, as so many bytes of full records. A record without plaintext costs as well, and a short one more
    /// than its bytes.
    pub(super) cost: usize,
}

/// What is known after all complete records are opened.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// The peer has not ended its data.
    More,
    /// close_notify, after the plaintext.
    End,
    /// One handshake message fills the whole buffer.
    TooLong,
}

impl Intake {
    /// Begins with `plain`, and with `wire`, which is still to be opened.
    pub(super) fn new(plain: &[u8], wire: &[u8]) -> Self {
        let mut intake = Self::default();
        let length = plain.len() + wire.len();
        if length > 0 {
            let sizes = [Size::Small, Size::Medium, Size::Large];
            let size = sizes.into_iter().find(|size| length <= Buffer::bytes(*size));
            // Nothing here bounds what a handshake leaves: more than the largest buffer has one of its own.
            intake.buffer = size.map_or_else(|| Buffer::of(&vec![0; length]), Buffer::take);
            intake.buffer[..plain.len()].copy_from_slice(plain);
            intake.buffer[plain.len()..length].copy_from_slice(wire);
            intake.unopened = plain.len()..length;
            intake.add(0..plain.len());
        }
        intake
    }

    pub(super) fn has_plain(&self) -> bool {
        self.passed < self.pieces.len()
    }

    pub(super) fn has_unopened(&self) -> bool {
        !self.unopened.is_empty()
    }

    /// Room to read into. All plaintext must have been passed on.
    pub(super) fn space(&mut self) -> &mut [u8] {
        let full = self.buffer.len() - self.unopened.len() < LEAST_ROOM && !self.buffer.is_none();
        let wanted = if self.bulk || full { Size::Medium } else { Size::Small };
        let mut size = wanted.affordable();
        if full {
            // However short memory is, a record needs its room, and so does a message in many records.
            let needed = if self.buffer.len() < Buffer::bytes(Size::Small) { Size::Small } else { Size::Medium };
            size = size.max(needed);
        }
        if self.buffer.len() < Buffer::bytes(size) {
            let old = std::mem::replace(&mut self.buffer, Buffer::take(size));
            self.take_over(&old);
        }
        // The rest of a record moves to the front, so that there is always room for the whole record.
        if self.unopened.start > 0 {
            self.buffer.copy_within(self.unopened.clone(), 0);
            self.unopened = 0..self.unopened.len();
        }
        // Where memory is short, at most one record at a time: its plaintext fits into another small buffer.
        let end = match buffer::is_tight() && self.unopened.end < ONE_RECORD {
            true => ONE_RECORD.min(self.buffer.len()),
            false => self.buffer.len(),
        };
        &mut self.buffer[self.unopened.end..end]
    }

    /// `count` bytes were read into the room.
    pub(super) fn filled(&mut self, count: usize) {
        self.unopened.end += count;
        // A small buffer that is full shows that there is more; a large one that gets little shows that the rush is
        // over.
        self.bulk = if self.bulk { count >= BULK } else { self.unopened.end == self.buffer.len() };
    }

    /// Nothing was read: gives back the memory that is not needed while waiting.
    pub(super) fn rest(&mut self) {
        if self.has_plain() {
            return;
        }
        self.pieces = Vec::new();
        self.passed = 0;
        if self.unopened.is_empty() {
            self.buffer = Buffer::default();
            self.unopened = 0..0;
        } else if self.buffer.len() > Buffer::bytes(Size::Small) && self.unopened.len() <= Buffer::bytes(Size::Small) {
            let old = std::mem::replace(&mut self.buffer, Buffer::take(Size::Small));
            self.take_over(&old);
        }
    }

    /// The bytes of memory that it holds, and how many of them it would not need for what waits in it.
    pub(super) fn held(&self) -> (usize, usize) {
        let waiting = self.unopened.end - self.waiting_from();
        (self.buffer.len(), self.buffer.len() - waiting)
    }

    /// Gives back the memory that is not needed for what waits.
    pub(super) fn shrink(&mut self) {
        let start = self.waiting_from();
        self.buffer = Buffer::of(&self.buffer[start..self.unopened.end]);
        self.pieces.drain(..self.passed);
        self.passed = 0;
        self.pieces.iter_mut().for_each(|piece| *piece = piece.start - start..piece.end - start);
        self.unopened = self.unopened.start - start..self.unopened.end - start;
    }

    /// Where the first byte is that waits: plaintext to be passed on, or what is not opened.
    fn waiting_from(&self) -> usize {
        self.pieces.get(self.passed).map_or(self.unopened.start, |piece| piece.start)
    }

    fn take_over(&mut self, old: &[u8]) {
        let length = self.unopened.len();
        self.buffer[..length].copy_from_slice(&old[self.unopened.clone()]);
        self.unopened = 0..length;
    }

    /// Opens every complete record. Returns what that has brought, and whether more will follow. `reply` collects what the
    /// record layer has to answer.
    pub(super) fn open(&mut self, records: &mut Records, reply: &mut Vec<u8>) -> (Fresh, Result<Came, RecordError>) {
        let mut fresh = Fresh::default();
        loop {
            let opened = match records.open(&mut self.buffer[self.unopened.clone()], reply) {
                Ok(opened) => opened,
                Err(error) => return (fresh, Err(error)),
            };
            match opened {
                Opened::Data { consumed, plain } => {
                    let start = self.unopened.start;
                    self.unopened.start += consumed;
                    fresh.plain += plain.len();
                    fresh.cost += consumed.max(LEAST_COST);
                    self.add(start + plain.start..start + plain.end);
                }
                Opened::Other { consumed } => {
                    self.unopened.start += consumed;
                    fresh.cost += consumed.max(LEAST_COST);
                }
                Opened::Closed => {
                    // RFC 8446 section 6.1: data after close_notify is ignored.
                    self.unopened.start = self.unopened.end;
                    return (fresh, Ok(Came::End));
                }
                // A record fits into the buffer many times, so only a handshake message over many records fills it.
                Opened::Incomplete if self.unopened.len() >= Buffer::bytes(Size::Medium) => {
                    return (fresh, Ok(Came::TooLong));
                }
                Opened::Incomplete => return (fresh, Ok(Came::More)),
            }
        }
    }

    /// Adds a piece of plaintext. A short one is moved to the end of the piece before it, since that costs less than to
    /// write it as a slice of its own.
    fn add(&mut self, piece: Range<usize>) {
        match self.pieces.last_mut() {
            _ if piece.is_empty() => {}
            Some(last) if piece.len() < SHORT => {
                let end = last.end + piece.len();
                self.buffer.copy_within(piece, last.end);
                last.end = end;
            }
            _ => self.pieces.push(piece),
        }
    }

    /// Fills `slices` with the plaintext that is not passed on yet, as far as they suffice. Returns how many are
    /// filled.
    pub(super) fn plain<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let waiting = &self.pieces[self.passed..];
        slices.iter_mut().zip(waiting).for_each(|(slice, piece)| *slice = IoSlice::new(&self.buffer[piece.clone()]));
        waiting.len().min(slices.len())
    }

    /// Every piece that is not passed on yet.
    pub(super) fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.pieces[self.passed..].iter().map(|piece| &self.buffer[piece.clone()])
    }

    /// The first `count` bytes of the plaintext are passed on.
    pub(super) fn pass(&mut self, mut count: usize) {
        while let Some(piece) = self.pieces.get_mut(self.passed) {
            if count < piece.len() {
                piece.start += count;
                return;
            }
            count -= piece.len();
            self.passed += 1;
        }
        self.pieces.clear();
        self.passed = 0;
        if self.unopened.is_empty() {
            self.buffer = Buffer::default();
            self.unopened = 0..0;
        }
    }

    /// Discards the plaintext.
    pub(super) fn discard(&mut self) {
        self.pass(usize::MAX);
    }
}

/// A piece with fewer bytes is moved, not written as a slice of its own.
const SHORT: usize = 1024;

/// A read of fewer bytes is no sign of a bulk transfer.
const BULK: usize = 16 * 1024;

/// A record of the largest usual size: a full fragment, its content type and the tag (RFC 8446 section 5.2). Longer ones,
/// with padding, take another read.
const ONE_RECORD: usize = RECORD_HEADER + MAX_FRAGMENT + 1 + 16;

/// What the shortest record costs, in bytes of full records: what is done once for each record takes about as long.
const LEAST_COST: usize = 256;

/// A read into less room is not worth a system call.
const LEAST_ROOM: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::record::Layer;
    use crate::tls::record::tests::duel::{Side, joined};
    use crate::tls::record::tests::handshake::{SUITES, is_tls13};
    use crate::tls::record::tests::peer::record;
    use crate::tls::wire::codes::framing::{APPLICATION_DATA, HANDSHAKE};

    fn waiting(intake: &Intake) -> Vec<u8> {
        intake.pieces().flatten().copied().collect()
    }

    #[test]
    fn whatever_a_handshake_leaves_has_room() {
        let sizes = [Size::Small, Size::Medium, Size::Large].map(Buffer::bytes);
        for (length, plain) in
            sizes.iter().flat_map(|size| [*size, size + 1]).flat_map(|at| [(at, 0), (at, at / 2), (at, at)])
        {
            let bytes: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let (plain, wire) = bytes.split_at(plain);
            let mut intake = Intake::new(plain, wire);
            assert_eq!((waiting(&intake), &intake.buffer[intake.unopened.clone()]), (plain.to_vec(), wire), "{length}");
            intake.discard();
            intake.rest();
            assert_eq!(&intake.buffer[intake.unopened.clone()], wire, "{length}");
        }
    }

    #[test]
    fn every_record_costs_something() {
        for suite in SUITES {
            let (mut records, _, mut peer) = joined(Layer::Tlsgate, suite, Side::Client);
            let mut fresh = |kind: u8, contents: &[&[u8]]| {
                let wire: Vec<u8> = contents.iter().flat_map(|content| peer.forge(&record(kind, content))).collect();
                let (fresh, came) = Intake::new(&[], &wire).open(&mut records, &mut Vec::new());
                assert_eq!(came, Ok(Came::More), "{suite:?}");
                (fresh, wire.len())
            };
            let (of_short, _) = fresh(APPLICATION_DATA, &[&b"a"[..]; 1000]);
            assert_eq!(of_short, Fresh { plain: 1000, cost: 1000 * LEAST_COST });
            let (of_long, length) = fresh(APPLICATION_DATA, &[&[1; MAX_FRAGMENT][..]; 3]);
            assert_eq!(of_long, Fresh { plain: 3 * MAX_FRAGMENT, cost: length });
            assert!(length - of_long.plain < LEAST_COST, "of full records, the cost is almost that of their bytes");
            // What brings nothing: empty records, and the beginning of a ticket.
            assert_eq!(fresh(APPLICATION_DATA, &[&b""[..]; 30]).0, Fresh { plain: 0, cost: 30 * LEAST_COST });
            if is_tls13(suite) {
                let begun: Vec<&[u8]> = [&[4], &[0], &[0xff], &[0xff]]
                    .into_iter()
                    .chain([&[7]; 996])
                    .map(|one: &[u8; 1]| &one[..])
                    .collect();
                assert_eq!(fresh(HANDSHAKE, &begun).0, Fresh { plain: 0, cost: 1000 * LEAST_COST });
            }
        }
    }

    #[test]
    fn what_waits_is_kept_in_as_much_memory_as_it_needs() {
        let (plain, wire) = ([1; 3000], [2; 500]);
        let mut intake = Intake::new(&plain, &wire);
        // Another piece, as if a record had been opened.
        intake.add(3000..3400);
        intake.unopened.start = 3400;
        intake.pass(1000);
        let before = waiting(&intake);
        assert_eq!(intake.held(), (Buffer::bytes(Size::Small), Buffer::bytes(Size::Small) - 2500));
        intake.shrink();
        assert_eq!((waiting(&intake), intake.held()), (before, (2500, 0)));
        intake.pass(2000);
        assert_eq!((waiting(&intake).len(), intake.unopened.len()), (400, 100));
        intake.discard();
        assert_eq!(intake.buffer[intake.unopened.clone()], [2; 100]);
        let room = intake.space().len();
        assert!(room >= Buffer::bytes(Size::Small) - 100, "there is room for a whole record again: {room}");
        assert_eq!(intake.buffer[intake.unopened.clone()], [2; 100]);
    }
}
