//! The server's side of an exchange. Must not know: how the connection was made.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;

use rustls::{ServerConnection, StreamOwned};

use crate::exchange::{Check, HEAD, NAME, Shape, Task};
use crate::support::client::RECORD;
use crate::support::stream::Stream;

/// The server's side of a connection.
pub(crate) trait Wire: Read + Write {
    /// Ends its data in an orderly way.
    fn end(&mut self) -> io::Result<()>;
    /// A second handle, to read and write at the same time.
    fn second(&self) -> Option<TcpStream>;
}

impl Wire for TcpStream {
    fn end(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }

    fn second(&self) -> Option<TcpStream> {
        self.try_clone().ok()
    }
}

impl Wire for StreamOwned<ServerConnection, TcpStream> {
    fn end(&mut self) -> io::Result<()> {
        self.conn.send_close_notify();
        while self.conn.wants_write() {
            self.conn.write_tls(&mut self.sock)?;
        }
        self.sock.shutdown(Shutdown::Write)
    }

    fn second(&self) -> Option<TcpStream> {
        None
    }
}

/// Why a server's connection has ended before its time.
#[derive(Debug)]
pub(crate) enum Broken {
    /// As it must be where a client has not come to its end.
    Aborted,
    /// What no client has sent, or an orderly end where the client's data had not ended.
    Corrupted(String),
}

impl From<io::Error> for Broken {
    fn from(_: io::Error) -> Self {
        Self::Aborted
    }
}

/// Serves one client.
pub(crate) fn serve(wire: &mut impl Wire, own: SocketAddr) -> Result<(), Broken> {
    wire.write_all(format!("{own:<NAME$}").as_bytes())?;
    wire.flush()?;
    let mut head = [0; HEAD];
    match fill(wire, &mut head)? {
        HEAD => {}
        0 => return Ok(wire.end()?),
        count => return Err(Broken::Corrupted(format!("an orderly end after {count} bytes of a task"))),
    }
    let task = Task::parse(&head).ok_or_else(|| Broken::Corrupted(format!("{head:02x?} for a task")))?;
    let (mut up, mut down) = (Check::new(task.seed), Stream::new(!task.seed));
    match task.shape {
        Shape::Messages => {
            for size in task.sizes() {
                take(wire, &mut up, size)?;
                give(wire, &mut down, size)?;
                wire.flush()?;
            }
        }
        Shape::InTurn | Shape::AfterEnd => {
            take(wire, &mut up, task.up as usize)?;
            if task.shape == Shape::AfterEnd {
                expect_end(wire)?;
            }
            give(wire, &mut down, task.down as usize)?;
        }
        Shape::AtOnce => {
            let mut second = wire.second().ok_or(Broken::Aborted)?;
            let writer = thread::spawn(move || give(&mut second, &mut down, task.down as usize));
            let taken = take(wire, &mut up, task.up as usize);
            writer.join().map_err(|_| Broken::Aborted)??;
            taken?;
        }
    }
    wire.write_all(&up.count.to_be_bytes())?;
    wire.flush()?;
    if task.shape != Shape::AfterEnd {
        expect_end(wire)?;
    }
    Ok(wire.end()?)
}

fn give(wire: &mut impl Write, stream: &mut Stream, mut count: usize) -> Result<(), Broken> {
    while count > 0 {
        let piece = stream.next(count.min(4 * RECORD));
        count -= piece.len();
        wire.write_all(piece)?;
    }
    Ok(())
}

fn take(wire: &mut impl Read, check: &mut Check, mut count: usize) -> Result<(), Broken> {
    let mut buffer = vec![0; count.min(4 * RECORD)];
    while count > 0 {
        let most = count.min(buffer.len());
        match wire.read(&mut buffer[..most])? {
            0 => return Err(Broken::Corrupted(format!("an orderly end after {} bytes, {count} missing", check.count))),
            read if check.is_next(&buffer[..read]) => count -= read,
            _ => return Err(Broken::Corrupted(format!("wrong bytes after {}", check.count))),
        }
    }
    Ok(())
}

fn expect_end(wire: &mut impl Read) -> Result<(), Broken> {
    match wire.read(&mut [0; 64])? {
        0 => Ok(()),
        more => Err(Broken::Corrupted(format!("{more} bytes after the end"))),
    }
}

/// Reads until that is full, or the data ends.
fn fill(wire: &mut impl Read, bytes: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < bytes.len() {
        match wire.read(&mut bytes[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}
