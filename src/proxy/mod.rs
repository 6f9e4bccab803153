//! The data plane's flow: accept, and one connection's life.

pub mod connection;
pub mod listener;
