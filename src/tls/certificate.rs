//! Files → certificates → the one for a client. Must not know: policies, handshakes, configuration.

pub mod certified;
pub mod chain;
pub mod expiry;
pub mod inspect;
pub mod inventory;
pub mod name;
pub mod pem;
pub mod place;
pub mod select;
pub mod source;
pub mod stamp;
pub mod store;
pub mod unlock;
pub mod x509;
