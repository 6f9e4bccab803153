//! Sockets below any protocol: options, buffers, ways to close. Knows no TLS policy, no configuration.

pub mod buffer;
pub mod close;
pub mod socket;
pub mod stream;
