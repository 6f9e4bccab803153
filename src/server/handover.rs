//! Passes listening sockets from a running process to the one that takes over, so that no connection is refused in between.
//!
//! The successor is started with one end of a socket pair as its standard input. It receives the sockets on it, each with
//! its name, and sends a message back when it accepts. One of the sockets is for a question: it asks what has changed. A process
//! closes what it has no use for, so one of an older version asks nothing, and is not asked. Must not know: what is served on
//! the sockets, what has changed, why a process is replaced.

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
    SendFlags, Shutdown, SocketFlags, SocketType, recvmsg, sendmsg, shutdown, socketpair,
};

use crate::monitor::successor;
use crate::monitor::{Monitor, Started};
use crate::net::listen::{FileId, Handed, Listening};
use crate::server::question;

/// What identifies a socket in both processes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Name {
    /// Empty for the admin server's.
    pub(super) listener: String,
    /// As configured.
    pub(super) address: String,
}

impl Name {
    /// Of the socket for the question. No address is written so.
    fn of_question() -> Self {
        Self { listener: String::new(), address: "question".to_owned() }
    }
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

    /// Asks the predecessor what has changed; `None` where there is none, or an older version. From then on it changes nothing
    /// any more until this process has taken over or has ended. Waits for it for some seconds at most.
    pub(super) fn ask(&mut self) -> Option<io::Result<Vec<u8>>> {
        self.take(&Name::of_question()).map(|question| question::ask(question.socket))
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
    /// On which it asks.
    question: OwnedFd,
    sockets: Vec<(Name, OwnedFd, Option<FileId>)>,
}

/// Who has started it.
#[derive(Debug)]
enum Process {
    Here(Child),
    /// The monitor, of whose rights it has as many as the process had that was started first.
    There(Started),
}

/// A process that was started to take over, for who may have to call that off.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) pid: u32,
    channel: OwnedFd,
}

impl Begun {
    /// Whoever waits for it learns that it does not accept, and kills it; unless it has reported already that it does.
    pub(super) fn call_off(&self) {
        if let Err(error) = shutdown(&self.channel, Shutdown::Both) {
            tracing::debug!(%error, "the other process is not called off");
        }
    }
}

impl Successor {
    /// Starts this program again, from the same path and with the same arguments. It receives duplicates of these sockets
    /// in [`Successor::wait_until_ready`].
    pub(super) fn start(sockets: Vec<(Name, &Listening)>, monitor: Option<&Monitor>) -> io::Result<Self> {
        let own = |(name, socket): (Name, &Listening)| Ok((name, socket.as_fd().try_clone_to_owned()?, socket.file()));
        let mut sockets = sockets.into_iter().map(own).collect::<io::Result<Vec<_>>>()?;
        let (question, asking) = question::pair()?;
        sockets.push((Name::of_question(), asking, None));
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
        Ok(Self { process, channel, question, sockets })
    }

    /// Sends every socket. It blocks where the channel is full, after some hundred sockets, until the successor reads.
    fn send_all(&mut self) -> io::Result<()> {
        for (name, socket, file) in std::mem::take(&mut self.sockets) {
            send_one(&self.channel, &name, socket.as_fd(), file)?;
        }
        // An empty packet marks the end.
        send(&self.channel, &[], &mut SendAncillaryBuffer::default())
    }

    /// For who does not wait for it.
    pub(super) fn begun(&self) -> io::Result<Begun> {
        Ok(Begun { pid: self.id(), channel: self.channel.try_clone()? })
    }

    /// Its process id.
    fn id(&self) -> u32 {
        match &self.process {
            Process::Here(child) => child.id(),
            Process::There(started) => started.id(),
        }
    }

    /// Sends the sockets, and waits until the successor accepts. Where it asks before that, the answer is what `told` returns. If
    /// it ends instead, or takes too long, it is killed, and the error is the reason. Blocks for up to a minute: call it on a
    /// thread of its own.
    pub(super) fn wait_until_ready(mut self, told: impl FnOnce() -> Vec<u8>) -> Result<u32, String> {
        let deadline = Instant::now() + PATIENCE;
        if self.send_all().is_err() && Instant::now() < deadline {
            // Most likely it has ended already: then this does nothing, and `wait` below returns its exit status.
            let _ = self.process.kill();
        }
        if accepts(&self.channel, &self.question, deadline, told) {
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

/// Whether the successor reports that it accepts, before the deadline. Answers what it asks before that.
fn accepts(channel: impl AsFd, question: impl AsFd, deadline: Instant, told: impl FnOnce() -> Vec<u8>) -> bool {
    let [reports, asks] = readable([&channel.as_fd(), &question.as_fd()], deadline);
    if asks
        && !reports
        && question::is_asked(&question)
        && let Err(error) = question::answer(&question, &told())
    {
        tracing::debug!(%error, "the process that is about to take over does not hear what has changed");
    }
    let mut report = [0; READY.len()];
    let [reports] = readable([&channel.as_fd()], deadline);
    reports && matches!(rustix::io::read(&channel, &mut report), Ok(count) if report[..count] == *READY)
}

/// Waits until there is something to read, or the end, on one of them, and returns on which of them that came before the
/// deadline.
fn readable<const N: usize>(channels: [&BorrowedFd<'_>; N], deadline: Instant) -> [bool; N] {
    let mut polled = channels.map(|channel| PollFd::new(channel, PollFlags::IN));
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
        match poll(&mut polled, Some(&left)) {
            // A signal interrupts poll even with SA_RESTART (signal(7)).
            Err(rustix::io::Errno::INTR) => {}
            Ok(_) => return polled.map(|channel| !channel.revents().is_empty()),
            Err(_) => return [false; N],
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
    /// Sends two sockets and the end, and returns what a successor does with them, whether it is taken for one that accepts, and
    /// whether it was told what has changed.
    fn handed<T: Send>(successor: impl FnOnce(Inherited, OwnedFd) -> T + Send) -> (T, bool, bool) {
        let (here, there) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        let (question, asking) = question::pair().unwrap();
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let name = Name { listener: "ldaps".into(), address: "127.0.0.1:0".into() };
        send_one(&here, &name, socket.as_fd(), None).unwrap();
        send_one(&here, &Name::of_question(), asking.as_fd(), None).unwrap();
        drop(asking);
        send(&here, &[], &mut SendAncillaryBuffer::default()).unwrap();
        std::thread::scope(|scope| {
            let running = scope.spawn(|| {
                let mut sockets = HashMap::new();
                while let Some((name, socket)) = receive_one(&there).unwrap() {
                    sockets.insert(name, socket);
                }
                successor(Inherited { sockets, from_predecessor: false }, there)
            });
            let mut is_told = false;
            let told = || {
                is_told = true;
                b"{}".to_vec()
            };
            let accepted = accepts(&here, &question, Instant::now() + PATIENCE, told);
            (running.join().unwrap(), accepted, is_told)
        })
    }

    #[test]
    fn a_successor_is_told_what_has_changed_before_it_accepts() {
        let (answer, accepted, is_told) = handed(|mut inherited, channel| {
            let answer = inherited.ask().unwrap().unwrap();
            assert!(inherited.ask().is_none(), "once");
            rustix::io::write(&channel, READY).unwrap();
            answer
        });
        assert_eq!((answer.as_slice(), accepted, is_told), (&b"{}"[..], true, true));
        // It ends before it accepts.
        let (_, accepted, is_told) = handed(|mut inherited, _| inherited.ask().unwrap().unwrap());
        assert!(!accepted && is_told);
    }

    /// It knows the sockets that it takes by their names, and closes the others when it accepts.
    #[test]
    fn a_successor_of_an_older_version_takes_over_all_the_same() {
        for closes_first in [true, false] {
            let ((), accepted, is_told) = handed(|mut inherited, channel| {
                let name = Name { listener: "ldaps".into(), address: "127.0.0.1:0".into() };
                assert!(inherited.take(&name).is_some());
                if closes_first {
                    inherited.sockets.clear();
                }
                rustix::io::write(&channel, READY).unwrap();
            });
            assert!(accepted && !is_told);
        }
    }

    #[test]
    fn a_predecessor_of_an_older_version_is_not_asked() {
        assert!(Inherited::default().ask().is_none());
    }
}
