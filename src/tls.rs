//! Everything that knows TLS: policies, certificates, the ClientHello, the choice among certificates, the handshake
//! and the record layer. Knows no configuration file, no backend and no log.

pub mod certificate;
pub mod crypto;
pub mod handshake;
pub mod policy;
pub mod record;
pub mod stream;
pub mod tickets;
pub mod trust;
pub mod wire;
