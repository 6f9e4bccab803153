//! TLS: policies, certificates, the ClientHello, the choice of a certificate, the handshake and the record layer.
//! Must not know: configuration files, backends, logs.

pub mod certificate;
pub mod crypto;
pub mod encrypted;
pub mod handshake;
pub mod policy;
pub mod record;
pub mod stream;
pub mod tickets;
pub mod token;
pub mod trust;
pub mod wire;
