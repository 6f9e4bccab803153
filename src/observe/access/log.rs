//! Records → the log's target. A separate thread writes them, so that a slow or full target never delays a connection.
//! Must not know: what a record contains, how connections work.

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
    /// The file was moved away: continue with a new one.
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
    /// How many records were lost so far.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The writing end: its thread ends when the last [`AccessLog`] is dropped.
#[derive(Debug)]
pub struct Writer(Option<thread::JoinHandle<()>>);

impl AccessLog {
    /// Opens the target and starts the writer. An error begins with the path.
    pub fn open(target: &Target, format: Format) -> io::Result<(Self, Writer)> {
        if *target == Target::Off {
            return Ok((Self { queue: None, dropped: Arc::default() }, Writer(None)));
        }
        let out = target.open()?;
        // Bounded: if the target stalls, records are lost and counted, but memory does not grow.
        let (queue, messages) = sync_channel(QUEUED);
        let dropped = Arc::new(AtomicU64::new(0));
        let (lost, target) = (Arc::clone(&dropped), target.clone());
        let write = move || write_all(&messages, out, &target, format, &lost);
        let thread = thread::Builder::new().name("access-log".into()).spawn(write)?;
        Ok((Self { queue: Some(queue), dropped }, Writer(Some(thread))))
    }

    /// Whether records are written at all.
    pub fn is_on(&self) -> bool {
        self.queue.is_some()
    }

    /// Passes a record to the writer; never waits. If the writer cannot keep up, the record is dropped and counted.
    pub fn write(&self, record: Record) {
        if let Some(queue) = &self.queue
            && let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
                queue.try_send(Message::Record(Box::new(record)))
        {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Continues in a new file of the same name, after the queued records are written to the old one. For log rotation.
    pub fn reopen(&self) {
        if let Some(queue) = &self.queue
            && queue.try_send(Message::Reopen).is_err()
        {
            tracing::warn!("the access log is too busy to be reopened, try again");
        }
    }

    /// The counter of lost records, which does not keep the writer's thread running.
    pub fn lost(&self) -> Lost {
        Lost(Arc::clone(&self.dropped))
    }
}

impl Writer {
    /// Waits until all queued records are written, for at most `patience`. Every [`AccessLog`] must be dropped before.
    pub fn finish(self, patience: std::time::Duration) {
        let Some(thread) = self.0 else { return };
        // Polled, since a thread cannot be joined with a time limit.
        let deadline = std::time::Instant::now() + patience;
        while !thread.is_finished() && std::time::Instant::now() < deadline {
            thread::sleep(std::time::Duration::from_millis(1));
        }
    }
}

fn write_all(messages: &Receiver<Message>, out: Out, target: &Target, format: Format, lost: &AtomicU64) {
    let mut out = buffered(out);
    while let Ok(first) = messages.recv() {
        // Everything that is queued now goes out in one batch, and the flush after it leaves no line waiting for the
        // next one. The batch is limited, since a busy log would otherwise never be flushed.
        for message in std::iter::once(first).chain(messages.try_iter().take(QUEUED)) {
            match message {
                Message::Record(record) if out.write_all(line(&record, format).as_bytes()).is_ok() => {}
                Message::Record(_) => drop(lost.fetch_add(1, Ordering::Relaxed)),
                Message::Reopen => {
                    flush(&mut out, lost);
                    match target.open() {
                        Ok(fresh) => out = buffered(fresh),
                        Err(error) => {
                            tracing::error!(%error, "the access log cannot be reopened, it continues with the old file")
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
        // A BufWriter would try the same bytes again each time. So they are discarded.
        lost.fetch_add(1, Ordering::Relaxed);
        let sink: Box<dyn Write + Send> = Box::new(io::sink());
        let broken = std::mem::replace(out, BufWriter::new(sink));
        *out = BufWriter::with_capacity(broken.capacity(), broken.into_parts().0);
    }
}

/// How many records may wait: about 4 MB.
const QUEUED: usize = 8192;

/// How many bytes are written in one call.
const BUFFER: usize = 8 << 10;
