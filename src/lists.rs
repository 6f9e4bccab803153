//! Lists of revoked certificates that come over the network: fetches them ahead of time, and keeps the last good ones. Must not
//! know: who is judged by them, how settings are written, who shows its state.

pub mod attempt;
pub mod authorities;
pub mod connect;
pub mod fetch;
pub mod keeper;
pub mod kept;
pub mod memory;
pub mod schedule;
pub mod settings;
pub mod status;
pub mod targets;
pub mod trouble;
pub mod url;
