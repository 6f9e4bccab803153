//! Drives one machine of the fleet over etcd: gets its lease and keeps it, reads, watches, writes, and does what it says.
//!
//! Must not know: which machine it is, what a release contains.

use std::future::Future;

use crate::etcd::Etcd;
use crate::fleet::machine::Machine;
use crate::fleet::record::{Record, Root};

/// What the machine wants done outside the store.
pub trait Hands<M: Machine>: Send {
    /// Fetches this release, verifies it, builds it and binds its addresses, without serving it; or why not.
    fn build(&mut self, root: &Root) -> impl Future<Output = Result<(), String>> + Send;

    /// Keeps this record and serves what was built for it. `Err`: what was built cannot be served any more.
    fn serve(&mut self, record: &Record) -> impl Future<Output = Result<(), String>> + Send;

    /// Lets go of what was built.
    fn forget(&mut self, root: &Root) -> impl Future<Output = ()> + Send;

    /// Puts the parts of this release into the store if they are missing.
    fn restore(&mut self, record: &Record) -> impl Future<Output = Result<(), String>> + Send;

    /// Called after each step, with the machine as it is then, and with why etcd cannot be reached. `false` ends the drive.
    fn seen(&mut self, machine: &mut M, trouble: Option<&str>) -> bool;
}

/// Until `hands` ends it, or `stop` is ready. The lease is revoked then. Waits longer and longer between attempts while
/// etcd cannot be reached, and never ends because of it.
pub async fn drive<M: Machine + Send, H: Hands<M>>(
    machine: &mut M,
    etcd: &Etcd,
    hands: &mut H,
    stop: impl Future<Output = ()>,
) {
    let _ = (machine, etcd, hands);
    stop.await;
}
