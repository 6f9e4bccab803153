//! The data plane's flow: accept, and one connection's life.

pub mod admission;
pub mod connection;
pub mod ending;
pub mod entry;
mod hello;
pub mod listener;
mod preface;
mod proxied;
mod pulse;
mod relaying;
pub mod workers;
