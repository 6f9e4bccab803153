//! What has come from a peer that speaks TLS: bytes off the wire that are not opened yet, and behind those that are the
//! plaintext, opened in place and not yet passed on. Must not know: where either comes from or goes to.

use std::io::IoSlice;
use std::ops::Range;

use crate::net::buffer::{Buffer, Size};
use crate::tls::record::Records;
use crate::tls::record::interface::{Opened, RecordError};

/// One buffer at most, and none while nothing is in it.
#[derive(Debug, Default)]
pub(super) struct Intake {
    buffer: Buffer,
    /// Plaintext, in order; all of it stands before `unopened`.
    pieces: Vec<Range<usize>>,
    /// How many of the pieces are passed on.
    passed: usize,
    unopened: Range<usize>,
    /// The last read was one of many bytes: the next one gets a larger buffer.
    bulk: bool,
}

/// How opening came out.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Came {
    More,
    /// close_notify, after the plaintext that there is.
    End,
    /// The buffer is full of one handshake message.
    TooLong,
}

impl Intake {
    /// Begins with `plain`, and with `wire` to be opened.
    pub(super) fn new(plain: &[u8], wire: &[u8]) -> Self {
        let mut intake = Self::default();
        let length = plain.len() + wire.len();
        if length > 0 {
            let size = if length <= Buffer::bytes(Size::Small) { Size::Small } else { Size::Medium };
            intake.buffer = Buffer::take(size);
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
        let full = self.buffer.len() - self.unopened.len() < LEAST_ROOM;
        let size = match self.bulk || (full && !self.buffer.is_none()) {
            true => Size::Medium,
            false => Size::Small,
        };
        if self.buffer.len() < Buffer::bytes(size) {
            let old = std::mem::replace(&mut self.buffer, Buffer::take(size));
            self.take_over(&old);
        }
        if self.unopened.start > 0 {
            self.buffer.copy_within(self.unopened.clone(), 0);
            self.unopened = 0..self.unopened.len();
        }
        &mut self.buffer[self.unopened.end..]
    }

    /// `count` bytes were read into the room.
    pub(super) fn filled(&mut self, count: usize) {
        self.unopened.end += count;
        self.bulk = if self.bulk { count >= BULK } else { self.unopened.end == self.buffer.len() };
    }

    /// Nothing came: gives back what is not needed to wait.
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

    fn take_over(&mut self, old: &[u8]) {
        let length = self.unopened.len();
        self.buffer[..length].copy_from_slice(&old[self.unopened.clone()]);
        self.unopened = 0..length;
    }

    /// Opens every whole record. Returns how much plaintext there is more than before, and what else.
    pub(super) fn open(&mut self, records: &mut Records, reply: &mut Vec<u8>) -> (usize, Result<Came, RecordError>) {
        let mut fresh = 0;
        loop {
            let opened = match records.open(&mut self.buffer[self.unopened.clone()], reply) {
                Ok(opened) => opened,
                Err(error) => return (fresh, Err(error)),
            };
            match opened {
                Opened::Data { consumed, plain } => {
                    let start = self.unopened.start;
                    self.unopened.start += consumed;
                    fresh += plain.len();
                    self.add(start + plain.start..start + plain.end);
                }
                Opened::Other { consumed } => self.unopened.start += consumed,
                Opened::Closed => {
                    // RFC 8446 section 6.1: what comes after it is ignored.
                    self.unopened.start = self.unopened.end;
                    return (fresh, Ok(Came::End));
                }
                Opened::Incomplete if self.unopened.len() >= Buffer::bytes(Size::Medium) => {
                    return (fresh, Ok(Came::TooLong));
                }
                Opened::Incomplete => return (fresh, Ok(Came::More)),
            }
        }
    }

    /// Short pieces are moved up to the one before: many of them would cost more to write than to move.
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

    /// The plaintext that is not passed on yet; `slices` may be too short for all of it.
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

    /// Throws the plaintext away.
    pub(super) fn discard(&mut self) {
        self.pass(usize::MAX);
    }
}

/// Less than this is moved rather than written as a piece of its own.
const SHORT: usize = 1024;

/// A read of fewer bytes is no sign of a bulk transfer.
const BULK: usize = 16 * 1024;

/// For less it is not worth a system call.
const LEAST_ROOM: usize = 1024;
