//! Where connections go: pools of servers, the balance among them, and connecting. Must not know: TLS to clients, the
//! configuration.

pub mod balance;
pub mod condition;
pub mod connect;
pub mod discover;
pub mod failure;
pub mod health;
pub mod lookup;
pub mod pool;
pub mod server;
pub mod upkeep;
pub mod verdict;
