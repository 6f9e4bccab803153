//! Packets with descriptors over a pair of Unix sockets. Must not know: what a packet means.

use std::io::{self, Error, ErrorKind, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use socket2::{SockAddr, SockRef};
use zeroize::Zeroizing;

use crate::monitor::message::LONGEST;

/// What one call has sent.
#[derive(Debug)]
pub(super) struct Packet {
    /// Never empty.
    pub(super) bytes: Zeroizing<Vec<u8>>,
    pub(super) descriptors: Vec<OwnedFd>,
}

/// Two ends. SEQPACKET keeps packets apart, and each end sees when the other one is closed.
pub(super) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

/// Whether this is an end of such a pair. A packet that is sent to a socket with a name, or into a file, could reach somebody
/// who trusts its sender.
pub(super) fn is_end_of_pair(end: &OwnedFd) -> bool {
    let end = SockRef::from(end);
    let is_unnamed = |name: SockAddr| name.is_unix() && name.is_unnamed();
    end.r#type().is_ok_and(|kind| kind == socket2::Type::SEQPACKET)
        && end.local_addr().is_ok_and(is_unnamed)
        // The other end may be closed already: then nobody gets what is sent. What merely listens has none at all.
        && end.peer_addr().is_ok_and(is_unnamed)
}

/// Sends one packet. Where the other end is gone, the error is `BrokenPipe`.
pub(super) fn send(
    channel: impl AsFd,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
    flags: SendFlags,
) -> io::Result<()> {
    if bytes.is_empty() || bytes.len() > LONGEST {
        let message = format!("a message of {} bytes cannot be sent, expected at most {LONGEST}", bytes.len());
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut rights = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !rights.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(Error::new(ErrorKind::InvalidInput, "too many descriptors for one message"));
    }
    sendmsg(channel, &[IoSlice::new(bytes)], &mut rights, flags | SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Receives one packet. `None` where the other end is closed.
pub(super) fn receive(channel: impl AsFd, flags: RecvFlags) -> io::Result<Option<Packet>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut rights = RecvAncillaryBuffer::new(&mut space);
    let mut bytes = Zeroizing::new(vec![0; LONGEST]);
    let flags = flags | RecvFlags::CMSG_CLOEXEC;
    let mut receive = || recvmsg(&channel, &mut [IoSliceMut::new(&mut bytes)], &mut rights, flags);
    let received = match receive() {
        // The other end was closed with something unread. What it has sent before is still there.
        Err(Errno::CONNRESET) => receive(),
        received => received,
    }?;
    let descriptors = rights.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    let descriptors: Vec<OwnedFd> = descriptors.flatten().collect();
    if received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
        return Err(Error::new(ErrorKind::InvalidData, "received a message that is too long"));
    }
    bytes.truncate(received.bytes);
    Ok((!bytes.is_empty()).then_some(Packet { bytes, descriptors }))
}

/// The same, and waits for it. `TimedOut` after the deadline.
pub(super) fn receive_until(channel: impl AsFd, deadline: Instant) -> io::Result<Option<Packet>> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
        match poll(&mut [PollFd::new(&channel, PollFlags::IN)], Some(&left)) {
            Ok(0) => return Err(ErrorKind::TimedOut.into()),
            Ok(_) => return receive(channel, RecvFlags::DONTWAIT),
            // A signal interrupts poll even with SA_RESTART (signal(7)).
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Descriptors in one packet.
const MOST: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_and_its_descriptors_arrive_and_then_the_end() {
        let (here, there) = pair().unwrap();
        let (one, two) = pair().unwrap();
        send(&here, b"packet", &[one.as_fd(), two.as_fd()], SendFlags::empty()).unwrap();
        drop((one, two));
        let packet = receive(&there, RecvFlags::empty()).unwrap().unwrap();
        assert_eq!(&**packet.bytes, b"packet");
        let [one, two] = <[OwnedFd; 2]>::try_from(packet.descriptors).unwrap();
        send(&one, b"x", &[], SendFlags::empty()).unwrap();
        assert_eq!(&**receive_until(&two, Instant::now()).unwrap().unwrap().bytes, b"x");
        assert_eq!(receive_until(&there, Instant::now()).unwrap_err().kind(), ErrorKind::TimedOut);
        drop(here);
        assert!(receive_until(&there, Instant::now()).unwrap().is_none());
        assert_eq!(send(&there, b"x", &[], SendFlags::empty()).unwrap_err().kind(), ErrorKind::BrokenPipe);
    }

    #[test]
    fn only_an_end_of_a_pair_is_taken_for_one() {
        use rustix::net::SocketAddrUnix;
        use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

        let (here, there) = pair().unwrap();
        assert!(is_end_of_pair(&here));
        drop(there);
        assert!(is_end_of_pair(&here), "the other end is closed");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("other");
        let named = rustix::net::socket(AddressFamily::UNIX, SocketType::SEQPACKET, None).unwrap();
        rustix::net::bind(&named, &SocketAddrUnix::new(&path).unwrap()).unwrap();
        rustix::net::listen(&named, 1).unwrap();
        let connected = rustix::net::socket(AddressFamily::UNIX, SocketType::SEQPACKET, None).unwrap();
        rustix::net::connect(&connected, &SocketAddrUnix::new(&path).unwrap()).unwrap();
        let accepted = rustix::net::accept(&named).unwrap();
        let stream = UnixListener::bind(folder.path().join("stream")).unwrap();
        let others: [(&str, OwnedFd); 8] = [
            ("one that listens", named),
            ("one that is connected to a named one", connected),
            ("one that was accepted there", accepted),
            ("a stream", UnixStream::pair().unwrap().0.into()),
            ("one that listens for streams", stream.into()),
            ("datagrams", UnixDatagram::pair().unwrap().0.into()),
            ("a TCP socket", std::net::TcpListener::bind("127.0.0.1:0").unwrap().into()),
            ("a file", tempfile::tempfile().unwrap().into()),
        ];
        for (what, other) in others {
            assert!(!is_end_of_pair(&other), "{what}");
        }
    }

    #[test]
    fn an_answer_arrives_though_the_other_end_was_closed_with_something_unread() {
        let (here, there) = pair().unwrap();
        send(&here, b"unread", &[], SendFlags::empty()).unwrap();
        send(&there, b"answer", &[], SendFlags::empty()).unwrap();
        drop(there);
        assert_eq!(&**receive_until(&here, Instant::now()).unwrap().unwrap().bytes, b"answer");
        assert!(receive_until(&here, Instant::now()).unwrap().is_none());
    }

    #[test]
    fn what_is_too_long_is_neither_sent_nor_received() {
        let (here, there) = pair().unwrap();
        assert!(send(&here, &vec![0; LONGEST + 1], &[], SendFlags::empty()).is_err());
        assert!(send(&here, &[], &[], SendFlags::empty()).is_err());
        rustix::net::send(&here, &vec![0; LONGEST + 1], SendFlags::empty()).unwrap();
        assert_eq!(receive(&there, RecvFlags::empty()).unwrap_err().kind(), ErrorKind::InvalidData);
        send(&here, &vec![7; LONGEST], &[], SendFlags::empty()).unwrap();
        assert_eq!(receive(&there, RecvFlags::empty()).unwrap().unwrap().bytes.len(), LONGEST);
    }

    #[test]
    fn descriptors_that_are_not_expected_are_closed() {
        let (here, there) = pair().unwrap();
        let ends: Vec<_> = (0..8).map(|_| pair().unwrap()).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
        let mut rights = SendAncillaryBuffer::new(&mut space);
        let theirs: Vec<_> = ends.iter().map(|(_, theirs)| theirs.as_fd()).collect();
        assert!(rights.push(SendAncillaryMessage::ScmRights(&theirs)));
        sendmsg(&here, &[IoSlice::new(b"x")], &mut rights, SendFlags::empty()).unwrap();
        drop(theirs);
        let ours: Vec<OwnedFd> = ends.into_iter().map(|(ours, _)| ours).collect();
        assert_eq!(receive(&there, RecvFlags::empty()).unwrap_err().kind(), ErrorKind::InvalidData);
        for end in ours {
            assert!(receive_until(&end, Instant::now()).unwrap().is_none());
        }
    }
}
