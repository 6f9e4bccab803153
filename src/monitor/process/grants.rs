//! What the monitor may do: what was named at the start, or what the configuration file names now. Must not know: how it is
//! done, how a configuration is read.

use std::collections::HashSet;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::monitor::allowed::{Allowed, Ids};
use crate::monitor::message::Item;
use crate::monitor::successor;
use crate::net::address::Address;

/// Reads a configuration file. The error is one line.
pub type LookUp = fn(&Path) -> Result<Allowed, String>;

pub(super) struct Grants {
    addresses: HashSet<Address>,
    programs: HashSet<PathBuf>,
    places: HashSet<PathBuf>,
    configuration: Option<PathBuf>,
    user: Option<Ids>,
    own_path: PathBuf,
    arguments: Vec<OsString>,
    look_up: LookUp,
    /// One reader at a time: a configuration can be large.
    reading: Arc<Mutex<()>>,
}

impl Grants {
    /// Nothing, yet. The path of this program is the one at the start.
    pub(super) fn new(look_up: LookUp) -> io::Result<Self> {
        Ok(Self {
            addresses: HashSet::new(),
            programs: HashSet::new(),
            places: HashSet::new(),
            configuration: None,
            user: None,
            own_path: successor::own_path()?,
            arguments: Vec::new(),
            look_up,
            reading: Arc::default(),
        })
    }

    pub(super) fn add(&mut self, item: Item) -> io::Result<()> {
        match item {
            Item::Address(address) => drop(self.addresses.insert(address)),
            Item::Program(path) => drop(self.programs.insert(std::path::absolute(path)?)),
            Item::Argument(argument) => self.arguments.push(argument),
            Item::Configuration(path) => self.configuration = Some(path),
            Item::User(user) => self.user = Some(user),
            Item::Place(path) => drop(self.places.insert(path)),
        }
        Ok(())
    }

    pub(super) fn user(&self) -> Option<&Ids> {
        self.user.as_ref()
    }

    /// The path and the arguments of a successor.
    pub(super) fn own_path(&self) -> &Path {
        &self.own_path
    }

    pub(super) fn arguments(&self) -> &[OsString] {
        &self.arguments
    }

    /// Whether a successor may be started. One whose configuration cannot be read again would read what it is given instead.
    pub(super) fn successor(&self) -> Result<(), String> {
        match self.configuration {
            Some(_) => Ok(()),
            None => Err("a successor has no configuration that can be read again (expected a file that the serving process cannot \
                         change)"
                .to_owned()),
        }
    }

    /// Whether a socket may listen there. The error names what was asked for, and what is expected.
    pub(super) async fn address(&self, address: &Address) -> Result<(), String> {
        if self.addresses.contains(address) {
            return Ok(());
        }
        let expected = "an address on which a listener, the admin server or the server for http-01 listens";
        self.named(&address.to_string(), expected, |now| now.addresses.contains(address)).await
    }

    /// Whether a file or folder may be opened. The configuration is not read again: what was not named at the start is a case
    /// for a successor.
    pub(super) fn place(&self, path: &Path) -> Result<(), String> {
        match path.ancestors().any(|above| self.places.contains(above)) {
            true => Ok(()),
            false => {
                Err(format!("{path:?} was not in the configuration at the start (expected a file that a key names)"))
            }
        }
    }

    /// Whether a program may run with these arguments.
    pub(super) async fn program(&self, path: &Path, arguments: &[OsString]) -> Result<(), String> {
        if let Some(argument) = arguments.iter().find(|argument| !is_plain(argument)) {
            return Err(format!(
                "{path:?} is not run with {argument:?}: expected a path without quotes and the like, or letters, digits and \
                 {PLAIN:?}"
            ));
        }
        if self.programs.contains(path) {
            return Ok(());
        }
        let is_path = |named: &PathBuf| std::path::absolute(named).is_ok_and(|named| named == path);
        let expected = "a program that is the value of a key";
        self.named(&format!("{path:?}"), expected, |now| now.programs.iter().any(is_path)).await
    }

    /// Whether the configuration names it now.
    async fn named(&self, what: &str, expected: &str, is_named: impl FnOnce(&Allowed) -> bool) -> Result<(), String> {
        let Some(path) = &self.configuration else {
            return Err(format!(
                "{what} was not in the configuration at the start, which cannot be read again (expected {expected})"
            ));
        };
        let shown = path.display();
        match self.now(path.clone()).await {
            Ok(now) if is_named(&now) => Ok(()),
            Ok(_) => Err(format!("{what} is not in the configuration {shown} (expected {expected})")),
            Err(reason) => Err(format!(
                "{what} was not in the configuration at the start, and whether {shown} names it now is not known: {reason}"
            )),
        }
    }

    async fn now(&self, path: PathBuf) -> Result<Allowed, String> {
        let look_up = self.look_up;
        let read = async {
            // A thread that waits for a file system that does not answer keeps its turn: no second one will wait there.
            let turn = Arc::clone(&self.reading).lock_owned().await;
            spawn_blocking(move || {
                let _turn = turn;
                look_up(&path)
            })
            .await
        };
        match timeout(PATIENCE, read).await {
            Ok(Ok(read)) => read,
            Ok(Err(_)) => Err("it ended without a result, which is a fault of tlsgate".to_owned()),
            Err(_) => Err(format!("not within {} s (does its file system answer?)", PATIENCE.as_secs())),
        }
    }
}

/// Programs are often scripts: nothing that has a meaning for a shell is passed on, but spaces in paths.
fn is_plain(argument: &OsString) -> bool {
    let bytes = argument.as_bytes();
    let is_path = bytes.starts_with(b"/");
    let is_fine = |byte: &u8| byte.is_ascii_alphanumeric() || PLAIN.as_bytes().contains(byte);
    bytes.iter().all(|byte| is_fine(byte) || (is_path && (*byte == b' ' || !byte.is_ascii())))
}

/// What records' names and values and URIs have besides letters and digits.
const PLAIN: &str = "-_./:=@,+%";

/// For a file system. Less than the serving process waits.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
