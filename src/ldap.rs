//! LDAP (RFC 4511), as far as a proxy needs it: BER, messages, results, and the few requests that tlsgate sends as a
//! client. No I/O: bytes in, bytes out. Must not know: sockets, TLS, who sends the requests and what the answers are
//! used for.
//!
//! Written here, because none of the crates that parse LDAP fits: one recurses without a limit into what a peer sends,
//! one needs two dozen other crates for a message of twenty bytes, and one has an incompatible licence.

pub mod ber;
pub mod client;
pub mod message;
pub mod result;
