//! Sockets below any protocol: addresses, options, buffers, pipes, ways to close; and the PROXY protocol. Must not
//! know: TLS policies, the configuration.

pub mod address;
pub mod buffer;
pub mod close;
pub mod endpoint;
mod idle;
pub mod late;
pub mod listen;
pub mod pipe;
pub mod proxy_protocol;
mod refusal;
pub mod socket;
mod socket_file;
pub mod source;
pub mod stream;
