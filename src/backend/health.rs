//! Health checks: what is checked, how often, and how. Must not know: who uses the result, what happens to a server that
//! fails.

pub mod check;
pub mod error;
mod http;
pub mod kind;
mod ldap;
pub mod run;
mod tcp;
