//! ClientHello → route: the index of server names and application protocols, and where each route leads. Must not know:
//! sockets, configuration.

pub mod index;
pub mod split;
pub mod ways;
