//! Everything that knows TLS: policies, certificates, the ClientHello, the choice among certificates, the handshake
//! and the record layer. Knows no configuration file, no backend and no log.

pub mod alert;
pub mod anchor;
pub mod certificate;
pub mod chain;
pub mod client_auth;
pub mod connect;
pub mod crypto;
pub(crate) mod cursor;
pub mod draft;
pub mod expiry;
pub mod fault;
pub mod handshake;
pub mod hello;
pub mod inspect;
pub mod inventory;
pub mod name;
pub mod pem;
pub mod policy;
pub mod record;
pub mod registry;
pub mod route;
pub mod select;
pub mod stamp;
pub mod store;
pub mod tickets;
pub mod verify;
pub mod x509;
