//! Releases that several processes share through a store, such as etcd: each is prepared everywhere, or nothing changes
//! anywhere. Everything here is pure, except what drives a machine and transfers a release: machines that learn what has
//! happened, and return what to do next.
//!
//! A *publisher* puts a proposal into the store. Each *node* fetches it, builds it, and answers. When all that are alive
//! are ready, one transaction makes it the current release, which every node then serves; if one of them refuses, the
//! proposal is withdrawn. What the store contains is sealed with a secret that the store does not know.
//!
//! Must not know: sockets, files, what a release contains; and all but those two: etcd, clocks.

pub mod drained;
pub mod drive;
pub mod key;
pub mod leader;
pub mod machine;
pub mod mirror;
pub mod node;
pub mod part;
pub mod publisher;
pub mod record;
pub mod seal;
pub mod secret;
pub mod store;
pub mod sweep;
pub mod tickets;
pub mod transfer;
pub mod tree;

#[cfg(test)]
mod tests;
