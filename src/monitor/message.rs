//! What the serving process and the monitor send each other ↔ bytes; pure. Must not know: how it is sent, who may ask for
//! what.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;
use zeroize::Zeroizing;

use crate::monitor::allowed::Ids;
use crate::net::address::Address;
use crate::net::listen::FileId;

mod bytes;

pub use bytes::LONGEST;
use bytes::{Reader, Writer};

/// What the serving process asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// The first messages: what is known at the start. After the last of them there are no others.
    Start { items: Vec<Item>, last: bool },
    /// A listening socket for the address.
    Bind { address: Address, mode: u32 },
    /// The file of a Unix socket that no process listens on any longer is to be removed.
    Remove { address: Address, file: FileId },
    /// Run a program, and kill it when the time is over.
    Program { path: PathBuf, arguments: Vec<OsString>, limit: Duration },
    /// Open a file or folder for reading, without a link in its path.
    Open { path: PathBuf },
    /// Start this program again. Its standard input comes with the message.
    Successor,
}

/// One thing that is known at the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// An address that the configuration names.
    Address(Address),
    /// A program that the configuration names.
    Program(PathBuf),
    /// The next argument of a successor.
    Argument(OsString),
    /// The configuration file, where it can be read again.
    Configuration(PathBuf),
    /// Who owns Unix sockets, as whom programs run, and who may read what is opened.
    User(Ids),
    /// A file or folder, without links, that may be opened again.
    Place(PathBuf),
}

/// What the monitor answers. A socket, file or folder comes with the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// With the file of a Unix socket.
    Bound(Option<FileId>),
    Removed,
    Opened,
    /// The successor's process id.
    Started(u32),
    /// The successor has ended, with this status of wait(2).
    Ended(i32),
    /// A program's output. There is no status where it was killed because the time was over.
    Output {
        status: Option<i32>,
        stdout: Zeroizing<Vec<u8>>,
        stderr: Vec<u8>,
    },
    /// Why it was not done.
    Failed(String),
}

/// Bytes that are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("received {0} bytes that are no message of this version of tlsgate")]
pub struct Malformed(pub usize);

impl Request {
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut writer = Writer::new(match self {
            Self::Start { .. } => START,
            Self::Bind { .. } => BIND,
            Self::Remove { .. } => REMOVE,
            Self::Program { .. } => PROGRAM,
            Self::Open { .. } => OPEN,
            Self::Successor => SUCCESSOR,
        });
        match self {
            Self::Start { items, last } => {
                writer.byte((*last).into());
                items.iter().for_each(|item| item.encode(&mut writer));
            }
            Self::Bind { address, mode } => {
                writer.address(address);
                writer.u32(*mode);
            }
            Self::Remove { address, file } => {
                writer.address(address);
                writer.u64(file.device);
                writer.u64(file.inode);
            }
            Self::Program { path, arguments, limit } => {
                writer.text(path.as_os_str());
                writer.u64(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX));
                arguments.iter().for_each(|argument| writer.text(argument));
            }
            Self::Open { path } => writer.text(path.as_os_str()),
            Self::Successor => {}
        }
        writer.into_bytes()
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let read = Self::read(&mut reader).filter(|_| reader.is_empty());
        read.ok_or(Malformed(bytes.len()))
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(match reader.byte()? {
            START => {
                let last = match reader.byte()? {
                    0 => false,
                    1 => true,
                    _ => return None,
                };
                let mut items = Vec::new();
                while !reader.is_empty() {
                    items.push(Item::read(reader)?);
                }
                Self::Start { items, last }
            }
            BIND => Self::Bind { address: reader.address()?, mode: reader.u32().filter(|mode| *mode <= 0o777)? },
            REMOVE => Self::Remove {
                address: reader.address()?,
                file: FileId { device: reader.u64()?, inode: reader.u64()? },
            },
            PROGRAM => {
                let (path, limit) = (reader.path()?, Duration::from_millis(reader.u64()?));
                let mut arguments = Vec::new();
                while !reader.is_empty() {
                    arguments.push(reader.text()?);
                }
                (arguments.len() <= MOST_ARGUMENTS).then_some(Self::Program { path, arguments, limit })?
            }
            OPEN => Self::Open { path: reader.path()? },
            SUCCESSOR => Self::Successor,
            _ => return None,
        })
    }

    /// Messages that together have all of these items.
    pub fn start(items: Vec<Item>) -> Vec<Self> {
        let (mut messages, mut part, mut length) = (Vec::new(), Vec::new(), 0);
        for item in items {
            let mut alone = Writer::new(START);
            item.encode(&mut alone);
            let more = alone.into_bytes().len();
            if length + more > LONGEST / 2 {
                messages.push(Self::Start { items: std::mem::take(&mut part), last: false });
                length = 0;
            }
            length += more;
            part.push(item);
        }
        messages.push(Self::Start { items: part, last: true });
        messages
    }
}

impl Item {
    fn encode(&self, writer: &mut Writer) {
        match self {
            Self::Address(address) => {
                writer.byte(ADDRESS);
                writer.address(address);
            }
            Self::Program(path) => {
                writer.byte(PROGRAM);
                writer.text(path.as_os_str());
            }
            Self::Argument(argument) => {
                writer.byte(ARGUMENT);
                writer.text(argument);
            }
            Self::Configuration(path) => {
                writer.byte(CONFIGURATION);
                writer.text(path.as_os_str());
            }
            Self::User(ids) => {
                writer.byte(USER);
                writer.u32(ids.uid);
                writer.u32(ids.gid);
                writer.u32(u32::try_from(ids.groups.len()).unwrap_or(u32::MAX));
                ids.groups.iter().for_each(|group| writer.u32(*group));
            }
            Self::Place(path) => {
                writer.byte(PLACE);
                writer.text(path.as_os_str());
            }
        }
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(match reader.byte()? {
            ADDRESS => Self::Address(reader.address()?),
            PROGRAM => Self::Program(reader.path()?),
            ARGUMENT => Self::Argument(reader.text()?),
            CONFIGURATION => Self::Configuration(reader.path()?),
            USER => {
                let (uid, gid, count) = (reader.u32()?, reader.u32()?, reader.u32()?);
                let groups = (0..count).map(|_| reader.u32()).collect::<Option<_>>()?;
                Self::User(Ids { uid, gid, groups })
            }
            PLACE => Self::Place(reader.path()?),
            _ => return None,
        })
    }
}

impl Answer {
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut writer = Writer::new(match self {
            Self::Bound(None) => BOUND,
            Self::Bound(Some(_)) => BOUND_TO_FILE,
            Self::Removed => REMOVED,
            Self::Opened => OPENED,
            Self::Started(_) => STARTED,
            Self::Ended(_) => ENDED,
            Self::Output { status: Some(_), .. } => OUTPUT,
            Self::Output { status: None, .. } => OUTPUT_OF_KILLED,
            Self::Failed(_) => FAILED,
        });
        match self {
            Self::Bound(file) => {
                if let Some(file) = file {
                    writer.u64(file.device);
                    writer.u64(file.inode);
                }
            }
            Self::Removed | Self::Opened => {}
            Self::Started(pid) => writer.u32(*pid),
            Self::Ended(status) => writer.u32(status.cast_unsigned()),
            Self::Output { status, stdout, stderr } => {
                status.iter().for_each(|status| writer.u32(status.cast_unsigned()));
                writer.string(stdout);
                writer.string(stderr);
            }
            Self::Failed(reason) => {
                let fits = (0..=reason.len().min(LONGEST_REASON)).rev().find(|end| reason.is_char_boundary(*end));
                writer.string(reason.get(..fits.unwrap_or_default()).unwrap_or_default().as_bytes());
            }
        }
        writer.into_bytes()
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let read = Self::read(&mut reader).filter(|_| reader.is_empty());
        read.ok_or(Malformed(bytes.len()))
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(match reader.byte()? {
            BOUND => Self::Bound(None),
            BOUND_TO_FILE => Self::Bound(Some(FileId { device: reader.u64()?, inode: reader.u64()? })),
            REMOVED => Self::Removed,
            OPENED => Self::Opened,
            STARTED => Self::Started(reader.u32()?),
            ENDED => Self::Ended(reader.i32()?),
            kind @ (OUTPUT | OUTPUT_OF_KILLED) => {
                let status = if kind == OUTPUT { Some(reader.i32()?) } else { None };
                let stdout = Zeroizing::new(reader.string()?.to_vec());
                Self::Output { status, stdout, stderr: reader.string()?.to_vec() }
            }
            FAILED => {
                let reason = reader.string().filter(|reason| reason.len() <= LONGEST_REASON)?;
                Self::Failed(String::from_utf8(reason.to_vec()).ok()?)
            }
            _ => return None,
        })
    }
}

/// A program gets a verb and what it is about.
pub const MOST_ARGUMENTS: usize = 8;

/// In bytes. Reasons name a path or two.
const LONGEST_REASON: usize = 8 * 1024;

// Requests
const START: u8 = 1;
const BIND: u8 = 2;
const REMOVE: u8 = 3;
const PROGRAM: u8 = 4;
const SUCCESSOR: u8 = 5;
// Items
const ADDRESS: u8 = 6;
const ARGUMENT: u8 = 7;
const CONFIGURATION: u8 = 8;
const USER: u8 = 9;
// Answers
const BOUND: u8 = 10;
const BOUND_TO_FILE: u8 = 11;
const REMOVED: u8 = 12;
const STARTED: u8 = 13;
const ENDED: u8 = 14;
const OUTPUT: u8 = 15;
const OUTPUT_OF_KILLED: u8 = 16;
const FAILED: u8 = 17;
// What came later
const OPEN: u8 = 18;
const PLACE: u8 = 19;
const OPENED: u8 = 20;

#[cfg(test)]
mod tests;
