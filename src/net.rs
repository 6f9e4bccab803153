//! Sockets below any protocol: addresses, options, buffers, ways to close; and what proxies tell each other. Knows no TLS
//! policy, no configuration.

pub mod address;
pub mod buffer;
pub mod close;
pub mod listen;
pub mod pipe;
pub mod proxy_protocol;
mod refusal;
pub mod socket;
pub mod stream;
