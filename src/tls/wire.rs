//! Bytes ↔ facts: fields, code points and their names, alerts, ClientHellos. Must not know: certificates, keys, sockets.

pub mod alert;
pub mod codes;
pub(crate) mod cursor;
pub mod draft;
pub mod fault;
pub mod hello;
pub mod write;
