//! Sends bytes piece by piece, and waits for the first answer. Must not know: what they are.

use std::io::{ErrorKind, Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use super::report::Fate;
use crate::cli::probe::connect::Line;
use crate::cli::probe::reply::ReplyReader;

/// Sends the pieces with a pause between them, so that each becomes a segment of its own, and waits at most that long for an
/// answer. Returns how long it took from the last piece.
pub(super) fn send(line: &mut Line, pieces: &[Vec<u8>], gap: Duration, wait: Duration) -> (Fate, Duration) {
    for (number, piece) in pieces.iter().enumerate() {
        // Who does not wait for the rest has decided by then.
        if (1..=PAUSES).contains(&number) {
            line.wait(gap);
            thread::sleep(gap);
        }
        match line.write_all(piece) {
            Ok(()) => {}
            // Nobody was silent: the hello was not sent.
            Err(error) if error.kind() == ErrorKind::TimedOut => return (Fate::Unsent, Duration::ZERO),
            // Whoever has ended the connection meanwhile may have sent why.
            Err(_) => break,
        }
    }
    let sent = Instant::now();
    line.hurry(wait);
    let fate = answer(line);
    let took = sent.elapsed();
    // The server need not wait for the rest of a handshake. It may be gone already.
    let _ = line.write_all(&FAREWELL);
    (fate, took)
}

fn answer(line: &mut Line) -> Fate {
    let mut reader = ReplyReader::default();
    let mut buffer = [0; 8192];
    loop {
        match line.read(&mut buffer) {
            Ok(0) => return Fate::Closed,
            Ok(count) => reader.raw.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == ErrorKind::TimedOut => return Fate::Silent,
            Err(_) => return Fate::Reset,
        }
        if let Err(error) = reader.advance() {
            return Fate::Garbage(error.to_string());
        }
        // The first message is enough.
        if let Some(fate) = reader.first() {
            return fate.map_or_else(Fate::Alert, Fate::Answered);
        }
    }
}

/// How many pauses there are; what follows them is sent at once, but still as segments of its own.
const PAUSES: usize = 2;

/// The alerts user_canceled and close_notify, in the clear (RFC 8446 section 6.1).
const FAREWELL: [u8; 14] = [21, 3, 3, 0, 2, 1, 90, 21, 3, 3, 0, 2, 1, 0];

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::cli::probe::connect::{StartTls, Target};

    #[test]
    fn pauses_that_are_longer_than_the_timeout_leave_time_for_the_answer() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = thread::spawn(move || {
            let (mut tcp, _) = listener.accept().unwrap();
            tcp.read_exact(&mut [0; 3]).unwrap();
            tcp.write_all(&[21, 3, 3, 0, 2, 2, 40]).unwrap();
            tcp
        });
        let timeout = Duration::from_secs(2);
        let mut target = Target::resolve(&address, StartTls(None), timeout).unwrap();
        let mut line = target.connect().unwrap();
        let pieces = [vec![1], vec![2], vec![3]];
        let (fate, _) = send(&mut line, &pieces, timeout * 3 / 5, timeout);
        assert_eq!(fate, Fate::Alert(40));
        drop(server.join().unwrap());
    }
}
