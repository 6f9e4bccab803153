//! The open connections: what is known of each, which of them are meant, and how they are asked to end. Must not know: how
//! a connection is served, who asks.

pub mod alarm;
pub mod call;
pub mod filter;
pub mod presented;
pub mod registry;
pub mod row;
pub mod shelf;
