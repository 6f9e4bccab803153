//! One of the two peers of a relay: its connection, in plain bytes or in TLS records, and what is on its way from it
//! and to it. Must not know: which of the two it is, what the other one is.

use std::io::{self, IoSlice, IoSliceMut};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::net::buffer::{Buffer, Size};
use crate::net::stream::Stream;
use crate::relay::End;
use crate::relay::intake::{Came, Fresh, Intake};
use crate::relay::outlet::Outlet;
use crate::tls::record::Records;
use crate::tls::record::handshaking::Finished;
use crate::tls::record::interface::{RecordError, Room};
use crate::tls::trust::clients::again::Distrust;

/// A peer's connection, and what is on its way on it.
#[derive(Debug)]
pub struct Peer<'a> {
    pub stream: &'a Stream,
    pub wire: &'a mut Wire,
}

/// What is on its way from and to a peer: at most one buffer for each direction.
#[derive(Debug)]
pub struct Wire {
    /// `None` if the peer sends plain bytes.
    records: Option<Records>,
    /// The peer ended its data already with the handshake.
    closed: bool,
    intake: Intake,
    outlet: Outlet,
}

impl Wire {
    /// For a peer that sends plain bytes.
    pub fn plain() -> Self {
        Self { records: None, closed: false, intake: Intake::default(), outlet: Outlet::default() }
    }

    /// For a peer that uses TLS. `words` are encrypted records for it, which can wait a moment for data to be sent
    /// with.
    pub fn tls(finished: Finished, words: Vec<u8>) -> Self {
        let Finished { records, plain, wire, closed, .. } = finished;
        // After close_notify, what else was read is not data (RFC 8446 section 6.1).
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

    /// What it has sent and what has to be passed on.
    pub(super) fn intake(&mut self) -> &mut Intake {
        &mut self.wire.intake
    }

    /// What has to be written to it.
    pub(super) fn outlet(&mut self) -> &mut Outlet {
        &mut self.wire.outlet
    }

    /// Whether something is here that is not delivered: part of a record, or bytes for this peer or from it.
    pub(super) fn holds(&mut self) -> bool {
        self.intake().has_plain() || self.intake().has_unopened() || self.outlet().is_pending()
    }

    /// The bytes of memory that its buffers hold, and how many of them they would not need for what waits in them.
    pub(super) fn held(&self) -> (usize, usize) {
        let (intake, outlet) = (self.wire.intake.held(), self.wire.outlet.held());
        (intake.0 + outlet.0, intake.1 + outlet.1)
    }

    /// Gives back the memory that is not needed for what waits.
    pub(super) fn shrink(&mut self) {
        self.wire.intake.shrink();
        self.wire.outlet.shrink();
    }

    /// Ends the sending side of the TCP connection.
    pub(super) fn shutdown_write(&self) {
        // It fails only if the peer is gone already, and then the next read from it returns that error.
        let _ = self.stream.shutdown_write();
    }

    /// Writes as much of the outlet as the socket takes. `last`: the end of the sending side follows.
    pub(super) fn write(&mut self, last: bool, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.wire.outlet.write(self.stream, last, cx)
    }

    /// Writes plaintext from `source`, without copying it.
    pub(super) fn write_from(&mut self, source: &mut Intake, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut slices = [IoSlice::new(&[]); PIECES];
        let used = source.plain(&mut slices);
        let count = ready!(self.stream.poll_write_pieces(cx, &slices[..used]))?;
        source.pass(count);
        Poll::Ready(Ok(()))
    }

    /// Reads bytes that are still to be opened.
    pub(super) fn read_wire(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        // An idle connection must not hold a buffer: one is taken only when there are bytes to read.
        ready!(self.stream.poll_read_ready(cx))?;
        let read = self.stream.poll_read_pieces(cx, &mut [IoSliceMut::new(self.wire.intake.space())]);
        match &read {
            Poll::Ready(Ok(count)) => self.wire.intake.filled(*count),
            _ => self.wire.intake.rest(),
        }
        read
    }

    /// Opens what was read. Returns what that has brought, and whether more will follow. `told`: this peer knows that nothing more
    /// is sent to it, and so gets no answers, whatever it asks for.
    pub(super) fn open(&mut self, told: bool) -> (Fresh, Result<Came, RecordError>) {
        let (intake, records) = (&mut self.wire.intake, &mut self.wire.records);
        match records {
            Some(records) if told => intake.open(records, &mut Vec::new()),
            Some(records) => self.wire.outlet.words(|words| intake.open(records, words)),
            None => (Fresh::default(), Ok(Came::More)),
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

    /// Makes plaintext from `source` ready to be written to this peer.
    pub(super) fn take_plain(&mut self, source: &mut Intake) -> Result<(), RecordError> {
        let length = source.pieces().map(<[u8]>::len).sum();
        let count = self.wire.outlet.copy(source.pieces(), length, self.wire.room());
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

    /// The end for a peer that is trusted no more: what was on its way to it already, then the alert. `ended`: it knows that no
    /// data follows, and so gets no alert.
    pub(super) fn distrusted(&mut self, distrust: Arc<Distrust>, ended: bool) -> End {
        let mut last_words = self.wire.outlet.remains();
        if let Some(records) = self.wire.records.take().filter(|_| !ended) {
            // Without the alert, the peer sees that it is cut off, and not why.
            let _ = records.seal_alert(distrust.alert, &mut last_words);
        }
        End::Distrusted { distrust, last_words }
    }

    /// Reads and discards. Returns how many bytes; 0 is the end.
    pub(super) fn ignore(&self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        // As for every read: without bytes to read, no buffer is taken.
        ready!(self.stream.poll_read_ready(cx))?;
        self.stream.poll_read_pieces(cx, &mut [IoSliceMut::new(&mut Buffer::up_to(Size::Small))])
    }
}

/// Slices in one call: a full buffer of records of a few kilobytes each. Shorter records take several calls.
const PIECES: usize = 32;
