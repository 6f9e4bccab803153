//! A handshake message of which only a part has arrived. Must not know: which message it is.

/// The state of an incomplete message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fragment {
    /// There is none.
    None,
    /// Its first bytes, kept until it is complete.
    Kept(Vec<u8>),
    /// It is not needed; this number of its bytes is still to be skipped.
    Skipped(usize),
}

impl Fragment {
    pub(super) fn is_none(&self) -> bool {
        *self == Self::None
    }
}
