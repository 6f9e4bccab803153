//! A handshake message that has come in part. Must not know: which message it is.

/// The beginning of a message whose end has not come yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fragment {
    None,
    /// Kept until it is whole.
    Kept(Vec<u8>),
    /// Of no use; so many bytes of it are still to come.
    Skipped(usize),
}

impl Fragment {
    pub(super) fn is_none(&self) -> bool {
        *self == Self::None
    }
}
