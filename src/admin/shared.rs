//! What all requests to the API and to the page share. Must not know: what is requested.

use std::sync::Arc;

use tokio::sync::{Mutex, Semaphore};

use crate::admin::known::Known;

/// What all requests share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) known: Arc<Known>,
    /// Whether it serves TLS. That is decided at the start, as where it listens.
    pub(super) secure: bool,
    /// Held while files are changed, or while a drain begins: one change at a time.
    pub(super) changing: Mutex<()>,
    /// A permit for each thread that reads the token.
    pub(super) readers: Arc<Semaphore>,
}
