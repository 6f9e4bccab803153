//! Why etcd did not do what it was asked for, in words. Must not know: how it is reached.

/// Why etcd did not do what it was asked for: for people; names the member.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// No member answers, or those that do have no leader.
    #[error("{0}")]
    Unreachable(String),
    /// etcd refuses: no right, no space, a wrong password.
    #[error("{0}")]
    Refused(String),
    /// The lease has ended.
    #[error("the lease has ended")]
    LeaseEnded,
    /// What is to be watched was compacted away, or the store is not the one that it was (restored from a backup): read again.
    #[error("{0}")]
    Restart(String),
}
