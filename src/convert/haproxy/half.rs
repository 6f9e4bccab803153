//! The half of a section that faces clients, while it is read. Must not know: who says what.

use super::acl::Acls;
use super::lines::Words;
use crate::convert::job::{Listener, Maybe};

/// A frontend, while it is read.
#[derive(Default)]
pub(super) struct Front {
    pub(super) acls: Acls,
    pub(super) http: bool,
    pub(super) disabled: bool,
    pub(super) default: Maybe<String>,
    /// `use_backend`, in order.
    pub(super) uses: Vec<Words>,
    pub(super) listener: Listener,
    /// Whether it waits for a ClientHello.
    pub(super) preread: bool,
    pub(super) times: Times,
}

/// Times of inactivity. A section's own replace those of its defaults.
#[derive(Default)]
pub(super) struct Times {
    pub(super) client: Maybe<String>,
    pub(super) server: Maybe<String>,
    pub(super) client_fin: Maybe<String>,
    pub(super) server_fin: Maybe<String>,
    pub(super) tunnel: Maybe<String>,
}
