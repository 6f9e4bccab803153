//! Certificates that keep themselves: asks authorities for certificates (RFC 8555), and renews them in time. Must not know:
//! listeners, how settings are written, who shows its state.

pub mod check;
pub mod lookup;
pub mod publish;
pub mod responder;
pub mod schedule;
pub mod settings;
pub mod status;
