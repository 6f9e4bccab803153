//! Configurations of HAProxy, nginx, stunnel and hitch → a configuration for the same job, and a list of everything that was
//! not taken over, with the reason. Must not know: the command line, how files are read, how a configuration is
//! validated.
//!
//! A peer's file reads its text into a [`job::Job`], which is neutral; `toml` writes that. What a file of a peer does not
//! know goes to the list: nothing is dropped silently.

use std::path::Path;

pub mod disk;
pub mod job;
pub mod list;
pub mod peer;

mod bounds;
mod certificates;
mod ciphers;
mod haproxy;
mod hitch;
mod nginx;
mod pattern;
mod place;
mod plain;
mod stunnel;
mod time;
mod tls;
mod toml;

use disk::{Bounded, Disk};
use list::{Left, List};
use peer::Peer;

/// A configuration of tlsgate, and what it lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Converted {
    /// The configuration, in TOML. Empty if nothing could be taken over.
    pub text: String,
    /// What was not taken over: what matters most comes first.
    pub left: Vec<Left>,
}

/// Converts a peer's configuration. `name` is the file's name, for comments; relative paths start from `folder`.
pub fn convert(peer: Peer, text: &str, name: &str, folder: &Path, disk: &dyn Disk) -> Converted {
    let mut list = List::default();
    let disk = &Bounded::new(disk);
    let job = match peer {
        Peer::Haproxy => haproxy::job(text, folder, disk, &mut list),
        Peer::Nginx => nginx::job(text, folder, disk, &mut list),
        Peer::Stunnel => stunnel::job(text, folder, disk, &mut list),
        Peer::Hitch => hitch::job(text, folder, disk, &mut list),
    };
    let job = bounds::within(job, &mut list).closed(&mut list);
    let text = if job.listeners.is_empty() { String::new() } else { toml::written(&job, peer, name) };
    Converted { text, left: list.sorted() }
}

#[cfg(test)]
mod tests;
