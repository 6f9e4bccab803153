//! What a reload needs of the listening sockets. Must not know: what a socket is, what accepts on it.

use std::sync::Arc;

use crate::config::located::ConfigError;
use crate::config::validate::Config;
use crate::net::address::Address;

/// The listening sockets, as far as a reload changes them.
pub trait Sockets {
    /// Sockets that are bound and do not accept yet; dropping it closes those that nobody else uses. It can be committed
    /// whatever has been committed in between.
    type Prepared;

    /// Binds the addresses of the configuration that are not bound yet. Sockets that accept are not touched.
    fn prepare(&mut self, config: &Config) -> Result<Self::Prepared, Vec<ConfigError>>;

    /// What was prepared may be kept for long, or dropped in the end: until it is committed, no client gets into the queue of a
    /// socket that is new.
    fn hold(&mut self, _prepared: &Self::Prepared) {}

    /// Accepts on the prepared sockets, and no longer on those that the configuration does not have.
    fn commit(&mut self, prepared: Self::Prepared);

    /// Each listener with an address on which it listens, as the kernel knows it.
    fn addresses(&self) -> Vec<(Arc<str>, Address)>;
}
