//! Health checks: what is asked of a server, how often, and how. Must not know: who learns the result, what becomes of a
//! server that does not pass.

pub mod check;
pub mod error;
mod http;
pub mod kind;
mod ldap;
pub mod run;
mod tcp;
