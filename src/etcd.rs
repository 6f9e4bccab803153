//! etcd over its JSON gateway: reads, transactions, leases, watches; with failover between members, TLS and a user.
//!
//! All keys are given without the prefix of the settings, and come back without it. Must not know: what keys and values
//! mean.

mod answer;
mod call;
mod client;
mod dial;
mod exchange;
mod history;
mod lease;
mod lines;
mod message;
mod pages;
mod range;
mod refusal;
mod settings;
mod state;
mod token;
mod trouble;
mod turns;
pub mod understood;
mod value;
mod watch;
mod write;

pub use client::Etcd;
pub use settings::Settings;
pub use state::{Member, MemberState};
pub use trouble::Trouble;
pub use watch::Watch;

#[cfg(test)]
mod tests;
