//! What a store of keys and values does: etcd's model (revisions, leases, transactions), and no more of it than is used.
//!
//! Must not know: what keys and values mean, how a store is reached.

/// The number of a change of the store. A key that is absent has the revision 0.
pub type Revision = i64;

/// A promise to the store to be alive. What was put with it goes when it ends.
pub type Lease = i64;

/// Changes that are made together if all of `when` holds, and none of them otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// Keys, and the revision of the last change of each.
    pub when: Vec<(String, Revision)>,
    pub then: Vec<Change>,
}

/// A change of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Put { key: String, value: Vec<u8>, lease: Option<Lease> },
    Delete { key: String },
}

/// What has become of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// The changes were made, at this revision.
    Done(Revision),
    /// Something of `when` did not hold: nothing was changed.
    Refused,
    /// The answer was lost: the changes may have been made, or may still be made.
    Unknown,
}

/// One key as it is in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub key: String,
    /// `None`: it was deleted.
    pub value: Option<Vec<u8>>,
    /// Of its last change.
    pub revision: Revision,
    /// With which it goes; 0: with none.
    pub lease: Lease,
}

/// Of what grows over years under one prefix, such as releases and certificates of authorities: the bytes of keys and values that
/// are read together.
pub const LARGEST_COLLECTION: usize = 256 << 20;
