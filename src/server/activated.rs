//! The sockets that the service manager has bound and passes under names (sd_listen_fds(3)). They are kept for the life of
//! the process, whether a key names them or not: a reload may remove a listener and add it again. Must not know: which key
//! names which socket.

use std::collections::BTreeSet;
use std::env;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use listenfd::ListenFd;
use rustix::net::{AddressFamily, SocketType};
use thiserror::Error;

use crate::net::listen::Listening;
use crate::server::handover::{Inherited, Name};

/// Sockets that were passed, in their order. Several may have one name.
#[derive(Debug, Default)]
pub struct Activated(Vec<(Arc<str>, Listening)>);

/// Why what was passed cannot be used.
#[derive(Debug, Error)]
pub enum Error {
    #[error("the environment: {0}")]
    Environment(String),
    #[error("the socket {name:?}, which systemd has passed as descriptor {descriptor}: {reason}")]
    Socket { name: String, descriptor: usize, reason: io::Error },
}

impl Activated {
    /// Takes what was passed to this process; nothing where that is nothing. To be called once, before there are other
    /// threads: it removes the variables from the environment. The sockets are closed in programs that this process runs.
    pub fn receive() -> Result<Self, Error> {
        let text = |name: &str| env::var(name).ok();
        let passed = passed(&text)?;
        // Takes and removes LISTEN_PID and LISTEN_FDS; the other variables mean nothing without these.
        let mut sockets = if passed.is_empty() { ListenFd::empty() } else { ListenFd::from_env() };
        let all = passed.into_iter().enumerate().map(|(index, name)| match take(&mut sockets, index) {
            Ok(socket) => Ok((Arc::from(name), socket)),
            Err(reason) => Err(Error::Socket { name, descriptor: FIRST + index, reason }),
        });
        all.collect::<Result<_, _>>().map(Self)
    }

    /// The same, or what the process before this one had and has handed over.
    pub(super) fn or_inherited(mut self, inherited: &mut Inherited) -> io::Result<Self> {
        let mut found: Vec<(usize, Arc<str>, Listening)> = Vec::new();
        for (name, handed) in inherited.take_if(|name| number_and_name(name).is_some()) {
            if let Some((number, name)) = number_and_name(&name) {
                found.push((number, name.into(), Listening::passed(handed.socket)?));
            }
        }
        found.sort_by_key(|(number, ..)| *number);
        self.0.extend(found.into_iter().map(|(_, name, socket)| (name, socket)));
        Ok(self)
    }

    /// How many have that name.
    pub(super) fn count(&self, name: &str) -> usize {
        self.named(name).count()
    }

    /// Another descriptor of the one with that name and number. The error says what was expected where there is none.
    pub(super) fn socket(&self, name: &str, number: usize) -> io::Result<Listening> {
        match self.named(name).nth(number) {
            Some(socket) => socket.try_clone(),
            None => Err(io::Error::new(io::ErrorKind::NotFound, self.missing(name))),
        }
    }

    /// All with that name, each under another descriptor.
    pub(super) fn sockets(&self, name: &str) -> io::Result<Vec<Listening>> {
        (0..self.count(name).max(1)).map(|number| self.socket(name, number)).collect()
    }

    /// The names that are not in `used`, each with where its sockets listen.
    pub(super) fn unused(&self, used: &BTreeSet<&str>) -> BTreeSet<String> {
        let unused = self.0.iter().filter(|(name, _)| !used.contains(&**name));
        unused.map(|(name, socket)| format!("{name:?} ({})", shown(socket))).collect()
    }

    /// What a process that takes over needs.
    pub(super) fn to_hand_over(&self) -> impl Iterator<Item = (Name, &Listening)> {
        // The number comes first, since a name may contain any other character.
        let name = |(number, (name, _)): (usize, &(Arc<str>, Listening))| Name {
            listener: String::new(),
            address: format!("{PREFIX}{number}:{name}"),
        };
        self.0.iter().enumerate().map(move |(number, one)| (name((number, one)), &one.1))
    }

    fn named(&self, wanted: &str) -> impl Iterator<Item = &Listening> {
        self.0.iter().filter(move |(name, _)| **name == *wanted).map(|(_, socket)| socket)
    }

    fn missing(&self, name: &str) -> String {
        let names: BTreeSet<String> = self.0.iter().map(|(name, _)| format!("{name:?}")).collect();
        let found = match names.is_empty() {
            true => "systemd has passed no socket".to_owned(),
            false => format!("systemd has passed {}", names.into_iter().collect::<Vec<_>>().join(", ")),
        };
        format!("{found}, expected one named {name:?}: a socket unit for this service with FileDescriptorName={name}")
    }
}

/// The names of what was passed to this process, in the order of the descriptors.
fn passed(variable: &dyn Fn(&str) -> Option<String>) -> Result<Vec<String>, Error> {
    // What was passed to another process, such as a shell that has started this one, is not for this one.
    let is_for_us = variable("LISTEN_PID").is_some_and(|pid| pid.parse() == Ok(std::process::id()));
    let Some(count) = variable("LISTEN_FDS").filter(|_| is_for_us) else { return Ok(Vec::new()) };
    let Some(count) = count.parse().ok().filter(|count| *count <= MOST) else {
        return Err(Error::Environment(format!("LISTEN_FDS: found {count:?}, expected a number up to {MOST}")));
    };
    let names: Vec<String> = match variable("LISTEN_FDNAMES") {
        Some(names) if count > 0 => names.split(':').map(str::to_owned).collect(),
        // As sd_listen_fds_with_names(3).
        _ => vec!["unknown".to_owned(); count],
    };
    if names.len() == count {
        return Ok(names);
    }
    let message = format!("LISTEN_FDNAMES: found {} names, expected {count}, one for each of LISTEN_FDS", names.len());
    Err(Error::Environment(message))
}

/// One that was passed. Of what is no socket, nothing more is said.
fn take(sockets: &mut ListenFd, index: usize) -> io::Result<Listening> {
    let mut first = None;
    // What is no stream socket is taken only to be described.
    for (family, kind) in [
        (AddressFamily::INET, SocketType::STREAM),
        (AddressFamily::UNIX, SocketType::STREAM),
        (AddressFamily::INET, SocketType::DGRAM),
        (AddressFamily::UNIX, SocketType::DGRAM),
        (AddressFamily::UNIX, SocketType::SEQPACKET),
    ] {
        let number = i32::try_from(kind.as_raw()).unwrap_or_default();
        match sockets.take_custom::<OwnedFd>(index, family.as_raw().into(), number, "socket that can be listened on") {
            Ok(Some(socket)) => return Listening::passed(socket),
            Ok(None) => {}
            Err(error) => first = first.or(Some(error)),
        }
    }
    Err(first.unwrap_or_else(|| io::ErrorKind::NotFound.into()))
}

fn number_and_name(name: &Name) -> Option<(usize, &str)> {
    let (number, rest) = name.address.strip_prefix(PREFIX).filter(|_| name.listener.is_empty())?.split_once(':')?;
    Some((number.parse().ok()?, rest))
}

fn shown(socket: &Listening) -> String {
    socket.address().map_or_else(|error| error.to_string(), |address| address.to_string())
}

/// `SD_LISTEN_FDS_START`
const FIRST: usize = 3;
/// The kernel's own limit of open files is lower.
const MOST: usize = 1 << 20;
/// No listener has an empty name, and the address of the admin server never begins like this.
const PREFIX: &str = "activated ";

#[cfg(test)]
mod tests {
    use super::*;

    fn names(pid: Option<u32>, count: Option<&str>, names: Option<&str>) -> Result<Vec<String>, String> {
        let variable = |name: &str| match name {
            "LISTEN_PID" => pid.map(|pid| pid.to_string()),
            "LISTEN_FDS" => count.map(str::to_owned),
            "LISTEN_FDNAMES" => names.map(str::to_owned),
            _ => None,
        };
        passed(&variable).map_err(|error| error.to_string())
    }

    #[test]
    fn only_what_was_passed_to_this_process_is_taken() {
        let own = Some(std::process::id());
        assert_eq!(names(own, Some("2"), Some("a:b")).unwrap(), ["a", "b"]);
        assert_eq!(names(own, Some("3"), Some("a::a")).unwrap(), ["a", "", "a"]);
        assert_eq!(names(own, Some("2"), None).unwrap(), ["unknown", "unknown"]);
        assert_eq!(names(own, Some("0"), Some("")).unwrap().len(), 0);
        for (pid, count) in [(None, Some("1")), (Some(1), Some("1")), (own, None)] {
            assert_eq!(names(pid, count, Some("a")).unwrap().len(), 0);
        }
    }

    #[test]
    fn what_does_not_fit_together_is_an_error() {
        let own = Some(std::process::id());
        for (count, given, expected) in
            [("x", "a", "LISTEN_FDS: found \"x\""), ("2", "a", "found 1 names"), ("4294967295", "a", "LISTEN_FDS")]
        {
            let error = names(own, Some(count), Some(given)).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_name_survives_a_hand_over() {
        let socket = Listening::Tcp(std::net::TcpListener::bind("127.0.0.1:0").unwrap());
        let activated = Activated(vec![("with: 7:colons".into(), socket)]);
        let (name, _) = activated.to_hand_over().next().unwrap();
        assert_eq!(number_and_name(&name), Some((0, "with: 7:colons")));
        let others =
            [("ldaps", "activated 0:x"), ("", "127.0.0.1:1"), ("", "unix:activated 0:x"), ("", "http-01 [::]:80")];
        for (listener, address) in others {
            assert_eq!(number_and_name(&Name { listener: listener.into(), address: address.into() }), None);
        }
    }

    #[test]
    fn a_name_that_was_not_passed_is_reported_with_those_that_were() {
        let socket = Listening::Tcp(std::net::TcpListener::bind("127.0.0.1:0").unwrap());
        let activated = Activated(vec![("web".into(), socket)]);
        let error = activated.socket("ldaps", 0).unwrap_err().to_string();
        assert!(error.contains("has passed \"web\"") && error.contains("FileDescriptorName=ldaps"), "{error}");
        let error = Activated::default().sockets("ldaps").unwrap_err().to_string();
        assert!(error.contains("no socket"), "{error}");
        assert_eq!(activated.sockets("web").unwrap().len(), 1);
        assert_eq!(activated.unused(&BTreeSet::from(["web"])).len(), 0);
        assert_eq!(activated.unused(&BTreeSet::new()).len(), 1);
    }
}
