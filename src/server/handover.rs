//! Passes listening sockets from a running process to the one that takes over, so that no connection is refused in between.
//!
//! The successor is started with one end of a socket pair as its standard input. It receives the sockets on it, each with
//! its name, and sends a message back when it accepts. Must not know: what is served on the sockets, why a process is
//! replaced.

use std::collections::HashMap;
use std::io::{self, Error, ErrorKind, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};

use crate::monitor::successor;
use crate::monitor::{Monitor, Started};
use crate::net::listen::{FileId, Handed, Listening};

/// What identifies a socket in both processes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Name {
    /// Empty for the admin server's.
    pub(super) listener: String,
    /// As configured.
    pub(super) address: String,
}

/// The sockets that a predecessor has handed over.
#[derive(Debug, Default)]
pub(super) struct Inherited {
    sockets: HashMap<Name, Handed>,
    from_predecessor: bool,
}

impl Inherited {
    /// Receives what the predecessor sends; nothing where there is no predecessor.
    pub(super) fn receive() -> io::Result<Self> {
        if !successor::is_this_one() {
            return Ok(Self::default());
        }
        let mut sockets = HashMap::new();
        while let Some((name, socket)) = receive_one(rustix::stdio::stdin())? {
            sockets.insert(name, socket);
        }
        Ok(Self { sockets, from_predecessor: true })
    }

    /// The socket of that name. A second call for the same name returns `None`.
    pub(super) fn take(&mut self, name: &Name) -> Option<Handed> {
        self.sockets.remove(name)
    }

    /// All whose names are accepted.
    pub(super) fn take_if(&mut self, mut is_accepted: impl FnMut(&Name) -> bool) -> Vec<(Name, Handed)> {
        self.sockets.extract_if(|name, _| is_accepted(name)).collect()
    }

    /// Closes the sockets that were not taken, and reports to the predecessor that this process accepts.
    pub(super) fn accepting(&mut self) -> io::Result<()> {
        self.sockets.clear();
        if std::mem::take(&mut self.from_predecessor) {
            rustix::io::write(rustix::stdio::stdin(), READY)?;
        }
        Ok(())
    }
}

/// A process that is about to take over.
#[derive(Debug)]
pub(super) struct Successor {
    process: Process,
    channel: OwnedFd,
    sockets: Vec<(Name, OwnedFd, Option<FileId>)>,
}

/// Who has started it.
#[derive(Debug)]
enum Process {
    Here(Child),
    /// The monitor, of whose rights it has as many as the process had that was started first.
    There(Started),
}

impl Successor {
    /// Starts this program again, from the same path and with the same arguments. It receives duplicates of these sockets
    /// in [`Successor::wait_until_ready`].
    pub(super) fn start(sockets: Vec<(Name, &Listening)>, monitor: Option<&Monitor>) -> io::Result<Self> {
        let own = |(name, socket): (Name, &Listening)| Ok((name, socket.as_fd().try_clone_to_owned()?, socket.file()));
        let sockets = sockets.into_iter().map(own).collect::<io::Result<_>>()?;
        // SEQPACKET keeps messages apart, so one packet is one socket, and its end is seen when the peer exits.
        let (channel, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).map_err(Error::from)?;
        // A successor that reads nothing must not block the sending thread for ever.
        set_socket_timeout(&channel, Timeout::Send, Some(PATIENCE))?;
        let process = match monitor {
            Some(monitor) => Process::There(monitor.start_successor(theirs)?),
            None => {
                let arguments: Vec<_> = std::env::args_os().skip(1).collect();
                Process::Here(successor::command(&successor::own_path()?, &arguments, theirs).spawn()?)
            }
        };
        Ok(Self { process, channel, sockets })
    }

    /// Sends every socket. It blocks where the channel is full, after some hundred sockets, until the successor reads.
    fn send_all(&mut self) -> io::Result<()> {
        for (name, socket, file) in std::mem::take(&mut self.sockets) {
            send_one(&self.channel, &name, socket.as_fd(), file)?;
        }
        // An empty packet marks the end.
        send(&self.channel, &[], &mut SendAncillaryBuffer::default())
    }

    /// Its process id.
    pub(super) fn id(&self) -> u32 {
        match &self.process {
            Process::Here(child) => child.id(),
            Process::There(started) => started.id(),
        }
    }

    /// Sends the sockets, and waits until the successor accepts. If it ends instead, or takes too long, it is killed, and
    /// the error is the reason. Blocks for up to a minute: call it on a thread of its own.
    pub(super) fn wait_until_ready(mut self) -> Result<u32, String> {
        let deadline = Instant::now() + PATIENCE;
        if self.send_all().is_err() && Instant::now() < deadline {
            // Most likely it has ended already: then this does nothing, and `wait` below returns its exit status.
            let _ = self.process.kill();
        }
        let mut answer = [0; READY.len()];
        let ready = readable(&self.channel, deadline)
            && matches!(rustix::io::read(&self.channel, &mut answer), Ok(count) if answer[..count] == *READY);
        if ready {
            return Ok(self.id());
        }
        let in_time = Instant::now() < deadline;
        // It has ended, or it is too late: two processes must not accept on the same sockets.
        let _ = self.process.kill();
        Err(match (in_time, self.process.wait()) {
            (true, Ok(status)) => format!("it ended before it could accept ({status}); its log has the reason"),
            (true, Err(error)) => {
                format!("it ended before it could accept, and how is not known ({error}); see its log")
            }
            (false, _) => format!("it did not accept within {} s and was stopped", PATIENCE.as_secs()),
        })
    }
}

impl Process {
    fn kill(&mut self) -> io::Result<()> {
        match self {
            Self::Here(child) => child.kill(),
            Self::There(started) => started.kill(),
        }
    }

    fn wait(&mut self) -> io::Result<ExitStatus> {
        match self {
            Self::Here(child) => child.wait(),
            Self::There(started) => started.wait(),
        }
    }
}

fn send_one(channel: impl AsFd, name: &Name, socket: BorrowedFd<'_>, file: Option<FileId>) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut rights = SendAncillaryBuffer::new(&mut space);
    let sockets = [socket];
    if !rights.push(SendAncillaryMessage::ScmRights(&sockets)) {
        return Err(Error::other("no room for a descriptor"));
    }
    let file = file.map_or_else(String::new, |file| format!("\0{} {}", file.device, file.inode));
    send(channel, format!("{}\0{}{file}", name.listener, name.address).as_bytes(), &mut rights)
}

fn send(channel: impl AsFd, bytes: &[u8], rights: &mut SendAncillaryBuffer<'_, '_, '_>) -> io::Result<()> {
    sendmsg(channel, &[IoSlice::new(bytes)], rights, SendFlags::NOSIGNAL)?;
    Ok(())
}

fn receive_one(channel: impl AsFd) -> io::Result<Option<(Name, Handed)>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut rights = RecvAncillaryBuffer::new(&mut space);
    let mut bytes = [0; LONGEST];
    let received = recvmsg(channel, &mut [IoSliceMut::new(&mut bytes)], &mut rights, RecvFlags::CMSG_CLOEXEC)?;
    let mut sockets = rights.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(sockets) => Some(sockets),
        _ => None,
    });
    let socket = sockets.next().and_then(|mut sockets| sockets.next());
    let text = bytes.get(..received.bytes).and_then(|bytes| std::str::from_utf8(bytes).ok());
    match (text.and_then(|text| text.split_once('\0')), socket) {
        (Some((listener, rest)), Some(socket)) => {
            let (address, file) =
                rest.split_once('\0').map_or((rest, None), |(address, file)| (address, file_id(file)));
            let name = Name { listener: listener.to_owned(), address: address.to_owned() };
            Ok(Some((name, Handed { socket, file })))
        }
        (None, None) if received.bytes == 0 => Ok(None),
        _ => Err(Error::new(ErrorKind::InvalidData, "received a message without a socket or without its name")),
    }
}

fn file_id(text: &str) -> Option<FileId> {
    let (device, inode) = text.split_once(' ')?;
    Some(FileId { device: device.parse().ok()?, inode: inode.parse().ok()? })
}

/// Waits until there is something to read, or the end, and returns whether that came before the deadline.
fn readable(channel: impl AsFd, deadline: Instant) -> bool {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
        match poll(&mut [PollFd::new(&channel, PollFlags::IN)], Some(&left)) {
            // A signal interrupts poll even with SA_RESTART (signal(7)).
            Err(rustix::io::Errno::INTR) => {}
            polled => return polled.is_ok_and(|count| count > 0),
        }
    }
}

const READY: &[u8] = b"accepting";
/// In bytes: enough for a listener's name and the path of a Unix socket.
const LONGEST: usize = 8192;
/// How long the successor may take to load its certificates and to accept.
const PATIENCE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_and_its_name_arrive_and_then_the_end() {
        let (here, there) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let name = Name { listener: "ldaps".into(), address: "127.0.0.1:0".into() };
        let id = FileId { device: 3, inode: u64::MAX };
        for file in [None, Some(id)] {
            send_one(&here, &name, socket.as_fd(), file).unwrap();
        }
        send(&here, &[], &mut SendAncillaryBuffer::default()).unwrap();
        let (known, received) = receive_one(&there).unwrap().unwrap();
        assert_eq!((&known, received.file), (&name, None));
        let (known, received) = receive_one(&there).unwrap().unwrap();
        assert_eq!((&known, received.file), (&name, Some(id)));
        let received = std::net::TcpListener::from(received.socket);
        assert_eq!(received.local_addr().unwrap(), socket.local_addr().unwrap());
        assert!(receive_one(&there).unwrap().is_none());
    }

    #[test]
    fn a_message_without_a_socket_is_refused() {
        let (here, there) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        send(&here, b"ldaps\x00127.0.0.1:0", &mut SendAncillaryBuffer::default()).unwrap();
        assert_eq!(receive_one(&there).unwrap_err().kind(), ErrorKind::InvalidData);
    }
}
