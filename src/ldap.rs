//! LDAP (RFC 4511), as far as a proxy needs it: BER, messages, results, and the few requests that a client of ours sends.
//! No I/O: bytes in, bytes out. Must not know: sockets, TLS, who asks and what becomes of the answer.
//!
//! By hand, because of the crates that parse LDAP one recurses without a limit into whatever a peer sends, one brings two
//! dozen crates for a message of twenty bytes, and one has a licence that is not ours.

pub mod ber;
pub mod client;
pub mod message;
pub mod result;
