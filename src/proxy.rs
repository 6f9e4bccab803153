//! The data plane's flow: accept, and one connection's life.

pub mod admission;
pub mod connection;
pub mod entry;
pub mod listener;
mod preface;
mod proxied;
mod pulse;
pub mod workers;
