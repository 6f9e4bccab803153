//! Which clients may connect, how many at a time and how often. Must not know: the configuration, sockets, the log.
//!
//! What is remembered of clients is bounded, whatever their addresses are: see [`rate`] and [`clients`].

pub mod admission;
pub mod client;
pub mod clients;
pub mod counts;
pub mod fingerprints;
pub mod portion;
pub mod prefixes;
pub mod rate;
pub mod room;
pub mod waiting;
