//! The data plane: accepts connections, and leads each one from its first byte to its end.

pub mod admission;
pub mod connection;
pub mod ending;
pub mod entry;
pub mod heartbeat;
mod hello;
pub mod listener;
mod preface;
mod proxied;
mod pulse;
mod reaching;
mod relaying;
pub mod workers;
