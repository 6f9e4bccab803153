//! One of the two peers of a relay: its connection, in plain bytes or in TLS records, and what is on its way from and to
//! it. Must not know: which peer it is, what the other one is.

use std::io::{self, IoSlice, IoSliceMut};
use std::task::{Context, Poll, ready};

use crate::net::buffer::{Buffer, Size};
use crate::net::stream::Stream;
use crate::relay::intake::{Came, Intake};
use crate::relay::outlet::Outlet;
use crate::tls::record::Records;
use crate::tls::record::handshaking::Finished;
use crate::tls::record::interface::{RecordError, Room};

/// A peer's connection, and what is on its way there.
#[derive(Debug)]
pub struct Peer<'a> {
    pub stream: &'a Stream,
    pub wire: &'a mut Wire,
}

/// What is on its way from and to a peer: at most one buffer for each direction.
#[derive(Debug)]
pub struct Wire {
    /// `None` where it speaks plain bytes.
    records: Option<Records>,
    /// It ended its data along with the handshake.
    closed: bool,
    intake: Intake,
    outlet: Outlet,
}

impl Wire {
    /// To one that speaks plain bytes.
    pub fn plain() -> Self {
        Self { records: None, closed: false, intake: Intake::default(), outlet: Outlet::default() }
    }

    /// To one that speaks TLS. `words` are records that were sealed for it and can wait a moment for data to ride with.
    pub fn tls(finished: Finished, words: Vec<u8>) -> Self {
        let Finished { records, plain, wire, closed, .. } = finished;
        let intake = Intake::new(&plain, if closed { &[] } else { &wire });
        Self { records: Some(records), closed, intake, outlet: Outlet::holding(words) }
    }

    fn room(&self) -> Room {
        self.records.as_ref().map_or(Room { before: 0, after: 0 }, Records::room)
    }
}

impl Peer<'_> {
    pub(super) fn has_closed(&self) -> bool {
        self.wire.closed
    }

    pub(super) fn is_plain(&self) -> bool {
        self.wire.records.is_none()
    }

    /// Plaintext that came from it and has to be passed on.
    pub(super) fn intake(&mut self) -> &mut Intake {
        &mut self.wire.intake
    }

    /// What has to be written to it.
    pub(super) fn outlet(&mut self) -> &mut Outlet {
        &mut self.wire.outlet
    }

    /// Ends the sending side of the TCP connection.
    pub(super) fn shutdown_write(&self) {
        // It fails only where the peer is gone already, which reading from it will tell.
        let _ = self.stream.shutdown_write();
    }

    /// Writes some of what is in the outlet. With `last`, the end of the sending side follows.
    pub(super) fn write(&mut self, last: bool, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.wire.outlet.write(self.stream, last, cx)
    }

    /// Writes plaintext that has come from `source`, with as little copying as there can be: none.
    pub(super) fn write_from(&mut self, source: &mut Intake, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut slices = [IoSlice::new(&[]); PIECES];
        let used = source.plain(&mut slices);
        let count = ready!(self.stream.poll_write_pieces(cx, &slices[..used]))?;
        source.pass(count);
        Poll::Ready(Ok(()))
    }

    /// Reads off the wire.
    pub(super) fn read_wire(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        // Without bytes to read, no buffer is taken.
        ready!(self.stream.poll_read_ready(cx))?;
        let read = self.stream.poll_read_pieces(cx, &mut [IoSliceMut::new(self.wire.intake.space())]);
        match &read {
            Poll::Ready(Ok(count)) => self.wire.intake.filled(*count),
            _ => self.wire.intake.rest(),
        }
        read
    }

    /// Opens what has come. Returns how much plaintext that was, and what else.
    pub(super) fn open(&mut self) -> (usize, Result<Came, RecordError>) {
        let (intake, records) = (&mut self.wire.intake, &mut self.wire.records);
        match records {
            Some(records) => self.wire.outlet.words(|words| intake.open(records, words)),
            None => (0, Ok(Came::More)),
        }
    }

    /// Reads plain bytes from `source` and makes them ready to be written to this peer.
    pub(super) fn take_from(
        &mut self,
        source: &Self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Result<usize, RecordError>>> {
        ready!(source.stream.poll_read_ready(cx))?;
        let room = self.wire.room();
        match ready!(self.wire.outlet.read(source.stream, cx, room))? {
            0 => Poll::Ready(Ok(Ok(0))),
            count => Poll::Ready(Ok(self.wire.outlet.seal(self.wire.records.as_mut(), count).map(|()| count))),
        }
    }

    /// Makes plaintext that has come from `source` ready to be written to this peer.
    pub(super) fn take_plain(&mut self, source: &mut Intake) -> Result<(), RecordError> {
        let count = self.wire.outlet.copy(source.pieces(), self.wire.room());
        source.discard();
        self.wire.outlet.seal(self.wire.records.as_mut(), count)
    }

    /// Makes the end of the data ready to be written to this peer.
    pub(super) fn seal_close(&mut self) -> Result<(), RecordError> {
        match &mut self.wire.records {
            Some(records) => self.wire.outlet.words(|words| records.seal_close(words)),
            None => Ok(()),
        }
    }

    /// Reads and throws away.
    pub(super) fn ignore(&self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        ready!(self.stream.poll_read_ready(cx))?;
        self.stream.poll_read_pieces(cx, &mut [IoSliceMut::new(&mut Buffer::take(Size::Small))])
    }
}

/// As many as a buffer has if records are a few kilobytes long; of shorter ones it takes a few calls.
const PIECES: usize = 32;
