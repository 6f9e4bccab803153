//! The names of keys in the store, below the fleet's prefix. Pure.
//!
//! Nodes watch some keys and their own registration, so that what an idle node costs does not grow with the fleet. Only who
//! publishes watches all nodes.

use super::part::PartName;

/// The release that is served.
pub const CURRENT: &str = "control/current";

/// The release that is being prepared. It goes with the lease of its publisher.
pub const PROPOSAL: &str = "control/proposal";

/// The node that leads. It goes with the leader's lease.
pub const LEADER: &str = "control/leader";

/// The keys of session tickets.
pub const TICKETS: &str = "control/tickets";

/// Each registration of a node changes it, so that who commits knows that no node has come since it looked.
pub const GENERATION: &str = "nodes-generation";

/// The servers that are out of rotation on every node.
pub const DRAINED: &str = "control/drained";

/// The parts of releases.
pub const PARTS: &str = "part/";

/// Each removal of parts changes it, so that who has found a part knows that it is still there.
pub const PARTS_GENERATION: &str = "parts-generation";

/// The nodes that are alive.
pub const NODES: &str = "node/";

/// What nodes have answered to proposals.
pub const ANSWERS: &str = "answer/";

/// The refusals among the answers.
pub const VETOES: &str = "veto/";

/// All releases.
pub const RELEASES: &str = "release/";

/// What is kept of certificates of authorities.
pub const ORDERS: &str = "acme/";

/// Answers to the challenges of authorities that are pending. They go with the lease of the node that leads.
pub const CHALLENGES: &str = "challenge/";

/// Which of these answers nodes have put up.
pub const CHALLENGES_SEEN: &str = "challenge-seen/";

/// One part of a release.
pub fn part(name: &PartName) -> String {
    format!("{PARTS}{}", name.0)
}

/// A node's registration. It goes with the node's lease.
pub fn node(name: &str) -> String {
    format!("{NODES}{name}")
}

/// One file or folder that is kept of certificates of authorities.
pub fn order(path: &str) -> String {
    format!("{ORDERS}{path}")
}

/// One answer to a challenge.
pub fn challenge(id: &str) -> String {
    format!("{CHALLENGES}{id}")
}

/// Which answers to challenges a node has put up. It goes with the node's lease.
pub fn challenge_seen(node: &str) -> String {
    format!("{CHALLENGES_SEEN}{node}")
}

/// All answers to one attempt.
pub fn answers(attempt: &str) -> String {
    format!("{ANSWERS}{attempt}/")
}

/// One node's answer. It goes with the node's lease.
pub fn answer(attempt: &str, node: &str) -> String {
    format!("{ANSWERS}{attempt}/{node}")
}

/// That a node has refused: who commits requires that this is absent.
pub fn veto(attempt: &str) -> String {
    format!("{VETOES}{attempt}")
}

/// One release. The decimal number has a fixed width, so that the store lists releases in their order.
pub fn release(number: u64) -> String {
    format!("{RELEASES}{number:020}")
}
