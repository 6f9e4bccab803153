//! The client's side of an exchange. Must not know: how the connection was made, what a failure means.

use std::io::{self, ErrorKind, Read};
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use crate::exchange::{Check, Failure, NAME, Shape, Task};
use crate::support::client::{Client, RECORD};
use crate::support::stream::Stream;

/// The client's side of one connection.
pub(crate) struct Session {
    pub(crate) client: Client,
    /// The server that it has.
    pub(crate) server: Option<SocketAddr>,
    /// When the first message was answered.
    pub(crate) answered: Option<Instant>,
    /// Application bytes in both directions.
    pub(crate) bytes: u64,
}

impl Session {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, server: None, answered: None, bytes: 0 }
    }

    /// The handshake, and the server's own address.
    pub(crate) fn begin(&mut self) -> Result<(), Failure> {
        self.client.handshake().map_err(|error| Failure::new("handshake", error))?;
        let mut name = [0; NAME];
        self.receive(&mut name, "the server's name")?;
        let name = String::from_utf8_lossy(&name).trim().to_owned();
        let server = name.parse().map_err(|_| Failure::corruption("the server's name", format!("{name:?}")))?;
        self.server = Some(server);
        Ok(())
    }

    /// Does the task, to the end of the connection. A slow one pauses between its reads.
    pub(crate) fn perform(&mut self, task: Task, pause: Duration) -> Result<(), Failure> {
        self.send(&task.head(), "task")?;
        let (mut up, mut down) = (Stream::new(task.seed), Check::new(!task.seed));
        let mut sent = 0;
        match task.shape {
            Shape::Messages => {
                for size in task.sizes() {
                    self.send_from(&mut up, size)?;
                    self.receive_from(&mut down, size, pause)?;
                    self.answered.get_or_insert_with(Instant::now);
                    sent += size as u64;
                }
            }
            Shape::InTurn | Shape::AfterEnd => {
                self.send_from(&mut up, task.up as usize)?;
                if task.shape == Shape::AfterEnd {
                    self.end()?;
                }
                self.receive_from(&mut down, task.down as usize, pause)?;
                sent = task.up.into();
            }
            Shape::AtOnce => {
                let (mut left, mut awaited) = (task.up as usize, task.down as usize);
                while left + awaited > 0 {
                    let (piece, most) = (left.min(RECORD), awaited.min(RECORD));
                    self.send_from(&mut up, piece)?;
                    self.receive_from(&mut down, most, pause)?;
                    (left, awaited) = (left - piece, awaited - most);
                }
                sent = task.up.into();
            }
        }
        self.finish(sent, task.shape)
    }

    fn finish(&mut self, sent: u64, shape: Shape) -> Result<(), Failure> {
        let mut report = [0; 8];
        self.receive(&mut report, "the server's report")?;
        let counted = u64::from_be_bytes(report);
        if counted != sent {
            return Err(Failure::corruption("the server's report", format!("{counted} right bytes of {sent}")));
        }
        if shape != Shape::AfterEnd {
            self.end()?;
        }
        match self.read(&mut [0; 64]) {
            Ok(0) => Ok(()),
            Ok(more) => Err(Failure::corruption("end", format!("{more} bytes after the end"))),
            Err(error) => Err(Failure::new("end", error)),
        }
    }

    fn end(&mut self) -> Result<(), Failure> {
        self.client.close_notify().map_err(|error| Failure::new("end", error))
    }

    pub(crate) fn send(&mut self, bytes: &[u8], stage: &'static str) -> Result<(), Failure> {
        self.bytes += bytes.len() as u64;
        self.client.send(bytes).map_err(|error| Failure::new(stage, error))
    }

    fn send_from(&mut self, stream: &mut Stream, mut count: usize) -> Result<(), Failure> {
        while count > 0 {
            let piece = stream.next(count);
            count -= piece.len();
            self.bytes += piece.len() as u64;
            self.client.send(piece).map_err(|error| Failure::new("upload", error))?;
        }
        Ok(())
    }

    fn receive(&mut self, bytes: &mut [u8], stage: &'static str) -> Result<(), Failure> {
        let mut filled = 0;
        while filled < bytes.len() {
            match self.read(&mut bytes[filled..]) {
                Ok(0) => return Err(Failure::new(stage, "close_notify before the end")),
                Ok(count) => filled += count,
                Err(error) => return Err(Failure::new(stage, error)),
            }
        }
        Ok(())
    }

    fn receive_from(&mut self, check: &mut Check, mut count: usize, pause: Duration) -> Result<(), Failure> {
        let mut buffer = [0; RECORD];
        while count > 0 {
            let most = count.min(RECORD);
            self.receive(&mut buffer[..most], "download")?;
            if !check.is_next(&buffer[..most]) {
                return Err(Failure::corruption("download", format!("wrong bytes after {}", check.count)));
            }
            count -= most;
            self.bytes += most as u64;
            if !pause.is_zero() {
                thread::sleep(pause);
            }
        }
        Ok(())
    }

    /// Reads on to close_notify, whatever comes; an error where it ends in another way.
    pub(crate) fn drain(&mut self) -> io::Result<()> {
        let mut buffer = [0; RECORD];
        while self.read(&mut buffer)? > 0 {}
        Ok(())
    }

    /// Some application data; 0 bytes are close_notify.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (tls, tcp) = (&mut self.client.tls, &mut self.client.tcp);
        loop {
            match tls.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                read => return read,
            }
            tls.read_tls(tcp)?;
            tls.process_new_packets().map_err(io::Error::other)?;
            // Answers to key updates.
            while tls.wants_write() {
                tls.write_tls(tcp)?;
            }
        }
    }
}
