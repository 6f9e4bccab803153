//! What the admin API changes: certificates, servers' states, weights of backends, the process. Must not know: who is allowed to.

pub(super) mod acme;
pub(super) mod audit;
pub(super) mod certificates;
pub(super) mod connections;
pub(super) mod folder;
mod pair;
pub(super) mod process;
pub(super) mod servers;
mod text;
pub(super) mod weights;
