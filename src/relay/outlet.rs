//! What is on its way to a peer: encrypted records or plain bytes, and before and after them the TLS protocol's own
//! records (tickets, key updates, alerts). Must not know: where it comes from.

use std::io::{self, IoSlice, IoSliceMut};
use std::ops::Range;
use std::task::{Context, Poll, ready};

use crate::net::buffer::{Buffer, Size};
use crate::net::stream::Stream;
use crate::tls::record::Records;
use crate::tls::record::interface::{RecordError, Room};
use crate::tls::wire::codes::framing::MAX_FRAGMENT;

/// At most one buffer, and none while it would be empty.
#[derive(Debug, Default)]
pub(super) struct Outlet {
    /// The protocol's own records that are written before the buffer.
    front: Vec<u8>,
    buffer: Buffer,
    /// The part of the buffer that has to be written.
    ready: Range<usize>,
    /// The protocol's own records that are written after the buffer.
    back: Vec<u8>,
    /// `front` can wait for data, to be written in the same call.
    held: bool,
    /// The last read returned many bytes: the next one gets a larger buffer.
    bulk: bool,
}

impl Outlet {
    /// Begins with records of the protocol that can wait for the first data.
    pub(super) fn holding(words: Vec<u8>) -> Self {
        Self { held: !words.is_empty(), front: words, ..Self::default() }
    }

    pub(super) fn is_pending(&self) -> bool {
        !self.ready.is_empty() || !self.back.is_empty() || (!self.held && !self.front.is_empty())
    }

    /// Whether there is data, and not only the protocol's own records.
    pub(super) fn has_data(&self) -> bool {
        !self.ready.is_empty()
    }

    pub(super) fn is_holding(&self) -> bool {
        self.held
    }

    /// What was held waits no longer.
    pub(super) fn release(&mut self) {
        self.held = false;
    }

    /// Lets `write` add records of the protocol after everything else.
    pub(super) fn words<R>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        // Records are numbered, so that they must be written in the order in which they were encrypted.
        let words = if self.ready.is_empty() && self.back.is_empty() { &mut self.front } else { &mut self.back };
        let before = words.len();
        let result = write(words);
        if words.len() > before {
            self.held = false;
        }
        result
    }

    /// Reads from `source` into slots, with `room` for the header and the tag around each, so that they are encrypted
    /// in place. Nothing may be pending.
    pub(super) fn read(&mut self, source: &Stream, cx: &mut Context<'_>, room: Room) -> Poll<io::Result<usize>> {
        self.slots(if self.bulk { Size::Large } else { Size::Small }.affordable());
        self.read_into_slots(source, cx, room)
    }

    fn read_into_slots(&mut self, source: &Stream, cx: &mut Context<'_>, room: Room) -> Poll<io::Result<usize>> {
        let slots = &mut self.buffer;
        // A buffer without room for a whole record has one shorter slot.
        let stride = room.stride().min(slots.len());
        let mut pieces =
            slots.chunks_exact_mut(stride).filter_map(|slot| slot.get_mut(room.before..stride - room.after));
        // An array, so that a read allocates nothing.
        let mut slices: [IoSliceMut<'_>; SLOTS] =
            std::array::from_fn(|_| IoSliceMut::new(pieces.next().unwrap_or_default()));
        let used = slices.iter().take_while(|slice| !slice.is_empty()).count();
        let read = source.poll_read_pieces(cx, &mut slices[..used]);
        match &read {
            Poll::Ready(Ok(count)) if *count > 0 => self.bulk = *count >= MAX_FRAGMENT,
            _ => self.rest(),
        }
        read
    }

    /// Copies pieces into slots; together they have `length` bytes. Returns that number.
    pub(super) fn copy<'a>(&mut self, pieces: impl Iterator<Item = &'a [u8]>, length: usize, room: Room) -> usize {
        let slots = self.slots(if length <= MAX_FRAGMENT { Size::Small } else { Size::Large });
        let mut count = 0;
        for mut piece in pieces {
            while !piece.is_empty() {
                let at = count % MAX_FRAGMENT;
                let (now, later) = piece.split_at(piece.len().min(MAX_FRAGMENT - at));
                let start = count / MAX_FRAGMENT * room.stride() + room.before + at;
                slots[start..start + now.len()].copy_from_slice(now);
                count += now.len();
                piece = later;
            }
        }
        count
    }

    /// Encrypts `count` bytes in the slots. Without `records`, they are written as they are.
    pub(super) fn seal(&mut self, records: Option<&mut Records>, count: usize) -> Result<(), RecordError> {
        let length = match records {
            Some(records) => records.seal(&mut self.buffer, count, &mut self.front)?,
            None => count,
        };
        self.ready = 0..length;
        self.held = false;
        Ok(())
    }

    /// Writes as much as the socket takes, in one call; when everything is written, the buffer is given back. `last`:
    /// the end of the sending side follows.
    pub(super) fn write(&mut self, stream: &Stream, last: bool, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let slices = self.slices();
        // Empty slices at both ends are left out: a single one that is left can travel with the end
        // (`poll_write_last`).
        let used = slices.iter().rposition(|slice| !slice.is_empty()).map_or(0, |last| last + 1);
        let skip = slices.iter().position(|slice| !slice.is_empty()).unwrap_or(0);
        let mut count = match &slices[skip..used] {
            [words] if last => ready!(stream.poll_write_last(cx, words))?,
            slices => ready!(stream.poll_write_pieces(cx, slices))?,
        };
        count -= take(&mut self.front, count);
        let taken = count.min(self.ready.len());
        self.ready.start += taken;
        take(&mut self.back, count - taken);
        if !self.is_pending() {
            self.clear();
        }
        Poll::Ready(Ok(()))
    }

    /// What is not written yet.
    pub(super) fn remains(&self) -> Vec<u8> {
        self.slices().iter().flat_map(|slice| slice.iter().copied()).collect()
    }

    /// Discards everything.
    pub(super) fn clear(&mut self) {
        // `bulk` describes the transfer and not the buffer, so it is kept.
        let bulk = self.bulk;
        *self = Self { bulk, ..Self::default() };
    }

    fn slices(&self) -> [IoSlice<'_>; 3] {
        [&self.front, &self.buffer[self.ready.clone()], &self.back].map(IoSlice::new)
    }

    /// The bytes of memory that it holds, and how many of them it would not need for what waits in it.
    pub(super) fn held(&self) -> (usize, usize) {
        (self.buffer.len() + self.front.len() + self.back.len(), self.buffer.len() - self.ready.len())
    }

    /// Gives back the memory that is not needed for what waits.
    pub(super) fn shrink(&mut self) {
        self.buffer = Buffer::of(&self.buffer[self.ready.clone()]);
        self.ready = 0..self.buffer.len();
    }

    fn slots(&mut self, size: Size) -> &mut Buffer {
        if self.buffer.len() < Buffer::bytes(size) {
            self.buffer = Buffer::take(size);
        }
        &mut self.buffer
    }

    fn rest(&mut self) {
        self.buffer = Buffer::default();
        self.ready = 0..0;
    }
}

/// Removes up to `count` bytes from the front. Returns how many.
fn take(words: &mut Vec<u8>, count: usize) -> usize {
    let taken = count.min(words.len());
    words.drain(..taken);
    taken
}

/// How many slots the largest buffer has, with the largest room around each.
const SLOTS: usize = Buffer::bytes(Size::Large) / MAX_FRAGMENT;

const _: () = assert!(SLOTS == 16);

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Room = Room { before: 0, after: 0 };

    #[test]
    fn what_waits_is_kept_in_as_much_memory_as_it_needs() {
        let mut outlet = Outlet::default();
        let piece = [7; MAX_FRAGMENT];
        let count = outlet.copy([&piece[..], &piece].into_iter(), 2 * MAX_FRAGMENT, PLAIN);
        outlet.seal(None, count).unwrap();
        outlet.ready.start = 30_000;
        let before = outlet.remains();
        assert_eq!(outlet.held().0, Buffer::bytes(Size::Large));
        outlet.shrink();
        assert_eq!((outlet.remains(), outlet.held()), (before, (2 * MAX_FRAGMENT - 30_000, 0)));
    }

    #[test]
    fn few_bytes_take_a_small_buffer() {
        let mut outlet = Outlet::default();
        let count = outlet.copy([&[7; MAX_FRAGMENT][..]].into_iter(), MAX_FRAGMENT, Room { before: 5, after: 17 });
        assert_eq!((count, outlet.held().0), (MAX_FRAGMENT, Buffer::bytes(Size::Small)));
    }

    #[tokio::test]
    async fn a_buffer_without_room_for_a_record_is_one_shorter_slot() {
        let (here, there) = std::os::unix::net::UnixStream::pair().unwrap();
        for socket in [&here, &there] {
            socket.set_nonblocking(true).unwrap();
        }
        std::io::Write::write_all(&mut &there, &[7; 9000]).unwrap();
        let source = Stream::unix(here).unwrap();
        let room = Room { before: 13, after: 17 };
        let mut outlet = Outlet { buffer: Buffer::of(&[0; 4096]), ..Outlet::default() };
        std::future::poll_fn(|cx| source.poll_read_ready(cx)).await.unwrap();
        let count = std::future::poll_fn(|cx| outlet.read_into_slots(&source, cx, room)).await.unwrap();
        assert_eq!(count, 4096 - 30);
        assert_eq!(outlet.buffer[13..13 + count], vec![7; count]);
    }
}
