//! Certificates that keep themselves: asks authorities for certificates (RFC 8555), and renews them in time. Must not know:
//! listeners, how settings are written, who shows its state.

pub mod account;
pub mod answer;
pub mod challenge;
pub mod check;
pub mod clock;
pub mod directory;
pub mod http;
pub mod issued;
pub mod keeper;
pub mod lookup;
pub mod memory;
pub mod order;
pub mod publish;
pub mod reason;
pub mod renewal;
pub mod responder;
pub mod schedule;
pub mod settings;
pub mod share;
pub mod status;
pub mod trouble;
