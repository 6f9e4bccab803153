//! Whether a peer can be trusted: servers, where tlsgate is the client, and clients, where it is the server. Must not know:
//! handshakes, configuration.

pub mod anchor;
pub mod clients;
pub mod lists;
pub mod roots;
pub mod servers;
