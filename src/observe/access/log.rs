//! Records → the log's target, written by a thread of its own so that a slow or full log never holds up a connection.
//! Must not know: what a record holds, how connections work.

use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;

use crate::observe::access::format::{Format, line};
use crate::observe::access::record::Record;
use crate::observe::access::target::{Out, Target};

enum Message {
    Record(Box<Record>),
    /// The file was moved away: go on with a new one.
    Reopen,
}

/// The sending end; cheap to clone.
#[derive(Debug, Clone)]
pub struct AccessLog {
    queue: Option<SyncSender<Message>>,
    dropped: Arc<AtomicU64>,
}

/// Counts the records that were lost.
#[derive(Debug, Clone)]
pub struct Lost(Arc<AtomicU64>);

impl Lost {
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The writing end: its thread ends when the last [`AccessLog`] is gone.
#[derive(Debug)]
pub struct Writer(Option<thread::JoinHandle<()>>);

impl AccessLog {
    /// Opens the target and starts the writer.
    pub fn open(target: &Target, format: Format) -> io::Result<(Self, Writer)> {
        if *target == Target::Off {
            return Ok((Self { queue: None, dropped: Arc::default() }, Writer(None)));
        }
        let out = target.open()?;
        let (queue, messages) = sync_channel(QUEUED);
        let dropped = Arc::new(AtomicU64::new(0));
        let (lost, target) = (Arc::clone(&dropped), target.clone());
        let write = move || write_all(&messages, out, &target, format, &lost);
        let thread = thread::Builder::new().name("access-log".into()).spawn(write)?;
        Ok((Self { queue: Some(queue), dropped }, Writer(Some(thread))))
    }

    /// Whether records go anywhere.
    pub fn is_on(&self) -> bool {
        self.queue.is_some()
    }

    /// Hands a record over; never waits. If the writer cannot keep up the record is dropped and counted.
    pub fn write(&self, record: Record) {
        if let Some(queue) = &self.queue
            && let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
                queue.try_send(Message::Record(Box::new(record)))
        {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Goes on in a new file of the same name, after what is queued is written to the old one; for those who rotate logs.
    pub fn reopen(&self) {
        if let Some(queue) = &self.queue
            && queue.try_send(Message::Reopen).is_err()
        {
            tracing::warn!("the access log is too busy to be reopened, try again");
        }
    }

    /// How many records were lost so far, for who does not write any.
    pub fn lost(&self) -> Lost {
        Lost(Arc::clone(&self.dropped))
    }
}

impl Writer {
    /// Waits, for `patience` at most, until what was queued is written; every [`AccessLog`] must be gone.
    pub fn finish(self, patience: std::time::Duration) {
        let Some(thread) = self.0 else { return };
        let deadline = std::time::Instant::now() + patience;
        while !thread.is_finished() && std::time::Instant::now() < deadline {
            thread::sleep(std::time::Duration::from_millis(1));
        }
    }
}

fn write_all(messages: &Receiver<Message>, out: Out, target: &Target, format: Format, lost: &AtomicU64) {
    let mut out = buffered(out);
    while let Ok(first) = messages.recv() {
        // Whole batches in one write; a line is never left waiting for the next one.
        for message in std::iter::once(first).chain(messages.try_iter().take(QUEUED)) {
            match message {
                Message::Record(record) if out.write_all(line(&record, format).as_bytes()).is_ok() => {}
                Message::Record(_) => drop(lost.fetch_add(1, Ordering::Relaxed)),
                Message::Reopen => {
                    flush(&mut out, lost);
                    match target.open() {
                        Ok(fresh) => out = buffered(fresh),
                        Err(error) => {
                            tracing::error!(%error, "the access log cannot be reopened, it goes on as it was")
                        }
                    }
                }
            }
        }
        flush(&mut out, lost);
    }
}

fn buffered(out: Out) -> BufWriter<Box<dyn Write + Send>> {
    BufWriter::with_capacity(if out.buffered { BUFFER } else { 0 }, out.writer)
}

fn flush(out: &mut BufWriter<Box<dyn Write + Send>>, lost: &AtomicU64) {
    if out.flush().is_err() {
        // A BufWriter would try the same bytes again and again; they are given up.
        lost.fetch_add(1, Ordering::Relaxed);
        let sink: Box<dyn Write + Send> = Box::new(io::sink());
        let broken = std::mem::replace(out, BufWriter::new(sink));
        *out = BufWriter::with_capacity(broken.capacity(), broken.into_parts().0);
    }
}

/// About 4 MB of records.
const QUEUED: usize = 8192;

/// Bytes that are written at once.
const BUFFER: usize = 8 << 10;
