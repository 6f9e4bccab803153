//! Who may connect, how many at a time and how often. Knows no configuration, no sockets, no log.
//!
//! What it remembers of clients is bounded, whatever addresses come: see [`rate`] and [`admission`].

pub mod admission;
pub mod client;
pub mod prefixes;
pub mod rate;
pub mod room;
mod waiting;
