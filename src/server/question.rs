//! What a process that is about to take over asks the one before it, once, on a pair of sockets of its own; and the answer, of
//! bounded size. Must not know: what is asked for, what the answer says.

use std::io::{self, Error, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SendFlags, Shutdown, SocketFlags, SocketType, send, shutdown, socketpair};

/// Two ends: one for the process that answers, one for that which asks. Neither waits for the other for longer than
/// [`PATIENCE`] at a time.
pub(super) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let pair = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    for end in [&pair.0, &pair.1] {
        for way in [Timeout::Recv, Timeout::Send] {
            set_socket_timeout(end, way, Some(PATIENCE))?;
        }
    }
    Ok(pair)
}

/// Asks, and waits for the whole answer.
pub(super) fn ask(socket: impl AsFd) -> io::Result<Vec<u8>> {
    send_all(&socket, QUESTION)?;
    let (mut answer, mut part) = (Vec::new(), [0; 16 * 1024]);
    loop {
        match rustix::io::read(&socket, &mut part) {
            Ok(0) => return Ok(answer),
            Ok(_) if answer.len() >= LARGEST => {
                return Err(Error::new(ErrorKind::InvalidData, "the answer is too long"));
            }
            Ok(count) => answer.extend_from_slice(part.get(..count).unwrap_or_default()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Whether the other end asks, where there is something to read: a process of an older version only closes it.
pub(super) fn is_asked(socket: impl AsFd) -> bool {
    let mut question = [0; QUESTION.len()];
    matches!(rustix::io::read(socket, &mut question), Ok(count) if question.get(..count) == Some(QUESTION))
}

/// Answers, which ends the conversation.
pub(super) fn answer(socket: impl AsFd, answer: &[u8]) -> io::Result<()> {
    send_all(&socket, answer)?;
    Ok(shutdown(&socket, Shutdown::Write)?)
}

fn send_all(socket: impl AsFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match send(&socket, bytes, SendFlags::NOSIGNAL) {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

const QUESTION: &[u8] = b"?";

/// In bytes: a hundred thousand routes or servers have room.
const LARGEST: usize = 16 << 20;

/// The other process has nothing else to do.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn who_asks_gets_the_whole_answer() {
        for length in [0, 2, 1 << 20] {
            let (here, there) = pair().unwrap();
            let bytes: Vec<u8> = (0..length).map(|at: usize| at.to_le_bytes()[0]).collect();
            let asking = thread::spawn(move || ask(&there));
            assert!(is_asked(&here));
            answer(&here, &bytes).unwrap();
            assert_eq!(asking.join().unwrap().unwrap(), bytes);
        }
    }

    #[test]
    fn an_end_that_is_closed_asks_nothing_and_gets_none() {
        let (here, there) = pair().unwrap();
        drop(there);
        assert!(!is_asked(&here));
        assert!(answer(&here, b"{}").is_err());
    }

    #[test]
    fn an_answer_without_an_end_is_given_up() {
        let (here, there) = pair().unwrap();
        let asking = thread::spawn(move || ask(&there));
        assert!(is_asked(&here));
        let part = vec![0; 1 << 20];
        assert!((0..64).any(|_| send_all(&here, &part).is_err()));
        assert_eq!(asking.join().unwrap().unwrap_err().kind(), ErrorKind::InvalidData);
    }
}
