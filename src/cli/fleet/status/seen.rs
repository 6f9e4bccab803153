//! What was read of a fleet at one time. Must not know: how it is shown, what is a fault.

use crate::etcd::Member;
use crate::fleet::drained::Drained;
use crate::fleet::record::{Answer, Proposal, Record, Registration};

/// All that was read.
pub(super) struct Seen {
    pub(super) members: Vec<Member>,
    pub(super) current: Option<Record>,
    pub(super) proposal: Option<Proposal>,
    /// By name; those that cannot be read with the reason.
    pub(super) nodes: Vec<(String, Result<Registration, String>)>,
    /// To the proposal, by node.
    pub(super) answers: Vec<(String, Result<Answer, String>)>,
    pub(super) drained: Drained,
    /// Whether the parts of the current release are sealed with a secret that is to be removed.
    pub(super) is_of_old_secret: bool,
    /// Other keys whose values are sealed with that secret, or why that is not known.
    pub(super) of_old_secret: Result<Vec<String>, String>,
    /// Why the current release cannot be fetched. Its lists were read, and the files that they lead to were not.
    pub(super) damage: Option<String>,
    /// Who leads, or why that cannot be read.
    pub(super) leader: Result<Option<String>, String>,
    /// In milliseconds since 1970.
    pub(super) now: u64,
}
